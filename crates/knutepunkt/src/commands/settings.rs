//! `knutepunkt config`: what may be configured, and what is.

use std::path::Path;

use crate::config::{Config, DEFAULTS};
use crate::config_check;

/// Prints every key with its default and its documentation.
pub fn print_defaults() {
    print!("{DEFAULTS}");
}

/// Checks the configuration that `serve` would use.
///
/// # Errors
/// What is wrong with it.
pub fn check(file: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(file, std::env::vars())?;
    config_check::check(&config)?;
    println!("The configuration is in order.");
    Ok(())
}
