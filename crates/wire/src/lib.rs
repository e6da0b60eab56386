//! What both ends of Fiks Protokoll must spell alike: ids, queue names, header keys, meldingstyper of the channel
//! itself, and the bodies of requests, responses and errors. No rules and no I/O.
//!
//! The spelling follows the published OpenAPI documents and the official clients; a body's field is the JSON name in
//! `snake_case`, and an absent value is left out, never `null`, unless a type says otherwise.

pub mod dokumentlager;
pub mod error;
pub mod headers;
pub mod id;
pub mod katalog;
pub mod konfigurasjon;
pub mod maskinporten;
pub mod meldingstype;
pub mod queue;
pub mod send;
