//! The table of test vectors.

use crate::run::root;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, fs, path::Path};

/// The table of invalid archives, and the digests of all of them as `sha256sum --check` reads them.
///
/// The digests are no column of the table: its lines would be too long.
pub(super) fn block() -> Result<String> {
    let folder = root().join("testdata");
    let mut digests = String::new();
    let mut digest = |name: &str| -> Result<()> { Ok(writeln!(digests, "{}  {name}", sha256(&folder.join(name))?)?) };
    let mut names: Vec<_> = fs::read_dir(folder.join("valid"))
        .context("cannot list testdata/valid")?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    names.retain(|name| name.ends_with(".perma"));
    names.sort();
    for name in names {
        digest(&format!("valid/{name}"))?;
    }
    let manifest = fs::read_to_string(folder.join("invalid/manifest.json")).context("cannot read the manifest")?;
    let entries: Vec<serde_json::Value> = serde_json::from_str(&manifest)?;
    let mut table = String::from("| Invalid archive | Rule | Offset | Depth |\n|---|---|---|---|\n");
    for entry in entries {
        let text = |key: &str| entry[key].as_str().with_context(|| format!("the manifest lacks {key}"));
        let (file, rule, depth) = (text("file")?, text("rule")?, text("depth")?);
        let offset = entry["offset"].as_u64().context("the manifest lacks an offset")?;
        writeln!(table, "| `{file}` | [{rule}] | {offset:#x} | {depth} |")?;
        digest(&format!("invalid/{file}"))?;
    }
    Ok(format!("{table}\n```text\n{digests}```\n"))
}

fn sha256(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
