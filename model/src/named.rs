//! [`named_choice!`](crate::named_choice): enums whose variants have fixed names.

/// Defines an enum whose variants have one name each, the same on the command line, in TOML and in JSON. Names after `|`
/// are accepted as input and never written.
///
/// The enum gets `name()`, `ALL` in the order of declaration, `Display`, and the traits of clap, serde and schemars; the
/// calling crate needs these three as dependencies.
#[macro_export]
macro_rules! named_choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal $(| $alias:literal)*),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $name {
            $($(#[$variant_doc])* #[value(name = $text, $(alias = $alias),*)] #[serde(rename = $text, $(alias = $alias),*)] $variant),*
        }

        impl $name {
            /// The name on the command line, in TOML and in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// All variants, in the order in which they are listed.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
