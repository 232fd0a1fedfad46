//! A limit on walking: lists and objects can be shared, and in a hostile archive they can overlap (spec.md 9).

use crate::{
    error::{Error, Result},
    items::List,
    module::Module,
    object::Object,
    view::View,
};
use permacode_format::{LIST_BUDGET, Rule, SectionKind};

/// The work that is left for a walk over more than one code object.
///
/// A few bytes can state that a thousand code objects share a list of a million items. A valid archive does not [C-9]; an archive
/// that nobody has verified may. A caller takes each list and each container from a budget before expanding it. Work and memory then
/// stay in proportion to the archive, whatever it holds.
#[derive(Debug, Clone)]
pub struct Budget {
    items: u64,
    objects: u64,
}

impl<'a> Module<'a> {
    /// The budget for a walk over the archive of this module.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget::of(self.view())
    }
}

impl Budget {
    pub(crate) fn of(view: View<'_>) -> Budget {
        let len = |kind| view.section(kind).len_u64();
        Budget {
            items: view.layout.file_len.saturating_mul(LIST_BUDGET),
            objects: len(SectionKind::Constants).saturating_add(len(SectionKind::Docstrings)),
        }
    }

    /// Takes the list of a code object. Take each list once.
    ///
    /// # Errors
    /// `[C-9]`
    pub fn take_list(&mut self, list: &List<'_>) -> Result<()> {
        let len = list.len() as u64;
        match self.items.checked_sub(len) {
            Some(left) => self.items = left,
            None => return Err(Error::value(Rule::C9, list.code_offset(), "the number of items of a list", len)),
        }
        Ok(())
    }

    /// Takes an object. Take each object once.
    ///
    /// # Errors
    /// `[O-1]` if all objects taken are longer than their sections, which means that some overlap; and the errors of
    /// [`Object::constant`].
    pub fn take_object(&mut self, object: &Object<'_>) -> Result<()> {
        let len = object.own_bytes()?.len_u64();
        match self.objects.checked_sub(len) {
            Some(left) => self.objects = left,
            None => {
                let what = "the length of an object that overlaps others";
                return Err(Error::value(Rule::O1, object.entry_offset(), what, len));
            }
        }
        Ok(())
    }
}
