//! Encodings of line tables and exception tables that a target can name (spec.md 5.4).

use crate::named::named;

macro_rules! encodings {
    ($(#[$tdoc:meta])* $type:ident { $($(#[$doc:meta])* $value:literal $name:ident $text:literal,)* }) => {
        $(#[$tdoc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $type { $($(#[$doc])* $name = $value,)* }

        impl $type {
            /// All encodings, in the order of their numbers.
            pub const ALL: &'static [$type] = &[$($type::$name),*];

            /// The encoding with this number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($value => Some(Self::$name),)* _ => None }
            }

            /// Name in `spec.md`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

named!(LineEncoding: u8);
named!(ExceptionEncoding: u8);

encodings! {
    /// How the line tables of a target are encoded.
    LineEncoding {
        /// The target has no line tables, or only the machine knows their encoding.
        0 Private "private",
        /// Pairs of (bytecode increment, line increment) of CPython 3.6 to 3.9 (`Objects/lnotab_notes.txt`).
        1 Lnotab "lnotab",
        /// Pairs of (bytecode length, line increment) of CPython 3.10 (PEP 626).
        2 LineTable310 "linetable-3.10",
        /// The location table of CPython 3.11 and later (`InternalDocs/code_objects.md`, PEP 657).
        3 LocationTable "location-table",
    }
}

encodings! {
    /// How the exception tables of a target are encoded.
    ExceptionEncoding {
        /// The target has no exception tables, or only the machine knows their encoding.
        0 Private "private",
        /// The exception table of CPython 3.11 and later (`InternalDocs/exception_handling.md`).
        1 Table311 "exception-table-3.11",
    }
}
