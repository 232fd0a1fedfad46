//! The order of modules, and the ids of objects and code objects.
//!
//! Ids are chosen so that the lists of code objects can use two-byte items. The order of the bytes is independent of
//! them: `placement` chooses it.
//!
//! * Objects of several modules have the lowest ids. They are sorted by the number of modules, most first, then by
//!   depth, then by first use. At least as many modules use an item of a container as use the container, and the
//!   item has a smaller depth. So each item gets a lower id than its container [O-6].
//! * Objects of a single module follow, module by module, in the order of first use. The two-byte items of a module
//!   reach its own objects through its window.
//! * Code objects are numbered module by module, children first.

use crate::{entry::ModuleEntry, intern::Handle, writer::Writer};
use permacode_format::NONE;

/// The order of everything.
#[derive(Debug)]
pub(crate) struct Order {
    /// Targets, by index in the writer, in the order of their records.
    pub(crate) targets: Vec<usize>,
    /// For each target of `targets`, the indexes of its modules in [`TargetEntry`](crate::entry::TargetEntry), sorted
    /// by name.
    pub(crate) modules: Vec<Vec<usize>>,
    /// For each target of `targets`, the indexes of its resources, sorted by name.
    pub(crate) resources: Vec<Vec<usize>>,
    /// The first ids of each module, in the order of module records.
    pub(crate) bases: Vec<ModuleBase>,
    /// Number of code objects.
    pub(crate) code_count: u64,
    /// The handles that modules use, in the order of first use.
    pub(crate) first_use: Vec<Handle>,
    /// For each handle, whether it is used for more than a docstring.
    pub(crate) hot: Vec<bool>,
    /// The id of each handle, or [`NONE`] for a handle that no module uses.
    pub(crate) ids: Vec<u32>,
}

/// The first code id and the first object id of a module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModuleBase {
    pub(crate) first_code: u32,
    pub(crate) object_base: u32,
}

impl Order {
    pub(crate) fn of(writer: &Writer) -> Order {
        let mut targets: Vec<usize> = (0..writer.targets.len()).collect();
        targets.sort_by(|a, b| writer.targets[*a].target.cmp(&writer.targets[*b].target));
        let sorted = |target: &usize| {
            let mut modules: Vec<usize> = (0..writer.targets[*target].modules.len()).collect();
            modules.sort_by_key(|module| writer.targets[*target].modules[*module].name.as_bytes());
            modules
        };
        let modules: Vec<Vec<usize>> = targets.iter().map(sorted).collect();
        let resources = targets
            .iter()
            .map(|target| {
                let entries = &writer.targets[*target].resources;
                let mut resources: Vec<usize> = (0..entries.len()).collect();
                resources.sort_by_key(|resource| entries[*resource].name.as_slice());
                resources
            })
            .collect();
        let mut order = Order {
            targets,
            modules,
            resources,
            bases: Vec::new(),
            code_count: 0,
            first_use: Vec::new(),
            hot: vec![false; writer.interner.len()],
            ids: vec![NONE; writer.interner.len()],
        };
        order.assign(writer);
        order
    }

    /// The modules in the order of their records.
    pub(crate) fn modules<'w>(&self, writer: &'w Writer) -> Vec<&'w ModuleEntry> {
        let of_target = |(target, modules): (&usize, &Vec<usize>)| {
            let entries = &writer.targets[*target].modules;
            modules.iter().map(|module| &entries[*module]).collect::<Vec<_>>()
        };
        self.targets.iter().zip(&self.modules).flat_map(of_target).collect()
    }

    fn assign(&mut self, writer: &Writer) {
        let modules = self.modules(writer);
        let mut used_by = vec![0u32; writer.interner.len()];
        let mut first_use = vec![NONE; writer.interner.len()];
        for module in &modules {
            for handle in &module.objects {
                used_by[*handle as usize] += 1;
                self.note_use(&mut first_use, *handle);
            }
            for handle in &module.hot {
                self.hot[*handle as usize] = true;
            }
        }

        let mut shared: Vec<Handle> =
            self.first_use.iter().copied().filter(|handle| used_by[*handle as usize] > 1).collect();
        shared.sort_by_key(|handle| {
            (std::cmp::Reverse(used_by[*handle as usize]), writer.interner.depth(*handle), first_use[*handle as usize])
        });
        let mut next_id = 0;
        for handle in shared {
            self.ids[handle as usize] = next_id;
            next_id += 1;
        }
        let mut next_code = 0u64;
        for module in modules {
            // The cast may truncate. `codes::lay_out` then refuses the archive, because it checks `code_count`.
            self.bases.push(ModuleBase { first_code: next_code as u32, object_base: next_id });
            for handle in &module.objects {
                if used_by[*handle as usize] == 1 {
                    self.ids[*handle as usize] = next_id;
                    next_id += 1;
                }
            }
            next_code += module.codes.len() as u64;
        }
        self.code_count = next_code;
    }

    /// Appends a handle to `self.first_use` at its first use. `positions` maps each handle to its position in that
    /// list.
    fn note_use(&mut self, positions: &mut [u32], handle: Handle) {
        let position = &mut positions[handle as usize];
        if *position == NONE {
            *position = self.first_use.len() as u32;
            self.first_use.push(handle);
        }
    }
}
