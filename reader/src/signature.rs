//! Signatures of functions in targets of CPython (spec.md B.2).

use crate::{
    code::Code,
    error::{Error, Result},
    items::Items,
    json::{Json, Text},
    string::Str,
};
use core::fmt;
use permacode_format::code_flag;

/// The signature of a function: its parameters, their defaults and annotations, and the annotation of its result.
///
/// `Display` prints it as Python does: `(a, /, b: int = 1, *args, c, **kw) -> str`. Neither that nor iterating over the
/// parameters allocates.
///
/// ```
/// # use permacode_model::*;
/// # use permacode_writer::{Options, Writer};
/// # let mut writer = Writer::new(Options::default());
/// # let target = writer.add_target(&Target::new("cpython", 1, 1, 2))?;
/// # let text = |text: &'static str| Object::Leaf(permacode_model::Leaf::Str(Str::interned(text)));
/// # let area = Code { name: 1, locals: vec![2], local_kinds: vec![local_kind::LOCAL].into(), arg_count: 1,
/// #     signature: Some((&br#"{"d":["1"],"a":["float"],"r":"float"}"#[..]).into()),
/// #     ..Code::default() };
/// # let body = Code { constants: vec![Ref::Code(0)], ..Code::default() };
/// # writer.add_module(target, &Module { objects: vec![text("<module>"), text("area"), text("radius")],
/// #     codes: vec![area, body], body: Some(1), filename: Some(Path { root: None, path: Str::plain("shapes.py") }),
/// #     name: "shapes".into(), kind: ModuleKind::Module, source: None })?;
/// # let bytes = writer.plan()?.to_bytes();
/// use permacode_reader::{Archive, ParameterKind};
///
/// let archive = Archive::open(&bytes)?;
/// let module = archive.target(0).unwrap().find("shapes")?.unwrap();
/// let signature = module.find_code("area")?.unwrap().signature()?;
/// assert_eq!(signature.to_string(), "(radius: float = 1) -> float");
/// let radius = signature.parameters().next().unwrap()?;
/// assert_eq!((radius.name.to_str(), radius.kind), (Some("radius"), ParameterKind::PositionalOrKeyword));
/// assert!(radius.default.unwrap() == "1" && radius.annotation.unwrap() == "float");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    locals: Items<'a>,
    posonly: usize,
    positional: usize,
    kwonly: usize,
    has_varargs: bool,
    has_kwargs: bool,
    texts: Texts<'a>,
}

/// The kinds of parameters, with the names and meanings of `inspect.Parameter.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParameterKind {
    /// Before a `/`.
    PositionalOnly,
    /// An ordinary parameter.
    PositionalOrKeyword,
    /// `*args`
    VarPositional,
    /// After a `*` or `*args`.
    KeywordOnly,
    /// `**kwargs`
    VarKeyword,
}

/// One parameter of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name in the code object: `_C__x` for `__x` in a class `C`.
    pub name: Str<'a>,
    /// How arguments are passed to it.
    pub kind: ParameterKind,
    /// The source text of its default.
    pub default: Option<Text<'a>>,
    /// The source text of its annotation. That of `*args: *Ts` is `*Ts`.
    pub annotation: Option<Text<'a>>,
}

impl<'a> Signature<'a> {
    pub(crate) fn new(code: &Code<'a>) -> Result<Self> {
        let has = |flag| code.flags() & flag != 0;
        let (has_varargs, has_kwargs) = (has(code_flag::VARARGS), has(code_flag::VARKEYWORDS));
        let [posonly, positional, kwonly] =
            [code.posonly_count(), code.arg_count(), code.kwonly_count()].map(|count| count as usize);
        let locals = code.locals()?;
        let mut signature =
            Signature { locals, posonly, positional, kwonly, has_varargs, has_kwargs, texts: Texts::default() };
        if signature.len() > locals.len() || posonly > positional {
            return Err(Error::signature("the code object has fewer local variables than parameters", code.offset()));
        }
        if let Some(text) = code.signature_text()? {
            let json = text.utf8(permacode_format::Rule::G2)?;
            signature.texts = Texts::parse(json).map_err(|error| {
                let at = json.len().saturating_sub(error.left) as u64;
                Error::signature(error.problem, text.offset().saturating_add(at))
            })?;
            let Texts { defaults, kwdefaults, annotations, .. } = &signature.texts;
            if defaults.len > positional || kwdefaults.len > kwonly || annotations.len > signature.len() {
                let problem = "it has more defaults or annotations than the code object has parameters";
                return Err(Error::signature(problem, text.offset()));
            }
        }
        Ok(signature)
    }

    /// The number of parameters.
    #[must_use]
    pub fn len(&self) -> usize {
        let variable = usize::from(self.has_varargs).saturating_add(self.has_kwargs.into());
        self.positional.saturating_add(self.kwonly).saturating_add(variable)
    }

    /// Whether it has no parameters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parameters in the order in which Python shows them: positional ones, `*args`, keyword-only ones, `**kwargs`.
    #[must_use]
    pub fn parameters(&self) -> Parameters<'a> {
        let Texts { defaults, kwdefaults, annotations, .. } = self.texts;
        Parameters { signature: *self, next: 0, defaults, kwdefaults, annotations }
    }

    /// The source text of the annotation of the result.
    #[must_use]
    pub fn returns(&self) -> Option<Text<'a>> {
        self.texts.returns
    }

    /// The kind of the parameter with this number, and its number among the local variables.
    fn kind(&self, number: usize) -> (ParameterKind, usize) {
        let varargs = usize::from(self.has_varargs);
        let plain = self.positional.saturating_add(self.kwonly);
        if number < self.posonly {
            (ParameterKind::PositionalOnly, number)
        } else if number < self.positional {
            (ParameterKind::PositionalOrKeyword, number)
        } else if self.has_varargs && number == self.positional {
            (ParameterKind::VarPositional, plain)
        } else if number < plain.saturating_add(varargs) {
            (ParameterKind::KeywordOnly, number.saturating_sub(varargs))
        } else {
            (ParameterKind::VarKeyword, number)
        }
    }
}

impl fmt::Display for Signature<'_> {
    /// `<broken>` stands for a name that the archive does not have.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        let mut before: Option<ParameterKind> = None;
        for (number, parameter) in self.parameters().enumerate() {
            let (kind, _) = self.kind(number);
            if before.is_some() {
                f.write_str(", ")?;
            }
            if before == Some(ParameterKind::PositionalOnly) && kind != ParameterKind::PositionalOnly {
                f.write_str("/, ")?;
            }
            let has_star = matches!(before, Some(ParameterKind::VarPositional | ParameterKind::KeywordOnly));
            if kind == ParameterKind::KeywordOnly && !has_star {
                f.write_str("*, ")?;
            }
            match parameter {
                Ok(parameter) => write!(f, "{parameter}")?,
                Err(_) => f.write_str("<broken>")?,
            }
            before = Some(kind);
        }
        if before == Some(ParameterKind::PositionalOnly) {
            f.write_str(", /")?;
        }
        f.write_str(")")?;
        match self.returns() {
            Some(returns) => write!(f, " -> {returns}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Parameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ParameterKind::VarPositional => "*",
            ParameterKind::VarKeyword => "**",
            _ => "",
        })?;
        write!(f, "{}", self.name)?;
        if let Some(annotation) = self.annotation {
            write!(f, ": {annotation}")?;
        }
        match (self.default, self.annotation) {
            (Some(default), Some(_)) => write!(f, " = {default}"),
            (Some(default), None) => write!(f, "={default}"),
            (None, _) => Ok(()),
        }
    }
}

/// The parameters of a function; see [`Signature::parameters`].
#[derive(Debug, Clone)]
pub struct Parameters<'a> {
    signature: Signature<'a>,
    next: usize,
    defaults: Values<'a>,
    kwdefaults: Values<'a>,
    annotations: Values<'a>,
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<Parameter<'a>>;

    fn next(&mut self) -> Option<Result<Parameter<'a>>> {
        let signature = &self.signature;
        let number = self.next;
        if number >= signature.len() {
            return None;
        }
        self.next = number.saturating_add(1);
        let (kind, local) = signature.kind(number);
        let default = match kind {
            ParameterKind::PositionalOnly | ParameterKind::PositionalOrKeyword
                if number >= signature.positional.saturating_sub(signature.texts.defaults.len) =>
            {
                self.defaults.next().flatten()
            }
            ParameterKind::KeywordOnly => self.kwdefaults.next().flatten(),
            _ => None,
        };
        let annotation = self.annotations.next().flatten();
        Some(signature.locals.string(local).map(|name| Parameter { name, kind, default, annotation }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.signature.len().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Parameters<'_> {}

/// The members of the JSON text.
#[derive(Debug, Clone, Copy, Default)]
struct Texts<'a> {
    defaults: Values<'a>,
    kwdefaults: Values<'a>,
    annotations: Values<'a>,
    returns: Option<Text<'a>>,
}

/// A list of strings and nulls.
#[derive(Debug, Clone, Copy)]
struct Values<'a> {
    /// The text between the brackets, which is valid.
    rest: Json<'a>,
    /// The number of values in the list.
    len: usize,
}

impl Default for Values<'_> {
    fn default() -> Self {
        Values { rest: Json::new(""), len: 0 }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Option<Text<'a>>;

    fn next(&mut self) -> Option<Option<Text<'a>>> {
        let value = if self.rest.eat("null") { None } else { Some(self.rest.string()?) };
        self.rest.eat(",");
        Some(value)
    }
}

/// What is wrong with a JSON text.
struct Malformed {
    problem: &'static str,
    /// Bytes of the text from the fault on.
    left: usize,
}

impl<'a> Texts<'a> {
    fn parse(text: &'a str) -> core::result::Result<Self, Malformed> {
        let mut json = Json::new(text);
        let mut texts = Texts::default();
        let malformed = |json: Json<'_>, problem| Err(Malformed { problem, left: json.len() });
        if !json.eat("{") {
            return malformed(json, "its text is no JSON object");
        }
        let mut before = 0;
        while !json.eat("}") {
            if before > 0 && !json.eat(",") {
                return malformed(json, "its text has no comma or brace after a member");
            }
            let member = ["\"d\":", "\"k\":", "\"a\":", "\"r\":"];
            let Some(number) = (1u32..).zip(member).find_map(|(number, key)| json.eat(key).then_some(number)) else {
                return malformed(json, "its text has an unknown member");
            };
            if number <= before {
                return malformed(json, "the members of its text are not in their order");
            }
            before = number;
            match number {
                1 => texts.defaults = list(&mut json)?,
                2 => texts.kwdefaults = list(&mut json)?,
                3 => texts.annotations = list(&mut json)?,
                _ => match json.string() {
                    Some(returns) => texts.returns = Some(returns),
                    None => return malformed(json, "a value in its text is not a string"),
                },
            }
        }
        if json.len() > 0 {
            return malformed(json, "its text continues after the JSON object");
        }
        Ok(texts)
    }
}

/// A list of strings and nulls that comes next.
fn list<'a>(json: &mut Json<'a>) -> core::result::Result<Values<'a>, Malformed> {
    let malformed = |json: &Json<'_>, problem| Err(Malformed { problem, left: json.len() });
    if !json.eat("[") {
        return malformed(json, "a value in its text is not a list");
    }
    let start = *json;
    let mut len = 0usize;
    loop {
        if !json.eat("null") && json.string().is_none() {
            return malformed(json, "an item of a list in its text is neither a string nor null");
        }
        len = len.saturating_add(1);
        let end = *json;
        if json.eat("]") {
            return Ok(Values { rest: start.until(end), len });
        }
        if !json.eat(",") {
            return malformed(json, "its text has no comma or bracket after an item");
        }
    }
}
