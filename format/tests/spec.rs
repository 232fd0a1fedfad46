//! Holds `spec.md` against the code: every table of fields, kinds, flags and limits, every rule id, every vector.
//!
//! The text is parsed by hand, strictly: a table that is not found is a failure, not a table that agrees.

use permacode_format::*;
use std::{collections::BTreeMap, fmt::Debug};

const HEAD_OF_FIELDS: &str = "Offset|Size|Type|Name|Meaning";

/// A table of the text, and what stands above it.
struct Table {
    /// Line of its head, from one.
    line: usize,
    /// The last heading or paragraph line above it that is not empty.
    above: String,
    /// The last heading above it.
    heading: String,
    head: String,
    rows: Vec<Vec<String>>,
}

struct Spec {
    text: String,
    tables: Vec<Table>,
}

impl Spec {
    fn read() -> Spec {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec.md");
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut tables = Vec::new();
        let (mut above, mut heading) = (String::new(), String::new());
        let (mut is_table, mut is_fenced) = (false, false);
        for (index, line) in text.lines().enumerate() {
            if line.starts_with("```") {
                is_fenced = !is_fenced;
            }
            if is_fenced || !line.starts_with('|') {
                is_table = false;
                if !line.is_empty() {
                    above = line.to_owned();
                }
                if !is_fenced && line.starts_with('#') {
                    heading = line.to_owned();
                }
                continue;
            }
            let inner = line.strip_prefix('|').and_then(|line| line.strip_suffix('|'));
            let inner = inner.unwrap_or_else(|| panic!("spec.md:{}: a row does not end with |", index + 1));
            let cells: Vec<String> = inner.split('|').map(|cell| cell.trim().to_owned()).collect();
            if !is_table {
                is_table = true;
                let (above, heading) = (above.clone(), heading.clone());
                tables.push(Table { line: index + 1, above, heading, head: cells.join("|"), rows: Vec::new() });
                continue;
            }
            let table = tables.last_mut().unwrap();
            assert_eq!(cells.len(), table.head.split('|').count(), "spec.md:{}: cells of a row", index + 1);
            if cells.iter().any(|cell| cell.chars().any(|c| c != '-')) {
                table.rows.push(cells);
            }
        }
        Spec { text, tables }
    }

    /// The one table with this head whose heading, or the line directly above, has this name in backticks.
    fn table(&self, head: &str, name: &str) -> &Table {
        let quoted = format!("`{name}`");
        let is_named = |table: &&Table| table.heading.contains(&quoted) || table.above.contains(&quoted);
        let found: Vec<&Table> = self.tables.iter().filter(|table| table.head == head).filter(is_named).collect();
        assert_eq!(found.len(), 1, "spec.md: tables | {head} | under {quoted}");
        found[0]
    }

    /// The one table with this head.
    fn only_table(&self, head: &str) -> &Table {
        let found: Vec<&Table> = self.tables.iter().filter(|table| table.head == head).collect();
        assert_eq!(found.len(), 1, "spec.md: tables | {head} |");
        found[0]
    }
}

impl Table {
    fn at(&self) -> String {
        format!("spec.md, table at line {} | {} |", self.line, self.head)
    }
}

/// The text between the backticks of a cell; the whole of one without.
fn plain(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).unwrap_or(cell)
}

/// Decimal, hexadecimal with `0x`, or a power of two.
fn number(cell: &str) -> u64 {
    let cell = plain(cell);
    let parsed = match (cell.strip_prefix("0x"), cell.strip_prefix("2^")) {
        (Some(digits), _) => u64::from_str_radix(digits, 16).ok(),
        (_, Some(power)) => power.parse().ok().and_then(|power| 1u64.checked_shl(power)),
        _ => cell.parse().ok(),
    };
    parsed.unwrap_or_else(|| panic!("spec.md: {cell:?} is no number"))
}

/// Bytes in hexadecimal, separated by spaces.
fn bytes(cell: &str) -> Vec<u8> {
    let byte = |digits| u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("spec.md: {cell:?} is not bytes"));
    plain(cell).split(' ').map(byte).collect()
}

/// Compares what the text says with what the code says, row by row, so that a failure shows the row.
fn assert_rows<T: PartialEq + Debug>(at: &str, text: &[T], code: &[T]) {
    for (text, code) in text.iter().zip(code) {
        assert_eq!(text, code, "{at}: left the text, right the code");
    }
    let (text_extra, code_extra) = (text.get(code.len()..), code.get(text.len()..));
    assert_eq!(text.len(), code.len(), "{at}: only in the text: {text_extra:?}; only in the code: {code_extra:?}");
}

#[test]
fn field_tables_match_the_records() {
    let spec = Spec::read();
    for Layout { name, len, fields } in RECORDS {
        let table = spec.table(HEAD_OF_FIELDS, name);
        let at = format!("{}, `{name}`", table.at());
        let title = format!("`{name}` ({len} bytes)");
        assert!(table.heading.contains(&title), "{at}: heading {:?} does not say {title}", table.heading);
        let row = |row: &Vec<String>| {
            let type_name = plain(&row[2]).to_ascii_lowercase();
            (number(&row[0]), number(&row[1]), type_name, plain(&row[3]).to_owned())
        };
        let text: Vec<_> = table.rows.iter().map(row).collect();
        // The text says `u32` where the code has the little-endian type `U32`.
        let field = |field: &Field| {
            let type_name = field.type_name.to_ascii_lowercase();
            (field.offset as u64, field.size as u64, type_name, field.name.to_owned())
        };
        assert_rows(&at, &text, &fields.iter().map(field).collect::<Vec<_>>());
        for row in &table.rows {
            assert!(row[0].starts_with("0x"), "{at}: offsets are hexadecimal, {:?} is not", row[0]);
        }
    }
    let count = spec.tables.iter().filter(|table| table.head == HEAD_OF_FIELDS).count();
    assert_eq!(count, RECORDS.len(), "spec.md: tables of fields that belong to no record");
}

#[test]
fn the_generic_header_is_the_start_of_the_header() {
    let fields = |name| RECORDS.iter().find(|record| record.name == name).unwrap().fields;
    let (generic, header) = (fields("GenericHeader"), fields("Header"));
    assert_eq!(generic, &header[..generic.len()]);
    let spec = Spec::read();
    let magic = &spec.table(HEAD_OF_FIELDS, "GenericHeader").rows[0][4];
    assert_eq!(bytes(magic), MAGIC, "spec.md: magic");
}

#[test]
fn section_kinds_match_the_code() {
    let spec = Spec::read();
    let table = spec.table("Number|Name|Group|Record|Contents", "SectionKind");
    let text: Vec<_> =
        table.rows.iter().map(|row| (number(&row[0]), row[1].clone(), row[2].clone(), number(&row[3]))).collect();
    let code: Vec<_> = SectionKind::ALL
        .iter()
        .map(|kind| {
            let group = match kind.group() {
                Group::Lookup => "lookup",
                Group::Hot => "hot",
                Group::Cold => "cold",
            };
            (*kind as u64, kind.name().to_owned(), group.to_owned(), kind.record_len())
        })
        .collect();
    assert_rows(&table.at(), &text, &code);
    // The picture names them too, in the same order.
    let (_, picture) = spec.text.split_once("\n## 4. ").unwrap();
    let (picture, _) = picture.split_once("file_len, which is where").unwrap();
    let mut from = 0;
    for kind in SectionKind::ALL {
        let place = picture[from..].find(&format!(" {}", kind.name()));
        from += place.unwrap_or_else(|| panic!("spec.md 4: {} is missing or out of order", kind.name()));
    }
}

#[test]
fn object_kinds_match_the_code() {
    let spec = Spec::read();
    let table = spec.table("Number|Name|Flags|After the first byte|Meaning", "ObjectKind");
    let text: Vec<_> = table.rows.iter().map(|row| (number(&row[0]), row[1].clone(), number(&row[2]))).collect();
    let code: Vec<_> = ObjectKind::ALL
        .iter()
        .map(|kind| (*kind as u64, kind.name().to_owned(), u64::from(kind.allowed_flags())))
        .collect();
    assert_rows(&table.at(), &text, &code);
    for row in &table.rows {
        let kind = ObjectKind::from_number(number(&row[0]) as u8).unwrap();
        assert_eq!(row[3] == "5.11.7", Container::of_kind(kind).is_some(), "{}: layout of {}", table.at(), row[1]);
    }
}

#[test]
fn encodings_match_the_code() {
    let spec = Spec::read();
    let rows = |name| {
        let table = spec.table("Number|Name|Meaning", name);
        let rows: Vec<_> = table.rows.iter().map(|row| (number(&row[0]), row[1].clone())).collect();
        (table.at(), rows)
    };
    let (at, text) = rows("LineEncoding");
    assert_rows(&at, &text, &LineEncoding::ALL.iter().map(|e| (*e as u64, e.name().to_owned())).collect::<Vec<_>>());
    let (at, text) = rows("ExceptionEncoding");
    let code: Vec<_> = ExceptionEncoding::ALL.iter().map(|e| (*e as u64, e.name().to_owned())).collect();
    assert_rows(&at, &text, &code);
}

#[test]
fn forms_of_qualified_names_match_the_code() {
    let spec = Spec::read();
    let table = spec.table("Number|Name|The qualified name is", "QualnameForm");
    assert_eq!(table.rows.len(), 4, "{}", table.at());
    for (index, row) in table.rows.iter().enumerate() {
        let form = code_form::qualname((index as u8) << 2);
        assert_eq!(number(&row[0]), form as u64, "{}", table.at());
        assert_eq!(plain(&row[1]), format!("{form:?}"), "{}", table.at());
    }
}

/// Names of the public constants between `start` and `end` of a source.
fn constants_in(source: &str, start: &str, end: &str) -> Vec<String> {
    let (_, rest) = source.split_once(start).unwrap_or_else(|| panic!("{start:?} is not in the source"));
    let body = rest.split_once(end).map_or(rest, |(body, _)| body);
    let name = |line: &str| line.trim_start().strip_prefix("pub const ")?.split_once(": u").map(|(n, _)| n.to_owned());
    body.lines().filter_map(name).filter(|name| !name.starts_with("fn ")).collect()
}

/// Names and values of a module of flags, complete by its source.
macro_rules! flags_of {
    ($source:literal, $module:ident: $($name:ident)*) => {{
        let code: Vec<(String, u64)> = vec![$((stringify!($name).to_owned(), u64::from($module::$name))),*];
        let declared = constants_in(include_str!($source), concat!("pub mod ", stringify!($module), " {"), "\n}");
        let declared: Vec<String> = declared.into_iter().filter(|name| name != "KNOWN").collect();
        let listed: Vec<String> = code.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(listed, declared, "this test does not list the constants of {}", stringify!($module));
        (stringify!($module), code)
    }};
}

#[test]
fn flag_tables_match_the_code() {
    let spec = Spec::read();
    let all = [
        flags_of!("../src/section.rs", section_flag: REQUIRED),
        flags_of!(
            "../src/target.rs",
            target_flag: SEALED STRIPPED_DOCSTRINGS STRIPPED_LINES STRIPPED_SIGNATURES STRIPPED_SOURCE
        ),
        flags_of!("../src/module.rs", module_flag: PACKAGE NAMESPACE SOURCE_TEXT SOURCE_MTIME SOURCE_EXECUTABLE),
        flags_of!("../src/resource.rs", resource_flag: EXECUTABLE),
        flags_of!("../src/code.rs", code_form: WIDE_LIST WIDE_RECORD QUALNAME_INTERNED FILENAME),
        flags_of!("../src/code.rs", local_kind: ARG_POS ARG_KW ARG_VAR HIDDEN LOCAL CELL FREE),
        flags_of!("../src/object.rs", object_flag: KIND INTERNED WIDE CODE),
        flags_of!("../src/header.rs", incompat:),
        flags_of!("../src/header.rs", compat:),
    ];
    let head = "Bit|Name|Meaning";
    for (module, code) in all.iter().filter(|(_, code)| !code.is_empty()) {
        let table = spec.table(head, module);
        let text: Vec<_> = table.rows.iter().map(|row| (plain(&row[1]).to_owned(), number(&row[0]))).collect();
        assert_rows(&format!("{}, `{module}`", table.at()), &text, code);
    }
    let count = spec.tables.iter().filter(|table| table.head == head).count();
    assert_eq!(count, all.iter().filter(|(_, code)| !code.is_empty()).count(), "spec.md: tables of flags of nothing");
    assert_eq!((incompat::KNOWN, compat::KNOWN), (0, 0), "spec.md 5.2 says that none is defined");
    assert_eq!(code_form::KNOWN, !0xC0, "spec.md [C-3] refuses the bits 0xC0");
}

#[test]
fn limits_and_constants_match_the_code() {
    let spec = Spec::read();
    macro_rules! values {
        ($($name:ident)*) => { vec![$((stringify!($name).to_owned(), $name as u64)),*] };
    }
    let rows = |table: &Table| -> Vec<(String, u64)> {
        table.rows.iter().map(|row| (plain(&row[0]).to_owned(), number(&row[1]))).collect()
    };
    let limits = values!(MAX_SECTIONS MAX_DEPTH MAX_PARENTS MAX_QUALNAME_LEN MAX_NAME_LEN MAX_U32_SECTION MAX_POOL MAX_IDS LIST_BUDGET);
    let declared = constants_in(include_str!("../src/limits.rs"), "", "\n\n\n");
    let listed: Vec<String> = limits.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(listed, declared, "this test does not list the constants of limits.rs");
    let table = spec.only_table("Limit|Value|What|Rule");
    assert_rows(&table.at(), &rows(table), &limits);

    let constants = values!(FORMAT_VERSION GENERIC_HEADER_LEN HEADER_LEN PAGE_LEN PAGE_LOG2 CHUNK_LEN CHUNK_LOG2
        MAX_VARINT_LEN NONE NO_DOCSTRING PRIVATE_SECTIONS);
    let table = spec.only_table("Fixed number|Value|What");
    assert_rows(&table.at(), &rows(table), &constants);
}

#[test]
fn limits_in_the_prose_match_the_code() {
    let spec = Spec::read();
    let definition = |id: &str| {
        let (_, rest) = spec.text.split_once(&format!("\n**[{id}]** ")).unwrap_or_else(|| panic!("[{id}] is missing"));
        rest.split("\n\n").next().unwrap().replace('\n', " ")
    };
    let grouped = |n: u64| if n < 1000 { n.to_string() } else { format!("{},{:03}", n / 1000, n % 1000) };
    for (id, value) in [
        ("H-2", FORMAT_VERSION.to_string()),
        ("H-3", HEADER_LEN.to_string()),
        ("H-8", PAGE_LOG2.to_string()),
        ("H-8", CHUNK_LOG2.to_string()),
        ("S-1", MAX_SECTIONS.to_string()),
        ("S-4", PAGE_LEN.to_string()),
        ("S-8", format!("2^{}", MAX_IDS.ilog2())),
        ("S-8", format!("2^{}", MAX_POOL.ilog2())),
        ("S-8", format!("2^{}", MAX_U32_SECTION.ilog2())),
        ("N-2", grouped(MAX_NAME_LEN.into())),
        ("C-6", grouped(MAX_PARENTS.into())),
        ("C-9", format!("{LIST_BUDGET} × `file_len`")),
        ("O-6", grouped(MAX_DEPTH.into())),
    ] {
        let text = definition(id);
        let is_said = text.split([' ', '.', ',']).any(|word| word == value) || text.contains(&format!(" {value}"));
        assert!(is_said, "spec.md [{id}] does not say {value}: {text}");
    }
    assert!(spec.text.contains(&format!("chunks of {} bytes", grouped(CHUNK_LEN))), "spec.md 5.14: length of a chunk");
    let formulas = ["(0x9E3779B1 + 2 * pilot)"];
    assert!(formulas.iter().all(|factor| spec.text.contains(factor)), "spec.md 5.6: factors of the hash");
}

/// Ids in square brackets: how often each is defined, and the lines that refer to it.
fn rule_ids(text: &str) -> (BTreeMap<String, usize>, Vec<(usize, String)>) {
    let mut defined = BTreeMap::new();
    let mut used = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (place, _) in line.match_indices('[') {
            let Some((id, _)) = line[place + 1..].split_once(']') else { continue };
            let Some((letter, digits)) = id.split_once('-') else { continue };
            let is_id = letter.len() == 1
                && letter.bytes().all(|byte| byte.is_ascii_uppercase())
                && !digits.is_empty()
                && digits.bytes().all(|byte| byte.is_ascii_digit());
            if !is_id {
                continue;
            }
            if place == 2 && line.starts_with("**[") && line[place..].starts_with(&format!("[{id}]** ")) {
                *defined.entry(id.to_owned()).or_insert(0) += 1;
            }
            used.push((index + 1, id.to_owned()));
        }
    }
    (defined, used)
}

#[test]
fn every_rule_is_defined_once_and_every_reference_is_defined() {
    let spec = Spec::read();
    let (defined, used) = rule_ids(&spec.text);
    let is_of_programs = |id: &str| id.starts_with(['W', 'P', 'V']);
    for (id, count) in &defined {
        assert_eq!(*count, 1, "spec.md: [{id}] is defined {count} times");
        let is_known = RULES.iter().any(|rule| rule.id() == id);
        assert!(is_known || is_of_programs(id), "spec.md defines [{id}], which rule.rs does not know");
    }
    let missing: Vec<_> = RULES.iter().filter(|rule| !defined.contains_key(rule.id())).collect();
    assert!(missing.is_empty(), "spec.md does not define {missing:?}");
    for (line, id) in used {
        assert!(defined.contains_key(&id), "spec.md:{line} refers to [{id}], which is not defined");
    }
    // Ids of programs run from one without holes: one that goes away leaves a sentence, not a gap.
    for letter in ["W", "P", "V"] {
        let count = defined.keys().filter(|id| id.starts_with(letter)).count();
        assert!(count > 0, "spec.md: no rule {letter}-n");
        for n in 1..=count {
            assert!(defined.contains_key(&format!("{letter}-{n}")), "spec.md: [{letter}-{n}] is missing");
        }
    }
}

#[test]
fn every_definition_has_a_requirement_and_every_requirement_names_a_rule() {
    let spec = Spec::read();
    // Section 1 says what the words mean.
    let (_, body) = spec.text.split_once("\n## 2. ").expect("section 2");
    for block in body.split("\n\n") {
        let definitions = block.matches("**[").count();
        let is_definition = block.starts_with("**[");
        assert_eq!(definitions, usize::from(is_definition), "spec.md: a definition is a paragraph of its own: {block}");
        let demands = block.contains("MUST") || block.contains("SHOULD");
        assert!(demands || !is_definition, "spec.md: demands nothing: {block}");
        // A demand outside of a definition says which rule it is part of.
        assert!(is_definition || !demands || !rule_ids(block).1.is_empty(), "spec.md: names no rule: {block}");
    }
}

#[test]
fn references_in_the_code_exist_in_the_specification() {
    let spec = Spec::read();
    let sources = [
        include_str!("../src/lib.rs"),
        include_str!("../src/checksum.rs"),
        include_str!("../src/code.rs"),
        include_str!("../src/encoding.rs"),
        include_str!("../src/hash.rs"),
        include_str!("../src/header.rs"),
        include_str!("../src/index.rs"),
        include_str!("../src/le.rs"),
        include_str!("../src/limits.rs"),
        include_str!("../src/module.rs"),
        include_str!("../src/object.rs"),
        include_str!("../src/resource.rs"),
        include_str!("../src/section.rs"),
        include_str!("../src/target.rs"),
        include_str!("../src/text.rs"),
        include_str!("../src/varint.rs"),
    ]
    .concat();
    let headings: Vec<&str> = spec
        .text
        .lines()
        .filter(|line| line.starts_with('#'))
        .filter_map(|line| line.trim_start_matches('#').split_whitespace().next())
        .map(|number| number.trim_end_matches('.'))
        .collect();
    for (place, _) in sources.match_indices("spec.md ") {
        let rest = &sources[place + "spec.md ".len()..];
        let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let number = number.trim_end_matches('.');
        assert!(number.is_empty() || headings.contains(&number), "the code refers to spec.md {number}");
    }
    let (_, used) = rule_ids(&sources.replace("[`", "[ `"));
    for (_, id) in used {
        assert!(RULES.iter().any(|rule| rule.id() == id), "the code refers to [{id}]");
    }
}

#[test]
fn varint_examples_are_correct() {
    let spec = Spec::read();
    let table = spec.only_table("Varint value|Bytes");
    for row in &table.rows {
        let (value, encoded) = (number(&row[0]), bytes(&row[1]));
        assert_eq!(read_varint(&encoded), Some((value as u32, encoded.len())), "{}: {row:?}", table.at());
        let (written, len) = write_varint(value as u32);
        assert_eq!(written[..len], encoded, "{}: {row:?}", table.at());
    }
    let table = spec.only_table("Varint refused|Why");
    for row in &table.rows {
        assert_eq!(read_varint(&bytes(&row[0])), None, "{}: {row:?}", table.at());
    }
}

#[test]
fn index_examples_are_correct() {
    let spec = Spec::read();
    let table = spec.only_table("Name|Seed|Hash|Buckets|Bucket|Pilot|Slots|Slot|Fingerprint");
    let text: Vec<String> = table.rows.iter().map(|row| row.join(" | ")).collect();
    let code: Vec<String> = table
        .rows
        .iter()
        .map(|row| {
            let (buckets, pilot, slots) = (number(&row[3]) as u32, number(&row[5]) as u8, number(&row[6]) as u32);
            let hash = name_hash(plain(&row[0]).as_bytes(), number(&row[1]));
            let (bucket, slot, fingerprint) = (bucket_of(hash, buckets), slot_of(hash, pilot, slots), fingerprint_of(hash));
            let (name, seed) = (&row[0], &row[1]);
            format!("{name} | {seed} | {hash:#018X} | {buckets} | {bucket} | {pilot} | {slots} | {slot} | {fingerprint:#06X}")
                .replace("0X", "0x")
        })
        .collect();
    assert_rows(&table.at(), &text, &code);
    let empty = format!("0x{:X}", name_hash(b"", 0));
    assert!(spec.text.contains(&empty), "spec.md 5.6.2: the hash of no bytes is {empty}");
}

#[test]
fn checksum_examples_are_correct() {
    let spec = Spec::read();
    let table = spec.only_table("CRC input|CRC");
    for row in &table.rows {
        let input = if row[0] == "no bytes" { "" } else { plain(&row[0]) };
        let crc = format!("0x{:08X}", crc32(input.as_bytes()));
        assert_eq!(row[1], crc, "{}: left the text, right the code, for {input:?}", table.at());
    }
    assert!(table.rows.iter().any(|row| row[0] == "`123456789`"), "{}: the check value is missing", table.at());
}

#[test]
fn digest_examples_are_correct() {
    let spec = Spec::read();
    let table = spec.only_table("Digest input|Digest bytes");
    for (row, input) in table.rows.iter().zip(["", "x = 1\n"]) {
        assert_eq!(bytes(&row[1]), digest(input.as_bytes()), "{}: left the text, right the code, {row:?}", table.at());
    }
    assert_eq!(table.rows.len(), 2, "{}: rows that this test does not know", table.at());
}

#[test]
fn list_item_examples_are_correct() {
    let spec = Spec::read();
    let table = spec.only_table("Item|`object_base`|`first_code`|Refers to");
    for row in &table.rows {
        let item = number(&row[0]) as u32;
        let (base, code) = (number(&row[1]) as u32, number(&row[2]) as u32);
        // The number of digits tells narrow items from wide ones.
        let found = match row[0].len() {
            6 => list_item::decode_narrow(item as u16, base, code),
            10 => Some(list_item::decode_wide(item)),
            _ => panic!("{}: {:?} is neither 4 nor 8 digits", table.at(), row[0]),
        };
        let found = match found {
            Some(ItemRef::Object(id)) => format!("object {id}"),
            Some(ItemRef::Code(id)) => format!("code object {id}"),
            None => "none".to_owned(),
        };
        assert_eq!(row[3], found, "{}: left the text, right the code, for {row:?}", table.at());
    }
    let table = spec.only_table("Container item|`own`|Refers to");
    for row in &table.rows {
        let found = container_item::decode_narrow(number(&row[0]) as u16, number(&row[1]) as u32);
        let found = found.map_or("none".to_owned(), |id| format!("object {id}"));
        assert_eq!(row[2], found, "{}: left the text, right the code, for {row:?}", table.at());
    }
}

#[test]
fn object_examples_are_correct() {
    let spec = Spec::read();
    let table = spec.only_table("Object bytes|Means");
    for row in &table.rows {
        let at = format!("{}: {row:?}", table.at());
        let encoded = bytes(&row[0]);
        let (first, rest) = encoded.split_first().unwrap();
        let kind = ObjectKind::from_number(first & object_flag::KIND).unwrap_or_else(|| panic!("{at}: no kind"));
        let flags = first & !object_flag::KIND;
        assert_eq!(flags & !kind.allowed_flags(), 0, "{at}: flags");
        let mut means = kind.name().to_owned();
        let sized = || {
            let (len, start) = read_varint(rest).unwrap_or_else(|| panic!("{at}: no length"));
            assert_eq!(rest.len(), start + len as usize, "{at}: length");
            &rest[start..]
        };
        match kind {
            ObjectKind::Int => {
                let bytes = sized();
                let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
                let mut wide = [if negative { 0xFF } else { 0 }; 8];
                wide[..bytes.len()].copy_from_slice(bytes);
                means += &format!(" {}", i64::from_le_bytes(wide));
            }
            ObjectKind::Float => means += &format!(" {}", f64::from_le_bytes(rest.try_into().expect("eight bytes"))),
            ObjectKind::Bytes => sized().iter().for_each(|byte| means += &format!(" {byte:02x}")),
            ObjectKind::Ascii | ObjectKind::Utf8 => {
                assert_eq!(string_kind(sized()), Ok(kind), "{at}: narrowest kind");
                means += &format!(" {}", std::str::from_utf8(sized()).unwrap());
            }
            ObjectKind::Surrogates => {
                assert_eq!(string_kind(sized()), Ok(kind), "{at}: narrowest kind");
                let [lead, middle, last] = *sized() else { panic!("{at}: one surrogate") };
                let parts = [lead & 0x0F, middle & 0x3F, last & 0x3F].map(u32::from);
                means += &format!(" U+{:04X}", parts[0] << 12 | parts[1] << 6 | parts[2]);
            }
            ObjectKind::Qualname => {
                let (constant, len) = read_varint(rest).unwrap();
                assert_eq!(len, rest.len(), "{at}: length");
                means += &format!(" of constant {constant}");
            }
            ObjectKind::Tuple => {
                assert_eq!((flags, rest), (0, &[0, 1][..]), "{at}: only the empty tuple is shown");
                means += " of no items, depth 1";
            }
            _ => assert!(rest.is_empty(), "{at}: this test does not know what follows"),
        }
        if matches!(kind, ObjectKind::Ascii | ObjectKind::Utf8 | ObjectKind::Surrogates | ObjectKind::Qualname)
            && flags & object_flag::INTERNED != 0
        {
            means += ", interned";
        }
        assert_eq!(row[1], means, "{at}: left the text, right the code");
    }
}

#[test]
fn generated_blocks_have_their_marks() {
    let spec = Spec::read();
    for name in ["worked-example", "test-vectors"] {
        let (start, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end of generated: {name} -->\n"));
        let found = (spec.text.matches(&start).count(), spec.text.matches(&end).count());
        assert_eq!(found, (1, 1), "spec.md: marks of the generated block {name}");
        assert!(spec.text.find(&start) < spec.text.find(&end), "spec.md: the block {name} ends before it starts");
    }
}
