//! What the trait promises holds in every form that a kernel may bring about.

use crate::engine::Uring;
use crate::engine::tests::{self, every_test};
use crate::engine::uring::Features;

/// Runs a test with the rings of this thread in a form.
fn in_form(form: Features, test: impl FnOnce()) {
    Features::set_override(Some(form));
    // What is not taken here is no test of it: the form is what was asked for, on a kernel that has all.
    assert_eq!(Features::best().expect("a ring"), form);
    test();
    Features::set_override(None);
}

/// With all that there is.
pub(super) const ALL: Features =
    Features { single_issuer: true, defer_taskrun: true, multishot_receive: true, inline_send: true };

macro_rules! on_every_form {
    ($($name:ident)*) => {
        on_every_form! { least: Features::LEAST; $($name)* }
        // Deferred work needs the one issuer.
        on_every_form! { many_issuers: Features { single_issuer: false, defer_taskrun: false, ..ALL }; $($name)* }
        on_every_form! { work_not_deferred: Features { defer_taskrun: false, ..ALL }; $($name)* }
        on_every_form! { one_shot_receive: Features { multishot_receive: false, ..ALL }; $($name)* }
        on_every_form! { no_inline_send: Features { inline_send: false, ..ALL }; $($name)* }
    };
    ($form:ident: $value:expr; $($name:ident)*) => {
        mod $form {
            use super::*;
            $(#[test] fn $name() { in_form($value, tests::$name::<Uring>); })*
        }
    };
}
every_test!(on_every_form);
