//! Knutepunkt: an open, self-hostable Fiks Protokoll in one binary.
