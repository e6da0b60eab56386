//! Between what the domain says and what a column holds.

use app::ports::RegistryError;
use jiff::Timestamp;
use sea_orm::sea_query::LikeExpr;
use sea_orm::value::TextUuid;
use wire::id::Uuid;

use crate::error::corrupt;

/// An id as it is stored.
pub(crate) fn key(uuid: &Uuid) -> TextUuid {
    TextUuid(*uuid)
}

/// The last millisecond that is a time again, 9999-12-30T22:00Z. The calendar goes on to the end of that second, but only by
/// nanoseconds.
const LAST_MILLI: i64 = 253_402_207_200_000;

/// A time as it is stored: milliseconds since 1970 in UTC. What is finer is lost.
pub(crate) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond().min(LAST_MILLI)
}

/// A time that was stored in `table`.
pub(crate) fn timestamp(table: &'static str, millis: i64) -> Result<Timestamp, RegistryError> {
    // Older versions stored the last second of the calendar with its milliseconds.
    let millis = if (LAST_MILLI..LAST_MILLI + 1000).contains(&millis) { LAST_MILLI } else { millis };
    Timestamp::from_millisecond(millis).map_err(|error| corrupt(table, error))
}

/// A list for `IN`, filled up with its last element to a power of two. A database keeps the statements that it was asked, each
/// number of elements makes another one, and long ones take much memory.
pub(crate) fn padded<T: Clone>(list: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut list: Vec<T> = list.into_iter().collect();
    if let Some(last) = list.last().cloned() {
        list.resize(list.len().next_power_of_two(), last);
    }
    list
}

/// What a search looks in. Lower-cased here and not by the database: SQLite knows only the case of ASCII.
pub(crate) fn searchable(navn: &str, beskrivelse: &str) -> String {
    // The line break keeps a term from matching the end of one and the start of the other.
    format!("{}\n{}", navn.to_lowercase(), beskrivelse.to_lowercase())
}

/// Makes each character of a search stand for itself. The SQL in `sql` writes it out.
pub(crate) const ESCAPE: char = '!';

/// Longest text that is searched, in bytes; SQLite takes no pattern of more than 50 000.
const LONGEST: usize = 10_000;

/// Whether no text can hold `word`: databases fail at such a one instead of finding nothing.
pub(crate) fn is_nowhere(word: &str) -> bool {
    word.len() > LONGEST || word.contains('\0')
}

/// Matches rows whose [`searchable`] text holds `term`.
pub(crate) fn contains(term: &str) -> LikeExpr {
    // Every text that is searched has something in it, so the empty pattern matches none.
    let pattern = if is_nowhere(term) { String::new() } else { like_pattern(term) };
    LikeExpr::new(pattern).escape(ESCAPE)
}

/// The pattern of texts that hold `term`.
pub(crate) fn like_pattern(term: &str) -> String {
    let mut pattern = String::from("%");
    for character in term.to_lowercase().chars() {
        if matches!(character, '%' | '_' | ESCAPE) {
            pattern.push(ESCAPE);
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Bytes that sort as names do in Norwegian, without regard to case and with æ, ø and å last. Bytes, because each
/// database, and each locale of PostgreSQL, sorts text in its own way.
pub(crate) fn sort_key(navn: &str) -> Vec<u8> {
    let in_order = |character| match character {
        'æ' | 'ä' => '{',
        'ø' | 'ö' => '|',
        'å' => '}',
        other => other,
    };
    navn.to_lowercase().chars().map(in_order).collect::<String>().into_bytes()
}

/// Sorts versions as people count: `v2` before `v10`.
pub(crate) fn version_key(versjon: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = versjon;
    while !rest.is_empty() {
        let text_end = rest.find(|character: char| character.is_ascii_digit()).unwrap_or(rest.len());
        let (text, after) = rest.split_at(text_end);
        let number_end = after.find(|character: char| !character.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(number_end);
        // A number too long to count sorts last among its like; nothing depends on it.
        parts.push((text.to_owned(), if number.is_empty() { 0 } else { number.parse().unwrap_or(u64::MAX) }));
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_any_number_make_few_statements() {
        let lengths: std::collections::BTreeSet<_> = (0..=1_000).map(|n| padded(0..n).len()).collect();
        assert_eq!(lengths.len(), 12, "{lengths:?}");
        assert_eq!(padded([1, 2, 3, 4, 5]), [1, 2, 3, 4, 5, 5, 5, 5]);
    }

    #[test]
    fn both_ends_of_the_calendar_are_read_back() {
        for (at, read) in [
            (Timestamp::MIN, Timestamp::MIN),
            (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH),
            (Timestamp::MAX, Timestamp::constant(LAST_MILLI / 1000, 0)),
        ] {
            assert_eq!(timestamp("t", millis(at)).unwrap(), read);
            // As it was stored before.
            assert_eq!(timestamp("t", at.as_millisecond()).unwrap(), read);
        }
        assert_eq!(LAST_MILLI, Timestamp::MAX.as_second() * 1000);
        for millis in [i64::MIN, Timestamp::MIN.as_millisecond() - 1, LAST_MILLI + 1000, i64::MAX] {
            assert!(timestamp("t", millis).is_err(), "{millis}");
        }
    }

    #[test]
    fn names_sort_in_norwegian() {
        let mut names = ["Ås", "Øksnes", "Ærø", "zebra", "Arendal", "bodø"];
        names.sort_by_key(|navn| sort_key(navn));
        assert_eq!(names, ["Arendal", "bodø", "zebra", "Ærø", "Øksnes", "Ås"]);
    }

    #[test]
    fn versions_sort_by_number() {
        let mut versions = ["v10", "v2", "v1.10", "v1.9", "v1", "2", "v1-beta"];
        versions.sort_by_key(|versjon| version_key(versjon));
        assert_eq!(versions, ["2", "v1", "v1-beta", "v1.9", "v1.10", "v2", "v10"]);
    }
}
