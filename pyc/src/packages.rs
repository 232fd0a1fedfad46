//! The folders in which CPython installs packages, and the names of their roots.

/// The folders for installed packages of one interpreter, described by the parts of their paths (module `site`).
///
/// The root name of such a folder describes its role and not its path. So an archive can be used by an interpreter or a
/// virtual environment at another path:
///
/// ```
/// use permacode_pyc::PackagesFolders;
///
/// let debian = PackagesFolders::new("/usr", "lib", "python3.11");
/// assert_eq!(debian.root(b"/usr/lib/python3/dist-packages").as_deref(), Some("python3-dist-packages"));
/// assert_eq!(debian.folder("local-dist-packages").as_deref(), Some(&b"/usr/local/lib/python3.11/dist-packages"[..]));
/// ```
///
/// A root name consists of the parts of the path. The usual value of a part adds nothing to the name:
///
/// | part | in the path | in the name |
/// |---|---|---|
/// | prefix | `sys.prefix`, `sys.exec_prefix` | nothing, `exec-` |
/// | | `sys.base_prefix`, `sys.base_exec_prefix` | `base-`, `base-exec-` |
/// | `local` | nothing, `local` | nothing, `local-` |
/// | library | `lib`, `sys.platlibdir` (for example `lib64`) | nothing, `lib64-` |
/// | version | `python3.11`, `python3` | nothing, `python3-` |
/// | folder | `site-packages`, `dist-packages` | the same |
///
/// The folder of the user's own packages (`site.USER_SITE`) is `user-site-packages`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackagesFolders {
    /// `sys.prefix`
    pub prefix: Vec<u8>,
    /// `sys.exec_prefix`
    pub exec_prefix: Vec<u8>,
    /// `sys.base_prefix`: in a virtual environment, the prefix of the interpreter that it was made from.
    pub base_prefix: Vec<u8>,
    /// `sys.base_exec_prefix`
    pub base_exec_prefix: Vec<u8>,
    /// `sys.platlibdir`
    pub platform_library: Vec<u8>,
    /// `python3.11`, or `python3.13t` for a free-threaded build.
    pub version: Vec<u8>,
    /// `site.USER_SITE`, if it is known.
    pub user: Option<Vec<u8>>,
}

const SEPARATOR: u8 = std::path::MAIN_SEPARATOR as u8;
/// A prefix of root names comes before its own prefixes, so that the longest match is found first.
const PREFIXES: [&str; 4] = ["base-exec-", "base-", "exec-", ""];
const USER: &str = "user-site-packages";

impl PackagesFolders {
    /// The packages folders of an interpreter whose four prefixes are equal. The user's own folder is not among them.
    #[must_use]
    pub fn new(prefix: &str, platform_library: &str, version: &str) -> Self {
        let prefix = prefix.as_bytes().to_vec();
        PackagesFolders {
            exec_prefix: prefix.clone(),
            base_prefix: prefix.clone(),
            base_exec_prefix: prefix.clone(),
            prefix,
            platform_library: platform_library.as_bytes().to_vec(),
            version: version.as_bytes().to_vec(),
            user: None,
        }
    }

    /// The folder of a root. `None` if the root is not one of installed packages.
    #[must_use]
    pub fn folder(&self, root: &str) -> Option<Vec<u8>> {
        if root == USER {
            return self.user.clone();
        }
        let (owner, rest) = PREFIXES.iter().find_map(|owner| Some((*owner, root.strip_prefix(owner)?)))?;
        let prefix = match owner {
            "base-exec-" => &self.base_exec_prefix,
            "base-" => &self.base_prefix,
            "exec-" => &self.exec_prefix,
            _ => &self.prefix,
        };
        if cfg!(windows) {
            return (rest == "site-packages").then(|| join(prefix, &[b"Lib", b"site-packages"]));
        }
        let (local, rest): (&[u8], _) = rest.strip_prefix("local-").map_or((b"", rest), |rest| (b"local", rest));
        let (library, rest) =
            self.after_library(rest).map_or((&b"lib"[..], rest), |rest| (&self.platform_library, rest));
        let (version, kind): (&[u8], _) =
            rest.strip_prefix("python3-").map_or((&self.version, rest), |kind| (b"python3", kind));
        let is_kind = matches!(kind, "site-packages" | "dist-packages");
        is_kind.then(|| join(prefix, &[local, library, version, kind.as_bytes()]))
    }

    /// The root of a folder, given as in `sys.path`. `None` if it is not a folder of installed packages.
    #[must_use]
    pub fn root(&self, folder: &[u8]) -> Option<String> {
        self.roots().find(|root| self.folder(root).as_deref() == Some(folder))
    }

    /// The rest of a name that starts with the library of the platform. `None` if the name does not, or if that library
    /// is `lib`, which adds nothing to names.
    fn after_library<'n>(&self, name: &'n str) -> Option<&'n str> {
        let library = std::str::from_utf8(&self.platform_library).ok().filter(|library| *library != "lib")?;
        name.strip_prefix(library)?.strip_prefix('-')
    }

    /// All possible root names. Of the names of one folder, the shortest comes first.
    fn roots(&self) -> impl Iterator<Item = String> {
        let library = String::from_utf8_lossy(&self.platform_library).into_owned() + "-";
        let libraries = if library == "lib-" { vec![String::new()] } else { vec![String::new(), library] };
        let mut roots = vec![USER.to_owned()];
        for owner in PREFIXES.iter().rev() {
            for local in ["", "local-"] {
                for library in &libraries {
                    for version in ["", "python3-"] {
                        for kind in ["site-packages", "dist-packages"] {
                            roots.push([owner, local, library, version, kind].concat());
                        }
                    }
                }
            }
        }
        roots.into_iter()
    }
}

fn join(prefix: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut path = prefix.to_vec();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if path.last() != Some(&SEPARATOR) {
            path.push(SEPARATOR);
        }
        path.extend_from_slice(part);
    }
    path
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn check(folders: &PackagesFolders, expected: &[(&str, &str)]) {
        for (root, folder) in expected {
            assert_eq!(folders.root(folder.as_bytes()).as_deref(), Some(*root), "{folder}");
            assert_eq!(folders.folder(root).as_deref(), Some(folder.as_bytes()), "{root}");
        }
        // `root` chooses one name for each folder, and `folder` maps it back.
        for root in folders.roots() {
            let Some(folder) = folders.folder(&root) else { continue };
            let chosen = folders.root(&folder).unwrap();
            assert_eq!(folders.folder(&chosen), Some(folder), "{root}");
        }
    }

    #[test]
    fn of_debian() {
        check(
            &PackagesFolders::new("/usr", "lib", "python3.11"),
            &[
                ("local-dist-packages", "/usr/local/lib/python3.11/dist-packages"),
                ("python3-dist-packages", "/usr/lib/python3/dist-packages"),
                ("dist-packages", "/usr/lib/python3.11/dist-packages"),
            ],
        );
    }

    #[test]
    fn of_fedora() {
        check(
            &PackagesFolders::new("/usr", "lib64", "python3.13"),
            &[
                ("local-lib64-site-packages", "/usr/local/lib64/python3.13/site-packages"),
                ("local-site-packages", "/usr/local/lib/python3.13/site-packages"),
                ("lib64-site-packages", "/usr/lib64/python3.13/site-packages"),
                ("site-packages", "/usr/lib/python3.13/site-packages"),
            ],
        );
    }

    #[test]
    fn of_a_virtual_environment_that_sees_the_system() {
        let folders = PackagesFolders {
            prefix: b"/srv/venv".to_vec(),
            exec_prefix: b"/srv/venv".to_vec(),
            user: Some(b"/home/me/.local/lib/python3.11/site-packages".to_vec()),
            ..PackagesFolders::new("/usr", "lib", "python3.11")
        };
        check(
            &folders,
            &[
                ("site-packages", "/srv/venv/lib/python3.11/site-packages"),
                ("user-site-packages", "/home/me/.local/lib/python3.11/site-packages"),
                ("base-local-dist-packages", "/usr/local/lib/python3.11/dist-packages"),
                ("base-python3-dist-packages", "/usr/lib/python3/dist-packages"),
            ],
        );
    }

    #[test]
    fn of_two_prefixes() {
        let folders = PackagesFolders {
            exec_prefix: b"/exec".to_vec(),
            base_exec_prefix: b"/exec".to_vec(),
            ..PackagesFolders::new("/", "lib", "python3.9")
        };
        check(
            &folders,
            &[
                ("site-packages", "/lib/python3.9/site-packages"),
                ("exec-site-packages", "/exec/lib/python3.9/site-packages"),
            ],
        );
    }

    #[test]
    fn other_folders_and_other_names_have_none() {
        let folders = PackagesFolders::new("/usr", "lib", "python3.11");
        for folder in ["", "/usr", "/usr/lib/python3.11", "/usr/lib/python3.12/site-packages", "/opt/site-packages"] {
            assert_eq!(folders.root(folder.as_bytes()), None, "{folder}");
        }
        for root in ["", "stdlib", "base-", "local-", "lib64-site-packages", "site-packages-2", "user-site-packages"] {
            assert_eq!(folders.folder(root), None, "{root}");
        }
    }
}
