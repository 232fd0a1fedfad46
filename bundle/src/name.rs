//! The meaning of file names.

use crate::{error::Error, text::shown};

/// The part of a module name that belongs to a folder name, or to a file name without its suffix. The error is the
/// reason why it cannot be one.
///
/// Any text without a dot is one. If an `import` statement cannot spell it, `importlib.import_module` can.
pub(crate) fn module_part(name: &[u8]) -> Result<&str, String> {
    match std::str::from_utf8(name) {
        Ok("") => Err("the name has nothing before the suffix".to_owned()),
        Ok(name) if name.contains('.') => Err(format!("{name:?} has a dot")),
        Ok(name) => Ok(name),
        Err(_) => Err(format!("\"{}\" is not UTF-8", name.escape_ascii())),
    }
}

/// Whether a file is machine code: a shared object, a library or an object file.
pub(crate) fn is_shared_object(name: &[u8]) -> bool {
    let suffixes: [&[u8]; 8] = [b".so", b".pyd", b".dll", b".dylib", b".a", b".o", b".lib", b".sl"];
    suffixes.iter().any(|suffix| name.ends_with(suffix)) || has_version_after_so(name)
}

/// `libfoo.so.1.2`
fn has_version_after_so(name: &[u8]) -> bool {
    let Some(at) = name.windows(4).position(|window| window == b".so.") else { return false };
    name[at + 4..].iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Whether a root can have this name. Extraction may make a folder of this name.
pub(crate) fn is_root_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.len() <= 64
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().all(is_inner)
        && !name.ends_with('.')
}

/// The name of a root of an archive, as text.
pub(crate) fn root_text(root: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(root).map_err(|_| Error::unsafe_name(shown(root), "the name of a root must be UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_module_names() {
        for name in ["a", "_", "__init__", "naïve", "0001_initial", "unicode13-0-0", "a b", "變數"] {
            assert_eq!(module_part(name.as_bytes()), Ok(name));
        }
        for (name, problem) in
            [(&b""[..], "nothing before"), (b"a.b", "\"a.b\" has a dot"), (b"b\xFF", "\"b\\xff\" is not UTF-8")]
        {
            let found = module_part(name).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
    }

    #[test]
    fn shared_objects() {
        for name in ["a.so", "a.cpython-311-x86_64-linux-gnu.so", "liba.so.1.2", "liba.a", "a.pyd"] {
            assert!(is_shared_object(name.as_bytes()), "{name}");
        }
        for name in ["a.so.txt", "so", "a.py", "a.data"] {
            assert!(!is_shared_object(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn root_names() {
        assert!(is_root_name("site-packages"));
        for name in ["", ".", "..", "-o", "a/b", "a\\b", "c:", "a.", "\u{e9}"] {
            assert!(!is_root_name(name), "{name}");
        }
    }
}
