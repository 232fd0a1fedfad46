//! Calls every accessor of an archive that may be damaged. No accessor may panic or run for long.

use permacode_reader::{
    Archive, Budget, Code, Constant, Error, ErrorKind, Item, Items, Leaf, Module, Object, PermaBytes, Resource, Result,
    Signature, Target,
};
use std::{collections::BTreeSet, fmt::Debug, hint::black_box};

/// How many values of each type were reached, and how many errors.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Targets.
    pub targets: u64,
    /// Modules.
    pub modules: u64,
    /// Resources.
    pub resources: u64,
    /// Code objects.
    pub codes: u64,
    /// Objects.
    pub objects: u64,
    /// Containers.
    pub containers: u64,
    /// Locations and handlers.
    pub entries: u64,
    /// Malformed line tables and exception tables. A valid archive may have some.
    pub malformed: u64,
    /// Errors.
    pub errors: u64,
}

impl Reached {
    fn get<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors += 1;
                show(&error);
                None
            }
        }
    }

    fn entry<T>(&mut self, entry: Result<T>) -> Option<T> {
        match entry {
            Ok(entry) => {
                self.entries += 1;
                Some(entry)
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::MalformedEntry { .. }), "{error}");
                assert!(error.to_string().contains("at offset"), "{error}");
                self.malformed += 1;
                None
            }
        }
    }
}

fn show(value: &(impl Debug + ?Sized)) {
    let _ = black_box(format!("{value:?}"));
}

/// Calls every accessor.
pub fn walk<D: AsRef<[u8]>>(archive: &Archive<D>) -> Reached {
    let mut reached = Reached::default();
    black_box((archive.file_len(), archive.code_align(), archive.code_count(), archive.sections().count()));
    for id in [0, 1, archive.object_count(), u32::MAX] {
        if let Some(object) = archive.object(id) {
            value(&object, &mut reached);
        }
    }
    // Targets of an archive that was not verified may share modules, so the number of visits is limited.
    let mut left = 2000usize;
    for target in archive.targets().take(200) {
        reached.targets += 1;
        of_target(&target, &mut reached);
        for module in target.modules().take(left) {
            left -= 1;
            if let Some(module) = reached.get(module) {
                of_module(&target, &module, &mut reached);
            }
        }
        for resource in target.resources().take(2000) {
            if let Some(resource) = reached.get(resource) {
                of_resource(&target, &resource, &mut reached);
            }
        }
    }
    reached
}

fn of_target(target: &Target<'_>, reached: &mut Reached) {
    reached.get(target.vm());
    reached.get(target.cache_tag());
    reached.get(target.line_encoding());
    reached.get(target.exception_encoding());
    black_box((
        target.bytecode_magic(),
        target.vm_version(),
        target.optimization(),
        target.unit_size(),
        target.is_sealed(),
        target.stripped().count(),
    ));
    show(target);
    for name in ["", "a", "pkg.mod", "\u{10FFFF}"] {
        reached.get(target.find(name));
        reached.get(target.find_resource(name.as_bytes()));
        for module in target.children(name).take(100) {
            reached.get(module);
        }
    }
    for number in [0, target.module_count(), target.resource_count(), u32::MAX] {
        reached.get(target.module(number));
        reached.get(target.resource(number));
    }
}

fn of_resource(target: &Target<'_>, resource: &Resource<'_>, reached: &mut Reached) {
    reached.resources += 1;
    reached.get(resource.root());
    reached.get(resource.path());
    reached.get(resource.data());
    black_box((resource.len(), resource.is_empty(), resource.is_executable()));
    if let Some(name) = reached.get(resource.name()) {
        reached.get(target.find_resource(&name));
    }
    show(resource);
}

fn of_module(target: &Target<'_>, module: &Module<'_>, reached: &mut Reached) {
    reached.modules += 1;
    if let Some(name) = reached.get(module.name()) {
        reached.get(target.find(name));
        for child in target.children(name).take(20) {
            reached.get(child);
        }
    }
    reached.get(module.filename());
    reached.get(module.source());
    reached.get(module.source_text());
    reached.get(module.body());
    for number in [0, module.code_count().wrapping_sub(1), u32::MAX] {
        reached.get(module.code(number));
    }
    reached.get(module.target());
    reached.get(module.find_code("C.f"));
    black_box((module.is_package(), module.is_namespace(), module.object_base(), module.offset()));
    show(module);
    let mut budget = module.budget();
    let mut seen = BTreeSet::new();
    for code in module.codes().take(2000) {
        if let Some(code) = reached.get(code) {
            of_code(&code, &mut budget, &mut seen, reached);
        }
    }
}

fn of_code(code: &Code<'_>, budget: &mut Budget, seen: &mut BTreeSet<u32>, reached: &mut Reached) {
    reached.codes += 1;
    reached.get(code.bytecode().map(|bytes| of_bytes(&bytes)));
    reached.get(code.name());
    reached.get(code.name_object());
    reached.get(code.qualname_object());
    reached.get(code.qualname().parts());
    reached.get(code.has_qualname(b"C.f"));
    reached.get(code.filename_object());
    reached.get(code.filename());
    reached.get(code.local_kinds());
    reached.get(code.line_table());
    reached.get(code.exception_table());
    of_tables(code, reached);
    reached.get(code.first_line());
    reached.get(code.docstring());
    reached.get(code.signature_text());
    match code.signature() {
        Ok(signature) => of_signature(&signature, reached),
        // Not a rule of the format: the target may be one of another machine.
        Err(error) if matches!(error.kind(), ErrorKind::Signature { .. }) => {
            assert!(error.to_string().contains("at offset"), "{error}");
        }
        Err(error) => drop(reached.get::<()>(Err(error))),
    }
    if let Some(parent) = reached.get(code.parent()).flatten() {
        assert!(parent.id() > code.id(), "a parent comes later");
    }
    black_box((code.flags(), code.arg_count(), code.posonly_count(), code.kwonly_count(), code.stack_size()));
    black_box((code.stated_local_count(), code.docstring_index(), code.qualname_form(), code.offset()));
    show(code);
    if reached.get(code.list().and_then(|list| budget.take_list(&list))).is_none() {
        return;
    }
    if let Some(children) = reached.get(code.children()) {
        for child in children {
            if let Some(child) = reached.get(child) {
                assert!(child.id() < code.id(), "a child comes before its parent");
            }
        }
    }
    for items in [code.locals(), code.names()] {
        if let Some(items) = reached.get(items) {
            for text in items.strings() {
                reached.get(text);
            }
            of_items(&items, code.id(), budget, seen, reached);
        }
    }
    if let Some(items) = reached.get(code.constants()) {
        assert!(items.get(items.len()).is_none());
        of_items(&items, code.id(), budget, seen, reached);
    }
}

/// Decodes the line table and the exception table.
fn of_tables(code: &Code<'_>, reached: &mut Reached) {
    let unit_count = reached.get(code.unit_count()).unwrap_or_default();
    if let Some(locations) = reached.get(code.locations()).flatten() {
        let mut end = 0;
        for (number, location) in locations.enumerate() {
            let Some(location) = reached.entry(location) else { break };
            assert!(location.units.start == end && location.units.end > end, "ranges follow each other");
            end = location.units.end;
            // Each question decodes from the start of the table.
            if number < 20 {
                assert!(code.location_at(end - 1).is_ok_and(|found| found.as_ref() == Some(&location)));
            }
        }
        assert!(end <= unit_count);
    }
    if let Some(handlers) = reached.get(code.handlers()).flatten() {
        let mut units = BTreeSet::new();
        for (number, handler) in handlers.enumerate() {
            let Some(handler) = reached.entry(handler) else { break };
            assert!(!handler.units.is_empty() && handler.units.end <= unit_count);
            let first = handler.units.start;
            if number < 20 && units.insert(first) {
                let found = code.handler_at(first).ok().flatten();
                assert!(found.is_some_and(|found| found.units.contains(&first)));
            }
        }
    }
    for unit in [unit_count, u32::MAX] {
        let beyond = (code.location_at(unit).ok().flatten(), code.handler_at(unit).ok().flatten());
        assert_eq!(beyond, (None, None), "nothing covers a unit that does not exist");
    }
}

fn of_signature(signature: &Signature<'_>, reached: &mut Reached) {
    let mut count = 0;
    for parameter in signature.parameters().take(200) {
        if let Some(parameter) = reached.get(parameter) {
            for text in [parameter.default, parameter.annotation].into_iter().flatten() {
                assert!(text == *text.to_cow() && text.chars().eq(text.to_string().chars()));
            }
        }
        count += 1;
    }
    assert_eq!(count, signature.len().min(200));
    if count < 200 {
        assert!(signature.to_string().starts_with('('));
    }
}

/// Visits each object that can be reached from these items once.
fn of_items(items: &Items<'_>, code: u32, budget: &mut Budget, seen: &mut BTreeSet<u32>, reached: &mut Reached) {
    let mut stack: Vec<Result<Item<'_>>> = items.iter().collect();
    while let Some(item) = stack.pop() {
        match reached.get(item) {
            Some(Item::Code(inner)) => assert!(inner.id() < code, "a code object refers to earlier ones"),
            Some(Item::Object(object)) if seen.insert(object.id()) => {
                if reached.get(budget.take_object(&object)).is_some()
                    && let Some(Constant::Container(container)) = value(&object, reached)
                {
                    reached.containers += 1;
                    assert!((1..=2000).contains(&container.depth()));
                    assert_eq!(container.iter().next().is_none(), container.is_empty());
                    stack.extend(container.iter());
                }
            }
            _ => {}
        }
    }
}

fn value<'a>(object: &Object<'a>, reached: &mut Reached) -> Option<Constant<'a>> {
    reached.objects += 1;
    reached.get(object.is_cold());
    reached.get(object.kind());
    show(object);
    let constant = reached.get(object.constant())?;
    match constant {
        Constant::Leaf(Leaf::Int(bytes)) | Constant::Leaf(Leaf::Bytes(bytes)) => of_bytes(&bytes),
        Constant::Leaf(Leaf::Str(text)) => {
            of_bytes(&text.bytes());
            black_box((text.to_str(), text.is_interned(), text.to_string().len()));
        }
        _ => {}
    }
    Some(constant)
}

fn of_bytes(bytes: &PermaBytes<'_>) {
    black_box((
        bytes.offset(),
        bytes.as_units::<u16>(),
        bytes.find(b"x"),
        bytes.slice(1..),
        bytes.slice(..=usize::MAX),
    ));
}

/// Verifies the structure, the first modules, and everything. Returns the first error of each.
pub fn verify<D: AsRef<[u8]>>(archive: &Archive<D>) -> (Result<()>, Result<()>, Result<()>) {
    let modules = archive.targets().take(200).flat_map(|target| target.modules().take(20).collect::<Vec<_>>());
    let module = modules.take(60).try_for_each(|module| archive.verify_module(&module?));
    let (structure, everything) = (archive.verify_structure(), archive.verify());
    for error in [&structure, &module, &everything].into_iter().filter_map(|result| result.as_ref().err()) {
        check(error);
    }
    if everything.is_ok() {
        assert!(structure.is_ok() && module.is_ok(), "a valid archive has valid parts");
        let reached = walk(archive);
        assert_eq!(reached.errors, lookups_beyond(archive), "no accessor refuses a valid archive");
    }
    (structure, module, everything)
}

/// The number of errors that [`walk`] provokes in a valid archive by asking for records that do not exist.
fn lookups_beyond<D: AsRef<[u8]>>(archive: &Archive<D>) -> u64 {
    let mut count = 0;
    for target in archive.targets() {
        let (modules, resources) = (target.module_count(), target.resource_count());
        for number in [0, modules, resources, u32::MAX] {
            count += u64::from(number >= modules) + u64::from(number >= resources);
        }
        for module in target.modules().flatten() {
            let codes = module.code_count();
            count += [0, codes.wrapping_sub(1), u32::MAX].iter().filter(|number| **number >= codes).count() as u64;
        }
    }
    count
}

fn check(error: &Error) {
    assert!(error.rule().is_some(), "{error}");
    assert!(error.to_string().contains("at offset"), "{error}");
}
