//! What the tests of the sections share.

use app::Caller;
use domain::id::SystemId;
use domain::system::{Integrasjon, System};

use crate::testing::{Answer, Browser, World};

pub(super) fn sti(world: &World) -> String {
    format!("{}/konfigurasjon", world.storevik.s())
}

/// The value of the first hidden field with that name.
pub(super) fn hidden(page: &Answer, name: &str) -> String {
    let rest = page.text.split(&format!("name=\"{name}\" value=\"")).nth(1);
    rest.unwrap_or_else(|| panic!("no {name} in {}", page.text)).split('"').next().unwrap().to_owned()
}

pub(super) async fn stored(world: &World, id: SystemId) -> (System, Vec<Integrasjon>) {
    let org = world.storevik.org;
    world.app.system_med_integrasjoner(&Caller::Operator, org, id).await.unwrap()
}

pub(super) async fn primary(world: &World) -> Integrasjon {
    stored(world, world.storevik.system).await.1.remove(0)
}

/// The page that a form leads to.
pub(super) async fn follow(browser: &mut Browser, answer: &Answer) -> Answer {
    browser.get(answer.location()).await
}
