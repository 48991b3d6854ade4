//! What the trait promises holds in every form that a kernel may bring about.

use crate::engine::Uring;
use crate::engine::tests::{self, every_test};
use crate::engine::uring::Form;

/// Runs a test with the rings of this thread in a form.
fn in_form(form: Form, test: impl FnOnce()) {
    Form::set_override(Some(form));
    // What is not taken here is no test of it: the form is what was asked for, on a kernel that has all.
    assert_eq!(Form::best().expect("a ring"), form);
    test();
    Form::set_override(None);
}

/// With all that there is.
pub(super) const ALL: Form =
    Form { single_issuer: true, defer_taskrun: true, multishot_receive: true, inline_send: true };

macro_rules! on_every_form {
    ($($name:ident)*) => {
        on_every_form! { least: Form::LEAST; $($name)* }
        // Deferred work needs the one issuer.
        on_every_form! { many_issuers: Form { single_issuer: false, defer_taskrun: false, ..ALL }; $($name)* }
        on_every_form! { work_not_deferred: Form { defer_taskrun: false, ..ALL }; $($name)* }
        on_every_form! { one_shot_receive: Form { multishot_receive: false, ..ALL }; $($name)* }
        on_every_form! { no_inline_send: Form { inline_send: false, ..ALL }; $($name)* }
    };
    ($form:ident: $value:expr; $($name:ident)*) => {
        mod $form {
            use super::*;
            $(#[test] fn $name() { in_form($value, tests::$name::<Uring>); })*
        }
    };
}
every_test!(on_every_form);
