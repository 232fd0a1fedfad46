//! Verification of the rules of spec.md, at three depths.
//!
//! * *structure*: header, section table, padding, and the lookup group with its checksums. The time is linear in the
//!   length of the lookup group.
//! * *module*: the code objects of one module, everything that they reach, and the chunks that this uses.
//! * *everything*: the whole file. Each distinct record is visited once. The memory is a small multiple of the number
//!   of objects.

mod checksums;
mod codes;
mod module;
mod names;
mod objects;
mod ranges;

use crate::{archive::Archive, checks::Checks, error::Result, module::Module, view::View};
use permacode_format::{ModuleRecord, Rule};

impl<D: AsRef<[u8]>> Archive<D> {
    /// Checks header, section table, padding, and everything that a lookup uses.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify_structure(&self) -> Result<()> {
        Verifier { view: self.view() }.structure(self)
    }

    /// Checks the structure, and one module with everything that it reaches.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify_module(&self, module: &Module<'_>) -> Result<()> {
        Verifier { view: self.view() }.structure(self)?;
        let layout = self.view().layout.with_checks(Checks::new(self.view()));
        let view = View { layout: &layout, ..self.view() };
        let at = module.at();
        // The same record in a view that checks chunks.
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
