//! Which modules and files are wanted: patterns to include and to exclude.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, ErrorKind};

/// Patterns to include and to exclude.
///
/// A pattern is a glob (`*`, `?`, `[..]`, `{a,b}`, `**`). It is compared with the path below the root (`test/data/x.txt`;
/// `*` and `?` match no `/`) and with the module name (`test.support`; `*` matches dots as well). A folder or package that
/// matches stands for all that is in it: `test`, `test.support` or `*/tests`.
#[derive(Debug)]
pub(crate) struct Filter {
    include: Option<Globs>,
    exclude: Globs,
}

#[derive(Debug)]
struct Globs {
    paths: GlobSet,
    names: GlobSet,
}

impl Filter {
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, Error> {
        let include = if include.is_empty() { None } else { Some(Globs::new(include)?) };
        Ok(Filter { include, exclude: Globs::new(exclude)? })
    }

    /// Whether this very file or folder is excluded. Who walks a tree asks from the top down.
    pub(crate) fn excludes(&self, path: &[u8], name: Option<&str>) -> bool {
        self.exclude.matches(path, name)
    }

    /// Whether this very file or folder is included, and with it all that is in it.
    pub(crate) fn includes(&self, path: &[u8], name: Option<&str>) -> bool {
        self.include.as_ref().is_none_or(|globs| globs.matches(path, name))
    }
}

impl Globs {
    fn new(patterns: &[String]) -> Result<Self, Error> {
        let set = |is_path| {
            let mut set = GlobSetBuilder::new();
            for pattern in patterns {
                set.add(GlobBuilder::new(pattern.trim_end_matches('/')).literal_separator(is_path).build()?);
            }
            set.build()
        };
        let of_error = |error| Error::from(ErrorKind::Pattern(error));
        Ok(Globs { paths: set(true).map_err(of_error)?, names: set(false).map_err(of_error)? })
    }

    fn matches(&self, path: &[u8], name: Option<&str>) -> bool {
        // A path that is no text has the replacement character where it is none.
        self.paths.is_match(&*String::from_utf8_lossy(path)) || name.is_some_and(|name| self.names.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(pattern: &str, path: &str, name: Option<&str>) -> bool {
        Filter::new(&[], &[pattern.to_owned()]).unwrap().excludes(path.as_bytes(), name)
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
        assert!(Filter::new(&["[".to_owned()], &[]).is_err());
    }

    #[test]
    fn nothing_to_include_includes_all() {
        assert!(Filter::new(&[], &[]).unwrap().includes(b"a", None));
        let filter = Filter::new(&["json".to_owned()], &[]).unwrap();
        assert!(filter.includes(b"json", Some("json")));
        assert!(!filter.includes(b"os.py", Some("os")));
    }
}
