//! Use cases of Fiks Protokoll, one file each, and the ports they need.

pub mod ports;
