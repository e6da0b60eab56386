//! The client from outside, against servers made for the test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, as tests do")]

mod broker;
mod konfigurasjon;
mod receive;
mod send;
mod support;
