//! Modules without docstrings and without line tables run, in each CPython that is found.

use permacode_model::Module;
use permacode_pyc::{StrippedDocstrings, Version, decode_pyc, encode_pyc, strip_docstrings, strip_lines};
use permacode_testkit::interpreters::one_per_minor;
use std::{fs, path::Path, process::Command};

const SOURCE: &str = r#""""Of the module."""


class Plain:
    """Of a class."""

    def method(self):
        """Of a method."""
        return "value"


class Used:
    """Used."""
    text = str("Used.")


def returned():
    """Returned."""
    return "Returned."


def undocumented():
    return 1 // 0


def many():
    """After three hundred constants."""
    return [%s]


lambda_ = lambda: "no docstring"
"#;

/// Runs the module, prints its docstrings and what its functions return, and then a traceback.
const SHOW: &str = r#"
import importlib.machinery, sys, traceback
loader = importlib.machinery.SourcelessFileLoader("tool", sys.argv[1])
tool = type(sys)("tool")
exec(loader.get_code("tool"), vars(tool))
print([thing.__doc__ for thing in (tool, tool.Plain, tool.Plain.method, tool.Used, tool.returned, tool.many)])
print(tool.Plain().method(), tool.Used.text, tool.returned(), sum(tool.many()), tool.lambda_())
try:
    tool.undocumented()
except ZeroDivisionError as error:
    frames = traceback.extract_tb(error.__traceback__)
    print(frames[-1].name, frames[-1].lineno, frames[-1].filename.endswith("tool.py"), tool.undocumented.__code__.co_firstlineno)
    print("undocumented" in "".join(traceback.format_exception(type(error), error, error.__traceback__)))
"#;

/// Applies `strip` to the module, compiled by `python`, and returns the output of [`SHOW`].
fn run<T>(python: &Path, folder: &Path, strip: impl FnOnce(&mut Module<'_>, Version) -> T) -> (T, String) {
    let numbers: Vec<String> = (0..300).map(|number| format!("{number}.5")).collect();
    let (source, compiled) = (folder.join("tool.py"), folder.join("tool.pyc"));
    fs::write(&source, SOURCE.replace("%s", &numbers.join(", "))).unwrap();
    let compile = "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[2], doraise=True)";
    assert!(Command::new(python).args(["-c", compile]).args([&source, &compiled]).status().unwrap().success());
    let bytes = fs::read(&compiled).unwrap();
    let mut pyc = decode_pyc(&bytes).unwrap();
    let result = strip(&mut pyc.module, pyc.header.version);
    fs::write(&compiled, encode_pyc(&pyc.module, &pyc.header, source.to_str().unwrap().as_bytes()).unwrap()).unwrap();
    let output = Command::new(python).args(["-c", SHOW]).arg(&compiled).output().unwrap();
    assert!(output.status.success(), "{python:?}: {}", String::from_utf8_lossy(&output.stderr));
    (result, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_docstring_goes_unless_the_code_loads_it_for_another_purpose() {
    for interpreter in one_per_minor() {
        let folder = tempfile::tempdir().unwrap();
        let python = &interpreter.executable;
        let (stripped, shown) = run(python, folder.path(), strip_docstrings);
        assert_eq!(stripped, StrippedDocstrings { removed: 4, kept: 2 }, "{python:?}");
        let expected = "[None, None, None, 'Used.', 'Returned.', None]\n\
                        value Used. Returned. 45000.0 no docstring\nundocumented 23 True 22\nTrue\n";
        assert_eq!(shown, expected, "{python:?}");
    }
}

#[test]
fn a_traceback_without_lines_names_file_and_function() {
    for interpreter in one_per_minor() {
        let folder = tempfile::tempdir().unwrap();
        let python = &interpreter.executable;
        let (minor, shown) = run(python, folder.path(), |module, version| {
            strip_lines(module, version);
            version.minor()
        });
        let line = match minor {
            // Each instruction has the first line of its code object.
            ..=9 => "22",
            // `tb_lineno` of 3.10 does not yet know "no line".
            10 => "-1",
            _ => "None",
        };
        let docstrings = "['Of the module.', 'Of a class.', 'Of a method.', 'Used.', 'Returned.', \
                          'After three hundred constants.']";
        let returned = "value Used. Returned. 45000.0 no docstring";
        let expected = format!("{docstrings}\n{returned}\nundocumented {line} True 22\nTrue\n");
        assert_eq!(shown, expected, "{python:?}");
    }
}
