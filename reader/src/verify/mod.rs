//! Checking every rule of spec.md, at three depths.
//!
//! * *structure*: header, section table, padding, the lookup group and its checksums; linear in the number of names.
//! * *one module*: its code objects, everything that can be reached through them, and the chunks that this touches.
//! * *everything*: the whole file. Each distinct record is visited once. Memory is a small multiple of the number of objects.

mod checksums;
mod codes;
mod module;
mod names;
mod objects;
mod ranges;

use crate::{archive::Archive, checks::Checks, error::Result, module::Module, view::View};
use permacode_format::{ModuleRecord, Rule};

impl<D: AsRef<[u8]>> Archive<D> {
    /// Checks header, section table, padding, and everything that a lookup touches.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify_structure(&self) -> Result<()> {
        Verifier { view: self.view() }.structure(self)
    }

    /// Checks the structure, and one module with everything that can be reached through it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify_module(&self, module: &Module<'_>) -> Result<()> {
        Verifier { view: self.view() }.structure(self)?;
        let layout = self.view().layout.with_checks(Checks::new(self.view()));
        let view = View { layout: &layout, ..self.view() };
        let at = module.at();
        // The same record, seen through the view that checks chunks.
        let Some(at) = view.record(at.index)? else {
            return Err(view.no_record::<ModuleRecord>(at.index, Rule::T6, 0));
        };
        Verifier { view }.module(&Module::new(at))
    }

    /// Checks everything.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify(&self) -> Result<()> {
        let verifier = Verifier { view: self.view() };
        verifier.structure(self)?;
        verifier.checksums(|_| true)?;
        verifier.all_chunks()?;
        let first_codes = verifier.objects()?;
        verifier.codes(self, &first_codes)
    }
}

struct Verifier<'a> {
    view: View<'a>,
}
