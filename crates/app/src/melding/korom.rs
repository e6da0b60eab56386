//! How much may wait on queues on account of an organisasjon.
//!
//! Whoever sends pays for what waits, since it fills the queues; and whoever receives has a bound of its own, so that no number
//! of senders fills everything through one receiver. The broker counts, and refuses what goes over; here it is said how much
//! there may be, and looked at before a payload is read. The same for the sporing that meldinger leave behind: only who sends them
//! can leave less. A svar may go over each bound by half, so that whoever waits for it gets it.

use domain::id::{FiksOrgId, MeldingId};
use domain::melding::{FIXED_ROOM_BYTES, FIXED_SPORING_BYTES};

use crate::App;
use crate::cache::SendFacts;
use crate::error::Error;
use crate::grense::{Grense, Grenser};
use crate::ports::{Eiere, Ende, KoRom};

/// The bound of what waits at one end.
fn grense(ende: Ende) -> Grense {
    match ende {
        Ende::Avsender => Grense::SendteBytesIKoPerOrganisasjon,
        Ende::Mottaker => Grense::MottatteBytesIKoPerOrganisasjon,
    }
}

/// The sender's organisasjon leaves too much sporing behind.
pub(super) fn too_much_sporing(grenser: &Grenser) -> Error {
    let what = Grense::SporingBytesPerOrganisasjon;
    Error::QuotaFull { what, limit: grenser.bound(what) }
}

/// Over a bound, on account of whoever is at this end.
pub(super) fn full(grenser: &Grenser, ende: Ende) -> Error {
    let what = grense(ende);
    Error::QuotaFull { what, limit: grenser.bound(what) }
}

/// With what a svar may go over a bound: whoever works on what waits in a full queue answers it before it is acked.
fn with_reserve(bound: u64) -> u64 {
    bound.saturating_add(bound / 2)
}

/// So near to a bound that a melding of `largest` bytes, or others who send now, may take what is left.
fn is_near(brukt: u64, bound: u64, largest: u64) -> bool {
    brukt.saturating_add(largest.max(bound / 10)).saturating_add(FIXED_ROOM_BYTES) > bound
}

impl App {
    /// How much may wait on account of the two ends of a melding that may be sent. One that answers a melding which its sender
    /// got from its receiver may go over the bound by half of it.
    ///
    /// # Errors
    /// [`Error::QuotaFull`] where there is no room for even the smallest.
    pub(super) async fn ko_rom(&self, facts: &SendFacts, svar: Option<MeldingId>) -> Result<KoRom, Error> {
        let grenser = &self.inner.settings.grenser;
        let eiere = Eiere { avsender: facts.avsender.eier, mottaker: facts.mottaker.eier };
        let bound = |ende| grenser.bound(grense(ende));
        let sporing_max = grenser.bound(Grense::SporingBytesPerOrganisasjon);
        let room = KoRom {
            eiere,
            avsender_max: bound(Ende::Avsender),
            mottaker_max: bound(Ende::Mottaker),
            sporing_max,
        };
        let ends = [
            (Ende::Avsender, self.kobytes_at(Ende::Avsender, eiere.avsender), room.avsender_max),
            (Ende::Mottaker, self.kobytes_at(Ende::Mottaker, eiere.mottaker), room.mottaker_max),
        ];
        let sporing =
            if sporing_max < u64::MAX { self.inner.broker.sporing_bytes(eiere.avsender) } else { 0 };
        let is_near_end =
            |(_, brukt, bound): &(_, u64, u64)| is_near(*brukt, *bound, self.largest_on_queue());
        if !ends.iter().any(is_near_end) && !is_near(sporing, sporing_max, 0) {
            return Ok(room);
        }
        let is_svar = match svar {
            Some(original) => self.was_received(original, facts).await?,
            None => false,
        };
        let reserve = |bound| if is_svar { with_reserve(bound) } else { bound };
        for (ende, brukt, bound) in ends {
            if brukt.saturating_add(FIXED_ROOM_BYTES) > reserve(bound) {
                return Err(full(grenser, ende));
            }
        }
        if sporing.saturating_add(FIXED_SPORING_BYTES) > reserve(sporing_max) {
            return Err(too_much_sporing(grenser));
        }
        Ok(KoRom {
            eiere,
            sporing_max: reserve(sporing_max),
            avsender_max: reserve(room.avsender_max),
            mottaker_max: reserve(room.mottaker_max),
        })
    }

    /// Bytes that one melding may take of a bound: a larger payload goes to Dokumentlager.
    fn largest_on_queue(&self) -> u64 {
        let settings = &self.inner.settings;
        u64::try_from(settings.inline_payload_max_bytes.saturating_add(settings.headers_max_bytes))
            .unwrap_or(u64::MAX)
    }

    fn kobytes_at(&self, ende: Ende, organisasjon: FiksOrgId) -> u64 {
        let kobytes = self.inner.broker.kobytes(organisasjon);
        match ende {
            Ende::Avsender => kobytes.sendt,
            Ende::Mottaker => kobytes.mottatt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn a_svar_of_any_size_gets_its_reserve_before_it_would_be_refused() {
        for (bound, largest) in [(8 * MIB, 5 * MIB), (MIB, 5 * MIB), (1_000 * MIB, 5 * MIB), (100 * MIB, 1)] {
            for brukt in (0..=bound).step_by(usize::try_from(bound / 97).unwrap()) {
                let may_be_refused = brukt + largest + FIXED_ROOM_BYTES > bound;
                assert!(is_near(brukt, bound, largest) || !may_be_refused, "{brukt} of {bound}");
            }
        }
        // Far from the bound nothing is looked up.
        assert!(!is_near(800 * MIB, 1_000 * MIB, 5 * MIB) && is_near(901 * MIB, 1_000 * MIB, 5 * MIB));
    }
}
