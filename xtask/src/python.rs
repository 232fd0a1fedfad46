//! `cargo xtask python`: the wheel of the Python package for each interpreter, and its tests where it is installed.
//!
//! [`environment`] is for whoever needs the package: it builds the wheel for one interpreter and installs it in a virtual
//! environment of its own. Nothing is installed anywhere else: the tools that build lie in `target/python/tools`.

use crate::{
    pythons,
    run::{cargo, output, permacode, root, run, target_folder},
};
use anyhow::{Context, Result, bail, ensure};
use permacode_bundle::Interpreter;
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// The package wants Python 3.9; archives can be made for 3.8, too.
const OLDEST: u8 = 9;

/// Makes virtual environments of interpreters that lack `ensurepip`, as Debian's do, and of all others.
const VIRTUALENV: &str = "virtualenv>=20.26,<22";

/// Build and test the Python package for each interpreter
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// The interpreters; by default one of each minor version that is found
    pythons: Vec<PathBuf>,
    /// Build and install the wheels, but run no tests
    #[arg(long)]
    no_tests: bool,
    /// Arguments for pytest, for example -k damage
    #[arg(last = true, value_name = "PYTEST")]
    pytest: Vec<String>,
}

/// A virtual environment that has the package installed, without its tests' needs. It lives as long as this value.
#[derive(Debug)]
pub(crate) struct Environment {
    /// Its interpreter.
    pub(crate) python: PathBuf,
    /// What was installed, in `target/wheels`.
    pub(crate) wheel: PathBuf,
    _folder: TempDir,
}

/// Builds the wheels and runs the tests for the interpreters that are named, or for all that are found.
pub(crate) fn python(args: &Args) -> Result<()> {
    let interpreters = interpreters(&args.pythons)?;
    println!("{} interpreters take part:", interpreters.len());
    for interpreter in &interpreters {
        println!("  {:<8} {}", interpreter.version_text, interpreter.executable.display());
    }
    run(&mut cargo(&["build", "--quiet", "--release", "--package", "permacode"]))?;
    let (mut environments, mut failed) = (Vec::new(), Vec::new());
    for interpreter in &interpreters {
        println!("\n== CPython {}", interpreter.version_text);
        let environment = environment(interpreter)?;
        println!("{}: {} bytes", environment.wheel.display(), fs::metadata(&environment.wheel)?.len());
        if !args.no_tests
            && let Err(error) = environment.test(&args.pytest)
        {
            println!("FAILED: {error:#}");
            failed.push(interpreter.version_text.as_str());
        }
        environments.push(environment);
    }
    if !args.no_tests {
        println!("\n== stubs");
        check_stubs(&environments)?;
    }
    ensure!(failed.is_empty(), "the tests of the Python package failed for {}", failed.join(", "));
    let versions: Vec<&str> = interpreters.iter().map(|interpreter| interpreter.version_text.as_str()).collect();
    let passed = if args.no_tests { "built and installed" } else { "all passed" };
    println!("\nthe Python package: {passed} for {}", versions.join(", "));
    Ok(())
}

/// The interpreters that are named, or one of each minor version that is found and that the package supports.
pub(crate) fn interpreters(named: &[PathBuf]) -> Result<Vec<Interpreter>> {
    let programs = if named.is_empty() { pythons::taking_part().into_values().collect() } else { named.to_vec() };
    let mut interpreters = Vec::new();
    for program in programs {
        let interpreter = Interpreter::probe(&program).with_context(|| format!("cannot use {}", program.display()))?;
        if interpreter.version.minor() >= OLDEST {
            interpreters.push(interpreter);
        } else if !named.is_empty() {
            bail!("{} is CPython {}: the package wants 3.{OLDEST}", program.display(), interpreter.version_text);
        }
    }
    ensure!(
        !interpreters.is_empty(),
        "no CPython 3.{OLDEST} or later was found: install one, or name some in {}",
        pythons::VARIABLE
    );
    Ok(interpreters)
}

/// Builds the wheel for an interpreter, and installs it in a fresh virtual environment.
///
/// A wheel that is up to date costs about a second. The environment is removed when the value is dropped.
pub(crate) fn environment(interpreter: &Interpreter) -> Result<Environment> {
    environment_with(interpreter, &[])
}

/// The same, with more arguments for `virtualenv`.
pub(crate) fn environment_with(interpreter: &Interpreter, args: &[&str]) -> Result<Environment> {
    let tools = Tools::installed()?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let wheel = tools.build(interpreter, folder.path())?;
    let environment = folder.path().join("environment");
    run(tools.virtualenv().arg("--quiet").args(args).arg("--python").arg(&interpreter.executable).arg(&environment))?;
    let environment = Environment { python: environment.join("bin/python"), wheel, _folder: folder };
    environment.pip(["install", "--no-deps"].map(OsStr::new).into_iter().chain([environment.wheel.as_os_str()]))?;
    Ok(environment)
}

impl Environment {
    /// Installs what `python/pyproject.toml` lists as a group of dependencies.
    fn install_group(&self, group: &str) -> Result<()> {
        let file = root().join("python/pyproject.toml");
        self.pip(["install", "--group", &format!("{}:{group}", file.display())])
    }

    /// The folder that has its packages.
    pub(crate) fn site_packages(&self) -> Result<PathBuf> {
        let ask = "import sysconfig; print(sysconfig.get_path('purelib'), end='')";
        Ok(output(Command::new(&self.python).args(["-I", "-c", ask]))?.into())
    }

    /// Runs its pip, for example to install more from PyPI.
    pub(crate) fn pip(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<()> {
        let pip = ["-m", "pip", "--disable-pip-version-check", "--quiet"];
        run(Command::new(&self.python).args(pip).args(args))
    }

    /// Runs the tests, isolated: the folder of the sources, which has no compiled part, is not to be imported.
    fn test(&self, pytest: &[String]) -> Result<()> {
        self.install_group("test")?;
        run(Command::new(&self.python)
            .args(["-I", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"])
            .arg(root().join("python/tests"))
            .args(pytest)
            .env("PERMACODE_COMMAND", permacode().get_program()))
    }
}

/// Compares the stubs with what the package has, in the newest interpreter that mypy can be installed for.
fn check_stubs(environments: &[Environment]) -> Result<()> {
    let mut refused = Vec::new();
    for environment in environments.iter().rev() {
        match environment.install_group("types") {
            Ok(()) => return run(Command::new(&environment.python).args(["-I", "-m", "mypy.stubtest", "permacode"])),
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    bail!("mypy can be installed for none of them: {}", refused.join("; "))
}

/// The programs that build, from PyPI.
#[derive(Debug)]
struct Tools {
    folder: PathBuf,
    /// The interpreter that installed them.
    program: PathBuf,
}

impl Tools {
    /// Installs them with the `python3` of `PATH`, unless they are there.
    fn installed() -> Result<Self> {
        let wanted = [&maturin_requirement()?, VIRTUALENV];
        let python = Interpreter::probe("python3").context("cannot use python3 to install maturin and virtualenv")?;
        Tools::installed_with(&python, &target_folder().join("python/tools"), &wanted, |folder| {
            // With `--target`, which works where neither `venv` nor a change of what is installed for everybody is allowed.
            let pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--target"];
            run(Command::new(&python.executable).args(pip).arg(folder).args(wanted))
        })
    }

    /// What one interpreter installed need not work with another: packages have compiled parts, and versions of their own
    /// for old interpreters. So each version has a folder, and what another interpreter of that version left there goes.
    fn installed_with(
        python: &Interpreter,
        tools: &Path,
        wanted: &[&str],
        install: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let folder = tools.join(name(python));
        let program = python.executable.clone();
        // Written last: an installation that was cut short has none.
        let stamp = folder.join("installed.txt");
        let installed = format!("{}\n{}\n", program.display(), wanted.join("\n"));
        if fs::read_to_string(&stamp).is_ok_and(|found| found == installed) {
            return Ok(Tools { folder, program });
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        install(&folder)?;
        fs::write(&stamp, installed).with_context(|| format!("cannot write {}", stamp.display()))?;
        Ok(Tools { folder, program })
    }

    fn virtualenv(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-m", "virtualenv"]).env("PYTHONPATH", &self.folder);
        command
    }

    /// Builds the wheel and puts it into `target/wheels`.
    ///
    /// Each interpreter has a target folder of its own: PyO3 is built for one interpreter, and cargo keeps only the latest
    /// build of each crate. So all is built once, and nothing when the interpreters take turns.
    fn build(&self, interpreter: &Interpreter, folder: &Path) -> Result<PathBuf> {
        let out = folder.join("wheel");
        let target = target_folder().join("python").join(name(interpreter));
        run(Command::new(self.folder.join("bin/maturin"))
            .args(["build", "--quiet", "--manifest-path"])
            .arg(root().join("python/Cargo.toml"))
            .arg("--interpreter")
            .arg(&interpreter.executable)
            .arg("--out")
            .arg(&out)
            .env("CARGO_TARGET_DIR", target))?;
        let built: Vec<PathBuf> = fs::read_dir(&out)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()
            .context("cannot list the wheels")?;
        let [built] = &built[..] else { bail!("maturin made {} wheels, not one: {built:?}", built.len()) };
        let wheels = target_folder().join("wheels");
        let wheel = wheels.join(built.file_name().context("a wheel without a name")?);
        fs::create_dir_all(&wheels).with_context(|| format!("cannot create {}", wheels.display()))?;
        fs::copy(built, &wheel).with_context(|| format!("cannot copy to {}", wheel.display()))?;
        Ok(wheel)
    }
}

/// A folder's name for what is built for an interpreter: two patch releases may differ in what `pyconfig.h` says.
fn name(interpreter: &Interpreter) -> String {
    let kind = if interpreter.free_threaded { "t" } else { "" };
    format!("{}{kind}", interpreter.version_text)
}

/// What `python/pyproject.toml` says about maturin.
fn maturin_requirement() -> Result<String> {
    let path = root().join("python/pyproject.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let requirement = text.split('"').find(|part| part.starts_with("maturin>"));
    Ok(requirement.with_context(|| format!("{} asks for no maturin", path.display()))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for the tools; whether they were installed for that.
    fn installs(python: &Interpreter, tools: &Path, wanted: &[&str]) -> (Tools, bool) {
        let mut was_installed = false;
        let found = Tools::installed_with(python, tools, wanted, |folder| {
            was_installed = true;
            assert!(!folder.join("part").exists(), "what another one installed is gone");
            fs::create_dir_all(folder)?;
            Ok(fs::write(folder.join("part"), "")?)
        });
        (found.unwrap(), was_installed)
    }

    #[test]
    fn tools_belong_to_the_interpreter_that_installed_them() {
        let folder = tempfile::tempdir().unwrap();
        let found = permacode_bundle::interpreter::find_all();
        let one = found.interpreters.last().expect("a CPython, 3.8 or later, takes part in this test");
        let mut other = one.clone();
        other.version_text = "3.99.0".to_owned();
        let mut same_version = one.clone();
        same_version.executable = "/elsewhere/python3".into();
        let (first, was_installed) = installs(one, folder.path(), &["maturin", "virtualenv"]);
        assert!(was_installed);
        assert!(!installs(one, folder.path(), &["maturin", "virtualenv"]).1, "once is enough");
        let (second, was_installed) = installs(&other, folder.path(), &["maturin", "virtualenv"]);
        assert!(was_installed && second.folder != first.folder);
        assert!(!installs(one, folder.path(), &["maturin", "virtualenv"]).1, "both stay");
        assert!(installs(&same_version, folder.path(), &["maturin", "virtualenv"]).1);
        assert!(installs(&same_version, folder.path(), &["maturin>=2", "virtualenv"]).1);
        assert_eq!(installs(one, folder.path(), &["maturin"]).0.program, one.executable);
    }

    #[test]
    fn an_installation_that_failed_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let found = permacode_bundle::interpreter::find_all();
        let python = found.interpreters.last().expect("a CPython, 3.8 or later, takes part in this test");
        let failed = Tools::installed_with(python, folder.path(), &["maturin"], |folder| {
            fs::create_dir_all(folder)?;
            fs::write(folder.join("part"), "")?;
            bail!("no network")
        });
        assert!(failed.is_err());
        assert!(installs(python, folder.path(), &["maturin"]).1);
    }
}
