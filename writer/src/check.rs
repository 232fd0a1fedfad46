//! Checks of targets, modules and resources that need only the model.

use crate::{collect::CollectedCode, error::Error};
use permacode_format::{MAX_NAME_LEN, MAX_QUALNAME_LEN, NONE, digest, is_module_name, is_resource_name};
use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Qualname, Resource, Source, Target};

/// Checks the fields of a target.
pub(crate) fn target(target: &Target) -> Result<(), Error> {
    let name = &target.vm;
    if name.is_empty() || name.len() > 16 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::invalid(name, "the name of a virtual machine must be 1 to 16 printable ASCII characters"));
    }
    if target.unit_size == 0 {
        return Err(Error::invalid(name, "a bytecode unit must have at least one byte"));
    }
    if target.cache_tag.len() as u64 > u64::from(MAX_NAME_LEN) {
        let len = target.cache_tag.len() as u64;
        return Err(Error::limit(name.as_str(), "bytes in the cache tag", len, MAX_NAME_LEN.into()));
    }
    Ok(())
}

/// Checks a module, except for its objects, its code objects and the references between them.
pub(crate) fn module(module: &Module<'_>) -> Result<(), Error> {
    let name = &module.name;
    name_len(name, name.len())?;
    if !is_module_name(name) {
        return Err(Error::invalid(
            name,
            "a module name must consist of non-empty components separated by dots, without a NUL character",
        ));
    }
    match (module.kind, module.body) {
        (ModuleKind::Namespace, Some(_)) => {
            return Err(Error::invalid(name, "a namespace package must not have a body"));
        }
        (ModuleKind::Module | ModuleKind::Package, None) => {
            return Err(Error::invalid(name, "a module or package must have a body"));
        }
        (ModuleKind::Module | ModuleKind::Package, Some(_)) if module.filename.is_none() => {
            return Err(Error::invalid(name, "a module or package must have a file name"));
        }
        _ => {}
    }
    module.source.as_ref().map_or(Ok(()), |text| source(name, text))
}

fn source(owner: &str, source: &Source<'_>) -> Result<(), Error> {
    let Some(text) = &source.text else { return Ok(()) };
    if text.len() as u64 != source.size {
        return Err(Error::invalid(owner, "the stated size of the source must equal the length of its text"));
    }
    if digest(text) != source.digest {
        return Err(Error::invalid(owner, "the stated digest of the source must be the XXH3-128 of its text"));
    }
    Ok(())
}

/// Checks the fields of one code object that are not references to objects.
pub(crate) fn code(owner: &str, code: &Code<'_>, parent: Option<u32>) -> Result<(), Error> {
    if parent.is_none() && code.qualname.separator().is_some() {
        return Err(Error::invalid(
            owner,
            "the qualified name of the body cannot be derived, because it has no parent",
        ));
    }
    if code.signature.as_ref().is_some_and(|text| std::str::from_utf8(text).is_err()) {
        return Err(Error::invalid(owner, "a signature must be UTF-8"));
    }
    if code.local_count == Some(NONE) {
        return Err(Error::limit(owner, "stated local variables", NONE.into(), u64::from(NONE) - 1));
    }
    Ok(())
}

/// Checks the name of a resource, which is `ROOT/PATH`.
pub(crate) fn resource(resource: &Resource<'_>, name: &[u8]) -> Result<(), Error> {
    let shown = String::from_utf8_lossy(name);
    name_len(&shown, name.len())?;
    if resource.root.contains('/') || !is_resource_name(name) {
        return Err(Error::invalid(
            &shown,
            "a resource must have a root without slashes and a relative path without empty, `.` or `..` components",
        ));
    }
    Ok(())
}

/// Checks the length of each derived qualified name against the longest that a reader builds [C-6].
pub(crate) fn qualnames(module: &Module<'_>, codes: &[CollectedCode]) -> Result<(), Error> {
    let len_of = |object: u32| match module.objects.get(object as usize) {
        Some(Object::Leaf(Leaf::Str(text))) => Ok(text.text.len() as u64),
        _ => Err(Error::invalid(&module.name, "a name, path or docstring must be a string")),
    };
    let mut lens = vec![0u64; codes.len()];
    // A parent comes after its children, so its length is known here before theirs.
    for (index, code) in codes.iter().enumerate().rev() {
        let model = &module.codes[code.model as usize];
        let separator = model.qualname.separator();
        let len = match (model.qualname, separator) {
            (Qualname::Explicit(object), _) => len_of(object)?,
            (_, None) => len_of(model.name)?,
            (_, Some(separator)) => {
                let parent = code.parent.map_or(0, |parent| lens[parent as usize]);
                parent + separator.len() as u64 + len_of(model.name)?
            }
        };
        if separator.is_some() && len > u64::from(MAX_QUALNAME_LEN) {
            let name = module.name.as_str();
            return Err(Error::limit(name, "bytes in a derived qualified name", len, MAX_QUALNAME_LEN.into()));
        }
        lens[index] = len;
    }
    Ok(())
}

fn name_len(name: &str, len: usize) -> Result<(), Error> {
    if len as u64 > u64::from(MAX_NAME_LEN) {
        return Err(Error::limit(name, "bytes in the name", len as u64, MAX_NAME_LEN.into()));
    }
    Ok(())
}
