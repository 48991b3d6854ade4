//! ring: without post-quantum groups and signatures.

use rustls::crypto::ring;

use super::Parts;

pub(super) fn parts() -> Parts {
    Parts { crypto: ring::default_provider(), groups: ring::ALL_KX_GROUPS, ticketer: ring::Ticketer::new }
}
