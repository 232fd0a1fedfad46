//! Computes the size of modules as `.pyc` files without writing them.

use permacode_pyc::{HEADER_LEN, Version};
use permacode_reader::{Budget, Constant, Item, Leaf, Module, Object, Result};

/// The bytes that marshal needs for a reference to an earlier value, or for the kind and the length of a value. No
/// value needs more in addition to its contents.
const REFERENCE: u64 = 5;

/// The bytes of a code object without the contents of its fields: its kind, seven numbers, and at most eleven fields.
const CODE: u64 = 1 + 7 * 4 + 11 * REFERENCE;

/// Adds up the most bytes of modules.
///
/// The time and memory are in proportion to the archive, not to the files. Each object of the archive is visited once,
/// even if many containers share it, and the list of each code object once.
pub(super) struct PycSizes {
    has_qualnames: bool,
    /// The size in bytes of each object with its contents. Shared contents count each time they occur. 0 if the object
    /// was not visited.
    trees: Vec<u64>,
    /// For each object, the number of the last module that has it directly in a list.
    counted: Vec<u64>,
    /// The bytes of all visited objects, each once. No module needs more for its objects.
    met: u64,
    modules: u64,
    budget: Option<Budget>,
}

impl PycSizes {
    pub(super) fn new(version: Version) -> Self {
        PycSizes {
            has_qualnames: version.minor() >= 11,
            trees: Vec::new(),
            counted: Vec::new(),
            met: 0,
            modules: 0,
            budget: None,
        }
    }

    /// The most bytes of a module whose file name has this length.
    pub(super) fn module(&mut self, module: &Module<'_>, filename: u64) -> Result<u64> {
        self.modules += 1;
        let qualnames = qualnames(module)?;
        let qualname = |id: u32| {
            let number = id.checked_sub(module.first_code()).and_then(|number| usize::try_from(number).ok());
            number.and_then(|number| qualnames.get(number)).copied().unwrap_or_default()
        };
        let (mut bytes, mut objects) = (HEADER_LEN as u64 + REFERENCE + filename, 0u64);
        for code in module.codes() {
            let code = code?;
            let (len, is_derived) = qualname(code.id());
            if is_derived && self.has_qualnames {
                bytes = bytes.saturating_add(REFERENCE + len);
            }
            for part in [code.bytecode()?, code.line_table()?, code.exception_table()?] {
                bytes = bytes.saturating_add(part.len() as u64);
            }
            let list = code.list()?;
            let budget = self.budget.get_or_insert_with(|| module.budget());
            budget.take_list(&list)?;
            bytes = bytes.saturating_add(CODE).saturating_add(REFERENCE.saturating_mul(list.len() as u64));
            let constants = list.constants();
            for item in list.all().iter() {
                let Item::Object(object) = item? else { continue };
                if let Constant::Leaf(Leaf::Qualname { constant, .. }) = object.constant()? {
                    if let Some(Item::Code(child)) = constants.get(constant as usize).transpose()? {
                        bytes = bytes.saturating_add(qualname(child.id()).0);
                    }
                    continue;
                }
                let tree = self.tree(module, object)?;
                let counted = slot(&mut self.counted, object.id());
                if *counted != self.modules {
                    *counted = self.modules;
                    objects = objects.saturating_add(tree);
                }
            }
        }
        Ok(bytes.saturating_add(objects.min(self.met)))
    }

    /// The bytes of an object and its contents. Members come first, on a stack of its own.
    fn tree(&mut self, module: &Module<'_>, object: Object<'_>) -> Result<u64> {
        let mut stack = vec![object];
        while let Some(object) = stack.last().copied() {
            if *slot(&mut self.trees, object.id()) > 0 {
                stack.pop();
                continue;
            }
            let (mut own, mut members) = (REFERENCE + 1, 0u64);
            match object.constant()? {
                Constant::Container(container) => {
                    let before = stack.len();
                    for item in container.iter() {
                        own = own.saturating_add(REFERENCE);
                        if let Item::Object(member) = item? {
                            match *slot(&mut self.trees, member.id()) {
                                0 => stack.push(member),
                                tree => members = members.saturating_add(tree),
                            }
                        }
                    }
                    if stack.len() > before {
                        continue;
                    }
                }
                // Marshal uses two bytes for fifteen bits.
                Constant::Leaf(Leaf::Int(value)) => own += value.len() as u64 + value.len() as u64 / 15 + 2,
                Constant::Leaf(Leaf::Bytes(value)) => own += value.len() as u64,
                Constant::Leaf(Leaf::Str(value)) => own += value.bytes().len() as u64,
                Constant::Leaf(Leaf::Float(_)) => own += 8,
                Constant::Leaf(Leaf::Complex(..)) => own += 16,
                _ => {}
            }
            self.budget.get_or_insert_with(|| module.budget()).take_object(&object)?;
            self.met = self.met.saturating_add(own);
            *slot(&mut self.trees, object.id()) = own.saturating_add(members);
            stack.pop();
        }
        Ok(*slot(&mut self.trees, object.id()))
    }
}

/// The length of the qualified name of each code object, and whether it is derived from the name of the parent.
fn qualnames(module: &Module<'_>) -> Result<Vec<(u64, bool)>> {
    let codes = module.codes();
    let mut lens = vec![(0, false); codes.len()];
    // A parent comes after its children, so its length is known here before theirs.
    for (number, code) in codes.enumerate().rev() {
        let code = code?;
        let Some(separator) = code.qualname_form().separator() else {
            let name = code.qualname_object()?.map_or_else(|| code.name_object(), Ok)?;
            lens[number] = (text_len(&name)?, false);
            continue;
        };
        let parent = code.parent_id()?.and_then(|parent| parent.checked_sub(module.first_code()));
        let before = parent.and_then(|parent| lens.get(parent as usize)).map_or(0, |(len, _)| *len);
        let len = before.saturating_add(separator.len() as u64).saturating_add(text_len(&code.name_object()?)?);
        lens[number] = (len, true);
    }
    Ok(lens)
}

fn text_len(object: &Object<'_>) -> Result<u64> {
    match object.constant()? {
        Constant::Leaf(Leaf::Str(text)) => Ok(text.bytes().len() as u64),
        _ => Ok(0),
    }
}

fn slot<T: Copy + Default>(all: &mut Vec<T>, id: u32) -> &mut T {
    let id = id as usize;
    if all.len() <= id {
        all.resize(id + 1, T::default());
    }
    &mut all[id]
}
