//! A module or a package.

use super::{
    member::{self, Member},
    text::{self, File, docstring, field, print_problems, table, text},
};
use crate::{
    escape::escape_short,
    output::{Output, counted, grouped},
    table::{Align, Rows},
    target::Description,
    text::{Hex, Text},
};
use anyhow::Result;
use permacode_reader::{Module, Target};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct ModuleView<'a> {
    module: &'a str,
    is_package: bool,
    is_namespace: bool,
    file: Option<File<'a>>,
    source: Option<SourceView<'a>>,
    code_objects: u32,
    docstring: Option<Text<'a>>,
    /// What the body of the module defines.
    members: Vec<Member<'a>>,
    /// The modules directly in the package.
    children: Vec<Child<'a>>,
    /// What could not be decoded.
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SourceView<'a> {
    #[serde(flatten)]
    file: File<'a>,
    size: u64,
    digest: String,
    mtime: Option<i64>,
    is_executable: bool,
    is_kept: bool,
}

#[derive(Debug, Serialize)]
struct Child<'a> {
    module: &'a str,
    is_package: bool,
    is_namespace: bool,
}

impl<'a> ModuleView<'a> {
    pub(super) fn new(target: &Target<'a>, module: &Module<'a>, is_cpython: bool) -> Result<Self> {
        let body = module.body()?;
        let name = module.name()?;
        let mut children = Vec::new();
        if module.is_package() {
            for child in target.children(name) {
                let child = child?;
                children.push(Child {
                    module: child.name()?,
                    is_package: child.is_package(),
                    is_namespace: child.is_namespace(),
                });
            }
        }
        let source = module.source()?.map(|source| SourceView {
            file: source.path.into(),
            size: source.size,
            digest: Hex(&source.digest).to_string(),
            mtime: source.mtime,
            is_executable: source.executable,
            is_kept: source.has_text,
        });
        let mut problems = Vec::new();
        Ok(ModuleView {
            module: name,
            is_package: module.is_package(),
            is_namespace: module.is_namespace(),
            file: module.filename()?.map(File::from),
            source,
            code_objects: module.code_count(),
            docstring: body.and_then(|body| body.docstring().transpose()).transpose()?.map(text),
            members: body.map_or(Ok(Vec::new()), |body| Member::all(&body, is_cpython, &mut problems))?,
            children,
            problems,
        })
    }

    pub(super) fn print(&self, target: &Description<'_>, out: &mut Output) -> Result<()> {
        out.line(format_args!("{}: {}", escape_short(self.module.as_bytes()), self.kind()))?;
        text::target(out, target)?;
        if let Some(file) = self.file {
            field(out, "file", file)?;
        }
        if let Some(source) = &self.source {
            let kept = if source.is_kept { "" } else { ", which the archive does not have" };
            field(out, "source", format_args!("{}{kept}", counted(source.size, "byte", "bytes")))?;
            field(out, "digest", &source.digest)?;
        }
        field(out, "code objects", grouped(self.code_objects.into()))?;
        docstring(out, self.docstring)?;
        member::print(&self.members, out)?;
        let mut rows = Rows::new(&[("KIND", Align::Left), ("MODULE", Align::Left)]);
        for child in &self.children {
            let name = escape_short(child.module.as_bytes());
            rows.push([kind(child.is_namespace, child.is_package).to_owned(), name]);
        }
        table(out, rows)?;
        print_problems(&self.problems, out)
    }

    fn kind(&self) -> &'static str {
        kind(self.is_namespace, self.is_package)
    }
}

fn kind(is_namespace: bool, is_package: bool) -> &'static str {
    match (is_namespace, is_package) {
        (true, _) => "namespace",
        (false, true) => "package",
        (false, false) => "module",
    }
}
