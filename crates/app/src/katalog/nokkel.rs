use domain::id::KontoId;
use domain::nokkel::OffentligNokkel;

use crate::App;
use crate::error::{Error, Missing};

impl App {
    /// The public key of a Konto. Anybody may ask, without logging in.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown Konto and for one without key alike, [`Error::Unavailable`].
    pub async fn offentlig_nokkel(&self, konto: KontoId) -> Result<OffentligNokkel, Error> {
        Ok(self.begin_read().await?.nokkel(konto).await?.ok_or(Missing::Nokkel(konto))?)
    }
}
