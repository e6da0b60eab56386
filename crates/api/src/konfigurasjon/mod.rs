//! Fiks Protokoll konfigurasjon, `/fiks-protokoll/api/v1/konfigurasjon`.
//!
//! Paths, ids and bodies follow the published document of what integrasjoner may call.

mod avvis_foresporsel;
mod be_om_tilgang;
mod bodies;
mod endre_kontoinfo;
mod endre_parter;
mod endre_systeminfo;
mod fjern_tilgang;
mod gi_fra_seg_tilgang;
mod gi_tilgang;
mod hent_konto;
mod hent_protokoll;
mod hent_system;
mod konto_sok;
mod list_foresporsler;
mod list_organisasjoner;
mod list_parter;
mod list_protokoller;
mod list_tilganger;
mod opprett_konto;
mod sett_nokkel;
mod slett_konto;
mod system_sok;
mod trekk_foresporsel;

use crate::operation::Api;

pub(crate) fn api() -> Api {
    Api {
        name: "konfigurasjon",
        title: "Fiks Protokoll konfigurasjon",
        operations: vec![
            hent_system::operation(),
            endre_systeminfo::operation(),
            opprett_konto::operation(),
            hent_konto::operation(),
            slett_konto::operation(),
            endre_kontoinfo::operation(),
            sett_nokkel::operation(),
            endre_parter::operation(),
            list_tilganger::operation(),
            gi_tilgang::operation(),
            fjern_tilgang::operation(),
            list_foresporsler::operation(),
            avvis_foresporsel::operation(),
            system_sok::operation(),
            be_om_tilgang::operation(),
            trekk_foresporsel::operation(),
            gi_fra_seg_tilgang::operation(),
            konto_sok::operation(),
            list_organisasjoner::operation(),
            list_protokoller::operation(),
            list_parter::operation(),
            hent_protokoll::operation(),
        ],
    }
}
