//! AWS-LC.

use rustls::crypto::aws_lc_rs;

use super::Parts;

pub(super) fn parts() -> Parts {
    Parts {
        crypto: aws_lc_rs::default_provider(),
        groups: aws_lc_rs::ALL_KX_GROUPS,
        ticketer: aws_lc_rs::Ticketer::new,
    }
}
