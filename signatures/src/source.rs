//! The functions of a source, and their defaults and annotations.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::{
    Decorator, Expr, ExprLambda, Parameters, Stmt, StmtClassDef, StmtFunctionDef, TypeParams,
    visitor::{Visitor, walk_expr, walk_stmt, walk_type_params},
};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_source_file::LineIndex;
use ruff_text_size::{Ranged, TextSize};
use serde::Serialize;

use crate::{decode::decode, nesting::is_too_deep, refused::Refused, text::Tokens};

/// Bytes of stack for the parser and for walking over a tree of the greatest depth: 16 KiB for each level.
const STACK: usize = 64 << 20;

/// The most bytes of text for each byte of source. Defaults of nested lambdas contain each other.
const MAX_REPEATED: usize = 16;

/// The functions of a source: each `def`, `async def` and `lambda`.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    pub(crate) scopes: Scopes,
    pub(crate) functions: Vec<Function>,
    /// Names of type parameters and type aliases. From 3.12 on, their expressions have code objects with these names.
    pub(crate) type_names: HashSet<String>,
}

/// Numbers for the scopes of a module. Functions and classes that cannot be told apart have the same number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scopes(HashMap<Scope, u32>);

/// The number of the module itself.
pub(crate) const MODULE: u32 = 0;

impl Scopes {
    pub(crate) fn find(&self, scope: &Scope) -> Option<u32> {
        self.0.get(scope).copied()
    }

    fn number(&mut self, scope: Scope) -> u32 {
        let next = self.0.len() as u32 + 1;
        *self.0.entry(scope).or_insert(next)
    }
}

/// The facts about a function or class that its source and its code object share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    /// The number of the function or class around it.
    pub(crate) parent: u32,
    pub(crate) line: i64,
    pub(crate) name: Vec<u8>,
    /// `None` for a class.
    pub(crate) parameters: Option<Names>,
}

/// The names and kinds of parameters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Names {
    /// In the order of the locals of a code object: positional, keyword-only, `*args`, `**kwargs`.
    pub(crate) names: Vec<Vec<u8>>,
    pub(crate) posonly: usize,
    pub(crate) positional: usize,
    pub(crate) has_varargs: bool,
    pub(crate) has_kwargs: bool,
}

/// A function of a source.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    /// Number of its [`Scope`].
    pub(crate) scope: u32,
    /// Number of the code object that contains it. Comprehensions, annotations and type parameters may have code
    /// objects of their own, depending on the version.
    pub(crate) place: u32,
    /// JSON. `None` if it has neither defaults nor annotations.
    pub(crate) text: Option<String>,
}

/// The text of a signature (spec.md B.2).
#[derive(Serialize)]
struct Json {
    #[serde(rename = "d", skip_serializing_if = "Vec::is_empty")]
    defaults: Vec<Option<String>>,
    #[serde(rename = "k", skip_serializing_if = "Vec::is_empty")]
    kwdefaults: Vec<Option<String>>,
    #[serde(rename = "a", skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Option<String>>,
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    returns: Option<String>,
}

impl Functions {
    /// The functions of a source in its declared encoding.
    ///
    /// # Errors
    /// If the source cannot be decoded or parsed, or is nested too deeply.
    pub fn of_source(source: &[u8]) -> Result<Self, Refused> {
        let text = decode(source)?;
        if u32::try_from(text.len()).is_err() {
            return Err(Refused::TooLarge);
        }
        stacker::maybe_grow(STACK, STACK, || if is_too_deep(&text) { Err(Refused::Nesting) } else { parse(&text) })
    }

    /// The number of functions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.functions.len()
    }

    /// Whether there are no functions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }
}

fn parse(text: &str) -> Result<Functions, Refused> {
    let parsed = parse_unchecked(text, ParseOptions::from(Mode::Module));
    if let Some(error) = parsed.errors().first() {
        let refused = Refused::Syntax(error.to_string());
        // The tree of a broken source may be deeper than its tokens suggest, and dropping it recurses.
        std::mem::forget(parsed);
        return Err(refused);
    }
    let mut collector = Collector {
        text: Tokens { source: text, tokens: parsed.tokens() },
        lines: LineIndex::from_source_text(text),
        found: Functions::default(),
        scope: MODULE,
        place: 0,
        places: 0,
        class: None,
        rest: text.len().saturating_mul(MAX_REPEATED).saturating_add(1 << 16),
    };
    if let Some(module) = parsed.syntax().as_module() {
        collector.visit_body(&module.body);
    }
    if collector.rest == 0 { Err(Refused::TooLarge) } else { Ok(collector.found) }
}

/// Walks over a tree in the order in which CPython compiles it.
struct Collector<'s> {
    text: Tokens<'s>,
    lines: LineIndex,
    found: Functions,
    /// Number of the innermost function or class.
    scope: u32,
    /// Number of the innermost place; see [`Function::place`].
    place: u32,
    /// Number of places so far.
    places: u32,
    /// The innermost class, which mangles private names.
    class: Option<&'s str>,
    /// Bytes of text that may still be made.
    rest: usize,
}

impl<'s> Collector<'s> {
    /// Visits something that may have a code object of its own.
    fn apart(&mut self, visit: impl FnOnce(&mut Self)) {
        self.places += 1;
        let outer = std::mem::replace(&mut self.place, self.places);
        visit(self);
        self.place = outer;
    }

    /// Visits the body of a function or class.
    fn inside(&mut self, scope: u32, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.scope, scope);
        self.apart(visit);
        self.scope = outer;
    }

    fn line(&self, decorators: &[Decorator], start: TextSize) -> i64 {
        let start = decorators.first().map_or(start, |decorator| decorator.expression.start());
        i64::try_from(self.lines.line_index(start).get()).unwrap_or(i64::MAX)
    }

    fn function_def(&mut self, function: &'s StmtFunctionDef) {
        for decorator in &function.decorator_list {
            self.visit_decorator(decorator);
        }
        if let Some(parameters) = &function.type_params {
            self.visit_type_params(parameters);
        }
        self.visit_parameters(&function.parameters);
        if let Some(returns) = &function.returns {
            self.visit_annotation(returns);
        }
        let line = self.line(&function.decorator_list, function.start());
        let returns = function.returns.as_deref();
        let scope = self.add(line, function.name.as_str(), Some(&function.parameters), returns);
        self.inside(scope, |this| this.visit_body(&function.body));
    }

    fn lambda(&mut self, lambda: &'s ExprLambda) {
        if let Some(parameters) = &lambda.parameters {
            self.visit_parameters(parameters);
        }
        let line = self.line(&[], lambda.start());
        let scope = self.add(line, "<lambda>", lambda.parameters.as_deref(), None);
        self.inside(scope, |this| this.visit_expr(&lambda.body));
    }

    fn class_def(&mut self, class: &'s StmtClassDef) {
        for decorator in &class.decorator_list {
            self.visit_decorator(decorator);
        }
        let line = self.line(&class.decorator_list, class.start());
        let name = class.name.as_str();
        let scope = self.found.scopes.number(Scope { parent: self.scope, line, name: name.into(), parameters: None });
        // The names of type parameters and bases are mangled, too.
        let outer = self.class;
        if let Some(parameters) = &class.type_params {
            self.class = Some(name);
            self.visit_type_params(parameters);
        }
        if let Some(arguments) = &class.arguments {
            self.visit_arguments(arguments);
        }
        self.class = Some(name);
        self.inside(scope, |this| this.visit_body(&class.body));
        self.class = outer;
    }

    /// Adds a function, and returns the number of its scope.
    fn add(&mut self, line: i64, name: &str, parameters: Option<&Parameters>, returns: Option<&Expr>) -> u32 {
        let names = parameters.map(|parameters| self.names(parameters)).unwrap_or_default();
        let text = self.json(parameters, returns);
        let scope = Scope { parent: self.scope, line, name: name.into(), parameters: Some(names) };
        let scope = self.found.scopes.number(scope);
        self.found.functions.push(Function { scope, place: self.place, text });
        scope
    }

    fn names(&self, parameters: &Parameters) -> Names {
        let positional = parameters.posonlyargs.iter().chain(&parameters.args);
        let plain = positional.chain(&parameters.kwonlyargs).map(|parameter| &parameter.parameter);
        let names = plain.chain(parameters.vararg.as_deref()).chain(parameters.kwarg.as_deref());
        Names {
            names: names.map(|parameter| self.mangled(parameter.name.as_str())).collect(),
            posonly: parameters.posonlyargs.len(),
            positional: parameters.posonlyargs.len() + parameters.args.len(),
            has_varargs: parameters.vararg.is_some(),
            has_kwargs: parameters.kwarg.is_some(),
        }
    }

    /// A name as CPython has it in code of the current class (`_Py_Mangle`).
    fn mangled(&self, name: &str) -> Vec<u8> {
        let class = self.class.unwrap_or_default().trim_start_matches('_');
        if class.is_empty() || !name.starts_with("__") || name.ends_with("__") {
            return name.into();
        }
        format!("_{class}{name}").into_bytes()
    }

    fn json(&mut self, parameters: Option<&Parameters>, returns: Option<&Expr>) -> Option<String> {
        let mut text = |expression: Option<&Expr>| {
            let text = self.text.text(expression.filter(|_| self.rest > 0)?);
            self.rest = self.rest.saturating_sub(text.len());
            Some(text)
        };
        let mut json =
            Json { defaults: Vec::new(), kwdefaults: Vec::new(), annotations: Vec::new(), returns: text(returns) };
        if let Some(parameters) = parameters {
            let positional = || parameters.posonlyargs.iter().chain(&parameters.args);
            // In the order of a signature, which is not that of the local variables.
            let all = positional()
                .map(|parameter| &parameter.parameter)
                .chain(parameters.vararg.as_deref())
                .chain(parameters.kwonlyargs.iter().map(|parameter| &parameter.parameter))
                .chain(parameters.kwarg.as_deref());
            json.annotations = all.map(|parameter| text(parameter.annotation.as_deref())).collect();
            json.defaults = positional()
                .skip_while(|parameter| parameter.default.is_none())
                .map(|parameter| text(parameter.default.as_deref()))
                .collect();
            json.kwdefaults =
                parameters.kwonlyargs.iter().map(|parameter| text(parameter.default.as_deref())).collect();
        }
        for list in [&mut json.kwdefaults, &mut json.annotations] {
            list.truncate(list.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        }
        let is_empty = json.defaults.is_empty() && json.kwdefaults.is_empty() && json.annotations.is_empty();
        if is_empty && json.returns.is_none() {
            return None;
        }
        // Strings and lists of them always serialise.
        serde_json::to_string(&json).ok()
    }
}

impl<'s> Visitor<'s> for Collector<'s> {
    fn visit_stmt(&mut self, statement: &'s Stmt) {
        match statement {
            Stmt::FunctionDef(function) => self.function_def(function),
            Stmt::ClassDef(class) => self.class_def(class),
            // CPython compiles the target before the value.
            Stmt::AugAssign(assign) => {
                self.visit_expr(&assign.target);
                self.visit_expr(&assign.value);
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.visit_expr(value);
                }
                self.visit_expr(&assign.target);
                self.visit_annotation(&assign.annotation);
            }
            Stmt::TypeAlias(alias) => {
                if let Expr::Name(name) = &*alias.name {
                    self.found.type_names.insert(name.id.to_string());
                }
                self.apart(|this| walk_stmt(this, statement));
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'s Expr) {
        match expression {
            Expr::Lambda(lambda) => self.lambda(lambda),
            Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {
                self.apart(|this| walk_expr(this, expression));
            }
            _ => walk_expr(self, expression),
        }
    }

    fn visit_annotation(&mut self, expression: &'s Expr) {
        self.apart(|this| this.visit_expr(expression));
    }

    fn visit_type_params(&mut self, parameters: &'s TypeParams) {
        let names = parameters.type_params.iter().map(|parameter| parameter.name().to_string());
        self.found.type_names.extend(names);
        self.apart(|this| walk_type_params(this, parameters));
    }
}
