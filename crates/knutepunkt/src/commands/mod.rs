//! The subcommands, one file each.

pub mod demo;
pub mod dev;
pub mod serve;
pub mod settings;
