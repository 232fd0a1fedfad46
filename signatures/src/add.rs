//! Finds the code object of each function.

use std::collections::HashMap;

use permacode_format::code_flag;
use permacode_model::{Code, Leaf, Module, Object, Ref};

use crate::source::{Function, Functions, MODULE, Names, Scope};

/// What was found for the code objects of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Code objects of functions whose source is known, with signatures or without need for one.
    pub matched: u64,
    /// Code objects of functions without a source.
    pub unmatched: u64,
    /// Code objects that have several functions as possible sources, with different signatures. They get none.
    pub ambiguous: u64,
}

/// What is known about a code object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found<'f> {
    Nothing,
    Signature(Option<&'f str>),
    Ambiguous,
}

impl Functions {
    /// Sets the signature of each code object whose source is one of these functions.
    ///
    /// A code object has the source with the same first line, name and parameters in the same functions and classes.
    /// If there are several, they must have the same signature, or the compiler must have made one code object for each
    /// of them, in one place and thus in the same order.
    ///
    /// A code object that is neither a function nor a class, such as that of a comprehension, belongs to the code
    /// around it.
    pub fn add_to(&self, module: &mut Module<'_>) -> Counts {
        let mut counts = Counts::default();
        let Some(body) = module.body else { return counts };
        let (visited, occurrences) = self.occurrences(module, body);
        let mut found = vec![Found::Nothing; module.codes.len()];
        let mut sources: HashMap<u32, Vec<&Function>> = HashMap::new();
        for function in &self.functions {
            sources.entry(function.scope).or_default().push(function);
        }
        for (scope, codes) in &occurrences {
            let sources = sources.get(scope).map(Vec::as_slice).unwrap_or_default();
            for (index, occurrence) in codes.iter().enumerate() {
                let Some(slot) = found.get_mut(occurrence.code as usize) else { continue };
                let this = source_of(sources, codes, index);
                *slot = if *slot == Found::Nothing || *slot == this { this } else { Found::Ambiguous };
            }
        }
        for (index, found) in found.into_iter().enumerate().filter(|(index, _)| visited[*index]) {
            match found {
                Found::Signature(text) => {
                    counts.matched += 1;
                    module.codes[index].signature = text.map(|text| text.as_bytes().to_vec().into());
                }
                Found::Ambiguous => counts.ambiguous += 1,
                Found::Nothing if self.is_function(module, &module.codes[index]) => counts.unmatched += 1,
                Found::Nothing => {}
            }
        }
        counts
    }

    /// The code objects that can be reached from the body, and those of functions by the numbers of their scopes.
    fn occurrences(&self, module: &Module<'_>, body: u32) -> (Vec<bool>, HashMap<u32, Vec<Occurrence>>) {
        let mut visited = vec![false; module.codes.len()];
        let mut occurrences: HashMap<u32, Vec<Occurrence>> = HashMap::new();
        let mut stack = vec![(body, MODULE)];
        if let Some(visited) = visited.get_mut(body as usize) {
            *visited = true;
        }
        while let Some((parent, scope)) = stack.pop() {
            let Some(code) = module.codes.get(parent as usize) else { continue };
            for constant in &code.constants {
                let Ref::Code(number) = *constant else { continue };
                let Some(child) = module.codes.get(number as usize) else { continue };
                let key = key(module, child, scope);
                let inner = key.as_ref().and_then(|key| self.scopes.find(key));
                if let Some(inner) = inner
                    && key.is_some_and(|key| key.parameters.is_some())
                {
                    let occurrence = Occurrence { code: number, parent };
                    let list = occurrences.entry(inner).or_default();
                    if list.last() != Some(&occurrence) {
                        list.push(occurrence);
                    }
                }
                // The compiler may merge equal code objects of several parents.
                if !std::mem::replace(&mut visited[number as usize], true) {
                    stack.push((number, inner.unwrap_or(scope)));
                }
            }
        }
        (visited, occurrences)
    }

    /// Whether a code object without a source is that of a function.
    fn is_function(&self, module: &Module<'_>, code: &Code<'_>) -> bool {
        let name = text(module, code.name);
        let is_type_scope = || {
            let is_known = std::str::from_utf8(name).is_ok_and(|name| self.type_names.contains(name));
            code.arg_count == code.posonly_count && (is_known || name == b"__annotate__")
        };
        code.flags & code_flag::OPTIMIZED != 0 && (name == b"<lambda>" || !name.starts_with(b"<") && !is_type_scope())
    }
}

/// A code object among the constants of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Occurrence {
    code: u32,
    parent: u32,
}

/// The signature of one of several code objects that have the same scope.
fn source_of<'f>(sources: &[&'f Function], codes: &[Occurrence], index: usize) -> Found<'f> {
    let Some(first) = sources.first() else { return Found::Nothing };
    let text = first.text.as_deref();
    if sources.iter().all(|source| source.text.as_deref() == text) {
        // More code objects than sources: some may have no source here.
        return if text.is_none() || codes.len() <= sources.len() { Found::Signature(text) } else { Found::Ambiguous };
    }
    let is_one_place = sources.iter().all(|source| source.place == first.place)
        && codes.iter().all(|code| Some(code.parent) == codes.first().map(|first| first.parent));
    match sources.get(index) {
        Some(source) if is_one_place && sources.len() == codes.len() => Found::Signature(source.text.as_deref()),
        _ => Found::Ambiguous,
    }
}

fn text<'m>(module: &'m Module<'_>, object: u32) -> &'m [u8] {
    match module.objects.get(object as usize) {
        Some(Object::Leaf(Leaf::Str(string))) => &string.text,
        _ => b"",
    }
}

/// The scope of a code object. `None` for a comprehension and the like.
fn key(module: &Module<'_>, code: &Code<'_>, parent: u32) -> Option<Scope> {
    let name = text(module, code.name);
    if name.starts_with(b"<") && name != b"<lambda>" {
        return None;
    }
    let has = |flag| code.flags & flag != 0;
    let parameters = has(code_flag::OPTIMIZED).then(|| {
        let (has_varargs, has_kwargs) = (has(code_flag::VARARGS), has(code_flag::VARKEYWORDS));
        let plain = u64::from(code.arg_count) + u64::from(code.kwonly_count);
        let count = plain + u64::from(has_varargs) + u64::from(has_kwargs);
        let locals = code.locals.iter().take(usize::try_from(count).unwrap_or(usize::MAX));
        Names {
            names: locals.map(|name| text(module, *name).to_vec()).collect(),
            posonly: code.posonly_count as usize,
            positional: code.arg_count as usize,
            has_varargs,
            has_kwargs,
        }
    });
    Some(Scope { parent, line: code.first_line.into(), name: name.to_vec(), parameters })
}
