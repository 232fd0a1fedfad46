//! All that is reachable from the body of a module. Two modules are the same program if their canonical forms are
//! equal.
//!
//! Equal immutable values count as one, because a writer may merge them. Mutable values, code objects, and containers
//! of code objects keep their identity.

use permacode_model::{Code, Container, Leaf, Module, ModuleKind, Object, Path, Qualname, Ref, Source};
use std::collections::{BTreeMap, HashMap};

/// The canonical form of a module. References are indexes in `nodes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical<'a> {
    /// Name of the module.
    pub name: String,
    /// What kind of module it is.
    pub kind: ModuleKind,
    /// Its values. A value comes after the values that it refers to.
    pub nodes: Vec<Node<'a>>,
    /// Its file name.
    pub filename: Option<Path<'a>>,
    /// Its source.
    pub source: Option<Source<'a>>,
    /// Qualified names of the code objects, children first.
    pub qualnames: Vec<Vec<u8>>,
}

/// A value of a module.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    /// A value without references.
    Scalar(Object<'a>),
    /// A container.
    Container {
        /// Its kind.
        kind: Container,
        /// Its items.
        items: Vec<usize>,
        /// Whether a code object can be reached from it.
        has_code: bool,
    },
    /// A code object.
    Code(Box<Code<'a>>),
}

impl<'a> Canonical<'a> {
    /// The canonical form of a module whose references are valid.
    #[must_use]
    pub fn of(module: &Module<'a>) -> Canonical<'a> {
        let mut walk = Walk {
            module,
            places: BTreeMap::new(),
            known: HashMap::new(),
            nodes: vec![],
            parents: BTreeMap::new(),
            codes: vec![],
        };
        if let Some(body) = module.body {
            walk.run(Ref::Code(body));
        }
        let qualnames = walk.codes.iter().map(|code| walk.qualname(*code)).collect();
        Canonical {
            name: module.name.clone(),
            kind: module.kind,
            nodes: walk.nodes,
            filename: module.filename.clone(),
            source: module.source.clone(),
            qualnames,
        }
    }
}

struct Walk<'m, 'a> {
    module: &'m Module<'a>,
    places: BTreeMap<Ref, usize>,
    /// Immutable values by their debug form.
    known: HashMap<String, usize>,
    nodes: Vec<Node<'a>>,
    /// The code object from which each code object was reached first.
    parents: BTreeMap<u32, u32>,
    codes: Vec<u32>,
}

impl<'m, 'a> Walk<'m, 'a> {
    fn run(&mut self, root: Ref) {
        let mut stack: Vec<(Ref, Option<u32>, Vec<Ref>)> = vec![(root, None, self.references(root))];
        while let Some((node, above, rest)) = stack.last_mut() {
            let (node, above) = (*node, *above);
            match rest.pop() {
                Some(next) if self.places.contains_key(&next) => {}
                Some(next) => {
                    let parent = if let Ref::Code(code) = node { Some(code) } else { above };
                    if let (Ref::Code(code), Some(parent)) = (next, parent) {
                        self.parents.entry(code).or_insert(parent);
                    }
                    stack.push((next, parent, self.references(next)));
                }
                None => {
                    self.finish(node);
                    stack.pop();
                }
            }
        }
    }

    /// The references of a value, in reverse order.
    fn references(&self, node: Ref) -> Vec<Ref> {
        let mut found = match node {
            Ref::Object(index) => match &self.module.objects[index as usize] {
                Object::Container(_, items) => items.clone(),
                _ => vec![],
            },
            Ref::Code(index) => {
                let code = &self.module.codes[index as usize];
                let explicit = if let Qualname::Explicit(index) = code.qualname { Some(index) } else { None };
                let strings =
                    [code.name].into_iter().chain(explicit).chain(code.filename).chain(code.locals.iter().copied());
                let names = code.names.iter().copied().map(Ref::Object);
                strings.map(Ref::Object).chain(code.constants.iter().copied()).chain(names).collect()
            }
        };
        found.reverse();
        found
    }

    fn finish(&mut self, node: Ref) {
        let place = |reference: &Ref| self.places[reference];
        let string = |index: u32| self.places[&Ref::Object(index)] as u32;
        let (value, is_one_of_its_own) = match node {
            Ref::Object(index) => match &self.module.objects[index as usize] {
                Object::Container(kind, items) => {
                    let holds_code = |item: &Ref| match &self.nodes[place(item)] {
                        Node::Code(_) => true,
                        Node::Container { has_code, .. } => *has_code,
                        Node::Scalar(_) => false,
                    };
                    let has_code = items.iter().any(holds_code);
                    let items = items.iter().map(place).collect();
                    (Node::Container { kind: *kind, items, has_code }, kind.is_mutable() || has_code)
                }
                scalar => (Node::Scalar(scalar.clone()), false),
            },
            Ref::Code(index) => {
                self.codes.push(index);
                let mut code = self.module.codes[index as usize].clone();
                code.name = string(code.name);
                code.filename = code.filename.map(string);
                if let Qualname::Explicit(index) = &mut code.qualname {
                    *index = string(*index);
                }
                code.locals.iter_mut().chain(&mut code.names).for_each(|index| *index = string(*index));
                for constant in &mut code.constants {
                    *constant = match constant {
                        Ref::Object(_) => Ref::Object(place(constant) as u32),
                        Ref::Code(_) => Ref::Code(place(constant) as u32),
                    };
                }
                (Node::Code(Box::new(code)), true)
            }
        };
        let next = self.nodes.len();
        let found = if is_one_of_its_own { next } else { *self.known.entry(format!("{value:?}")).or_insert(next) };
        if found == next {
            self.nodes.push(value);
        }
        self.places.insert(node, found);
    }

    fn qualname(&self, code: u32) -> Vec<u8> {
        let text = |index: u32| match &self.module.objects[index as usize] {
            Object::Leaf(Leaf::Str(text)) => text.text.to_vec(),
            other => panic!("{other:?} is not a name"),
        };
        let (mut parts, mut at) = (vec![], code);
        loop {
            let value = &self.module.codes[at as usize];
            let separator: &[u8] = match value.qualname {
                Qualname::Explicit(index) => break parts.push(text(index)),
                Qualname::Name => break parts.push(text(value.name)),
                Qualname::Member { .. } => b".",
                Qualname::Local { .. } => b".<locals>.",
            };
            parts.push([separator, &text(value.name)].concat());
            at = self.parents[&at];
        }
        parts.reverse();
        parts.concat()
    }
}
