//! Enums of QEMU's names that keep a name they do not know: every QEMU release adds some.

/// Declares an enum of known names and `Other(String)`, with `Display`, `From<&str>`, `as_str`, `KNOWN` and serde as a
/// plain string.
macro_rules! named {
    ($(#[$meta:meta])* $enum:ident { $($(#[$variant_meta:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $enum {
            $($(#[$variant_meta])* $variant,)*
            /// A name this code does not know.
            Other(String),
        }

        impl $enum {
            /// All names this code knows.
            pub const KNOWN: &[$enum] = &[$($enum::$variant),*];

            /// QEMU's name.
            pub fn as_str(&self) -> &str {
                match self {
                    $($enum::$variant => $name,)*
                    $enum::Other(name) => name,
                }
            }
        }

        impl From<&str> for $enum {
            fn from(name: &str) -> $enum {
                match name {
                    $($name => $enum::$variant,)*
                    other => $enum::Other(other.to_owned()),
                }
            }
        }

        impl From<String> for $enum {
            fn from(name: String) -> $enum {
                $enum::from(name.as_str())
            }
        }

        impl From<$enum> for String {
            fn from(value: $enum) -> String {
                value.as_str().to_owned()
            }
        }

        impl ::std::fmt::Display for $enum {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }
    };
}

pub(super) use named;
