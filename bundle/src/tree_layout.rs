//! The paths of the files of an archive.
//!
//! The archive may be hostile, so every component of a name is checked before it is part of a path.

use std::collections::BTreeSet;

use crate::{error::Error, name::is_root_name, place::DEFAULT_ROOT, text::shown};

/// Whether a module is a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Module,
    Package,
}

/// The longest cache tag in bytes. No file system has longer names.
const MAX_TAG: usize = 255;

/// Paths below the folder that a tree is written to: bytes with `/` between components.
///
/// The files of a single root are directly in that folder. Several roots have a folder of their name each.
#[derive(Debug, Clone)]
pub(crate) struct TreeLayout {
    has_folders: bool,
    /// The end of names in `__pycache__`: a dot, the cache tag, the level and the suffix.
    cache_suffix: String,
}

impl TreeLayout {
    pub(crate) fn new(roots: &BTreeSet<&str>, cache_tag: &str, optimization: u8) -> Result<Self, Error> {
        check_component(cache_tag.as_bytes())?;
        if cache_tag.len() > MAX_TAG {
            return Err(Error::unsafe_name(cache_tag, "it is part of the names of files, and longer than 255 bytes"));
        }
        let has_folders = roots.len() > 1;
        if has_folders && let Some(root) = roots.iter().find(|root| !is_root_name(root)) {
            return Err(Error::unsafe_name(*root, "it is the name of a root, which becomes a folder"));
        }
        Ok(TreeLayout { has_folders, cache_suffix: permacode_pyc::cache_suffix(cache_tag, optimization) })
    }

    /// The folder of a root. Empty for the folder of the tree.
    pub(crate) fn root<'r>(&self, root: Option<&'r str>) -> &'r str {
        if self.has_folders { root.unwrap_or(DEFAULT_ROOT) } else { "" }
    }

    /// `NAME.py`
    pub(crate) fn source(&self, root: Option<&str>, name: &str, kind: Kind) -> Result<Vec<u8>, Error> {
        let (folder, stem) = self.module(root, name, kind)?;
        Ok(format!("{folder}{stem}.py").into_bytes())
    }

    /// `__pycache__/NAME.TAG.pyc`
    pub(crate) fn cached(&self, root: Option<&str>, name: &str, kind: Kind) -> Result<Vec<u8>, Error> {
        let (folder, stem) = self.module(root, name, kind)?;
        Ok(format!("{folder}__pycache__/{stem}{}", self.cache_suffix).into_bytes())
    }

    /// `NAME.pyc` in the place of the source.
    pub(crate) fn sourceless(&self, root: Option<&str>, name: &str, kind: Kind) -> Result<Vec<u8>, Error> {
        let (folder, stem) = self.module(root, name, kind)?;
        Ok(format!("{folder}{stem}.pyc").into_bytes())
    }

    /// The path of a resource.
    pub(crate) fn resource(&self, root: &str, path: &[u8]) -> Result<Vec<u8>, Error> {
        for component in path.split(|byte| *byte == b'/') {
            check_component(component)?;
        }
        let folder = self.root(Some(root)).as_bytes();
        Ok(if folder.is_empty() { path.to_vec() } else { [folder, b"/", path].concat() })
    }

    /// The folder of a module (empty, or with a slash at the end), and the name of its files without a suffix.
    fn module(&self, root: Option<&str>, name: &str, kind: Kind) -> Result<(String, String), Error> {
        let mut folder = self.root(root).to_owned();
        if !folder.is_empty() {
            folder.push('/');
        }
        let mut parts: Vec<&str> = name.split('.').collect();
        if kind == Kind::Package {
            parts.push("__init__");
        }
        for part in &parts {
            check_component(part.as_bytes())?;
        }
        let stem = parts.pop().unwrap_or_default().to_owned();
        for part in parts {
            folder.push_str(part);
            folder.push('/');
        }
        Ok((folder, stem))
    }
}

/// Refuses a component that is not the plain name of a file or folder.
fn check_component(name: &[u8]) -> Result<(), Error> {
    let problem = match name {
        b"" => "it has an empty component",
        b"." | b".." => "it leads to another folder",
        _ if name.contains(&0) => "it has a NUL byte",
        _ if name.contains(&b'/') => "it has a slash",
        _ if cfg!(windows) && name.iter().any(|byte| b"\\:<>\"|?*".contains(byte)) => {
            "it has a character that file names must not have on this system"
        }
        _ => return Ok(()),
    };
    Err(Error::unsafe_name(shown(name), problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(roots: &[&str]) -> TreeLayout {
        TreeLayout::new(&roots.iter().copied().collect(), "cpython-311", 1).unwrap()
    }

    #[test]
    fn files_lie_where_cpython_looks_for_them() {
        let one = layout(&["stdlib"]);
        let text = |path: Result<Vec<u8>, Error>| String::from_utf8(path.unwrap()).unwrap();
        assert_eq!(text(one.source(Some("stdlib"), "a.b", Kind::Module)), "a/b.py");
        assert_eq!(text(one.cached(Some("stdlib"), "a.b", Kind::Module)), "a/__pycache__/b.cpython-311.opt-1.pyc");
        assert_eq!(text(one.sourceless(None, "a", Kind::Package)), "a/__init__.pyc");
        assert_eq!(text(one.resource("stdlib", b"a/x.txt")), "a/x.txt");
        let two = layout(&["stdlib", "site-packages"]);
        assert_eq!(text(two.source(Some("stdlib"), "os", Kind::Module)), "stdlib/os.py");
        assert_eq!(text(two.source(None, "os", Kind::Module)), "root/os.py");
        assert_eq!(text(two.resource("site-packages", b"x.pth")), "site-packages/x.pth");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let layout = layout(&["stdlib"]);
        for name in ["", "..", "a..b", ".a", "a.", "../x", "/etc/passwd", "a/b", "a\0b"] {
            for kind in [Kind::Module, Kind::Package] {
                assert!(layout.source(None, name, kind).is_err(), "{name:?}");
                assert!(layout.cached(None, name, kind).is_err(), "{name:?}");
                assert!(layout.sourceless(None, name, kind).is_err(), "{name:?}");
            }
        }
        for path in ["", "..", "../x", "a/../../x", "/x", "a//b", "a/", "./a", "a\0"] {
            assert!(layout.resource("stdlib", path.as_bytes()).is_err(), "{path:?}");
        }
        for roots in [["..", "a"], ["a/b", "c"], ["", "c"], ["/etc", "c"]] {
            assert!(TreeLayout::new(&roots.into_iter().collect(), "tag", 0).is_err(), "{roots:?}");
        }
        for tag in ["", "..", "a/b", "/"] {
            assert!(TreeLayout::new(&BTreeSet::new(), tag, 0).is_err(), "{tag:?}");
        }
    }
}
