//! Descriptions of all on-disk records. A test compares them with the tables of `spec.md`.

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Name, as in `spec.md`.
    pub name: &'static str,
    /// Offset from the start of the record, in bytes.
    pub offset: usize,
    /// Size in bytes.
    pub size: usize,
    /// The Rust type: `u8`, `U32`, `[u8; 16]`, `IndexHeader`, ...
    pub type_name: &'static str,
}

/// The layout of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Name, as in `spec.md`.
    pub name: &'static str,
    /// Size in bytes.
    pub len: usize,
    /// Fields in order, without gaps.
    pub fields: &'static [Field],
}

impl Layout {
    /// The field with this name.
    ///
    /// ```
    /// use permacode_format::{Header, Record};
    /// assert_eq!(Header::LAYOUT.field("section_count").unwrap().offset, 40);
    /// ```
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A fixed-size record of the archive: alignment 1, no padding, little-endian.
pub trait Record:
    zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::KnownLayout + zerocopy::Immutable + zerocopy::Unaligned
{
    /// Its name, its size and its fields.
    const LAYOUT: Layout;
}

/// A record that fills a section.
pub trait SectionRecord: Record {
    /// The section.
    const SECTION: crate::SectionKind;
}

macro_rules! record {
    (
        $(#[$doc:meta])*
        pub struct $name:ident[$len:literal] $(in $section:ident)? {
            $($(#[$fdoc:meta])* $offset:literal $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable, zerocopy::Unaligned,
            bytemuck::Pod, bytemuck::Zeroable,
        )]
        #[repr(C)]
        pub struct $name { $($(#[$fdoc])* pub $field: $type,)* }

        const _: () = {
            assert!(size_of::<$name>() == $len);
            assert!(align_of::<$name>() == 1);
            $(assert!(core::mem::offset_of!($name, $field) == $offset);)*
        };

        impl $crate::record::Record for $name {
            const LAYOUT: $crate::record::Layout = $crate::record::Layout {
                name: stringify!($name),
                len: $len,
                fields: &[$($crate::record::Field {
                    name: stringify!($field),
                    offset: $offset,
                    size: size_of::<$type>(),
                    type_name: stringify!($type),
                },)*],
            };
        }

        $(
            impl $crate::record::SectionRecord for $name {
                const SECTION: $crate::SectionKind = $crate::SectionKind::$section;
            }
            const _: () = assert!($crate::SectionKind::$section.record_len() == $len);
        )?
    };
}
pub(crate) use record;

/// The layout of every record, in the order of `spec.md`.
pub const RECORDS: &[Layout] = &[
    crate::GenericHeader::LAYOUT,
    crate::Header::LAYOUT,
    crate::SectionEntry::LAYOUT,
    crate::TargetRecord::LAYOUT,
    crate::IndexHeader::LAYOUT,
    crate::Slot::LAYOUT,
    crate::ModuleRecord::LAYOUT,
    crate::ResourceRecord::LAYOUT,
    crate::CodeRecord::LAYOUT,
    crate::CodeDetail::LAYOUT,
    crate::WideCode::LAYOUT,
    crate::SignatureRecord::LAYOUT,
];

#[cfg(test)]
mod tests {
    use super::RECORDS;

    #[test]
    fn the_fields_of_every_record_leave_no_gap() {
        for record in RECORDS {
            let mut at = 0;
            for field in record.fields {
                assert_eq!(field.offset, at, "{}.{}", record.name, field.name);
                at += field.size;
            }
            assert_eq!(at, record.len, "{}", record.name);
        }
    }
}
