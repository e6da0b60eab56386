//! Statements too particular for the query builder, in the SQL that SQLite and PostgreSQL share.

use app::paging::{Page, Side};
use app::ports::RegistryError;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};

use crate::convert::{ESCAPE, is_nowhere, like_pattern};
use crate::error::{backend, failed};

/// A statement put together piece by piece. What comes from outside goes in by [`Sql::bind`] alone.
#[derive(Clone)]
pub(crate) struct Sql {
    backend: DbBackend,
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(backend: DbBackend, text: &str) -> Self {
        Self { backend, text: text.to_owned(), values: Vec::new() }
    }

    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Puts a value in.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        // Both databases know numbered values by this.
        self.push(&format!("${}", self.values.len()))
    }

    /// Puts a list of values in; it must not be empty.
    pub(crate) fn bind_all(&mut self, values: impl IntoIterator<Item = impl Into<Value>>) -> &mut Self {
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.bind(value);
        }
        self
    }

    /// Whether `column`, which holds searchable text, holds `word`.
    pub(crate) fn has_word(&mut self, column: &str, word: &str) -> &mut Self {
        if is_nowhere(word) {
            return self.push("1 = 0");
        }
        // PostgreSQL finds a text in about half the time that it takes to compare a pattern; SQLite is faster at patterns.
        if self.backend == DbBackend::Postgres {
            self.push("strpos(").push(column).push(", ").bind(word.to_lowercase()).push(") > 0")
        } else {
            self.like(column, like_pattern(word))
        }
    }

    fn like(&mut self, column: &str, pattern: String) -> &mut Self {
        // PostgreSQL rewrites an escaped pattern anew for each row, and has an escape of its own where none is named.
        let escaped = pattern.contains([ESCAPE, '\\']);
        self.push(column).push(" LIKE ").bind(pattern);
        self.push(if escaped { " ESCAPE '!'" } else { "" })
    }

    /// Whether in `column` a word starts with `word`.
    pub(crate) fn has_word_start(&mut self, column: &str, word: &str) -> &mut Self {
        if is_nowhere(word) {
            return self.push("1 = 0");
        }
        let inside = like_pattern(word);
        // Without its first wildcard the pattern asks for the start of the whole text.
        self.push("(").like(column, inside[1..].to_owned());
        for before in [" ", "\n", "-", "/"] {
            self.push(" OR ").like(column, format!("%{before}{}", &inside[1..]));
        }
        self.push(")")
    }

    /// Keeps to one page.
    pub(crate) fn limit(&mut self, page: Page) -> Result<&mut Self, RegistryError> {
        self.push(" LIMIT ").bind(i64::try_from(page.limit()).map_err(backend)?);
        Ok(self.push(" OFFSET ").bind(i64::try_from(page.offset()).map_err(backend)?))
    }

    pub(crate) async fn all(
        self,
        connection: &impl ConnectionTrait,
        what: &'static str,
    ) -> Result<Vec<QueryResult>, RegistryError> {
        let statement = Statement::from_sql_and_values(self.backend, self.text, self.values);
        connection.query_all_raw(statement).await.map_err(failed(what))
    }

    pub(crate) async fn execute(
        self,
        connection: &impl ConnectionTrait,
        what: &'static str,
    ) -> Result<(), RegistryError> {
        let statement = Statement::from_sql_and_values(self.backend, self.text, self.values);
        connection.execute_raw(statement).await.map_err(failed(what))?;
        Ok(())
    }

    pub(crate) async fn count(
        self,
        connection: &impl ConnectionTrait,
        what: &'static str,
    ) -> Result<u64, RegistryError> {
        let rows = self.all(connection, what).await?;
        let count: i64 = match rows.first() {
            Some(row) => row.try_get_by_index(0).map_err(failed(what))?,
            None => 0,
        };
        u64::try_from(count).map_err(backend)
    }

    /// Reads one page. The statement selects `COUNT(*) OVER () AS total` besides what `read` wants, and has an order.
    pub(crate) async fn side<T>(
        self,
        connection: &impl ConnectionTrait,
        what: &'static str,
        page: Page,
        read: impl Fn(&QueryResult) -> Result<T, RegistryError>,
    ) -> Result<Side<T>, RegistryError> {
        let mut limited = self.clone();
        limited.limit(page)?;
        let rows = limited.all(connection, what).await?;
        let total = match rows.first() {
            Some(row) => {
                u64::try_from(row.try_get::<i64>("", "total").map_err(failed(what))?).map_err(backend)?
            }
            None if page.offset() == 0 => 0,
            // Behind the last page nobody says how many there are.
            None => {
                let mut counted = Sql::new(self.backend, "SELECT COUNT(*) FROM (");
                counted.push(&self.text).push(") AS every_row");
                counted.values = self.values;
                counted.count(connection, what).await?
            }
        };
        let rows = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Side { rows, total, page })
    }
}
