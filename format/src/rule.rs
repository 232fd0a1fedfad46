//! The rules of `spec.md` about the bytes of an archive. Each error about bytes names the broken rule.

macro_rules! rules {
    ($($name:ident $id:literal $text:literal;)*) => {
        /// One rule of `spec.md`, where its id is in square brackets.
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

            /// The requirement, in one sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

impl core::str::FromStr for Rule {
    type Err = crate::Unknown;

    /// Takes the id.
    fn from_str(id: &str) -> Result<Self, crate::Unknown> {
        RULES.iter().copied().find(|rule| rule.id() == id).ok_or(crate::Unknown)
    }
}

impl core::fmt::Display for Rule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.id())
    }
}

rules! {
    H1 "H-1" "An archive must start with the eight magic bytes.";
    H2 "H-2" "The format version must be one that the reader knows.";
    H3 "H-3" "The header must have the length that its version prescribes, and must lie in the file.";
    H4 "H-4" "The stated length must be the length of the archive.";
    H5 "H-5" "The header's CRC must match its bytes.";
    H6 "H-6" "No incompatible feature bit may be set that the reader does not know.";
    H7 "H-7" "Reserved bytes of the header must be zero.";
    H8 "H-8" "Bytecode alignment, page size and chunk size must be values that the format allows.";
    S1 "S-1" "The section table must have at most 256 entries and must lie in the file.";
    S2 "S-2" "The section table's CRC must match its bytes.";
    S3 "S-3" "Sections must lie in the file, behind the section table, in the order of their entries, without overlap.";
    S4 "S-4" "A section must be aligned to 8 bytes, the first section of a group to a page, bytecode as the header \
        says.";
    S5 "S-5" "Bytes that belong to no section must be zero, and the archive must end where its last section ends.";
    S6 "S-6" "A section that is marked as required must be of a known kind.";
    S7 "S-7" "No two sections may be of the same known kind.";
    S8 "S-8" "A section's length must be a multiple of its record length and within the limit of its kind.";
    S9 "S-9" "A section's CRC must match its bytes.";
    S10 "S-10" "Section flags must be ones that the format defines.";
    K1 "K-1" "Each chunk of each section except checksums must have a CRC in the checksums section that matches its \
        bytes.";
    T1 "T-1" "The name of a machine must be 1 to 16 bytes of printable ASCII, padded with zeros.";
    T2 "T-2" "Two targets must differ in machine, bytecode magic, machine version or optimisation level.";
    T3 "T-3" "A bytecode unit must have at least one byte.";
    T4 "T-4" "The encodings of line tables and exception tables must be ones that the format defines.";
    T5 "T-5" "A cache tag must lie in the names section, be UTF-8 and have at most 65,535 bytes.";
    T6 "T-6" "The records of the targets must follow each other and cover all module and resource records.";
    T7 "T-7" "Target flags must be ones that the format defines.";
    N1 "N-1" "A name must lie in the names section, and two names must be the same range of it or not overlap.";
    N2 "N-2" "A name must have 1 to 65,535 bytes.";
    N3 "N-3" "A module name must be UTF-8 without NUL, and no component between its dots may be empty.";
    N4 "N-4" "A resource name must be a relative path: no component may be empty, `.` or `..`, or hold a NUL.";
    X1 "X-1" "Pilots and slots of an index must lie in the index section, and no two of these ranges may overlap.";
    X2 "X-2" "An index must have at least as many slots as names, and at least one bucket if it has slots.";
    X3 "X-3" "Each name must be found in a slot that has the place of the name, and every other slot must be empty.";
    M1 "M-1" "The module records of a target must be in the order of their names, each name once.";
    M2 "M-2" "Module flags must be ones that the format defines, and a namespace package must be marked as a package.";
    M3 "M-3" "The code objects of a module must exist and belong to it alone; only a namespace package may have none.";
    M4 "M-4" "The object base of a module must be at most the number of objects.";
    M5 "M-5" "File name and file name root of a module must be string objects; only a namespace package may lack the \
        former.";
    M6 "M-6" "Path and root of a source must be string objects, its text must lie in the sources section, and two \
        texts must be the same range or not overlap.";
    M7 "M-7" "The digest of a source must match its text.";
    R1 "R-1" "The resource records of a target must be in the order of their names, each name once.";
    R2 "R-2" "A resource name must start with a root, which is one component in UTF-8, followed by a slash.";
    R3 "R-3" "Resource flags must be ones that the format defines.";
    R4 "R-4" "The bytes of a resource must lie in the files section.";
    C1 "C-1" "There must be one detail record for each code record.";
    C2 "C-2" "Instructions must lie in the bytecode section, aligned as the header says.";
    C3 "C-3" "The form of a code object must be defined, its wide record must exist, and fields it replaces must be \
        zero.";
    C4 "C-4" "A list must lie in the lists section, and each of its items must refer to something that exists.";
    C5 "C-5" "Line table and exception table must lie in the tables section.";
    C6 "C-6" "A parent must be a later code object of the same module; at most 2,000 may be above a code object; a \
        derived qualified name needs one and must have at most 65,536 bytes.";
    C7 "C-7" "The docstring of a code object must be one of its constants, and a string object.";
    C8 "C-8" "The local kinds of a code object must be a bytes object with one byte for each local.";
    C9 "C-9" "All lists of an archive together must have at most 8 items for each byte of the archive.";
    C10 "C-10" "Name, qualified name, file name, locals and names of a code object must be string objects.";
    C11 "C-11" "A code object must refer only to earlier code objects of its own module.";
    O1 "O-1" "Objects must follow each other without a gap, and each must have exactly one entry that points at its \
        start.";
    O2 "O-2" "An object must start with a known kind and flags of that kind, its numbers must be in the shortest \
        form, and it must lie in its section.";
    O3 "O-3" "An integer must be the shortest two's complement of its value.";
    O4 "O-4" "A string must be text, and of the narrowest of the three kinds that hold it.";
    O5 "O-5" "A derived qualified name must be a constant of a code object and name another constant of it that is a \
        code object.";
    O6 "O-6" "A container must refer only to objects with lower ids, and must state its depth, which is at most 2,000.";
    O7 "O-7" "Code objects in a container must exist; a container that reaches some must be wide and state its bound; \
        a code object may list it only if all of them are earlier.";
    O8 "O-8" "A container must have a number of items that its kind allows.";
    G1 "G-1" "Signature records must be in the order of their code ids, each once, and the code objects must exist.";
    G2 "G-2" "A signature must lie in the signature-text section and be UTF-8; two must be the same range or not \
        overlap.";
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
