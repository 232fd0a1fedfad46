//! The roots of a target.

use crate::{error::Result, target::Target};
use alloc::collections::BTreeSet;

impl<'a> Target<'a> {
    /// The distinct names of the roots of all file names, source paths and resources of the target. They are
    /// generalised UTF-8.
    ///
    /// ```
    /// # use permacode_model::{Module, Path, Resource, Target};
    /// # use permacode_writer::{Options, Writer};
    /// # let mut writer = Writer::new(Options::default());
    /// # let target = writer.add_target(&Target::new("toy", 1, 1, 2))?;
    /// # let filename = Some(Path { root: Some("app".into()), path: "tools".into() });
    /// # writer.add_module(target, &Module { filename, ..Module::namespace("tools") })?;
    /// # let data = b"text"[..].into();
    /// # let (root, path) = ("data".into(), b"x"[..].into());
    /// # writer.add_resource(target, Resource { root, path, executable: false, data })?;
    /// # let bytes = writer.plan()?.to_bytes();
    /// let archive = permacode_reader::Archive::open(&bytes)?;
    /// let target = archive.targets().next().unwrap();
    /// assert!(target.roots()?.into_iter().eq([b"app", &b"data"[..]]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The rule that a record or a string breaks.
    pub fn roots(&self) -> Result<BTreeSet<&'a [u8]>> {
        // Many modules may share one long name. `known` has its offset, so it is compared only once.
        let (mut names, mut known) = (BTreeSet::new(), BTreeSet::new());
        for module in self.modules() {
            let module = module?;
            let filename = module.filename()?.and_then(|path| path.root);
            let source = module.source()?.and_then(|source| source.path.root);
            for root in [filename, source].into_iter().flatten() {
                let bytes = root.bytes();
                if known.insert((bytes.offset(), bytes.len())) {
                    names.insert(bytes.as_slice());
                }
            }
        }
        for resource in self.resources() {
            names.insert(resource?.root()?.as_bytes());
        }
        Ok(names)
    }
}
