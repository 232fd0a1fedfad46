//! A whole program, to write in any order and to read back.

use permacode_model::{Code, Module, Object, Qualname, Ref, Resource, Target};
use permacode_reader::Archive;
use permacode_writer::{Error, Options, Plan, Writer};

/// The contents of an archive.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program<'a> {
    /// The targets.
    pub targets: Vec<Part<'a>>,
}

/// A target with its modules and resources.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<'a> {
    /// The target.
    pub target: Target,
    /// Its modules.
    pub modules: Vec<Module<'a>>,
    /// Its resources.
    pub resources: Vec<Resource<'a>>,
}

impl<'a> Program<'a> {
    /// A program of one target.
    #[must_use]
    pub fn of(modules: Vec<Module<'a>>) -> Self {
        Program { targets: vec![Part { target: crate::Choices(&[]).target(0), modules, resources: vec![] }] }
    }

    /// Lays the program out. `order` selects the order in which the writer gets targets, modules and resources. Zero is
    /// the order of the lists.
    pub fn plan(&self, options: Options, order: u64) -> Result<Plan, Error> {
        let mut writer = Writer::new(options);
        let mut ids = vec![None; self.targets.len()];
        for index in shuffled(self.targets.len(), order) {
            ids[index] = Some(writer.add_target(&self.targets[index].target)?);
        }
        let calls: Vec<(usize, usize)> = self
            .targets
            .iter()
            .enumerate()
            .flat_map(|(target, part)| (0..part.modules.len() + part.resources.len()).map(move |index| (target, index)))
            .collect();
        for (target, index) in shuffled(calls.len(), order).into_iter().map(|call| calls[call]) {
            let part = &self.targets[target];
            let id = ids[target].unwrap();
            match part.modules.get(index) {
                Some(module) => writer.add_module(id, module)?,
                None => writer.add_resource(id, &part.resources[index - part.modules.len()])?,
            }
        }
        writer.plan()
    }

    /// The bytes of its archive.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        self.plan(Options::default(), 0).unwrap().to_bytes()
    }

    /// Reads the program of an archive.
    pub fn read<D: AsRef<[u8]>>(archive: &'a Archive<D>) -> Result<Program<'a>, permacode_model::Error> {
        let part = |target: permacode_reader::Target<'a>| {
            Ok::<_, permacode_model::Error>(Part {
                target: Target::try_from(&target)?,
                modules: target.modules().map(|module| Module::try_from(&module?)).collect::<Result<_, _>>()?,
                resources: target
                    .resources()
                    .map(|resource| Resource::try_from(&resource?))
                    .collect::<Result<_, _>>()?,
            })
        };
        Ok(Program { targets: archive.targets().map(part).collect::<Result<_, _>>()? })
    }
}

/// The numbers below `count` in an order that `order` selects.
fn shuffled(count: usize, order: u64) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    if order != 0 {
        numbers.sort_by_key(|number| permacode_format::name_hash(&number.to_le_bytes(), order));
    }
    numbers
}

/// Moves all objects and code objects of a module to other indexes, and changes the references accordingly.
pub fn rotate(module: &mut Module<'_>, objects: usize, codes: usize) {
    let (object_count, code_count) = (module.objects.len(), module.codes.len());
    let object = |index: u32| ((index as usize + objects) % object_count) as u32;
    let code = |index: u32| ((index as usize + codes) % code_count) as u32;
    let moved = |reference: &mut Ref| match reference {
        Ref::Object(index) => *index = object(*index),
        Ref::Code(index) => *index = code(*index),
    };
    for value in &mut module.objects {
        if let Object::Container(_, items) = value {
            items.iter_mut().for_each(moved);
        }
    }
    for Code { name, qualname, filename, constants, names, locals, .. } in &mut module.codes {
        let explicit = if let Qualname::Explicit(index) = qualname { Some(index) } else { None };
        for index in [name].into_iter().chain(explicit).chain(filename).chain(names).chain(locals) {
            *index = object(*index);
        }
        constants.iter_mut().for_each(moved);
    }
    module.body = module.body.map(code);
    module.objects.rotate_right(objects % object_count.max(1));
    module.codes.rotate_right(codes % code_count.max(1));
}
