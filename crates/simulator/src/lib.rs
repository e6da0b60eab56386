//! Development only: Maskinporten, ID-porten and a test CA.
