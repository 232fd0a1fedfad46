//! Installed packages outside the folders of packages: the targets of `.pth` files and editable installs.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    interpreter::Interpreter,
    place::{Place, PlaceKind},
    report,
    text::shown,
};

/// A place from which an interpreter imports installed packages, and which is not bundled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Elsewhere {
    /// How the interpreter finds the place.
    pub kind: ElsewhereKind,
    /// The file that names the place. For [`ElsewhereKind::UnknownFolder`], the folder itself.
    #[serde(serialize_with = "report::path")]
    pub file: PathBuf,
    /// The folder, URL or module that the file names. Bytes that are not UTF-8 are escaped.
    pub target: String,
}

/// How an interpreter finds a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ElsewhereKind {
    /// A line of a `.pth` file adds the folder to the search path.
    PathFile,
    /// A line of a `.pth` file installs the finder of an editable install.
    EditableFinder,
    /// The `direct_url.json` of a distribution says that it was installed as editable.
    Editable,
    /// A folder of installed packages without a role that would help an interpreter to find it again.
    UnknownFolder,
}

/// The contents of a `direct_url.json` (PEP 610).
#[derive(Deserialize)]
struct DirectUrl {
    url: String,
    dir_info: Option<DirInfo>,
}

#[derive(Deserialize)]
struct DirInfo {
    #[serde(default)]
    editable: bool,
}

/// The places that the folders of installed packages among `places` name, and the folders that have no place.
pub(crate) fn find(interpreter: &Interpreter, places: &[Place]) -> Result<Vec<Elsewhere>, Error> {
    let mut found = BTreeSet::new();
    for packages in interpreter.site_packages.iter().filter(|packages| packages.root.is_none()) {
        let target = shown(packages.folder.as_os_str().as_encoded_bytes());
        found.insert(Elsewhere { kind: ElsewhereKind::UnknownFolder, file: packages.folder.clone(), target });
    }
    for place in places.iter().filter(|place| place.kind == PlaceKind::SitePackages) {
        let of_error = |error| Error::io("cannot read the folder", &place.folder, error);
        for entry in fs::read_dir(&place.folder).map_err(of_error)? {
            let path = entry.map_err(of_error)?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("pth") => add_path_file(&place.folder, &path, places, &mut found),
                Some("dist-info") => add_editable(path.join("direct_url.json"), &mut found),
                _ => {}
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// Reads a `.pth` file as `site` does: a line is a comment, an import, or a folder. `site` ignores a file that it
/// cannot read, and a folder that does not exist. A folder that has a place is bundled.
fn add_path_file(folder: &Path, file: &Path, places: &[Place], found: &mut BTreeSet<Elsewhere>) {
    let Ok(text) = fs::read(file) else { return };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    for line in text.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii_end) {
        let mut add = |kind, target| {
            found.insert(Elsewhere { kind, file: file.to_owned(), target });
        };
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            continue;
        }
        if let Some(code) = line.strip_prefix(b"import ").or_else(|| line.strip_prefix(b"import\t")) {
            // The modules with the finders of setuptools, hatchling, meson-python and scikit-build-core have such
            // names.
            let module = code.split(|byte| matches!(byte, b';' | b',' | b' ')).find(|part| !part.is_empty());
            if let Some(module) = module.filter(|module| module.windows(8).any(|part| part == b"editable")) {
                add(ElsewhereKind::EditableFinder, shown(module));
            }
            continue;
        }
        // A path that is not UTF-8 is reported, too, although not every system can look it up.
        let Ok(target) = std::str::from_utf8(line).map(|line| folder.join(line)) else {
            add(ElsewhereKind::PathFile, shown(line));
            continue;
        };
        let Ok(target) = target.canonicalize() else { continue };
        let has_place =
            |place: &Place| place.only.is_none() && place.folder.canonicalize().is_ok_and(|it| it == target);
        if !places.iter().any(has_place) {
            add(ElsewhereKind::PathFile, shown(line));
        }
    }
}

fn add_editable(file: PathBuf, found: &mut BTreeSet<Elsewhere>) {
    let Some(text) = fs::read(&file).ok() else { return };
    let Ok(DirectUrl { url, dir_info }) = serde_json::from_slice(&text) else { return };
    if dir_info.is_some_and(|info| info.editable) {
        found.insert(Elsewhere { kind: ElsewhereKind::Editable, file, target: url });
    }
}
