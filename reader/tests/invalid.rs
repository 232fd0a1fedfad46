//! For each rule about bytes, `testdata/invalid/RULE.perma` breaks this rule and no other.
//!
//! `BLESS=1 cargo test -p permacode-reader --test invalid` writes the files and their manifests.

use permacode_format::{RULES, Rule, SectionKind};
use permacode_model::{Object, Ref};
use permacode_reader::{Archive, Constant, Error, Leaf, ObjectKind};
use permacode_testkit::{Edited, Repair, Sections, behind, shapes};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// Changes to a valid archive, and the repair after them.
struct Case {
    rule: Rule,
    /// Follows the rule in the name of the file, if the rule has several files.
    part: &'static str,
    base: Vec<u8>,
    repair: Repair,
    edits: Vec<(String, u64)>,
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(name)
}

fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

impl Case {
    fn file(&self) -> String {
        format!("{}{}.perma", self.rule.id(), self.part)
    }

    fn broken(&self) -> Edited {
        let mut archive = Edited(self.base.clone());
        for (path, value) in &self.edits {
            archive.set(path, *value);
        }
        archive.repair(self.repair);
        archive
    }
}

/// The check that refuses an archive, and its error.
fn refusal(bytes: &[u8]) -> Option<(&'static str, Error)> {
    let archive = match Archive::open(bytes) {
        Err(error) => return Some(("open", error)),
        Ok(archive) => archive,
    };
    if let Err(error) = archive.verify_structure() {
        return Some(("structure", error));
    }
    let modules = archive.targets().flat_map(|target| target.modules());
    if let Some(error) = modules.filter_map(|module| archive.verify_module(&module.unwrap()).err()).next() {
        assert_eq!(
            archive.verify().err().and_then(|whole| whole.rule()),
            error.rule(),
            "the whole finds the same: {error}"
        );
        return Some(("module", error));
    }
    archive.verify().err().map(|error| ("everything", error))
}

/// The path of the first byte of the first object with this property.
fn object(bytes: &[u8], is_it: impl Fn(&Constant<'_>) -> bool) -> String {
    let archive = Archive::open(bytes).unwrap();
    let found = (0..archive.object_count()).find(|id| {
        // Containers that reach code objects cannot be reached without their module: by kind, see below.
        archive.object(*id).unwrap().constant().is_ok_and(|constant| is_it(&constant))
    });
    Edited(bytes.to_vec()).object(found.unwrap())
}

fn object_of_kind(bytes: &[u8], kind: ObjectKind, is_it: impl Fn(u32) -> bool) -> u32 {
    let archive = Archive::open(bytes).unwrap();
    let found =
        (0..archive.object_count()).find(|id| archive.object(*id).unwrap().kind().unwrap() == kind && is_it(*id));
    found.unwrap_or_else(|| panic!("no {kind:?}"))
}

fn cases() -> Vec<Case> {
    use Repair::{Chunks, Header, Nothing, Sections, Table};
    let base = shapes::everything();
    let whole = Edited(base.clone());
    let mut cases = Vec::new();
    let mut add = |rule, part, repair, edits: &[(&str, u64)]| {
        let edits = edits.iter().map(|(path, value)| ((*path).to_owned(), *value)).collect();
        cases.push(Case { rule, part, base: base.clone(), repair, edits });
    };
    let huge = u64::from(u32::MAX) - 8;
    let get = |path: &str| whole.get(path);

    add(Rule::H1, "", Header, &[("file@0", b'P'.into())]);
    add(Rule::H2, "", Header, &[("header.version", 99)]);
    add(Rule::H3, "", Header, &[("header.header_len", 65)]);
    add(Rule::H4, "", Header, &[("header.file_len", base.len() as u64 + 1)]);
    add(Rule::H5, "", Nothing, &[("header.header_crc", get("header.header_crc") ^ 1)]);
    add(Rule::H6, "", Header, &[("header.incompat", 1)]);
    add(Rule::H7, "", Header, &[("header.reserved", 1)]);
    add(Rule::H7, ".reserved2", Header, &[("file@63", 1)]);
    add(Rule::H8, "", Header, &[("header.code_align_log2", 13)]);
    add(Rule::H8, ".page_log2", Header, &[("header.page_log2", 13)]);
    add(Rule::H8, ".chunk_log2", Header, &[("header.chunk_log2", 15)]);

    add(Rule::S1, "", Header, &[("header.section_count", 257)]);
    add(Rule::S2, "", Header, &[("header.table_crc", get("header.table_crc") ^ 1)]);
    add(Rule::S3, "", Table, &[("section:checksums.offset", base.len() as u64 + 8)]);
    add(Rule::S3, ".order", Table, &[("section:names.offset", get("section:modules.offset"))]);
    add(Rule::S4, "", Table, &[("section:code.offset", get("section:code.offset") + 4)]);
    let padding = format!("file@{}", get("section:names.offset") + get("section:names.len"));
    add(Rule::S5, "", Table, &[(&padding, 1)]);
    add(Rule::S6, "", Table, &[("section:signatures.kind", 999)]);
    add(Rule::S7, "", Table, &[("section:resources.kind", 2)]);
    add(Rule::S8, "", Table, &[("section:objects.len", get("section:objects.len") - 1)]);
    add(Rule::S9, "", Table, &[("section:lists.crc", get("section:lists.crc") ^ 1)]);
    add(Rule::S9, ".lookup", Table, &[("section:names.crc", get("section:names.crc") ^ 1)]);
    add(Rule::S10, "", Table, &[("section:index.flags", 3)]);
    let of_code = format!("checksums[{}]", get("section:code.first_chunk"));
    add(Rule::K1, "", Sections, &[(&of_code, get(&of_code) ^ 1)]);
    add(Rule::K1, ".missing", Table, &[("section:code.first_chunk", u32::MAX.into())]);
    add(Rule::K1, ".checksums", Table, &[("section:checksums.first_chunk", 0)]);

    add(Rule::T1, "", Chunks, &[("targets@0", b' '.into())]);
    add(Rule::T2, "", Chunks, &[("targets[1].optimization", 0)]);
    add(Rule::T3, "", Chunks, &[("targets[0].unit_size", 0)]);
    add(Rule::T4, "", Chunks, &[("targets[0].line_encoding", 200)]);
    add(Rule::T4, ".exception_encoding", Chunks, &[("targets[0].exception_encoding", 200)]);
    add(Rule::T5, "", Chunks, &[("targets[0].cache_tag_offset", huge)]);
    add(Rule::T6, "", Chunks, &[("targets[1].first_module", 4)]);
    add(Rule::T7, "", Chunks, &[("targets[0].flags", 32)]);
    add(Rule::N1, "", Chunks, &[("modules[0].name_offset", huge)]);
    add(Rule::N2, "", Chunks, &[("modules[0].name_len", 0)]);
    let name = |path: &str, index: u64| format!("names@{}", get(&format!("{path}.name_offset")) + index);
    add(Rule::N3, "", Chunks, &[(&name("modules[0]", 1), 0)]);
    add(Rule::N4, "", Chunks, &[(&name("resources[0]", 7), b'/'.into())]);
    add(Rule::X1, "", Chunks, &[("targets[0].module_index.slots_offset", huge)]);
    let slot = format!("index@{}", get("targets[0].module_index.slots_offset"));
    let slot = (0..).map(|number| behind(&slot, 12 * number)).find(|slot| get(&behind(slot, 11)) == 0).unwrap();
    add(Rule::X3, "", Chunks, &[(&slot, get(&slot) ^ 1)]);
    let place = behind(&slot, 4);
    add(Rule::X3, ".place", Chunks, &[(&place, get(&place) + 1)]);

    add(Rule::M1, "", Chunks, &[("modules[1].name_offset", get("modules[0].name_offset"))]);
    add(Rule::M2, "", Chunks, &[("modules[0].flags", 1 | 32)]);
    add(Rule::M2, ".namespace", Chunks, &[("modules[2].flags", 2)]);
    add(Rule::M3, "", Chunks, &[("modules[4].code_count", get("modules[4].code_count") + 100)]);
    add(Rule::M4, "", Chunks, &[("modules[0].object_base", huge)]);
    add(Rule::M5, "", Chunks, &[("modules[0].filename", huge)]);
    add(Rule::M6, "", Chunks, &[("modules[4].source_offset", huge)]);
    let digest = format!("file@{}", whole.place("modules[4].source_digest").start);
    add(Rule::M7, "", Chunks, &[(&digest, get(&digest) ^ 1)]);
    add(Rule::R1, "", Chunks, &[("resources[1].name_offset", get("resources[0].name_offset"))]);
    add(Rule::R2, "", Chunks, &[("resources[0].root_len", 5)]);
    add(Rule::R3, "", Chunks, &[("resources[0].flags", 2)]);
    add(Rule::R4, "", Chunks, &[("resources[0].data_offset", huge)]);

    let first = get("modules[4].first_code");
    let code = |number: u64, field: &str| format!("code[{}].{field}", first + number);
    let detail = |number: u64, field: &str| format!("details[{}].{field}", first + number);
    let item = |number: u64, item: u64| format!("lists[{}]", get(&code(number, "list_offset")) + item);
    let last = get("section:details.len") / 10 - 1;
    let zeroed = ["tables_offset", "line_len", "first_line", "parent_delta"];
    let zeroed: Vec<String> = zeroed.iter().map(|field| format!("details[{last}].{field}")).collect();
    let mut edits: Vec<(&str, u64)> = zeroed.iter().map(|path| (path.as_str(), 0)).collect();
    edits.push(("section:details.len", get("section:details.len") - 10));
    add(Rule::C1, "", Chunks, &edits);
    add(Rule::C2, "", Chunks, &[(&code(0, "bytecode_offset"), get(&code(0, "bytecode_offset")) + 4)]);
    add(Rule::C2, ".range", Chunks, &[(&code(0, "bytecode_offset"), huge - huge % 8)]);
    add(Rule::C3, "", Chunks, &[(&code(0, "form"), 0x40)]);
    let is_wide = (0..5).find(|number| get(&code(*number, "form")) & 2 != 0).unwrap();
    add(Rule::C3, ".wide", Chunks, &[(&code(is_wide, "bytecode_len"), 7)]);
    add(Rule::C3, ".beside_wide", Chunks, &[(&code(is_wide, "stack_size"), 7)]);
    add(Rule::C4, "", Chunks, &[(&code(0, "list_offset"), huge / 2)]);
    add(Rule::C4, ".item", Chunks, &[(&item(0, 1), 0x7FFF)]);
    add(Rule::C5, "", Chunks, &[(&detail(0, "tables_offset"), huge)]);
    add(Rule::C6, "", Chunks, &[(&detail(0, "parent_delta"), 0xFFFF)]);
    let method = (0..5).find(|number| get(&code(*number, "local_count")) == 2).unwrap();
    add(Rule::C7, "", Chunks, &[(&code(method, "docstring"), 1)]);
    add(Rule::C8, "", Chunks, &[(&item(method, 0), get(&item(method, 1)))]);
    add(Rule::C10, "", Chunks, &[(&item(method, 1), get(&item(method, 0)))]);
    // The list of the body has local kinds, name and constants. The first constant is the class.
    add(Rule::C11, "", Chunks, &[(&item(4, 2), 0xC000 + 4)]);

    // Both have one kind, so that no reference to them breaks a rule.
    let first = object_of_kind(&base, ObjectKind::Ascii, |_| true);
    let second = object_of_kind(&base, ObjectKind::Ascii, |id| id > first);
    add(Rule::O1, "", Chunks, &[(&format!("objects[{first}]"), get(&format!("objects[{second}]")))]);
    add(Rule::O2, "", Chunks, &[("constants@0", 31)]);
    let int = object(
        &base,
        |constant| matches!(constant, Constant::Leaf(Leaf::Int(bytes)) if bytes.as_slice() == b"\x02\x01"),
    );
    add(Rule::O3, "", Chunks, &[(&behind(&int, 3), 0)]);
    let text = object(
        &base,
        |constant| matches!(constant, Constant::Leaf(Leaf::Str(text)) if text.to_str() == Some("n\u{e9}")),
    );
    add(Rule::O4, "", Chunks, &[(&text, ObjectKind::Ascii as u64)]);
    let qualname = whole.object(object_of_kind(&base, ObjectKind::Qualname, |_| true));
    add(Rule::O5, "", Chunks, &[(&behind(&qualname, 1), 1)]);
    let tuple = object(&base, |constant| matches!(constant, Constant::Container(container) if container.depth() == 1));
    add(Rule::O6, "", Chunks, &[(&behind(&tuple, 2), 2)]);
    let has_code = |id: u32| get(&whole.object(id)) & 0x40 != 0;
    let container = whole.object(object_of_kind(&base, ObjectKind::Tuple, has_code));
    add(Rule::O7, "", Chunks, &[(&behind(&container, 3), get(&behind(&container, 3)) + 1)]);
    let slice = whole.object(object_of_kind(&base, ObjectKind::Slice, |_| true));
    add(Rule::O8, "", Chunks, &[(&behind(&slice, 1), 2)]);
    add(Rule::G1, "", Chunks, &[("signatures[1].code", huge)]);
    add(Rule::G2, "", Chunks, &[("signatures[0].offset", huge)]);
    cases.push(slot_without_bucket());
    cases.push(too_many_items());
    cases
}

/// an empty slot that belongs to no other index, of an index without buckets.
fn slot_without_bucket() -> Case {
    let mut sections = Sections::of(&shapes::everything());
    let index = sections.section(SectionKind::Index);
    let end = index.len() as u64;
    index.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    let field = |name: &str| format!("targets[1].resource_index.{name}");
    let edits = vec![(field("slot_count"), 1), (field("slots_offset"), end)];
    Case { rule: Rule::X2, part: "", base: sections.archive(), repair: Repair::Chunks, edits }
}

/// [C-9]: 400 code objects that share a list of 8,000 items, 3.2 million in all, in an archive of some 40,000 bytes.
fn too_many_items() -> Case {
    let mut module = shapes::plain("m");
    module.codes = (0..400).map(|_| shapes::code(0, vec![])).collect();
    module.objects.push(Object::Leaf(permacode_model::Leaf::Bytes(b"".as_slice().into())));
    let behind_codes = [Ref::Object(2), Ref::Object(0)].into_iter().chain([Ref::Object(1); 8000]);
    module.codes.push(shapes::code(0, (0..400).map(Ref::Code).chain(behind_codes).collect()));
    module.body = Some(400);
    let base = shapes::archive(vec![module], vec![]);
    let list = Edited(base.clone()).get("code[400].list_offset") + 402;
    let edits = (0..400).flat_map(|number| {
        [(format!("code[{number}].list_offset"), list), (format!("code[{number}].constant_count"), 8000)]
    });
    Case { rule: Rule::C9, part: "", base, repair: Repair::Chunks, edits: edits.collect() }
}

#[test]
fn each_rule_has_a_file_that_breaks_it_and_restoring_the_change_makes_it_valid() {
    let mut manifest = Vec::new();
    let cases = cases();
    for case in &cases {
        let broken = case.broken();
        let (depth, error) = refusal(&broken.0).unwrap_or_else(|| panic!("{} is valid", case.file()));
        assert_eq!(error.rule(), Some(case.rule), "{}: {depth}: {error}", case.file());
        manifest.push(json!({
            "file": case.file(),
            "rule": case.rule.id(),
            "offset": error.offset(),
            "depth": depth,
            "error": error.to_string(),
        }));
        let mut restored = broken.clone();
        let whole = Edited(case.base.clone());
        // The places are those of the valid archive, because the section table may have been changed.
        for (path, _) in &case.edits {
            let place = whole.place(path);
            restored.0[place.clone()].copy_from_slice(&whole.0[place]);
        }
        restored.repair(case.repair);
        assert!(restored == whole, "{}", case.file());
        assert!(refusal(&restored.0).is_none(), "{}", case.file());
        let path = folder("invalid").join(case.file());
        if is_blessing() {
            fs::create_dir_all(folder("invalid")).unwrap();
            fs::write(&path, &broken.0).unwrap();
        }
        assert!(fs::read(&path).unwrap() == broken.0, "{} has other bytes: run with BLESS=1", path.display());
    }
    compare("invalid/manifest.json", &Value::Array(manifest));
    let missing: Vec<&Rule> = RULES.iter().filter(|rule| !cases.iter().any(|case| case.rule == **rule)).collect();
    assert!(missing.is_empty(), "rules without a file: {missing:?}");
    let files = fs::read_dir(folder("invalid")).unwrap().count();
    assert_eq!(files, cases.len() + 1, "testdata/invalid has files that no case makes");
}

/// Uses only the files, as another reader can.
#[test]
fn each_file_is_refused_as_the_manifest_states() {
    let list: Value = serde_json::from_str(&fs::read_to_string(folder("invalid/manifest.json")).unwrap()).unwrap();
    for entry in list.as_array().unwrap() {
        let bytes = fs::read(folder("invalid").join(entry["file"].as_str().unwrap())).unwrap();
        let (depth, error) = refusal(&bytes).unwrap();
        let found = json!([depth, error.rule().unwrap().id(), error.offset(), error.to_string()]);
        assert_eq!(found, json!([entry["depth"], entry["rule"], entry["offset"], entry["error"]]), "{}", entry["file"]);
    }
}

#[test]
fn valid_archives_have_the_recorded_bytes() {
    let mut manifest = Vec::new();
    for (name, bytes) in shapes::all() {
        let file = format!("{name}.perma");
        let path = folder("valid").join(&file);
        if is_blessing() {
            fs::create_dir_all(folder("valid")).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert!(fs::read(&path).unwrap() == bytes, "{} has other bytes: run with BLESS=1", path.display());
        assert!(refusal(&bytes).is_none(), "{name}");
        manifest.push(json!({ "file": file, "len": bytes.len(), "sha256": sha256(&bytes) }));
    }
    compare("valid/manifest.json", &Value::Array(manifest));
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[track_caller]
fn compare(name: &str, value: &Value) {
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    let path = folder(name);
    if is_blessing() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "{} differs: run with BLESS=1", path.display());
}
