//! Lists as files for a spreadsheet: UTF-8 with byte order mark, semicolons, one header row.
//!
//! A file is read and made page by page, as it is fetched: each page in the turn of whoever asks for it, and in memory that is counted
//! until it was fetched. So a file of any length takes little, however many of them nobody fetches.

use std::future::Future;
use std::io;
use std::sync::Arc;

use app::memory::Held;
use app::paging::Page;
use app::sesjon::AktivSesjon;
use app::{App, Caller};
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use http::{HeaderValue, header};

use crate::feil::Feil;
use crate::innlogget::OrgSide;

/// So much is given at a time. Bytes.
const PIECE_BYTES: usize = 32 * 1024;

/// Rows under way.
#[derive(Default)]
pub(crate) struct Csv {
    text: String,
}

impl Csv {
    /// The head of a file with these columns.
    fn head<S: AsRef<str>>(columns: &[S]) -> Self {
        let mut csv = Self { text: "\u{feff}".to_owned() };
        csv.row(columns);
        csv
    }

    /// Adds a row.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                self.text.push(';');
            }
            self.cell(cell.as_ref());
        }
        self.text.push_str("\r\n");
    }

    fn cell(&mut self, cell: &str) {
        // A spreadsheet would take these for formulas and run them.
        let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        if cell.contains([';', '"', '\n', '\r']) {
            self.text.push('"');
            self.text.push_str(guard);
            self.text.push_str(&cell.replace('"', "\"\""));
            self.text.push('"');
        } else {
            self.text.push_str(guard);
            self.text.push_str(cell);
        }
    }
}

/// The rows of one page, and which page comes next.
pub(crate) type Rows = (Csv, Option<Page>);

/// A file of `columns`, whose `rows` are asked for page by page; `name` without its ending, in ASCII.
pub(crate) async fn download<R, F>(
    side: &OrgSide,
    name: &str,
    columns: &[String],
    rows: R,
) -> Result<Response, Feil>
where
    R: Fn(Caller, Page) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Rows, Feil>> + Send + 'static,
{
    let file = File { app: side.app().clone(), rows };
    let first = file.page(&side.caller(), Page::all(), Csv::head(columns)).await?;
    let sesjon = Arc::clone(&side.innlogget.sesjon);
    let body = match first.next {
        None => Body::from(first.text),
        Some(_) => Body::from_stream(stream::try_unfold((file, sesjon, first), async |mut rest| {
            let (file, sesjon, page) = &mut rest;
            let piece = file.piece(sesjon, page).await.map_err(|error| {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to make the rest of a file that is being fetched; it is broken off"
                );
                io::Error::other(error)
            })?;
            Ok::<_, io::Error>(piece.map(|piece| (piece, rest)))
        })),
    };
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}.csv\""))
        .unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, body).into_response())
}

/// A file that is being fetched.
struct File<R> {
    app: App,
    rows: R,
}

/// A page of it.
struct Made {
    text: Bytes,
    next: Option<Page>,
}

/// Text, and the memory that it takes until the last of it is out.
struct Counted {
    text: String,
    _held: Option<Held>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl<R, F> File<R>
where
    R: Fn(Caller, Page) -> F,
    F: Future<Output = Result<Rows, Feil>>,
{
    async fn page(&self, caller: &Caller, page: Page, head: Csv) -> Result<Made, Feil> {
        let make = || (self.rows)(caller.clone(), page);
        let ((rows, next), memory) =
            self.app.long_list(caller, make, |(rows, _)| rows.text.len() as u64).await?;
        Ok(Made { text: Bytes::from_owner(Counted { text: head.text + &rows.text, _held: memory }), next })
    }

    /// What comes next: some of `page`, or of the one behind it for whoever the session belongs to by then.
    async fn piece(&self, sesjon: &AktivSesjon, page: &mut Made) -> Result<Option<Bytes>, Feil> {
        while page.text.is_empty() {
            let Some(next) = page.next else { return Ok(None) };
            let person = self.app.person_of_sesjon(sesjon.id).await?.ok_or(Feil::IkkeInnlogget)?;
            match self.page(&Caller::Person(person), next, Csv::default()).await {
                Ok(made) => *page = made,
                // Others of the same person come first; whoever has begun to fetch waits as long as it takes.
                Err(Feil::App(app::Error::TooMany { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        let length = page.text.len().min(PIECE_BYTES);
        Ok(Some(page.text.split_to(length)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use app::konto::NyKonto;
    use domain::konto::PartRef;
    use http::Method;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::testing::{Browser, Hvem, World};

    #[test]
    fn cells_are_quoted_where_needed_and_never_run() {
        let mut csv = Csv::head(&["Navn", "Beskrivelse"]);
        csv.row(&["=1+1", "a;b \"c\"\nd"]);
        csv.row(&["@x", "-y"]);
        assert_eq!(csv.text, "\u{feff}Navn;Beskrivelse\r\n'=1+1;\"a;b \"\"c\"\"\nd\"\r\n'@x;'-y\r\n");
    }

    /// Kontoer on more pages than one.
    async fn many_kontoer(world: &World) -> String {
        for n in 0..450 {
            let ny = NyKonto {
                navn: format!("Plan {n:03}"),
                beskrivelse: "Ett av mange".repeat(40),
                protokoll_navn: "no.ks.fiks.plan".to_owned(),
                parter: vec![PartRef { versjon: "v2".to_owned(), navn: "klient.full".to_owned() }],
                offentlig_nokkel: None,
            };
            let (owner, system) = (world.storevik.org, world.storevik.system);
            world.app.create_konto(&Caller::Operator, owner, system, ny, None).await.unwrap();
        }
        format!("{}/kontoer.csv", world.storevik.s())
    }

    async fn begin(browser: &Browser, path: &str) -> Body {
        let request = browser.request(Method::GET, path).body(Body::empty()).unwrap();
        browser.router.clone().oneshot(request).await.unwrap().into_body()
    }

    #[tokio::test]
    async fn file_of_many_pages_is_read_as_it_is_fetched_and_has_each_row_once() {
        let world = World::new().await;
        let path = many_kontoer(&world).await;
        let mut browser = world.browser(Hvem::Les).await;
        let file = browser.get(&path).await;
        let names: BTreeSet<_> = file.text.lines().map(|line| line.split(';').next().unwrap()).collect();
        assert_eq!((file.text.lines().count(), names.len()), (452, 452));
        let mut begun = begin(&browser, &path).await;
        let first = begun.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.len(), PIECE_BYTES);
        world.registry.stop();
        assert!(begun.collect().await.is_err(), "the rest was there already");
    }

    #[tokio::test]
    async fn file_ends_with_the_session_of_whoever_fetches_it() {
        let world = World::new().await;
        let path = many_kontoer(&world).await;
        let mut browser = world.browser(Hvem::Les).await;
        // Has the token of the form.
        browser.get(&world.storevik.s()).await.is(200);
        let mut begun = begin(&browser, &path).await;
        begun.frame().await.unwrap().unwrap();
        browser.post("/logg-ut", &[]).await.is(303);
        assert!(begun.collect().await.is_err());
    }
}
