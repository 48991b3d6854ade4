//! The guarantees of the `Engine` trait hold for every feature set that a kernel may support.

use crate::engine::Uring;
use crate::engine::tests::{self, every_test};
use crate::engine::uring::{Features, probe};

/// Runs a test with a feature set.
fn with_features(features: Features, test: impl FnOnce()) {
    probe::set_override(Some(features));
    // The kernel must support all features, or the test would run without some of them.
    assert_eq!(probe::best_features().expect("a ring"), features);
    test();
    probe::set_override(None);
}

macro_rules! with_every_feature_set {
    ($($name:ident)*) => {
        with_every_feature_set! { minimal: Features::MINIMAL; $($name)* }
        // DEFER_TASKRUN requires SINGLE_ISSUER.
        with_every_feature_set! { without_single_issuer: Features { single_issuer: false, defer_taskrun: false, ..Features::ALL }; $($name)* }
        with_every_feature_set! { without_defer_taskrun: Features { defer_taskrun: false, ..Features::ALL }; $($name)* }
        // A cap requires a multishot receive.
        with_every_feature_set! { without_multishot_receive: Features { multishot_receive: false, receive_cap: false, ..Features::ALL }; $($name)* }
        with_every_feature_set! { without_receive_cap: Features { receive_cap: false, ..Features::ALL }; $($name)* }
        with_every_feature_set! { without_inline_send: Features { inline_send: false, ..Features::ALL }; $($name)* }
    };
    ($name_of_set:ident: $value:expr; $($name:ident)*) => {
        mod $name_of_set {
            use super::*;
            $(#[test] fn $name() { with_features($value, tests::$name::<Uring>); })*
        }
    };
}
every_test!(with_every_feature_set);
