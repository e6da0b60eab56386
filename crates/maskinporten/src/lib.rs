//! Token verification for Maskinporten.
