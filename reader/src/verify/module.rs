//! One module: what everything checks, for what can be reached from it.

use super::{Verifier, codes::check_utf8};
use crate::{
    bytes::Bytes,
    error::{Error, Result},
    module::Module,
    object::{Constant, Item, Object},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use permacode_format::{ObjectKind, Rule, digest};

impl<'a> Verifier<'a> {
    /// One module: what everything checks, for what can be reached from it.
    ///
    /// Its view checks each chunk that this touches.
    pub(super) fn module(&self, module: &Module<'a>) -> Result<()> {
        let mut budget = module.budget();
        // What containers hold is looked at below, item by item.
        self.codes_of(module, &mut budget, &BTreeMap::new())?;
        let mut seen: BTreeSet<u32> = BTreeSet::new();
        let mut stack: Vec<Object<'a>> = Vec::new();
        for code in module.codes() {
            let code = code?;
            if let Some(text) = code.signature()? {
                check_utf8(Bytes::new(text.as_slice(), text.offset()))?;
            }
            for item in code.list()?.all().iter() {
                if let Item::Object(object) = item?
                    && seen.insert(object.id())
                {
                    stack.push(object);
                }
            }
        }
        while let Some(object) = stack.pop() {
            // Objects that overlap could be many and large at once.
            budget.take_object(&object)?;
            let (constant, bytes) = object.read()?;
            object.verify_form(bytes.offset(), &constant, object.kind()?)?;
            if let Constant::Container(container) = constant {
                for item in container.iter() {
                    let Item::Object(member) = item? else { continue };
                    if member.kind()? == ObjectKind::Qualname {
                        let what = "the id of a qualified name in a container";
                        return Err(Error::value(Rule::O5, bytes.offset(), what, member.id()));
                    }
                    if seen.insert(member.id()) {
                        stack.push(member);
                    }
                }
            }
        }
        if let Some(text) = module.source()?.and_then(|source| source.text) {
            module.verify_digest(digest(&text))?;
        }
        Ok(())
    }
}
