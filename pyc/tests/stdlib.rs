//! Real standard libraries: compiled by each CPython that is found, decoded, encoded, and compared by that CPython.

use std::{
    env, fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use permacode_bundle::Interpreter;
use permacode_model::{Leaf, Module, Object, Ref};
use permacode_pyc::{Header, Validation, decode_pyc, encode_pyc, source_hash};
use permacode_testkit::interpreters::one_per_minor;

/// About how many modules of each library; `PERMACODE_MODULES` may say another number.
const MODULES: &str = "200";

fn script(python: &Path, name: &str, arguments: &[&Path], more: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let output = Command::new(python)
        .args(["-S", "-B"])
        .arg(path)
        .args(arguments)
        .args(more)
        .env("PYTHONHASHSEED", "0")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Up to 3.10: the qualified names among the constants that are derived, and those that are not, since they are
/// constants for another reason as well.
fn derived_names(module: &Module<'_>) -> (usize, usize) {
    let (mut derived, mut plain) = (0, 0);
    for code in &module.codes {
        for pair in code.constants.windows(2) {
            let [Ref::Code(child), Ref::Object(next)] = *pair else { continue };
            let Object::Leaf(Leaf::Str(name)) = &module.objects[module.codes[child as usize].name as usize] else {
                continue;
            };
            match &module.objects[next as usize] {
                Object::Leaf(Leaf::Qualname { .. }) => derived += 1,
                Object::Leaf(Leaf::Str(string)) if string.text.ends_with(&[b".", &*name.text].concat()) => plain += 1,
                _ => {}
            }
        }
    }
    (derived, plain)
}

/// A line for each code object with a docstring: file, name, first line (0 for the module).
fn list_docstrings(module: &Module<'_>, file: &[u8], out: &mut Vec<u8>) {
    for (number, code) in (0..).zip(&module.codes) {
        let Some(docstring) = code.docstring else { continue };
        let Ref::Object(constant) = code.constants[docstring as usize] else { panic!("a docstring is no code object") };
        assert!(matches!(module.objects[constant as usize], Object::Leaf(Leaf::Str(_))));
        let Object::Leaf(Leaf::Str(name)) = &module.objects[code.name as usize] else { panic!("a name is a string") };
        let line = if module.body == Some(number) { 0 } else { code.first_line };
        out.extend_from_slice(&[file, b"\t", &name.text, b"\t", line.to_string().as_bytes(), b"\n"].concat());
    }
}

#[test]
fn libraries_survive_and_do_not_grow() {
    for Interpreter { executable: python, version, .. } in one_per_minor() {
        let folder = tempfile::tempdir().unwrap();
        let (before, after) = (folder.path().join("before"), folder.path().join("after"));
        fs::create_dir(&before).unwrap();
        fs::create_dir(&after).unwrap();
        let facts = script(
            &python,
            "tests/python/compile.py",
            &[&before],
            &[&env::var("PERMACODE_MODULES").unwrap_or(MODULES.to_owned())],
        );
        let facts: Vec<_> = facts.split_whitespace().collect();
        assert_eq!(facts[0], version.magic().to_string(), "{}", python.display());
        let hash: String = source_hash(version, b"permacode").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(facts[2], hash, "{}", python.display());

        let (mut sizes, mut times) = ((0, 0), (Duration::ZERO, Duration::ZERO));
        let (mut grown, mut codes, mut docstrings, mut derived, mut plain) = (0, 0, Vec::new(), 0, 0);
        for entry in fs::read_dir(&before).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let start = Instant::now();
            let pyc = decode_pyc(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            times.0 += start.elapsed();
            let filename = pyc.module.filename.as_ref().unwrap().path.text.to_vec();
            let start = Instant::now();
            let encoded = encode_pyc(&pyc.module, &pyc.header, &filename).unwrap();
            times.1 += start.elapsed();
            let again = decode_pyc(&encoded).unwrap();
            assert_eq!(again.header, pyc.header);
            assert_eq!(encode_pyc(&again.module, &again.header, &filename).unwrap(), encoded, "{}", path.display());
            fs::write(after.join(path.file_name().unwrap()), &encoded).unwrap();
            sizes = (sizes.0 + bytes.len(), sizes.1 + encoded.len());
            grown += usize::from(encoded.len() > bytes.len());
            codes += pyc.module.codes.len();
            let names = derived_names(&pyc.module);
            (derived, plain) = (derived + names.0, plain + names.1);
            list_docstrings(&pyc.module, path.file_name().unwrap().as_encoded_bytes(), &mut docstrings);
            assert!(matches!(Header::decode(&bytes).unwrap().validation, Validation::Timestamp { .. }));
        }
        assert!(plain * 50 <= derived, "{plain} names are not derived, {derived} are");
        let verdict = script(&python, "../xtask/python/comparison/compare.py", &[&before, &after], &[]);
        let listing = folder.path().join("docstrings");
        fs::write(&listing, docstrings).unwrap();
        let documented = script(&python, "tests/python/docstrings.py", &[&before, &listing], &[]);
        println!(
            "{version} ({}): {}; {codes} code objects, {derived} derived names and {plain} others \
             among their constants; {}; {} bytes before, {} after, {grown} files \
             grew; decoded in {:.1?}, encoded in {:.1?}",
            python.display(),
            verdict.trim(),
            documented.trim(),
            sizes.0,
            sizes.1,
            times.0,
            times.1,
        );
        assert!(sizes.1 <= sizes.0, "{version}: {} bytes became {}", sizes.0, sizes.1);
    }
}
