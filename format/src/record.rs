//! What every on-disk record tells about itself, so that `spec.md` can be held against the structs.

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Name, the same in `spec.md`.
    pub name: &'static str,
    /// Offset from the start of the record in bytes.
    pub offset: usize,
    /// Size in bytes.
    pub size: usize,
}

/// A fixed-size record of the archive: alignment 1, no padding, little-endian.
pub trait Record {
    /// Name, the same in `spec.md`.
    const NAME: &'static str;
    /// Size in bytes.
    const LEN: usize;
    /// Fields in order, without holes.
    const FIELDS: &'static [Field];
}

macro_rules! record {
    ($(#[$doc:meta])* pub struct $name:ident[$len:literal] { $($(#[$fdoc:meta])* $offset:literal $field:ident: $type:ty,)* }) => {
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
            const NAME: &'static str = stringify!($name);
            const LEN: usize = $len;
            const FIELDS: &'static [$crate::record::Field] = &[
                $($crate::record::Field {
                    name: stringify!($field),
                    offset: $offset,
                    size: size_of::<$type>(),
                },)*
            ];
        }
    };
}
pub(crate) use record;

/// Name, length and fields of every record, in the order of `spec.md`.
pub const RECORDS: &[(&str, usize, &[Field])] = &[
    describe::<crate::GenericHeader>(),
    describe::<crate::Header>(),
    describe::<crate::SectionEntry>(),
    describe::<crate::TargetRecord>(),
    describe::<crate::IndexHeader>(),
    describe::<crate::Slot>(),
    describe::<crate::ModuleRecord>(),
    describe::<crate::ResourceRecord>(),
    describe::<crate::CodeRecord>(),
    describe::<crate::CodeDetail>(),
    describe::<crate::WideCode>(),
    describe::<crate::SignatureRecord>(),
];

const fn describe<R: Record>() -> (&'static str, usize, &'static [Field]) {
    (R::NAME, R::LEN, R::FIELDS)
}

#[cfg(test)]
mod tests {
    use super::RECORDS;

    #[test]
    fn fields_of_every_record_leave_no_hole() {
        for (name, len, fields) in RECORDS {
            let mut at = 0;
            for field in *fields {
                assert_eq!(field.offset, at, "{name}.{}", field.name);
                at += field.size;
            }
            assert_eq!(at, *len, "{name}");
        }
    }
}
