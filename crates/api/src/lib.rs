//! The machine APIs over HTTP.
