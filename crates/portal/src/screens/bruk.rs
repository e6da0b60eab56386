//! «Bruk av plass»: how much of the installation an organisasjon uses, against its limits.

use app::forbruk::{Forbruk, Ressurs};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use crate::feil::Feil;
use crate::format;
use crate::innlogget::OrgSide;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::tekster::Tekster;
use crate::view::{Color, Tag};

/// From so many percent on it is time to do something.
const SNART_FULL: u64 = 80;

pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/o/{org}/bruk", get(show))
}

#[derive(Template)]
#[template(path = "bruk/bruk.html")]
struct BrukSide {
    ramme: Ramme,
    rader: Vec<Rad>,
}

/// How much of one limit is used, in words.
pub(crate) struct Rad {
    pub(crate) navn: String,
    pub(crate) brukt: String,
    pub(crate) maks: String,
    pub(crate) tilstand: Tag,
}

impl Rad {
    pub(crate) fn new(t: Tekster, forbruk: &Forbruk) -> Self {
        let Forbruk { ressurs, brukt, maks } = *forbruk;
        let text = if ressurs.is_bytes() { format::bytes } else { format::number };
        Self {
            navn: navn(t, ressurs),
            brukt: text(brukt),
            maks: text(maks),
            tilstand: tilstand(t, forbruk.prosent()),
        }
    }
}

/// What is counted.
fn navn(t: Tekster, ressurs: Ressurs) -> String {
    t.s(match ressurs {
        Ressurs::Tilkoblinger => "bruk-tilkoblinger",
        Ressurs::Kanaler => "bruk-kanaler",
        Ressurs::Konsumenter => "bruk-konsumenter",
        Ressurs::SendteBytesIKo => "bruk-sendt-i-ko",
        Ressurs::MottatteBytesIKo => "bruk-mottatt-i-ko",
        Ressurs::SporingBytes => "bruk-sporing",
        Ressurs::SendteBytes => "bruk-sendt",
        Ressurs::MottatteBytes => "bruk-mottatt",
        Ressurs::Systemer => "bruk-systemer",
    })
}

/// The share, and by its colour whether somebody should do something.
fn tilstand(t: Tekster, prosent: u64) -> Tag {
    let (color, key) = match prosent {
        0..SNART_FULL => (Color::Success, "bruk-god-plass"),
        SNART_FULL..100 => (Color::Warning, "bruk-snart-fullt"),
        _ => (Color::Danger, "bruk-fullt"),
    };
    Tag::new(color, t.v(key, "n", format::number(prosent)))
}

async fn show(side: OrgSide) -> Result<Response, Feil> {
    let t = side.t();
    let forbruk = side.app().forbruk_for_org(&side.caller(), side.id()).await?;
    let tittel = t.s("bruk-tittel");
    let rader = forbruk.iter().map(|one| Rad::new(t, one)).collect();
    Ok(ok(&BrukSide { ramme: side.ramme(&tittel).here(&tittel), rader }))
}

#[cfg(test)]
mod tests {
    use app::{Apen, InnloggetIntegrasjon};
    use domain::id::{IntegrasjonId, Uuid};

    use crate::testing::{Hvem, READERS, World, opens};

    #[tokio::test]
    async fn use_of_room_is_for_every_role_in_the_organisasjon_and_nobody_else() {
        let world = World::new().await;
        opens(&world, &format!("{}/bruk", world.storevik.o()), READERS).await;
    }

    #[tokio::test]
    async fn use_of_room_is_shown_against_the_limits_to_tenant_and_operator() {
        let world = World::new().await;
        let machine = InnloggetIntegrasjon {
            integrasjon_id: IntegrasjonId::from_uuid(Uuid::from_u128(1)),
            system_id: world.storevik.system,
            fiks_org_id: world.storevik.org,
            konfigurer: false,
        };
        world.browser(Hvem::Drift).await.get("/drift").await.says("Ingen organisasjoner bruker noe nå.");
        let places: Vec<_> =
            (0..4_000).map(|_| world.app.open(&machine, Apen::Tilkobling)).filter_map(Result::ok).collect();
        assert_eq!(places.len(), 2_000, "as many as one integrasjon may have");
        let path = format!("{}/bruk", world.storevik.o());
        let mut browser = world.browser(Hvem::Les).await;
        let page = browser.get(&path).await;
        page.says("Bruk av plass").says("AMQP-tilkoblinger 2\u{a0}000 5\u{a0}000 40\u{a0}%, god plass");
        page.says("Sendt, i kø 0\u{a0}B 50\u{a0}GB 0\u{a0}%, god plass").says("Mottatt, i kø 0");
        page.says("Sendt, i Dokumentlager 0\u{a0}B 25\u{a0}GB 0\u{a0}%, god plass");
        page.says("Systemer 1 1\u{a0}000");
        browser.get(&format!("{}/tjenester", world.storevik.o())).await.says("Bruk av plass");
        let page = world.browser(Hvem::Drift).await.get("/drift").await;
        page.says("Storevik").says("2\u{a0}000 av 5\u{a0}000");
        drop(places);
        browser.get(&path).await.says("AMQP-tilkoblinger 0 5\u{a0}000");
    }
}
