//! Which file names name modules.

/// What a file or folder name, given without its suffix, can be in a module name.
///
/// Python's own rule for identifiers, but for the normal form: `import` demands no more, and `audit-tests` less.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    let is_start = |letter| letter == '_' || unicode_ident::is_xid_start(letter);
    letters.next().is_some_and(is_start) && letters.all(unicode_ident::is_xid_continue)
}

/// Whether a module of this name at the top of the standard library is imported by the interpreter although its name is
/// no identifier: `sysconfig` imports its variables from `_sysconfigdata__linux_x86_64-linux-gnu`.
pub(crate) fn is_imported_all_the_same(name: &str) -> bool {
    name.starts_with("_sysconfigdata_") && !name.contains(['.', '/'])
}

/// A file that is machine code, alone or to be linked: an archive cannot be loaded from it.
pub(crate) fn is_shared_object(name: &[u8]) -> bool {
    let suffixes: [&[u8]; 8] = [b".so", b".pyd", b".dll", b".dylib", b".a", b".o", b".lib", b".sl"];
    suffixes.iter().any(|suffix| name.ends_with(suffix)) || has_version_after_so(name)
}

/// `libfoo.so.1.2`
fn has_version_after_so(name: &[u8]) -> bool {
    let Some(at) = name.windows(4).position(|window| window == b".so.") else { return false };
    name[at + 4..].iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// The name of a root: it may become the name of a folder when the archive is extracted.
pub(crate) fn is_root_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.len() <= 64
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().all(is_inner)
        && !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        for name in ["a", "_", "__init__", "naïve", "x1", "變數"] {
            assert!(is_identifier(name), "{name}");
        }
        for name in ["", "1a", "audit-tests", "a.b", "a b", "bad\u{0}"] {
            assert!(!is_identifier(name), "{name}");
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
