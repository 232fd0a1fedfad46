//! The same records in another order: an archive is read back and written once for each placement.

use anyhow::{Context, Result};
use permacode_reader::Archive;
use permacode_writer::{Options, Placement, Writer};
use serde_json::{Map, Value};
use std::path::Path;

/// All placements, with their names in the tables.
const PLACEMENTS: [(&str, Placement); 3] = [
    ("first use", Placement::FirstUse),
    ("bodies first", Placement::BodiesFirst),
    ("shared first", Placement::SharedFirst),
];

/// Writes the contents of an archive into `folder` once for each placement. The result maps names of placements to
/// paths.
pub(super) fn place_again(archive: &Path, folder: &Path) -> Result<Value> {
    let archive = Archive::read(archive)?;
    let mut paths = Map::new();
    for (name, placement) in PLACEMENTS {
        let mut writer = Writer::new(Options::default().placement(placement));
        writer.copy_from(&archive)?;
        let path = folder.join(format!("{}.perma", name.replace(' ', "-")));
        writer.plan()?.publish(&path).with_context(|| format!("cannot write {}", path.display()))?;
        paths.insert(name.to_owned(), path.display().to_string().into());
    }
    Ok(paths.into())
}
