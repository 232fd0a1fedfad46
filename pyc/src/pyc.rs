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
    /// The header: version of CPython, and how the file is compared with its source.
    pub header: Header,
    /// The module. A `.pyc` file does not contain the name of the module, whether it is a package, or its source. So
    /// `name` is empty, `kind` is [`ModuleKind::Module`](permacode_model::ModuleKind::Module), and `source` is `None`.
    /// `filename` is the verbatim `co_filename` of the body.
    pub module: Module<'a>,
}

/// Decodes a `.pyc` file. The module borrows from `pyc`.
///
/// # Errors
/// If CPython could not have written the file. [`ErrorKind`](crate::ErrorKind) lists the reasons.
pub fn decode_pyc(pyc: &[u8]) -> Result<Pyc<'_>, Error> {
    let header = Header::decode(pyc)?;
    let values = marshal::decode(pyc, HEADER_LEN, header.version)?;
    let module = code::to_model(values, pyc.len(), header.version)?;
    Ok(Pyc { header, module })
}

/// Encodes a module as a `.pyc` file.
///
/// `filename` becomes the `co_filename` of all code objects without a file name of their own. It is generalised UTF-8.
/// Of [`Module::filename`], only the interned flag is used, because its root has no path in the model.
///
/// # Errors
/// If the module has no body, if it is inconsistent, or if the version cannot express it.
pub fn encode_pyc(module: &Module<'_>, header: &Header, filename: &[u8]) -> Result<Vec<u8>, Error> {
    let values = code::from_model(module, filename, header.version)?;
    let mut pyc = header.encode().to_vec();
    marshal::encode(&values, header.version, &mut pyc)?;
    Ok(pyc)
}
