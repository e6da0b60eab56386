//! The subcommands, one file each.

pub mod admin;
pub mod backup;
pub mod bench;
pub mod demo;
pub mod dev;
pub mod doctor;
pub mod klient;
pub mod repair;
pub mod restore;
pub mod serve;
pub mod settings;
