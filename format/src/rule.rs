//! The rules of `spec.md` about bytes: what an error names.

macro_rules! rules {
    ($($name:ident $id:literal $text:literal;)*) => {
        /// One rule of `spec.md`; its id stands in square brackets there.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {$(
            #[doc = concat!("[", $id, "] ", $text)]
            $name,
        )*}

        /// All rules, in the order of `spec.md`.
        pub const RULES: &[Rule] = &[$(Rule::$name),*];

        impl Rule {
            /// The id, for example `H-1`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// What it demands, in one sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

impl core::fmt::Display for Rule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.id())
    }
}

rules! {
    H1 "H-1" "The file starts with the magic bytes.";
    H2 "H-2" "The format version is one that the reader knows.";
    H3 "H-3" "The header is as long as its version says and lies in the file.";
    H4 "H-4" "The stated length is the length of the archive.";
    H5 "H-5" "The CRC of the header is right.";
    H6 "H-6" "No bit is set that a reader must know and does not.";
    H7 "H-7" "Reserved bytes of the header are zero.";
    H8 "H-8" "Alignment of bytecode, page size and chunk size have values that the format allows.";
    S1 "S-1" "The section table has at most 256 entries and lies in the file.";
    S2 "S-2" "The CRC of the section table is right.";
    S3 "S-3" "Sections lie in the file, behind the section table, in the order of their entries, and do not overlap.";
    S4 "S-4" "Sections are aligned to 8 bytes, the first one of a group to a page, the bytecode as the header says.";
    S5 "S-5" "Bytes that belong to no section are zero, and the file ends with its last section.";
    S6 "S-6" "A section that is marked as required is of a known kind.";
    S7 "S-7" "No kind of section occurs twice.";
    S8 "S-8" "The length of a section is a multiple of its record and within the limit.";
    S9 "S-9" "The CRC of a section is right.";
    S10 "S-10" "Only defined flags are set in the section table.";
    K1 "K-1" "Each chunk of each section except checksums must have a CRC in the checksums section that matches its bytes.";
    T1 "T-1" "The name of a machine is 1 to 16 bytes of printable ASCII, filled up with zeros.";
    T2 "T-2" "No two targets agree in machine, bytecode magic, version and optimisation level.";
    T3 "T-3" "A bytecode unit has at least one byte.";
    T4 "T-4" "The encodings of line tables and exception tables are known.";
    T5 "T-5" "The tag of a target lies in the names section, is UTF-8 and has at most 65,535 bytes.";
    T6 "T-6" "The records of the targets follow each other and are all records there are.";
    T7 "T-7" "Flags of a target are known.";
    N1 "N-1" "A name lies in the names section, and two names are the same bytes of it or do not overlap.";
    N2 "N-2" "A name has 1 to 65,535 bytes.";
    N3 "N-3" "A module name is UTF-8 without NUL, and no component between its dots is empty.";
    N4 "N-4" "A resource name is a relative path: no component is empty, a dot or two dots, and none has a NUL.";
    X1 "X-1" "Pilots and slots of an index lie in the index section, and none of them overlap.";
    X2 "X-2" "An index of n names has at least n slots, and at least one bucket if it has slots.";
    X3 "X-3" "Each name is found in its slot, and the other slots are empty, their tags zero.";
    M1 "M-1" "Module records of a target are sorted by name, each name once.";
    M2 "M-2" "Only defined flags are set in a module record; a namespace package is a package.";
    M3 "M-3" "The code objects of the modules lie in the code section and do not overlap; only a namespace package has none.";
    M4 "M-4" "The object base of a module is at most the number of objects.";
    M5 "M-5" "File name and root of a module are string objects, and only a namespace package has no file name.";
    M6 "M-6" "Path and root of a source are string objects, and its text lies in the sources section; two texts are the same bytes or do not overlap.";
    M7 "M-7" "The digest of a source is that of its text.";
    R1 "R-1" "Resource records of a target are sorted by name, each name once.";
    R2 "R-2" "The name of a resource starts with its root, one component in UTF-8, and goes on behind a slash.";
    R3 "R-3" "Only defined flags are set in a resource record.";
    R4 "R-4" "The bytes of a resource lie in the files section.";
    C1 "C-1" "There is one detail for each code record.";
    C2 "C-2" "Instructions lie in the bytecode section, aligned as the header says.";
    C3 "C-3" "Only defined bits are set in a code record, its wide form exists, and fields it replaces are zero.";
    C4 "C-4" "The list of a code object lies in the lists section, and what it refers to exists.";
    C5 "C-5" "Line table and exception table lie in the tables section.";
    C6 "C-6" "The parent of a code object is a later one of the same module, there are at most 2,000 above it, and a derived name has one and at most 65,536 bytes.";
    C7 "C-7" "The docstring of a code object is one of its constants, and a string.";
    C8 "C-8" "The local kinds of a code object are bytes, one for each local.";
    C9 "C-9" "The lists of all code objects together hold at most 8 items for each byte of the archive.";
    C10 "C-10" "Names, locals, qualified name and file name of a code object are string objects.";
    C11 "C-11" "A code object refers only to earlier code objects of its own module.";
    O1 "O-1" "Objects follow each other without a gap, each entry points at the start of one, and each has one entry.";
    O2 "O-2" "An object starts with a known kind and flags of that kind, its numbers are the shortest, and it lies in its section.";
    O3 "O-3" "An integer is the shortest two's complement.";
    O4 "O-4" "A string is of the narrowest of the three kinds that hold it.";
    O5 "O-5" "A qualified name is a constant of a code object and names another constant of it that is a code object.";
    O6 "O-6" "A container refers to objects with lower ids, and its depth is one more than the largest of theirs, at most 2,000.";
    O7 "O-7" "A container refers to code objects that exist; one from which some can be reached is wide and states one more than the highest of them, and a code object lists it only if all are earlier.";
    O8 "O-8" "A container has as many items as its kind takes.";
    G1 "G-1" "Signature records are sorted by code id, each once, and the code object exists.";
    G2 "G-2" "A signature lies in the signature-text section and is UTF-8; two are the same bytes or do not overlap.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        for (i, rule) in RULES.iter().enumerate() {
            assert!(RULES[..i].iter().all(|other| other.id() != rule.id()), "{rule}");
        }
    }
}
