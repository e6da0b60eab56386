//! Synthetic fødselsnummer.
//!
//! Source: Skatteetaten, "Tenor testdata": 80 is added to the month, and the control digits are reckoned as ever.

const FIRST: [u32; 9] = [3, 7, 6, 1, 8, 9, 4, 5, 2];
const SECOND: [u32; 10] = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2];

/// A synthetic fødselsnummer that nobody has: the same for the same `seed`, another for every other below a million.
pub fn syntetisk_pid(seed: u32) -> String {
    let tries = |seed| (0..10).find_map(|attempt| with_control_digits(&nine_digits(seed, attempt)));
    (u64::from(seed)..).find_map(tries).unwrap_or_default()
}

/// A day of the years 1940 to 1999 in a synthetic month, and a number that goes with those years. Some nine digits have no
/// control digits, so there are ten to try for each seed.
fn nine_digits(seed: u64, attempt: u64) -> String {
    // Spread by a prime, so that neighbours do not look alike and none is met twice.
    let mixed = seed.wrapping_mul(2_654_435_761) % (28 * 12 * 60 * 50);
    let (day, month, year) = (1 + mixed % 28, 81 + mixed / 28 % 12, 40 + mixed / (28 * 12) % 60);
    let number = mixed / (28 * 12 * 60) * 10 + attempt;
    format!("{day:02}{month:02}{year:02}{number:03}")
}

fn with_control_digits(nine: &str) -> Option<String> {
    let mut digits: Vec<u32> = nine.chars().filter_map(|digit| digit.to_digit(10)).collect();
    let first = control_digit(&FIRST, &digits)?;
    digits.push(first);
    let second = control_digit(&SECOND, &digits)?;
    Some(format!("{nine}{first}{second}"))
}

fn control_digit(weights: &[u32], digits: &[u32]) -> Option<u32> {
    let sum: u32 = weights.iter().zip(digits).map(|(weight, digit)| weight * digit).sum();
    match 11 - sum % 11 {
        11 => Some(0),
        10 => None,
        digit => Some(digit),
    }
}

/// Whether `text` is a fødselsnummer that only test data have: eleven digits, 80 added to the month, right control digits.
pub fn is_syntetisk_pid(text: &str) -> bool {
    if text.len() != 11 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let part = |range| text.get(range).and_then(|part: &str| part.parse::<u32>().ok()).unwrap_or_default();
    (1..=31).contains(&part(0..2))
        && (81..=92).contains(&part(2..4))
        && with_control_digits(&text[..9]).as_deref() == Some(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_seed_gives_a_valid_synthetic_number() {
        let made: Vec<String> = (0..2000).map(syntetisk_pid).collect();
        for pid in &made {
            assert!(is_syntetisk_pid(pid), "{pid}");
        }
        assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), made.len());
        assert_eq!(syntetisk_pid(7), made[7]);
        assert!(is_syntetisk_pid(&syntetisk_pid(u32::MAX)));
    }

    #[test]
    fn real_and_wrong_numbers_are_told_apart() {
        let good = syntetisk_pid(1);
        let last = good[10..].parse::<u32>().unwrap();
        let wrong = format!("{}{}", &good[..10], (last + 1) % 10);
        // The month as real people have it, with control digits that fit.
        let real = with_control_digits("010170123").or_else(|| with_control_digits("010170124")).unwrap();
        for text in [wrong.as_str(), real.as_str(), "", "1234567890", &format!("{good}0"), "0181701234x"] {
            assert!(!is_syntetisk_pid(text), "{text}");
        }
    }
}
