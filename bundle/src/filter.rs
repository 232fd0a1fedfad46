//! Patterns that choose modules and files to include and to exclude.

use std::{cell::Cell, collections::BTreeSet};

use globset::{GlobBuilder, GlobMatcher};

use crate::error::{Error, ErrorKind};

/// Patterns to include and to exclude.
///
/// A pattern is a glob (`*`, `?`, `[..]`, `{a,b}`, `**`). It is compared with the path below the root
/// (`test/data/x.txt`; `*` and `?` do not match `/`) and with the module name (`test.support`; `*` matches dots, too).
/// A folder or package that matches is taken with everything in it: `test`, `test.support` or `*/tests`. `ROOT=` before
/// a pattern limits it to that root.
#[derive(Debug)]
pub(crate) struct Filter {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    root: Option<String>,
    path: GlobMatcher,
    name: GlobMatcher,
    /// Whether anything matched so far.
    is_used: Cell<bool>,
}

impl Filter {
    pub(crate) fn new(include: &[String], exclude: &[String], roots: &BTreeSet<&str>) -> Result<Self, Error> {
        let pattern = |text: &String| Pattern::new(text, roots).map_err(|error| Error::new(ErrorKind::Pattern(error)));
        let patterns = |texts: &[String]| texts.iter().map(pattern).collect::<Result<Vec<_>, Error>>();
        Ok(Filter { include: patterns(include)?, exclude: patterns(exclude)? })
    }

    /// Whether this file or folder itself is excluded. A caller that walks a tree asks from the top down.
    pub(crate) fn excludes(&self, root: &str, path: &[u8], name: Option<&str>) -> bool {
        matches(&self.exclude, root, path, name)
    }

    /// Whether this file or folder itself is included, with everything in it.
    pub(crate) fn includes(&self, root: &str, path: &[u8], name: Option<&str>) -> bool {
        self.includes_all() || matches(&self.include, root, path, name)
    }

    /// Whether everything is included, because there are no patterns to include.
    pub(crate) fn includes_all(&self) -> bool {
        self.include.is_empty()
    }

    /// Patterns to include that nothing matched.
    pub(crate) fn unused_to_include(&self) -> Vec<String> {
        unused(&self.include)
    }

    /// Patterns to exclude that nothing matched.
    pub(crate) fn unused_to_exclude(&self) -> Vec<String> {
        unused(&self.exclude)
    }
}

impl Pattern {
    fn new(text: &str, roots: &BTreeSet<&str>) -> Result<Self, globset::Error> {
        let (root, glob) = match text.split_once('=') {
            Some((root, glob)) if roots.contains(root) => (Some(root.to_owned()), glob),
            _ => (None, text),
        };
        let glob = glob.trim_end_matches('/');
        let matcher = |is_path| Ok(GlobBuilder::new(glob).literal_separator(is_path).build()?.compile_matcher());
        Ok(Pattern {
            text: text.to_owned(),
            root,
            path: matcher(true)?,
            name: matcher(false)?,
            is_used: Cell::new(false),
        })
    }

    fn matches(&self, root: &str, path: &str, name: Option<&str>) -> bool {
        let is_match = self.root.as_ref().is_none_or(|own| own == root)
            && (self.path.is_match(path) || name.is_some_and(|name| self.name.is_match(name)));
        self.is_used.set(self.is_used.get() || is_match);
        is_match
    }
}

/// Asks every pattern, even if an earlier one matches, because a pattern without any match is reported.
fn matches(patterns: &[Pattern], root: &str, path: &[u8], name: Option<&str>) -> bool {
    if patterns.is_empty() {
        return false;
    }
    // Patterns are text. In a path that is not UTF-8, the replacement character stands for invalid bytes.
    let path = String::from_utf8_lossy(path);
    patterns.iter().filter(|pattern| pattern.matches(root, &path, name)).count() > 0
}

fn unused(patterns: &[Pattern]) -> Vec<String> {
    patterns.iter().filter(|pattern| !pattern.is_used.get()).map(|pattern| pattern.text.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let owned = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>();
        Filter::new(&owned(include), &owned(exclude), &BTreeSet::from(["one", "two"])).unwrap()
    }

    fn excludes(pattern: &str, path: &str, name: Option<&str>) -> bool {
        filter(&[], &[pattern]).excludes("one", path.as_bytes(), name)
    }

    #[test]
    fn paths_and_names() {
        assert!(excludes("test", "test", Some("test")));
        assert!(excludes("test/", "test", None));
        assert!(!excludes("test", "test/support", Some("test.support")));
        assert!(excludes("test.support", "test/support", Some("test.support")));
        assert!(excludes("*/tests", "lib2to3/tests", Some("lib2to3.tests")));
        assert!(!excludes("*/tests", "a/b/tests", Some("a.b.tests")));
        assert!(excludes("**/tests", "a/b/tests", Some("a.b.tests")));
        assert!(excludes("**/*.txt", "LICENSE.txt", None));
        assert!(excludes("idle*", "idlelib/a.py", Some("idlelib.a")));
        assert!(!excludes("idle*", "idlelib/Icons/README.txt", None));
        assert!(Filter::new(&["[".to_owned()], &[], &BTreeSet::new()).is_err());
    }

    #[test]
    fn no_pattern_to_include_includes_everything() {
        assert!(filter(&[], &[]).includes("one", b"a", None));
        let filter = filter(&["json"], &[]);
        assert!(filter.includes("one", b"json", Some("json")));
        assert!(!filter.includes("one", b"os.py", Some("os")));
    }

    #[test]
    fn a_pattern_can_be_limited_to_one_root() {
        let filter = filter(&[], &["two=same.py", "three=x"]);
        assert!(filter.excludes("two", b"same.py", Some("same")));
        assert!(!filter.excludes("one", b"same.py", Some("same")));
        // `three` does not name a root, so it is part of the pattern.
        assert!(filter.excludes("one", b"three=x", None));
    }

    #[test]
    fn patterns_without_a_match_are_known() {
        let filter = filter(&["a", "a/b", "./a"], &["tpyo", "c", "two=c"]);
        assert!(filter.includes("one", b"a", None) && filter.includes("one", b"a/b", None));
        assert!(filter.excludes("one", b"c", None));
        assert_eq!(filter.unused_to_include(), ["./a"]);
        assert_eq!(filter.unused_to_exclude(), ["tpyo", "two=c"]);
    }
}
