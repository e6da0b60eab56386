//! ASiC-E containers and CMS encryption as Fiks IO clients exchange them.
