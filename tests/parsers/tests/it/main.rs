//! Replays seeds and mutations of them, and what fuzzers found before.

use knutepunkt_parsers::mutate::mutate;
use knutepunkt_parsers::{Target, read, seeds};

/// Mutations of each seed. `PARSER_MUTATIONS` gives another number.
fn mutations() -> u64 {
    std::env::var("PARSER_MUTATIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(300)
}

fn replay(target: Target) {
    for seed in seeds(target) {
        read(target, &seed);
        for number in 0..mutations() {
            read(target, &mutate(&seed, number));
        }
        for end in 0..seed.len().min(256) {
            read(target, &seed[..end]);
        }
    }
}

macro_rules! replays {
    ($($name:ident: $target:ident,)*) => {
        $(
            #[test]
            fn $name() {
                replay(Target::$target);
            }
        )*

        #[test]
        fn every_parser_is_replayed() {
            assert_eq!([$(Target::$target),*], Target::ALL);
        }
    };
}

replays! {
    anything_at_all_is_read_as_amqp: Amqp,
    anything_at_all_is_read_as_multipart: Multipart,
    anything_at_all_is_read_as_json: Json,
    anything_at_all_is_read_as_a_token: Token,
    anything_at_all_is_read_as_a_certificate: Sertifikat,
    anything_at_all_is_read_as_a_container: Asice,
    anything_at_all_is_read_as_cms: Cms,
    anything_at_all_is_read_as_a_form: Skjema,
}

/// Each has a target for the fuzzer, under its name.
#[test]
fn every_parser_has_a_fuzz_target() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("fuzz/ has a manifest");
    for target in Target::ALL {
        let name = target.name();
        assert!(folder.join(format!("fuzz_targets/{name}.rs")).exists(), "{name} has a target");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} stands in the manifest");
    }
}
