//! The subcommands, one file each.

pub mod admin;
pub mod bench;
pub mod demo;
pub mod dev;
pub mod klient;
pub mod repair;
pub mod serve;
pub mod settings;
