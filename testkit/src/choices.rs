//! Arbitrary programs, made from a string of choices. Proptest shrinks the string, a fuzzer changes it.

use crate::{Part, Program, rotate};
use permacode_format::local_kind;
use permacode_model::{
    Code, Container, ExceptionEncoding, Leaf, LineEncoding, Module, ModuleKind, Object, Path, Qualname, Ref, Resource,
    Source, Str, Strip, Target,
};

/// A string of choices. After its end, every choice is the first one.
#[derive(Debug)]
pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// True for one of `times` choices. False after the end of the string.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    fn number(&mut self) -> u32 {
        match self.below(4) {
            0 => u32::from(self.byte()),
            1 => [0, 254, 255, 256, 65_534, 65_535, 65_536, u32::MAX - 1][self.below(8)],
            _ => u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
        }
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.byte()).collect()
    }

    fn text(&mut self) -> Str<'static> {
        const TEXTS: &[&[u8]] = &[
            b"name",
            b"",
            b"a",
            b"self",
            b"<module>",
            b"<locals>",
            "n\u{e9}".as_bytes(),
            "\u{65e5}\u{672c}".as_bytes(),
            b"\xED\xA0\x80",
            b"\xED\xA0\x80\xED\xB0\x80x",
            "\u{10FFFF}".as_bytes(),
            b"with\0nul",
        ];
        let text = match self.below(TEXTS.len() + 2) {
            index if index < TEXTS.len() => TEXTS[index].to_vec(),
            index if index == TEXTS.len() => vec![b'x'; 100 + self.below(200)],
            _ => self.bytes(6).into_iter().map(|byte| b'a' + byte % 26).collect(),
        };
        Str { text: text.into(), interned: self.once_in(2) }
    }

    fn scalar(&mut self) -> Object<'static> {
        const DOUBLES: [u64; 6] = [0, 1 << 63, 0x7FF8 << 48, 0x7FF8_0000_0000_0001, 0xFFF0 << 48, 0x3FF0 << 48];
        match self.below(10) {
            0 => Object::Leaf(Leaf::None),
            1 => Object::Leaf(Leaf::True),
            2 => Object::Leaf(Leaf::False),
            3 => Object::Leaf(Leaf::Ellipsis),
            4 => Object::Leaf(Leaf::StopIteration),
            5 => Object::Leaf(Leaf::Float(DOUBLES[self.below(6)])),
            6 => Object::Leaf(Leaf::Complex(DOUBLES[self.below(6)], DOUBLES[self.below(6)])),
            7 => Object::Leaf(Leaf::Bytes(self.bytes(9).into())),
            8 => {
                const INTS: &[&[u8]] = &[&[], &[1], &[0xFF], &[0x80], &[0x80, 0], &[0, 0xFF], &[0xFF, 0x7F]];
                match self.below(INTS.len() + 1) {
                    index if index < INTS.len() => Object::Leaf(Leaf::Int(INTS[index].into())),
                    _ => Object::Leaf(Leaf::Int([vec![0xA5; 1 + self.below(200)], vec![0x7F]].concat().into())),
                }
            }
            _ => Object::Leaf(Leaf::Str(self.text())),
        }
    }

    fn path(&mut self) -> Path<'static> {
        // The name of a root is any string: a lone surrogate, or an interned one.
        let surrogate = Str { text: b"\xED\xA0\x80".as_slice().into(), interned: false };
        let roots = [None, Some("stdlib".into()), Some(Str::interned("r\u{e9}")), Some(surrogate)];
        Path { root: roots[self.below(4)].clone(), path: self.text() }
    }

    fn source(&mut self) -> Source<'static> {
        let text = [b"import this\n".to_vec(), self.bytes(20)][self.below(2)].clone();
        let (size, digest) = (text.len() as u64, permacode_format::digest(&text));
        let mtime = self.once_in(2).then(|| i64::from(self.number()) - 7);
        let executable = self.once_in(2);
        Source { path: self.path(), size, digest, mtime, executable, text: self.once_in(2).then_some(text.into()) }
    }

    pub(crate) fn target(&mut self, number: usize) -> Target {
        Target {
            vm: ["toy", "cpython", "a-machine-of-16b"][self.below(3)].into(),
            bytecode_magic: self.number(),
            vm_version: self.number(),
            // No two targets of a program are equal.
            optimization: number as u8,
            cache_tag: ["", "toy-1", "r\u{e9}"][self.below(3)].into(),
            unit_size: 1 + self.byte() % 8,
            line_encoding: LineEncoding::ALL[self.below(LineEncoding::ALL.len())],
            exception_encoding: ExceptionEncoding::ALL[self.below(2)],
            sealed: self.once_in(2),
            stripped: Strip::ALL.iter().copied().filter(|_| self.once_in(2)).collect(),
        }
    }

    fn resource(&mut self, number: usize) -> Resource<'static> {
        let mut path = [b"data.txt".as_slice(), b"pkg/\xFF\xFE.bin", b"a", b"pkg/..x"][self.below(4)].to_vec();
        path.extend(number.to_string().into_bytes());
        let root = ["app", "stdlib", "r\u{e9}"][self.below(3)].into();
        Resource { root, path: path.into(), executable: self.once_in(2), data: self.bytes(12).into() }
    }

    /// A program.
    pub fn program(&mut self) -> Program<'static> {
        let targets = (0..self.below(4)).map(|number| {
            let target = self.target(number);
            let mut modules: Vec<Module<'static>> = (0..self.below(5)).map(|_| self.module()).collect();
            modules.sort_by(|one, other| one.name.cmp(&other.name));
            modules.dedup_by(|one, other| one.name == other.name);
            let resources = (0..self.below(4)).map(|number| self.resource(number)).collect();
            Part { target, modules, resources }
        });
        Program { targets: targets.collect() }
    }

    /// A module.
    pub fn module(&mut self) -> Module<'static> {
        const NAMES: &[&str] = &["a", "a.b", "a-b", "a.b.c", "a0", "b", "\u{e9}.x", "a.c", "a.b-c", "c.d"];
        let name = match self.below(NAMES.len() + 1) {
            index if index < NAMES.len() => NAMES[index].to_owned(),
            _ => format!("m{}", self.byte()),
        };
        let source = self.once_in(2).then(|| self.source());
        if self.once_in(6) {
            let filename = self.once_in(2).then(|| self.path());
            return Module { filename, source, ..Module::namespace(name) };
        }
        let kind = [ModuleKind::Module, ModuleKind::Package][self.below(2)];
        let filename = Some(self.path());
        let mut arena = Arena::default();
        arena.add(Object::Leaf(Leaf::Str(self.text())));
        for _ in 0..self.below(24) {
            match self.below(5) {
                0 | 1 => {
                    let object = self.scalar();
                    arena.add(object);
                }
                2 => {
                    let object = Object::Leaf(Leaf::Str(self.text()));
                    arena.add(object);
                }
                3 => {
                    let object = self.container(&arena);
                    arena.add(object);
                }
                _ => {
                    let code = match arena.codes.last() {
                        // Code objects that differ only in their bytecode share a list.
                        Some(twin) if self.once_in(4) => Code { bytecode: self.bytes(20).into(), ..twin.clone() },
                        _ => self.code(&mut arena, false),
                    };
                    arena.codes.push(code);
                }
            }
        }
        let body = self.code(&mut arena, true);
        arena.codes.push(body);
        let body = Some(arena.codes.len() as u32 - 1);
        let mut module = Module { name, kind, objects: arena.objects, codes: arena.codes, body, filename, source };
        rotate(&mut module, self.byte().into(), self.byte().into());
        module
    }

    fn container(&mut self, arena: &Arena) -> Object<'static> {
        use Container::{Dict, FrozenDict, FrozenSet, List, Set, Slice, Tuple};
        let kind = [Tuple, FrozenSet, List, Set, Dict, FrozenDict, Slice][self.below(7)];
        let count = match kind {
            Slice => 3,
            Dict | FrozenDict => 2 * self.below(3),
            _ => self.below(5),
        };
        Object::Container(kind, (0..count).map(|_| self.reference(arena)).collect())
    }

    fn reference(&mut self, arena: &Arena) -> Ref {
        if !arena.codes.is_empty() && self.once_in(4) {
            return Ref::Code(self.below(arena.codes.len()) as u32);
        }
        Ref::Object(arena.anywhere[self.below(arena.anywhere.len())])
    }

    fn strings(&mut self, arena: &Arena) -> Vec<u32> {
        (0..self.below(5)).map(|_| self.string(arena)).collect()
    }

    fn string(&mut self, arena: &Arena) -> u32 {
        arena.strings[self.below(arena.strings.len())]
    }

    fn code(&mut self, arena: &mut Arena, is_body: bool) -> Code<'static> {
        let mut constants: Vec<Ref> = (0..self.below(7)).map(|_| self.reference(arena)).collect();
        if is_body {
            // The archive leaves out those that cannot be reached.
            constants.extend((0..arena.codes.len() as u32).filter(|_| !self.once_in(8)).map(Ref::Code));
        }
        if let Some(constant) = constants.iter().position(|constant| matches!(constant, Ref::Code(_)))
            && self.once_in(2)
        {
            arena.objects.push(Object::Leaf(Leaf::Qualname { constant: constant as u32, interned: self.once_in(2) }));
            constants.push(Ref::Object(arena.objects.len() as u32 - 1));
        }
        let is_string = |constant: &Ref| matches!(constant, Ref::Object(index) if arena.strings.contains(index));
        let docstring = constants.iter().position(is_string).filter(|_| self.once_in(2)).map(|index| index as u32);
        let locals = self.strings(arena);
        let kinds = [local_kind::LOCAL, local_kind::LOCAL | local_kind::CELL, local_kind::FREE, local_kind::HIDDEN];
        let interned = self.once_in(2);
        let qualname = match self.below(4) {
            0 => Qualname::Name,
            1 => Qualname::Explicit(self.string(arena)),
            _ if is_body => Qualname::Name,
            2 => Qualname::Member { interned },
            _ => Qualname::Local { interned },
        };
        let is_large = self.once_in(3);
        let mut count = || if is_large { self.number() } else { u32::from(self.byte()) };
        let counts = [(); 5].map(|()| count());
        Code {
            name: self.string(arena),
            qualname,
            filename: self.once_in(6).then(|| self.string(arena)),
            arg_count: counts[0],
            posonly_count: counts[1],
            kwonly_count: counts[2],
            stack_size: counts[3],
            flags: self.number(),
            first_line: counts[4].cast_signed(),
            constants,
            names: self.strings(arena),
            local_kinds: locals.iter().map(|_| kinds[self.below(4)]).collect(),
            locals,
            local_count: self.once_in(8).then(|| self.number().min(u32::MAX - 1)),
            bytecode: self.bytes(20).into(),
            line_table: self.bytes(5).into(),
            exception_table: self.bytes(3).into(),
            docstring,
            signature: self.once_in(5).then(|| b"{\"x\": 1}".as_slice().into()),
        }
    }
}

/// The objects and code objects so far.
#[derive(Debug, Default)]
struct Arena {
    objects: Vec<Object<'static>>,
    codes: Vec<Code<'static>>,
    /// Objects that may be referred to from anywhere: all but qualified names.
    anywhere: Vec<u32>,
    strings: Vec<u32>,
}

impl Arena {
    fn add(&mut self, object: Object<'static>) {
        let index = self.objects.len() as u32;
        if matches!(object, Object::Leaf(Leaf::Str(_))) {
            self.strings.push(index);
        }
        self.anywhere.push(index);
        self.objects.push(object);
    }
}
