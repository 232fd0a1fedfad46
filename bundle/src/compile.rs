//! Compiling sources with the interpreter they are for, each in a fresh state.
//!
//! `python/compile.py` runs in a process with a fixed hash seed and without site-packages, and forks a child for each
//! source (where the system cannot fork, one process serves one source). So a result depends on the interpreter, the
//! file name and the source, and on nothing else: not on what was compiled before, by whom, or in which order.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use crate::{
    error::{Error, ErrorKind},
    interpreter::{Interpreter, command, last_line},
};

/// Longest answer that is believed, in bytes: what marshal can address.
const MAX_ANSWER: u64 = 1 << 32;

/// What became of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The code object, as marshal writes it.
    Compiled(Vec<u8>),
    /// It does not compile: type and text of the exception.
    Refused(String),
    /// The compiler died over it, twice: how.
    Died(String),
}

/// Starts processes that compile.
#[derive(Debug)]
pub struct Compiler {
    program: PathBuf,
    optimize: u8,
    /// Holds the script and is where the processes run: nobody else's modules lie there.
    folder: tempfile::TempDir,
}

impl Compiler {
    /// A compiler for an optimisation level: 0, 1 (no assertions) or 2 (and no docstrings).
    ///
    /// # Errors
    /// If no temporary folder can be made.
    pub fn new(interpreter: &Interpreter, optimize: u8) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("permacode-")
            .tempdir()
            .map_err(|error| Error::io("cannot make a folder in", std::env::temp_dir(), error))?;
        let script = folder.path().join("compile.py");
        std::fs::write(&script, include_str!("python/compile.py"))
            .map_err(|error| Error::io("cannot write", script, error))?;
        Ok(Compiler { program: interpreter.executable.clone(), optimize, folder })
    }

    /// A worker: it starts its process when it is first needed.
    #[must_use]
    pub fn worker(&self) -> Worker<'_> {
        Worker { compiler: self, process: None }
    }

    fn failed(&self, message: impl Into<String>) -> Error {
        ErrorKind::Compiler { program: self.program.clone(), message: message.into() }.into()
    }
}

/// One process after the other, each of which compiles as much as it can.
#[derive(Debug)]
pub struct Worker<'c> {
    compiler: &'c Compiler,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
    /// Serves more than one request.
    forks: bool,
}

impl Worker<'_> {
    /// Compiles a source. `filename` becomes its `co_filename`.
    ///
    /// # Errors
    /// If no process can be started. A process that dies is no error but an [`Outcome`].
    pub fn compile(&mut self, filename: &Path, source: &[u8]) -> Result<Outcome, Error> {
        // Once more: somebody else may have killed it.
        for is_last in [false, true] {
            let mut process = match self.process.take() {
                Some(process) => process,
                None => self.compiler.start()?,
            };
            match process.ask(filename, source) {
                Ok(outcome) => {
                    if process.forks {
                        self.process = Some(process);
                    } else {
                        process.end();
                    }
                    return Ok(outcome);
                }
                Err(error) => {
                    let how = process.end();
                    if is_last {
                        return Ok(Outcome::Died(how.unwrap_or_else(|| error.to_string())));
                    }
                }
            }
        }
        Err(self.compiler.failed("it does not answer"))
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end();
        }
    }
}

impl Compiler {
    fn start(&self) -> Result<Process, Error> {
        let log_path = self.folder.path().join("stderr");
        let log = File::options().create(true).append(true).open(&log_path);
        let log = log.map_err(|error| Error::io("cannot create", &log_path, error))?;
        let mut child = command(&self.program)
            .env("PYTHONHASHSEED", "0")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["-s", "-S", "-B", "-X", "utf8", "-W", "ignore"])
            .arg(self.folder.path().join("compile.py"))
            .args([&self.optimize.to_string(), "first"])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| ErrorKind::Start { program: self.program.clone(), error })?;
        let (Some(requests), Some(mut answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(self.failed("it has no pipes"));
        };
        let mut mode = [0];
        let answered = answers.read_exact(&mut mode);
        let process = Process { child, requests, answers, forks: mode == *b"F" };
        if answered.is_err() || !matches!(&mode, b"F" | b"S") {
            process.end();
            return Err(self.failed(last_line(&std::fs::read(&log_path).unwrap_or_default())));
        }
        Ok(process)
    }
}

impl Process {
    fn ask(&mut self, filename: &Path, source: &[u8]) -> io::Result<Outcome> {
        let name = filename.as_os_str().as_encoded_bytes();
        let name_len = u32::try_from(name.len()).map_err(io::Error::other)?;
        self.requests.write_all(&name_len.to_le_bytes())?;
        self.requests.write_all(&(source.len() as u64).to_le_bytes())?;
        self.requests.write_all(name)?;
        self.requests.write_all(source)?;
        self.requests.flush()?;

        let mut status = [0];
        self.answers.read_exact(&mut status)?;
        let mut len = [0; 8];
        self.answers.read_exact(&mut len)?;
        let len = u64::from_le_bytes(len);
        let mut data = Vec::new();
        if len > MAX_ANSWER || Read::take(&mut self.answers, len).read_to_end(&mut data)? as u64 != len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match status {
            [0] => Ok(Outcome::Compiled(data)),
            [1] => Ok(Outcome::Refused(String::from_utf8_lossy(&data).into_owned())),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Waits for its end: it ends when nothing can be asked any more. Returns how it ended, if that can be known.
    fn end(self) -> Option<String> {
        let Process { mut child, requests, answers, .. } = self;
        drop(requests);
        drop(answers);
        let status = child.wait().ok()?;
        // So says the script when a child of it was killed.
        let signal = status.code().filter(|code| *code > 128).map(|code| format!("signal: {}", code - 128));
        Some(signal.unwrap_or_else(|| status.to_string()))
    }
}
