//! Organisasjonsnummer as certificates and tokens carry it.

/// Whether `text` is nine digits of which the last fits the others by modulus 11 (weights 3 2 7 6 5 4 3 2).
///
/// Source: Brønnøysundregistrene, "Organisasjonsnummeret".
pub fn is_valid(text: &str) -> bool {
    const WEIGHTS: [u32; 8] = [3, 2, 7, 6, 5, 4, 3, 2];
    let Some(digits) = digits(text) else { return false };
    let (control, first) = digits.split_last().expect("there are nine digits");
    let sum: u32 = WEIGHTS.iter().zip(first).map(|(weight, digit)| weight * digit).sum();
    match 11 - sum % 11 {
        11 => *control == 0,
        10 => false,
        digit => *control == digit,
    }
}

/// Whether `text` is nine digits, whatever the last one.
pub fn is_nine_digits(text: &str) -> bool {
    digits(text).is_some()
}

fn digits(text: &str) -> Option<[u32; 9]> {
    let bytes: [u8; 9] = text.as_bytes().try_into().ok()?;
    bytes.iter().all(u8::is_ascii_digit).then(|| bytes.map(|byte| u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_digit_is_judged() {
        for text in ["971032146", "991825827", "974760673"] {
            assert!(is_valid(text), "{text}");
        }
        for text in ["971032147", "97103214", "9710321466", "97103214x", "", "９71032146"] {
            assert!(!is_valid(text), "{text}");
        }
    }
}
