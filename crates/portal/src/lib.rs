//! The administration portal: pages rendered on the server, where people manage systemer, kontoer and tilganger.
