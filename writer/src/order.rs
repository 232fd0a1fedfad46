//! Who comes first: the order of modules, the ids of objects and code objects.
//!
//! An id says which object, and is chosen so that lists stay narrow; where the bytes of the object lie is another
//! matter (`placement`).
//!
//! * Objects of more than one module come first, the most used ones at the front. A member of a container is used by
//!   at least as many modules as the container, and is less deep, so that sorting by (modules, depth, first use) gives
//!   members the lower ids.
//! * Objects of one module alone follow, module by module in order of first use, which the two-byte items of that
//!   module reach through its window.
//! * Code objects follow each other module by module, children first.

use crate::{entry::ModuleEntry, intern::Handle, writer::Writer};
use permacode_format::NONE;

/// The order of everything.
#[derive(Debug)]
pub(crate) struct Order {
    /// Targets, by index in the writer, in the order of their records.
    pub(crate) targets: Vec<usize>,
    /// For each target of `targets`: its modules, by index in the target, sorted by name.
    pub(crate) modules: Vec<Vec<usize>>,
    /// For each target of `targets`: its resources, sorted by name.
    pub(crate) resources: Vec<Vec<usize>>,
    /// For each module, in the order of `targets` and `modules`: its first code id and its object base.
    pub(crate) bases: Vec<ModuleBase>,
    /// Number of code objects.
    pub(crate) code_count: u64,
    /// Handles that are used, in the order of first use.
    pub(crate) first_use: Vec<Handle>,
    /// Whether a handle is used for anything but a docstring.
    pub(crate) hot: Vec<bool>,
    /// Id of each handle; [`NONE`]: it is not used.
    pub(crate) ids: Vec<u32>,
}

/// Where the code objects and the window of a module begin.
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
        let mut place = vec![NONE; writer.interner.len()];
        for module in &modules {
            for handle in &module.objects {
                used_by[*handle as usize] += 1;
                self.note_use(&mut place, *handle);
            }
            for handle in &module.hot {
                self.hot[*handle as usize] = true;
            }
        }

        let mut shared: Vec<Handle> =
            self.first_use.iter().copied().filter(|handle| used_by[*handle as usize] > 1).collect();
        shared.sort_by_key(|handle| {
            (std::cmp::Reverse(used_by[*handle as usize]), writer.interner.depth(*handle), place[*handle as usize])
        });
        let mut next_id = 0;
        for handle in shared {
            self.ids[handle as usize] = next_id;
            next_id += 1;
        }
        let mut next_code = 0u64;
        for module in modules {
            // Beyond the limit of ids the sums are not used: the plan refuses the archive.
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

    fn note_use(&mut self, place: &mut [u32], handle: Handle) {
        let place = &mut place[handle as usize];
        if *place == NONE {
            *place = self.first_use.len() as u32;
            self.first_use.push(handle);
        }
    }
}
