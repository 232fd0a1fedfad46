//! Compiles each source in a fresh process of its interpreter.
//!
//! `python/compile.py` runs in a process with a fixed hash seed and without site-packages, and forks a child for each
//! source. (If the system cannot fork, one process serves one source.) So a result depends only on the interpreter, the
//! file name and the source. It does not depend on earlier sources, on their order, or on the amount of memory. A
//! failure that the source did not cause is an error.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use crate::{
    error::{Error, ErrorKind},
    interpreter::{Interpreter, command, last_line},
};

/// The longest answer that is accepted, in bytes: the most that marshal can address.
const MAX_ANSWER: u64 = 1 << 32;

/// The result of compiling a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The code object in marshal format.
    Compiled(Vec<u8>),
    /// The source does not compile: the type and text of the exception.
    Refused(String),
    /// The compiler crashed twice: how the process ended.
    Died(String),
}

/// Starts processes that compile.
#[derive(Debug)]
pub struct Compiler {
    program: PathBuf,
    optimize: u8,
}

impl Compiler {
    /// A compiler for an optimisation level: 0, 1 (no assertions) or 2 (and no docstrings).
    #[must_use]
    pub fn new(interpreter: &Interpreter, optimize: u8) -> Self {
        Compiler { program: interpreter.executable.clone(), optimize }
    }

    /// A worker. It starts its process at the first source.
    #[must_use]
    pub fn worker(&self) -> Worker<'_> {
        Worker { compiler: self, process: None }
    }
}

/// Compiles with one process, and replaces it when it ends.
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
    /// The standard error of the process.
    log: File,
    /// Whether it serves more than one request.
    forks: bool,
}

/// The answer of a process.
enum Answer {
    Outcome(Outcome),
    /// The source is not the reason of the failure. Another process may succeed.
    NotItsFault(String),
    /// The compiler crashed. The source may not be the reason.
    Crashed(String),
}

impl Worker<'_> {
    /// Starts the process, unless it runs.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        if self.process.is_none() {
            self.process = Some(self.compiler.start()?);
        }
        Ok(())
    }

    /// Compiles a source. `filename` becomes its `co_filename`.
    ///
    /// # Errors
    /// If no process can be started. If the process twice runs out of memory, is killed, or ends for another reason
    /// than the source. A crash of the compiler is an [`Outcome`] and not an error.
    pub fn compile(&mut self, filename: &Path, source: &[u8]) -> Result<Outcome, Error> {
        let failed = |message| Error::new(ErrorKind::CompilerFailed { file: filename.to_owned(), message });
        let mut is_last = false;
        loop {
            let mut process = match self.process.take() {
                Some(process) => process,
                None => self.compiler.start()?,
            };
            let answer = process.ask(filename, source);
            if let Ok(Answer::Outcome(outcome)) = answer {
                if process.forks {
                    self.process = Some(process);
                } else {
                    process.end();
                }
                return Ok(outcome);
            }
            let end = process.end();
            let result = match answer {
                Ok(Answer::Outcome(outcome)) => Ok(outcome),
                Ok(Answer::Crashed(how)) => Ok(Outcome::Died(how)),
                Ok(Answer::NotItsFault(message)) => Err(failed(message)),
                Err(_) if end.is_crash => Ok(Outcome::Died(end.how)),
                Err(_) => Err(failed(format!("the compiler ended: {}", end.how))),
            };
            if is_last {
                return result;
            }
            is_last = true;
        }
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
        // Without a name, the file goes with the processes, however they end.
        let log = tempfile::tempfile().and_then(|log| Ok((log.try_clone()?, log)));
        let (log, stderr) =
            log.map_err(|error| Error::new(ErrorKind::Temporary { folder: std::env::temp_dir(), error }))?;
        let mut child = command(&self.program)
            .env("PYTHONHASHSEED", "0")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["-s", "-S", "-B", "-X", "utf8", "-W", "ignore"])
            .args(["-c", "import sys; exec(sys.argv[1])", include_str!("python/compile.py")])
            .args([&self.optimize.to_string(), "first"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| Error::new(ErrorKind::Start { program: self.program.clone(), error }))?;
        let failed = |message: String| Error::new(ErrorKind::Compiler { program: self.program.clone(), message });
        let (Some(requests), Some(mut answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let mut mode = [0];
        let answered = answers.read_exact(&mut mode);
        let process = Process { child, requests, answers, log, forks: mode == *b"F" };
        if answered.is_err() || !matches!(&mode, b"F" | b"S") {
            return Err(failed(process.end().how));
        }
        Ok(process)
    }
}

/// How a process ended.
struct End {
    how: String,
    is_crash: bool,
}

impl Process {
    fn ask(&mut self, filename: &Path, source: &[u8]) -> io::Result<Answer> {
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
        let text = |data: Vec<u8>| String::from_utf8_lossy(&data).into_owned();
        match status {
            [0] => Ok(Answer::Outcome(Outcome::Compiled(data))),
            [1] => Ok(Answer::Outcome(Outcome::Refused(text(data)))),
            [2] => Ok(Answer::NotItsFault(text(data))),
            [3] => Ok(Answer::Crashed(text(data))),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Closes the pipes and waits. The process ends when it cannot read another request.
    fn end(self) -> End {
        let Process { mut child, requests, answers, mut log, .. } = self;
        drop(requests);
        drop(answers);
        let status = match child.wait() {
            Ok(status) => status,
            Err(error) => return End { how: error.to_string(), is_crash: false },
        };
        // The script ends with a code above 128 if its child was killed. A negative code is a crash on Windows.
        let mut how = match status.code() {
            Some(code @ 129..=255) => format!("signal: {}", code - 128),
            _ => status.to_string(),
        };
        let mut text = Vec::new();
        if log.rewind().and_then(|()| log.read_to_end(&mut text)).is_ok()
            && let Some(line) = last_line(&text)
        {
            how = format!("{how}: {line}");
        }
        End { how, is_crash: status.code().is_some_and(|code| code < 0) }
    }
}
