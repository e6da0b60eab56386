//! Dates, numbers and the like, as people in Norway write them.

use std::time::Duration;

use domain::Orgnummer;
use domain::person::Rolle;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::sprak::Sprak;
use crate::tekster::Tekster;
use crate::view::Time;

/// Keeps a number in one piece.
const NBSP: char = '\u{a0}';

/// Where the users are.
fn oslo() -> TimeZone {
    // The database of time zones is part of the program.
    TimeZone::get("Europe/Oslo").unwrap_or(TimeZone::UTC)
}

/// `22.11.2026`, in English `22 Nov 2026`.
pub(crate) fn date(at: Timestamp, sprak: Sprak) -> String {
    let format = if sprak == Sprak::En { "%-d %b %Y" } else { "%d.%m.%Y" };
    at.to_zoned(oslo()).strftime(format).to_string()
}

/// `22.11.2026 kl. 14.30`, in English `22 Nov 2026, 14:30`.
pub(crate) fn date_time(at: Timestamp, sprak: Sprak) -> String {
    let format = if sprak == Sprak::En { "%-d %b %Y, %H:%M" } else { "%d.%m.%Y kl. %H.%M" };
    at.to_zoned(oslo()).strftime(format).to_string()
}

/// A time as machines and people read it.
pub(crate) fn time_of(at: Timestamp, sprak: Sprak) -> Time {
    Time { iso: machine(at), text: date_time(at, sprak) }
}

/// The name of a rolle.
pub(crate) fn rolle(rolle: Rolle, t: Tekster) -> String {
    t.s(&format!("felles-rolle-{rolle}"))
}

/// A day that belongs to no place, as [`date`] writes it.
pub(crate) fn calendar_date(date: Date, sprak: Sprak) -> String {
    let format = if sprak == Sprak::En { "%-d %b %Y" } else { "%d.%m.%Y" };
    date.strftime(format).to_string()
}

/// A time to the millisecond: `22.11.2026 kl. 14.30.05,042`, in English `22 Nov 2026, 14:30:05.042`.
pub(crate) fn exact_time_of(at: Timestamp, sprak: Sprak) -> Time {
    let format = if sprak == Sprak::En { "%-d %b %Y, %H:%M:%S.%3f" } else { "%d.%m.%Y kl. %H.%M.%S,%3f" };
    Time {
        iso: at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        text: at.to_zoned(oslo()).strftime(format).to_string(),
    }
}

/// For `datetime` of `<time>`: UTC.
pub(crate) fn machine(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The start of a day given as `2026-11-22` in Norway, as a date field sends it.
pub(crate) fn start_of_day(text: &str) -> Option<Timestamp> {
    let date: jiff::civil::Date = text.trim().parse().ok()?;
    Some(first_of(date))
}

/// The start of the day after.
pub(crate) fn end_of_day(text: &str) -> Option<Timestamp> {
    let date: jiff::civil::Date = text.trim().parse().ok()?;
    Some(date.tomorrow().map_or(Timestamp::MAX, first_of))
}

/// The days at both ends of the calendar begin before the first, or after the last, moment that there is.
fn first_of(date: jiff::civil::Date) -> Timestamp {
    let beyond = if date.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    date.to_zoned(oslo()).map_or(beyond, |day| day.timestamp())
}

/// `14.30.05`, in English `14:30:05`.
pub(crate) fn time(at: Timestamp, sprak: Sprak) -> String {
    let format = if sprak == Sprak::En { "%H:%M:%S" } else { "%H.%M.%S" };
    at.to_zoned(oslo()).strftime(format).to_string()
}

/// `2026-11-22` in Norway, as a date field sends it.
#[cfg(test)]
pub(crate) fn day(at: Timestamp) -> String {
    at.to_zoned(oslo()).strftime("%Y-%m-%d").to_string()
}

/// `1 204`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(NBSP);
        }
        text.push(digit);
    }
    text
}

/// `1 204`, or `3,5`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from float saturates, and a sign is written apart"
)]
pub(crate) fn number_text(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let value = value.abs();
    let tenths = (value * 10.0).round() as u64;
    let whole = number(tenths / 10);
    if tenths.is_multiple_of(10) {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole},{}", tenths % 10)
    }
}

/// `974 760 673`.
pub(crate) fn orgnummer(orgnummer: Orgnummer) -> String {
    let digits = orgnummer.as_str();
    format!("{}{NBSP}{}{NBSP}{}", &digits[..3], &digits[3..6], &digits[6..])
}

/// `3 timer`, `2 døgn`: the largest unit that fits.
pub(crate) fn duration(duration: Duration, t: Tekster) -> String {
    let seconds = duration.as_secs();
    let (key, n) = match seconds {
        0..60 => ("felles-sekunder", seconds),
        60..3_600 => ("felles-minutter", seconds / 60),
        3_600..86_400 => ("felles-timer", seconds / 3_600),
        _ => ("felles-dogn", seconds / 86_400),
    };
    t.v(key, "n", n)
}

/// `64 kB`, `1,5 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "rounded to a tenth anyway")]
    let value = bytes as f64;
    match bytes {
        0..1_000 => format!("{}{NBSP}B", number(bytes)),
        1_000..1_000_000 => format!("{}{NBSP}kB", number_text((value / 1e3).round())),
        1_000_000..1_000_000_000 => format!("{}{NBSP}MB", number_text(value / 1e6)),
        _ => format!("{}{NBSP}GB", number_text(value / 1e9)),
    }
}

/// Removes blanks of every kind, as they come along when a number is pasted.
pub(crate) fn without_blanks(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace() && *character != '\u{feff}').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_those_of_oslo_summer_and_winter() {
        assert_eq!(date_time(at("2026-11-22T13:30:00Z"), Sprak::Nb), "22.11.2026 kl. 14.30");
        assert_eq!(date_time(at("2026-07-01T12:05:00Z"), Sprak::En), "1 Jul 2026, 14:05");
        assert_eq!(date(at("2026-12-31T23:30:00Z"), Sprak::Nn), "01.01.2027");
        let exact = exact_time_of(at("2026-07-01T12:05:09.042Z"), Sprak::Nb);
        assert_eq!(
            (exact.text.as_str(), exact.iso.as_str()),
            ("01.07.2026 kl. 14.05.09,042", "2026-07-01T12:05:09.042Z")
        );
        assert_eq!(start_of_day("2026-11-22").map(machine).as_deref(), Some("2026-11-21T23:00:00Z"));
        assert_eq!(end_of_day("2026-11-22").map(machine).as_deref(), Some("2026-11-22T23:00:00Z"));
        assert_eq!(start_of_day("22.11.2026"), None);
        assert_eq!(start_of_day("9999-12-31"), Some(Timestamp::MAX));
        assert_eq!(end_of_day("9999-12-31"), Some(Timestamp::MAX));
        assert!(start_of_day("0001-01-01").is_some_and(|first| first < Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn numbers_are_grouped_by_a_blank_that_does_not_break() {
        assert_eq!(number(0), "0");
        assert_eq!(number(1_204), "1\u{a0}204");
        assert_eq!(number(21_000_000), "21\u{a0}000\u{a0}000");
        assert_eq!(number_text(3.5), "3,5");
        assert_eq!(number_text(1204.0), "1\u{a0}204");
        assert_eq!(orgnummer("974760673".parse().unwrap()), "974\u{a0}760\u{a0}673");
        assert_eq!(bytes(64_000), "64\u{a0}kB");
        assert_eq!(bytes(1_540_000), "1,5\u{a0}MB");
    }

    #[test]
    fn pasted_numbers_lose_their_blanks() {
        assert_eq!(without_blanks(" 974\u{a0}760 673\n"), "974760673");
    }
}
