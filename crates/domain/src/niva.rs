//! Levels at which people prove who they are, as login providers name them (`acr`).

/// ID-porten's levels of assurance, the lowest first.
const LEVELS: [&str; 3] = ["idporten-loa-low", "idporten-loa-substantial", "idporten-loa-high"];

/// Whether somebody who proved himself at the level `now` has done at least what he did at the level `before`. Levels of
/// providers other than ID-porten have no order: there only the same one will do.
pub fn is_at_least(now: Option<&str>, before: Option<&str>) -> bool {
    let rank = |level: &str| LEVELS.iter().position(|known| *known == level);
    match (now, before) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(now), Some(before)) => {
            now == before || rank(now).zip(rank(before)).is_some_and(|(now, before)| now >= before)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_must_not_be_lower_than_before() {
        for (now, before, expected) in [
            (Some("idporten-loa-high"), Some("idporten-loa-substantial"), true),
            (Some("idporten-loa-substantial"), Some("idporten-loa-substantial"), true),
            (Some("idporten-loa-substantial"), Some("idporten-loa-high"), false),
            (Some("gold"), Some("gold"), true),
            (Some("gold"), Some("silver"), false),
            (Some("idporten-loa-high"), Some("silver"), false),
            (None, Some("silver"), false),
            (Some("silver"), None, true),
            (None, None, true),
        ] {
            assert_eq!(is_at_least(now, before), expected, "{now:?} after {before:?}");
        }
    }
}
