//! The pieces of sections without records, and the records that refer to each piece.

use crate::map::Map;
use permacode_format::{
    CodeDetail, CodeRecord, IndexHeader, ModuleRecord, ObjectEntry, ResourceRecord, SectionKind, SectionRecord,
    SignatureRecord, Slot, TargetRecord, module_flag,
};

/// A piece of a section. It ends where the next one starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Piece {
    /// Offset in the section.
    pub(crate) start: usize,
    pub(crate) content: PieceContent,
}

/// What a piece consists of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PieceContent {
    /// Text or data that this record refers to.
    Of(SectionKind, usize),
    /// The object with this id.
    Object(u32),
    /// The pilots of the index with this address.
    Pilots(String),
    /// This many slots of the index with this address.
    Slots(String, usize),
}

impl PieceContent {
    /// The heading over the piece. An object has none, because each of its lines has its id.
    pub(crate) fn heading(&self) -> Option<String> {
        match self {
            PieceContent::Of(kind, index) => Some(format!("of {}[{index}]", kind.name())),
            PieceContent::Object(_) => None,
            PieceContent::Pilots(index) => Some(format!("pilots of {index}")),
            PieceContent::Slots(index, _) => Some(format!("slots of {index}")),
        }
    }
}

impl Map<'_> {
    /// The pieces of a section, in the order of their starts.
    pub(crate) fn pieces(&self, kind: SectionKind) -> Vec<Piece> {
        let mut pieces = match kind {
            SectionKind::Constants | SectionKind::Docstrings => self.objects(kind),
            SectionKind::Index => self.indexes(),
            SectionKind::Names => {
                let modules = self.starts(|record: &ModuleRecord| Some(record.name_offset.get().into()));
                let resources = self.starts(|record: &ResourceRecord| Some(record.name_offset.get().into()));
                let targets = self.starts(|record: &TargetRecord| Some(record.cache_tag_offset.get().into()));
                [modules, resources, targets].concat()
            }
            SectionKind::Lists => {
                self.starts(|record: &CodeRecord| Some(u64::from(record.list_offset.get()).saturating_mul(2)))
            }
            SectionKind::Bytecode => self.starts(|record: &CodeRecord| Some(record.bytecode_offset.get().into())),
            SectionKind::Tables => self.starts(|record: &CodeDetail| Some(record.tables_offset.get().into())),
            SectionKind::SignatureText => self.starts(|record: &SignatureRecord| Some(record.offset.get().into())),
            SectionKind::Sources => self.starts(|record: &ModuleRecord| {
                let has_text = record.flags.get() & module_flag::SOURCE_TEXT != 0;
                has_text.then_some(record.source_offset.get())
            }),
            SectionKind::Files => self.starts(|record: &ResourceRecord| Some(record.data_offset.get())),
            _ => Vec::new(),
        };
        pieces.sort();
        // Records may share a piece. The first of them names it.
        pieces.dedup_by_key(|piece| piece.start);
        pieces
    }

    fn starts<R: SectionRecord>(&self, start: impl Fn(&R) -> Option<u64>) -> Vec<Piece> {
        let piece = |(index, record)| {
            let start = usize::try_from(start(record)?).ok()?;
            Some(Piece { start, content: PieceContent::Of(R::SECTION, index) })
        };
        self.records::<R>().iter().enumerate().filter_map(piece).collect()
    }

    fn objects(&self, kind: SectionKind) -> Vec<Piece> {
        let entries = self.records::<ObjectEntry>().iter().zip(0..);
        let of_kind = entries.filter(|(entry, _)| entry.section() == kind);
        of_kind
            .map(|(entry, id)| Piece { start: entry.offset_in_section() as usize, content: PieceContent::Object(id) })
            .collect()
    }

    fn indexes(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (number, target) in self.records::<TargetRecord>().iter().enumerate() {
            let headers = [("module_index", target.module_index), ("resource_index", target.resource_index)];
            for (field, IndexHeader { pilots_offset, bucket_count, slots_offset, slot_count, .. }) in headers {
                let address = format!("targets[{number}].{field}");
                if bucket_count.get() > 0 {
                    let content = PieceContent::Pilots(address.clone());
                    pieces.push(Piece { start: pilots_offset.get() as usize, content });
                }
                if slot_count.get() > 0 {
                    let content = PieceContent::Slots(address, slot_count.get() as usize);
                    let start = slots_offset.get() as usize;
                    pieces.push(Piece { start, content });
                }
            }
        }
        pieces
    }
}

/// Length of a slot in bytes.
pub(crate) const SLOT_LEN: usize = size_of::<Slot>();
