//! The table of test vectors.

use crate::run::root;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, fs, path::Path};

/// The tables of valid and invalid archives.
pub(super) fn block() -> Result<String> {
    let folder = root().join("testdata");
    let mut out = String::from("| Valid archive | SHA-256 |\n|---|---|\n");
    let mut names: Vec<_> = fs::read_dir(folder.join("valid"))
        .context("cannot list testdata/valid")?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    names.retain(|name| name.ends_with(".perma"));
    names.sort();
    for name in names {
        writeln!(out, "| `{name}` | `{}` |", sha256(&folder.join("valid").join(&name))?)?;
    }
    let manifest = fs::read_to_string(folder.join("invalid/manifest.json")).context("cannot read the manifest")?;
    let entries: Vec<serde_json::Value> = serde_json::from_str(&manifest)?;
    out.push_str("\n| Invalid archive | Rule | Offset | Depth | SHA-256 |\n|---|---|---|---|---|\n");
    for entry in entries {
        let text = |key: &str| entry[key].as_str().with_context(|| format!("the manifest lacks {key}"));
        let offset = entry["offset"].as_u64().context("the manifest lacks an offset")?;
        let digest = sha256(&folder.join("invalid").join(text("file")?))?;
        writeln!(out, "| `{}` | [{}] | {offset:#x} | {} | `{digest}` |", text("file")?, text("rule")?, text("depth")?)?;
    }
    Ok(out)
}

fn sha256(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
