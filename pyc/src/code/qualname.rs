//! How the qualified name of a code object follows from that of the code object whose constant it is
//! (`compiler_set_qualname` in `Python/compile.c`).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use permacode_writer::model::Qualname;

/// Longer qualified names are not derived but stored: comparing and building them stays cheap whatever a file holds. (Names
/// may be shared between code objects, so a chain of derived ones could describe far more text than the file has bytes.)
pub(crate) const MAX_DERIVED: usize = 1 << 16;

/// Stands between the name of a function and the names in it.
pub(crate) const LOCALS: &[u8] = b".<locals>.";
/// Stands between the name of a class and the names in it.
pub(crate) const MEMBER: &[u8] = b".";

/// How a name follows from the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Name,
    Member,
    Local,
}

impl Form {
    pub(crate) fn separator(self) -> Option<&'static [u8]> {
        match self {
            Self::Name => None,
            Self::Member => Some(MEMBER),
            Self::Local => Some(LOCALS),
        }
    }

    pub(crate) fn with(self, interned: bool) -> Qualname {
        match self {
            Self::Name => Qualname::Name,
            Self::Member => Qualname::Member { interned },
            Self::Local => Qualname::Local { interned },
        }
    }
}

/// What `text` leaves for the parent's qualified name if a name in the parent is named this way.
pub(crate) fn parent_part<'t>(text: &'t [u8], form: Form, name: &[u8]) -> Option<&'t [u8]> {
    text.strip_suffix(name)?.strip_suffix(form.separator()?)
}

/// The chain of forms and names by which qualified names are derived where code objects do not hold them (up to 3.10).
#[derive(Debug, Default)]
pub(crate) struct Chain<'t> {
    links: Vec<Option<Link<'t>>>,
}

#[derive(Debug, Clone, Copy)]
struct Link<'t> {
    form: Form,
    name: &'t [u8],
    parent: u32,
}

impl<'t> Chain<'t> {
    pub(crate) fn new(codes: usize) -> Self {
        Chain { links: vec![None; codes] }
    }

    pub(crate) fn set(&mut self, code: u32, form: Form, name: &'t [u8], parent: u32) {
        if let Some(link) = self.links.get_mut(code as usize) {
            *link = Some(Link { form, name, parent });
        }
    }

    /// Whether `text` is the qualified name of a code object of this name, if it is named this way in `parent`.
    pub(crate) fn matches(&self, text: &[u8], form: Form, name: &[u8], parent: u32) -> bool {
        if text.len() > MAX_DERIVED {
            return false;
        }
        let mut rest = text;
        let mut link = Link { form, name, parent };
        loop {
            if link.form == Form::Name {
                return rest == link.name;
            }
            // Each round but that of an unknown parent shortens the text.
            let Some(part) = parent_part(rest, link.form, link.name) else { return false };
            let Some(&Some(next)) = self.links.get(link.parent as usize) else { return false };
            rest = part;
            link = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_compare_from_the_end() {
        let mut chain = Chain::new(3);
        chain.set(2, Form::Name, b"<module>", 2);
        chain.set(1, Form::Name, b"outer", 2);
        chain.set(0, Form::Local, b"C", 1);
        assert!(chain.matches(b"outer.<locals>.C.method", Form::Member, b"method", 0));
        assert!(chain.matches(b"outer.<locals>.C.<locals>.method", Form::Local, b"method", 0));
        assert!(chain.matches(b"method", Form::Name, b"method", 0));
        assert!(!chain.matches(b"outer.C.method", Form::Member, b"method", 0));
        assert!(!chain.matches(b"xouter.<locals>.C.method", Form::Member, b"method", 0));
        assert!(!chain.matches(b"C.method", Form::Member, b"method", 7));
    }

    #[test]
    fn long_names_are_not_derived() {
        let mut chain = Chain::new(1);
        let long = vec![b'x'; MAX_DERIVED];
        chain.set(0, Form::Name, &long, 0);
        let mut text = long.clone();
        text.extend_from_slice(b".y");
        assert!(!chain.matches(&text, Form::Member, b"y", 0));
    }
}
