//! Client for Fiks IO and Fiks Protokoll: token, katalog, send, receive.
