//! Screen 10: how a System is set up. Each section is a form of its own; what cannot be undone asks once more, in a dialog
//! or, without script, on a page with the same text and form.

mod palogging;
mod seksjoner;
mod slett;
#[cfg(test)]
mod testing;

use app::sesjon::Once;
use axum::Router;
use domain::id::IntegrasjonId;

use crate::innlogget::SystemSide;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::skjema::Felter;
use crate::view::Crumb;

/// Name of the field with the key that lets a form be sent once.
const ENGANG: &str = "engangsnokkel";

pub(crate) fn routes() -> Router<Portal> {
    seksjoner::routes().merge(palogging::routes()).merge(slett::routes())
}

fn sti(side: &SystemSide) -> String {
    format!("{}/konfigurasjon", side.sti())
}

fn integrasjon_sti(side: &SystemSide, id: IntegrasjonId, handling: &str) -> String {
    format!("{}/integrasjon/{id}/{handling}", sti(side))
}

/// The frame of the page with all sections.
fn ramme(side: &SystemSide) -> Ramme {
    let tab = side.t().s("system-fane-konfigurasjon");
    side.ramme(&tab).here(&tab)
}

/// The frame of a page that asks for one thing.
fn sporsmal_ramme(side: &SystemSide, tittel: &str) -> Ramme {
    let ramme = side.side.protokoll_ramme(tittel).crumb(Crumb::link(side.sti(), side.navn()));
    ramme.crumb(Crumb::link(sti(side), side.t().s("system-fane-konfigurasjon"))).here(tittel)
}

/// A key for one form.
fn engangsnokkel(side: &SystemSide) -> String {
    side.app().ids().uuid().simple().to_string()
}

/// Spends the key of the form for `handling`.
fn once(side: &SystemSide, handling: &str, felter: &Felter) -> Once {
    let key = format!("{handling}-{}", felter.raw(ENGANG));
    Once { sesjon: side.side.innlogget.sesjon.id, key }
}

#[cfg(test)]
mod tests {
    use super::testing::{primary, sti};
    use crate::testing::{Hvem, World};

    #[tokio::test]
    async fn only_those_who_may_change_come_here() {
        let world = World::new().await;
        let integrasjon = primary(&world).await.id;
        let orgnummer = format!("integrasjon/{integrasjon}/orgnummer");
        let passord = format!("integrasjon/{integrasjon}/passord");
        let pages = ["integrasjon", &orgnummer, &passord, "slett"];
        let sections = ["systeminfo", "leverandor", "api", "synlighet"];
        for (hvem, status, posted) in [
            (Hvem::Admin, 200, None),
            (Hvem::Protokoll, 200, None),
            (Hvem::Les, 403, Some(403)),
            (Hvem::Lillefjord, 404, Some(404)),
            (Hvem::Drift, 404, Some(404)),
        ] {
            let mut browser = world.browser(hvem).await;
            browser.get(&sti(&world)).await.is(status);
            for page in pages {
                browser.get(&format!("{}/{page}", sti(&world))).await.is(status);
            }
            for path in pages.iter().chain(&sections) {
                if let Some(posted) = posted {
                    browser.post(&format!("{}/{path}", sti(&world)), &[]).await.is(posted);
                }
            }
        }
        let mut admin = world.browser(Hvem::Admin).await;
        for section in sections {
            let answer = admin.get(&format!("{}/{section}", sti(&world))).await;
            assert_eq!(answer.location(), sti(&world));
        }
        admin.get(&format!("{}/integrasjon/{}/passord", sti(&world), world.nyvik)).await.is(404);
    }
}
