use std::fmt;

use domain::id::SesjonId;
use jiff::Timestamp;

use crate::error::Error;
use crate::person::innlogget;
use crate::sesjon::{TOUCH_INTERVAL, ends, is_over, token};
use crate::{App, InnloggetPerson};

/// What a token stands for.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, soon to be taken apart")]
pub enum SesjonSvar {
    /// A session.
    Aktiv(AktivSesjon),
    /// One whose time has just been found to be over. The next time there is none.
    Utlopt,
    /// None, or not any more.
    Ingen,
}

/// A session that goes on.
pub struct AktivSesjon {
    /// Its id.
    pub id: SesjonId,
    /// Whose it is, with his roller as they stand now.
    pub person: InnloggetPerson,
    /// The language that he has chosen.
    pub sprak: Option<String>,
    /// What his forms must carry.
    pub csrf: String,
    /// When it began.
    pub logget_inn: Timestamp,
    /// When it ends if it is not used.
    pub utloper_inaktiv: Timestamp,
    /// When it ends in any case.
    pub utloper_absolutt: Timestamp,
    /// The level at which he proved himself.
    pub acr: Option<String>,
    /// The login provider.
    pub issuer: String,
    /// For logging out at the provider.
    pub id_token: Option<String>,
}

impl fmt::Debug for AktivSesjon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AktivSesjon")
            .field("id", &self.id)
            .field("person", &self.person)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Whose a session is, with the roller as they stand now; nobody's once it is over. Does not count as use.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn person_of_sesjon(&self, id: SesjonId) -> Result<Option<InnloggetPerson>, Error> {
        let mut tx = self.begin_read().await?;
        let Some(sesjon) = tx.sesjon(id).await?.filter(|sesjon| !is_over(sesjon, self.now())) else {
            return Ok(None);
        };
        let Some(person) = tx.person(sesjon.person_id).await? else { return Ok(None) };
        Ok(Some(innlogget(&mut *tx, &person).await?))
    }

    /// What the token that a browser shows stands for. With `touch` it counts as use and puts off the end; a page that asks
    /// by itself is no use.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sesjon(&self, token: &str, touch: bool) -> Result<SesjonSvar, Error> {
        let now = self.now();
        let Some(hash) = token::hash(token) else { return Ok(SesjonSvar::Ingen) };
        let mut tx = self.begin_read().await?;
        let Some(mut sesjon) = tx.sesjon_by_token(&hash).await? else { return Ok(SesjonSvar::Ingen) };
        if is_over(&sesjon, now) {
            drop(tx);
            self.end_sesjon(sesjon.id).await?;
            return Ok(SesjonSvar::Utlopt);
        }
        let Some(person) = tx.person(sesjon.person_id).await? else { return Ok(SesjonSvar::Ingen) };
        let innlogget = innlogget(&mut *tx, &person).await?;
        drop(tx);
        let unwritten = now.duration_since(sesjon.sist_brukt);
        if touch && unwritten >= jiff::SignedDuration::try_from(TOUCH_INTERVAL).unwrap_or_default() {
            let mut tx = self.begin().await?;
            tx.touch_sesjon(sesjon.id, now).await?;
            tx.commit().await?;
            sesjon.sist_brukt = now;
        }
        let (utloper_inaktiv, utloper_absolutt) = ends(&sesjon);
        Ok(SesjonSvar::Aktiv(AktivSesjon {
            id: sesjon.id,
            person: innlogget,
            sprak: person.sprak,
            csrf: token::csrf(token),
            logget_inn: sesjon.logget_inn,
            utloper_inaktiv,
            utloper_absolutt,
            acr: sesjon.acr,
            issuer: sesjon.issuer,
            id_token: sesjon.id_token.and_then(|sealed| token::open(token, &sealed)),
        }))
    }
}
