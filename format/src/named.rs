//! Names and numbers of the kinds of this format as text and back.

use core::fmt;

/// A name or a number that this version of the format does not define.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this version of the format does not define the name or number")
    }
}

impl core::error::Error for Unknown {}

/// `Display`, `FromStr` and `TryFrom` for a type with `ALL`, `name` and `from_number`.
macro_rules! named {
    ($type:ident: $int:ty) => {
        impl core::fmt::Display for $type {
            /// The name in `spec.md`.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }

        impl core::str::FromStr for $type {
            type Err = $crate::Unknown;

            /// Takes the name in `spec.md`.
            fn from_str(name: &str) -> Result<Self, $crate::Unknown> {
                Self::ALL.iter().copied().find(|one| one.name() == name).ok_or($crate::Unknown)
            }
        }

        impl TryFrom<$int> for $type {
            type Error = $crate::Unknown;

            /// Takes the number in `spec.md`.
            fn try_from(number: $int) -> Result<Self, $crate::Unknown> {
                Self::from_number(number).ok_or($crate::Unknown)
            }
        }
    };
}
pub(crate) use named;

#[cfg(test)]
mod tests {
    use crate::{ExceptionEncoding, LineEncoding, ObjectKind, RULES, Rule, SectionKind, Unknown};
    use std::string::ToString;
    extern crate std;

    #[test]
    fn names_and_numbers_come_back() {
        macro_rules! check {
            ($($type:ident: $int:ty;)*) => {$(
                for one in $type::ALL {
                    assert_eq!(one.to_string().parse(), Ok(*one));
                    assert_eq!($type::try_from(*one as $int), Ok(*one));
                }
                assert_eq!("no such name".parse::<$type>(), Err(Unknown));
                assert_eq!($type::try_from(200), Err(Unknown));
            )*};
        }
        check! { SectionKind: u32; ObjectKind: u8; LineEncoding: u8; ExceptionEncoding: u8; }
        for rule in RULES {
            assert_eq!(rule.to_string().parse(), Ok(*rule));
        }
        assert_eq!("H-99".parse::<Rule>(), Err(Unknown));
    }
}
