//! What the tests share: trees of files, and archives of them.
#![allow(dead_code, unreachable_pub)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use permacode_bundle::{Bundle, BundleOptions, ExtractOptions, ExtractReport, PackagesFolder, bundle, extract};
use permacode_reader::Archive;
use permacode_testkit::interpreters::newest;

/// Writes files into a new folder.
pub fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Options for a folder alone.
pub fn folder(path: &Path) -> BundleOptions {
    BundleOptions::new(newest()).library(false).path(path)
}

pub fn archive_of(options: &BundleOptions) -> (Archive<Vec<u8>>, Bundle) {
    let bundle = bundle(options, &()).unwrap();
    (Archive::open(bundle.plan().to_bytes()).unwrap(), bundle)
}

pub fn extracted(archive: &Archive<Vec<u8>>, options: &ExtractOptions) -> (tempfile::TempDir, ExtractReport) {
    let folder = tempfile::tempdir().unwrap();
    let report = extract(archive, folder.path(), options, &()).unwrap();
    (folder, report)
}

/// All files below a folder, by path.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Names of modules: with `/` at the end for packages, and `//` for those without code.
pub fn module_names(archive: &Archive<Vec<u8>>) -> Vec<String> {
    let target = archive.targets().next().unwrap();
    let name = |module: permacode_reader::Module<'_>| match (module.is_package(), module.is_namespace()) {
        (_, true) => format!("{}//", module.name().unwrap()),
        (true, false) => format!("{}/", module.name().unwrap()),
        (false, false) => module.name().unwrap().to_owned(),
    };
    target.modules().map(|module| name(module.unwrap())).collect()
}

pub fn resource_names(archive: &Archive<Vec<u8>>) -> Vec<String> {
    let target = archive.targets().next().unwrap();
    let path =
        |resource: permacode_reader::Resource<'_>| resource.path().unwrap().as_slice().escape_ascii().to_string();
    let mut paths: Vec<String> = target.resources().map(|resource| path(resource.unwrap())).collect();
    paths.sort();
    paths
}

/// Folders of installed packages, called `site-packages`, `site-packages-2` and so on.
pub fn packages<P: AsRef<Path>>(folders: impl IntoIterator<Item = P>) -> Vec<PackagesFolder> {
    let name = |number| if number == 0 { "site-packages".to_owned() } else { format!("site-packages-{}", number + 1) };
    let folders = folders.into_iter().enumerate();
    let folders =
        folders.map(|(number, path)| PackagesFolder { folder: path.as_ref().to_owned(), root: Some(name(number)) });
    folders.collect()
}
