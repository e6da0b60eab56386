//! Organisasjonsnummer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Nine digits. The control digit may be wrong: test numbers exist, so only [`Orgnummer::has_valid_control_digit`] judges it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Orgnummer([u8; 9]);

/// The text is not nine digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an organisasjonsnummer has nine digits")]
pub struct InvalidOrgnummer;

impl Orgnummer {
    /// Whether the last digit fits the others by modulus 11 with weights 3 2 7 6 5 4 3 2 (Brønnøysundregistrene).
    pub fn has_valid_control_digit(&self) -> bool {
        const WEIGHTS: [u32; 8] = [3, 2, 7, 6, 5, 4, 3, 2];
        let sum: u32 =
            WEIGHTS.iter().zip(self.0).map(|(weight, digit)| weight * u32::from(digit - b'0')).sum();
        let control = match 11 - sum % 11 {
            11 => 0,
            10 => return false,
            digit => digit,
        };
        u32::from(self.0[8] - b'0') == control
    }

    /// The nine digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII digits are ever stored")
    }
}

impl FromStr for Orgnummer {
    type Err = InvalidOrgnummer;
    fn from_str(text: &str) -> Result<Self, InvalidOrgnummer> {
        let digits: [u8; 9] = text.as_bytes().try_into().map_err(|_| InvalidOrgnummer)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(InvalidOrgnummer) }
    }
}

impl TryFrom<String> for Orgnummer {
    type Error = InvalidOrgnummer;
    fn try_from(text: String) -> Result<Self, InvalidOrgnummer> {
        text.parse()
    }
}

impl From<Orgnummer> for String {
    fn from(orgnummer: Orgnummer) -> Self {
        orgnummer.as_str().to_owned()
    }
}

impl fmt::Display for Orgnummer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Orgnummer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Orgnummer({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_numbers_have_valid_control_digits() {
        for text in ["971032146", "991825827", "974760673"] {
            assert!(text.parse::<Orgnummer>().unwrap().has_valid_control_digit(), "{text}");
        }
    }

    #[test]
    fn anything_but_nine_digits_is_refused() {
        for text in ["", "12345678", "1234567890", "97103214x", "９71032146", "971 032 146"] {
            assert_eq!(text.parse::<Orgnummer>(), Err(InvalidOrgnummer), "{text}");
        }
    }

    proptest! {
        #[test]
        fn at_most_one_control_digit_fits(start in "[0-9]{8}") {
            let fitting = (0..10)
                .filter(|digit| format!("{start}{digit}").parse::<Orgnummer>().unwrap().has_valid_control_digit())
                .count();
            prop_assert!(fitting <= 1);
        }

        /// The control digit is worked out here and not drawn: few numbers drawn whole would have the right one.
        #[test]
        fn a_swap_of_two_unlike_neighbours_is_noticed(start in "[0-9]{8}", at in 0usize..8) {
            let valid = (0..10)
                .map(|digit| format!("{start}{digit}"))
                .find(|text| text.parse::<Orgnummer>().unwrap().has_valid_control_digit());
            // One start in eleven has no control digit at all.
            if let Some(text) = valid {
                let mut swapped = text.clone().into_bytes();
                swapped.swap(at, at + 1);
                let unlike = swapped != text.as_bytes();
                let swapped: Orgnummer = String::from_utf8(swapped).unwrap().parse().unwrap();
                prop_assert_eq!(swapped.has_valid_control_digit(), !unlike);
            }
        }
    }
}
