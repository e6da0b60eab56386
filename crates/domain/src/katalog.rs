//! The protocol catalogue that every installation starts with.
