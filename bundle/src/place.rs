//! Places: folders to search, and the named roots of the paths below them.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, ErrorKind},
    interpreter::{Interpreter, PackagesFolder},
    name::is_root_name,
};

/// The root of folders and files that were given without the name of a root.
pub(crate) const DEFAULT_ROOT: &str = "root";

/// The kind of a place. It decides which entries are skipped, and which place wins if two have the same module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PlaceKind {
    /// A folder of the standard library.
    Library,
    /// The folder of extension modules of the standard library. Its files are not bundled, but hide installed packages.
    Extensions,
    /// A folder of installed packages.
    SitePackages,
    /// A file or folder that the user named.
    Given,
}

/// A folder to search.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) kind: PlaceKind,
    /// The position in the search order of the interpreter. Zero for a place that the user named.
    pub(crate) rank: usize,
    /// The name of the root.
    pub(crate) root: String,
    /// The folder of the root, as an absolute path. Links stay as the interpreter or the user wrote them.
    pub(crate) folder: PathBuf,
    /// The entries that are wanted. `None` for all.
    pub(crate) only: Option<BTreeSet<OsString>>,
}

/// A folder or file that the user named, and the name of its root if the user gave one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) root: Option<String>,
    pub(crate) path: PathBuf,
}

/// The places of an interpreter, in its search order.
pub(crate) fn of_interpreter(interpreter: &Interpreter, library: bool, packages: bool) -> Result<Vec<Place>, Error> {
    let mut folders: Vec<(PlaceKind, String, PathBuf)> = Vec::new();
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut add = |kind, root: String, folder: &Path| {
        if folders.iter().all(|(_, name, other)| *name != root && real(other) != real(folder)) {
            folders.push((kind, root, folder.to_owned()));
        }
    };
    if library {
        add(PlaceKind::Library, "stdlib".into(), &interpreter.stdlib);
        add(PlaceKind::Library, "platstdlib".into(), &interpreter.platstdlib);
    }
    if packages {
        if let Some(folder) = &interpreter.extensions {
            add(PlaceKind::Extensions, "lib-dynload".into(), folder);
        }
        for PackagesFolder { root, folder } in &interpreter.site_packages {
            if let Some(root) = root {
                add(PlaceKind::SitePackages, root.clone(), folder);
            }
        }
    }
    folders.retain(|(_, root, folder)| root == "stdlib" || folder.is_dir());
    if library && !interpreter.stdlib.is_dir() {
        let (program, folder) = (interpreter.executable.clone(), interpreter.stdlib.clone());
        return Err(Error::new(ErrorKind::NoLibrary { program, folder }));
    }
    let place = |(rank, (kind, root, folder))| Place { kind, rank, root, folder, only: None };
    Ok(folders.into_iter().enumerate().map(place).collect())
}

/// The places of the files and folders that the user named. Their order does not depend on the order of the arguments.
///
/// The root of a file is the folder that contains it. A folder is a root itself, with one exception: the root of a
/// package (a folder with an `__init__.py`) is the folder that contains it, unless the user named the root.
pub(crate) fn of_given(given: &[Given], taken: &[Place]) -> Result<Vec<Place>, Error> {
    let mut places: Vec<(bool, Place)> = Vec::new();
    for Given { root, path } in given {
        if let Some(root) = root.as_ref().filter(|root| !is_root_name(root)) {
            return Err(Error::new(ErrorKind::RootName(root.clone())));
        }
        let of_error = |error| Error::io("cannot read", path, error);
        let metadata = path.metadata().map_err(of_error)?;
        if !metadata.is_file() && !metadata.is_dir() {
            let problem = "it is neither a file nor a folder";
            return Err(Error::io("cannot bundle", path, io::Error::new(io::ErrorKind::InvalidInput, problem)));
        }
        let mut folder = std::path::absolute(path).map_err(of_error)?;
        let mut only = None;
        if metadata.is_file() || root.is_none() && folder.join("__init__.py").is_file() {
            if folder.file_name().is_none() {
                // The path ends with `..`, so only the system knows the name of the folder.
                folder = folder.canonicalize().map_err(of_error)?;
            }
            only = folder.file_name().map(|name| BTreeSet::from([name.to_owned()]));
            folder.pop();
        }
        let is_named = root.is_some();
        let root = root.clone().unwrap_or_else(|| DEFAULT_ROOT.to_owned());
        places.push((is_named, Place { kind: PlaceKind::Given, rank: 0, root, folder, only }));
    }
    places.sort_by(|one, other| one.1.cmp(&other.1));
    // A folder is walked once, for all entries or for those that were named. All entries (`None`) come first.
    places.dedup_by(|(is_named, place), (is_first_named, first)| {
        let is_same = place.folder == first.folder && place.root == first.root;
        if is_same {
            *is_first_named |= *is_named;
            if let (Some(all), Some(more)) = (&mut first.only, &mut place.only) {
                all.append(more);
            }
        }
        is_same
    });
    for (index, (is_named, place)) in places.iter().enumerate() {
        let is_same_root = |other: &Place| other.root == place.root && other.folder != place.folder;
        let mut others = places[..index].iter().filter(|(other_named, _)| *is_named || *other_named);
        let mut taken = taken.iter().filter(|other| other.kind != PlaceKind::Extensions);
        if taken.any(|other| other.root == place.root) || others.any(|(_, other)| is_same_root(other)) {
            return Err(Error::new(ErrorKind::DuplicateRoot(place.root.clone())));
        }
    }
    Ok(places.into_iter().map(|(_, place)| place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_below_its_root_and_order_does_not_matter() {
        let temporary = tempfile::tempdir().unwrap();
        let path = |name: &str| temporary.path().join(name);
        std::fs::create_dir_all(path("a/pack")).unwrap();
        std::fs::create_dir_all(path("plain")).unwrap();
        std::fs::write(path("a/pack/__init__.py"), "").unwrap();
        std::fs::write(path("single.py"), "").unwrap();
        std::fs::write(path("a/other.py"), "").unwrap();
        let given = |name: &str| Given { root: None, path: path(name) };
        let places = of_given(&[given("a/pack"), given("plain"), given("single.py")], &[]).unwrap();
        let mut shuffled = of_given(&[given("single.py"), given("plain"), given("a/pack")], &[]).unwrap();
        assert_eq!(places, shuffled);
        shuffled.sort();
        assert_eq!(places, shuffled);
        let only: Vec<_> = places.iter().map(|place| place.only.clone()).collect();
        let entry = |name: &str| Some(BTreeSet::from([OsString::from(name)]));
        assert_eq!(only, [entry("single.py"), entry("pack"), None]);
        let two = of_given(&[given("a/pack"), given("a/pack"), given("a/other.py")], &[]).unwrap();
        assert_eq!(two[0].only, Some(["other.py", "pack"].map(OsString::from).into()));
        assert_eq!(two.len(), 1);
        let whole = of_given(&[given("a/other.py"), given("a")], &[]).unwrap();
        assert_eq!((whole.len(), &whole[0].only), (1, &None));

        let named = |root: &str, name: &str| Given { root: Some(root.to_owned()), path: path(name) };
        assert_eq!(of_given(&[named("app", "a/pack")], &[]).unwrap()[0].only, None);
        assert!(of_given(&[named("app", "a"), named("app", "plain")], &[]).is_err());
        assert!(of_given(&[named("../x", "a")], &[]).is_err());
        assert!(of_given(&[named("stdlib", "a")], &places).is_ok());
        assert!(of_given(&[named("root", "a")], &places).is_err());
    }
}
