//! Whole `.pyc` files.

use permacode_model::Module;

use crate::{
    code,
    error::Error,
    header::{HEADER_LEN, Header},
    marshal,
};

/// A decoded `.pyc` file.
#[derive(Debug, Clone, PartialEq)]
pub struct Pyc<'a> {
    /// Who compiled it, and how it is compared with its source.
    pub header: Header,
    /// The module. A `.pyc` file does not know its name, whether it is a package, or its source: `name` is empty, `kind` is
    /// [`ModuleKind::Module`](permacode_model::ModuleKind::Module), and `filename` is `co_filename` as it stands.
    pub module: Module<'a>,
}

/// Decodes a `.pyc` file. The module borrows from it where it can.
///
/// # Errors
/// For anything that CPython does not write: see [`ErrorKind`](crate::ErrorKind).
pub fn decode_pyc(pyc: &[u8]) -> Result<Pyc<'_>, Error> {
    let header = Header::decode(pyc)?;
    let values = marshal::decode(pyc, HEADER_LEN, header.version)?;
    let module = code::to_model(values, pyc.len(), header.version)?;
    Ok(Pyc { header, module })
}

/// Encodes a module as a `.pyc` file.
///
/// `filename` becomes the `co_filename` of the code objects that have none of their own: generalised UTF-8, as in the model.
/// ([`Module::filename`] only says whether it is interned: who writes the file knows where the source will be looked for.)
///
/// # Errors
/// For a module without code, one that is inconsistent, and one that has what the version cannot express.
pub fn encode_pyc(module: &Module<'_>, header: &Header, filename: &[u8]) -> Result<Vec<u8>, Error> {
    let values = code::from_model(module, filename, header.version)?;
    let mut pyc = header.encode().to_vec();
    marshal::encode(&values, header.version, &mut pyc)?;
    Ok(pyc)
}
