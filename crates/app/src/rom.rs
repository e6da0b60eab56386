//! Room on the disk, asked for before anything is written that only grows.

use std::sync::Arc;

use crate::App;
use crate::error::Error;
use crate::hendelse::Hva;
use crate::ports::Rom;

impl App {
    /// Tells who knows how much room there is. Without it there is always some, as for the command line.
    pub fn set_rom(&self, rom: Arc<dyn Rom>) {
        // Told once, at start.
        let _ = self.inner.rom.set(rom);
    }

    /// Refuses what would fill the disk.
    ///
    /// # Errors
    /// [`Error::Full`].
    pub(crate) fn ask_room(&self) -> Result<(), Error> {
        match self.inner.rom.get() {
            Some(rom) if !rom.has_room() => Err(Error::Full),
            _ => Ok(()),
        }
    }
}

/// What must always go, however full the disk is: logging in, taking away, and locking somebody out.
pub(crate) fn always_goes(hva: Hva) -> bool {
    matches!(
        hva,
        Hva::SlettetSystem
            | Hva::GenererteNyttPassord
            | Hva::EndretOrgnummer
            | Hva::StoppetSending
            | Hva::SlettetKonto
            | Hva::FjernetNokkel
            | Hva::FjernetTilgang
            | Hva::MistetTilgang
            | Hva::GaFraSegTilgang
            | Hva::TilgangGittFraSeg
            | Hva::TrakkForesporsel
            | Hva::ForesporselTrukket
            | Hva::AvvisteForesporsel
            | Hva::ForesporselAvvist
            | Hva::LoggetInn
            | Hva::EndretRolle
            | Hva::FjernetRolle
            | Hva::FjernetInnsynIDrift
    )
}
