//! The checks of one module: those of depth *everything*, for the objects that the module reaches.

use super::{Verifier, codes::check_digest, objects::Facts};
use crate::{
    budget::Budget,
    error::Result,
    module::Module,
    object::{Constant, Item, Object, Owner},
};
use alloc::collections::{BTreeMap, BTreeSet};
use permacode_format::{ItemRef, ModuleRecord, NONE, digest};

impl<'a> Verifier<'a> {
    /// Checks a module and everything that it reaches. The view of `module` must check chunks.
    pub(super) fn module(&self, module: &Module<'a>) -> Result<()> {
        self.signature_order()?;
        let mut budget = module.budget();
        let ModuleRecord { filename, filename_root, source_path, source_root, .. } = *module.at();
        let named = [filename, filename_root, source_path, source_root].map(|id| id.get());
        let mut listed: BTreeSet<u32> = named.into_iter().filter(|id| *id != NONE).collect();
        for code in module.codes() {
            let code = code?;
            code.signature_text()?;
            let list = code.list()?;
            budget.take_list(&list)?;
            for item in list.all().iter() {
                if let Item::Object(object) = item? {
                    listed.insert(object.id());
                }
            }
        }
        let known = self.reached(listed, &mut budget)?;
        let first_codes = known.iter().filter_map(|(id, facts)| Some((*id, facts.first_code?))).collect();
        self.codes_of(module, &mut module.budget(), &first_codes)?;
        if let Some(text) = module.source_text()? {
            check_digest(module, digest(&text))?;
        }
        Ok(())
    }

    /// Checks the objects `to_do` and everything that they reach. Returns the facts about all of them by id.
    fn reached(&self, mut to_do: BTreeSet<u32>, budget: &mut Budget) -> Result<BTreeMap<u32, Facts>> {
        // Items have lower ids than their container. The loop goes from the highest id down, so it meets each object
        // once.
        let mut reached = BTreeSet::new();
        while let Some(id) = to_do.pop_last() {
            reached.insert(id);
            let object = Object::new(self.view, id, Owner::UNKNOWN);
            // Many long objects can overlap in a small archive. The budget limits that.
            budget.take_object(&object)?;
            let Constant::Container(container) = object.constant()? else { continue };
            for index in 0..container.len() {
                if let Some(ItemRef::Object(item)) = container.item_ref(index).transpose()? {
                    to_do.insert(item);
                }
            }
        }
        // From the lowest id up, the facts about the items of a container are known before the container.
        let mut known = BTreeMap::new();
        for id in reached {
            let facts = self.facts(&Object::new(self.view, id, Owner::UNKNOWN), |item| known.get(&item).copied())?;
            known.insert(id, facts);
        }
        Ok(known)
    }
}
