//! `cargo xtask python`: builds a wheel of the Python package for each interpreter, installs it and runs its tests.
//!
//! Tasks that need the package call [`environment`]. It builds the wheel for one interpreter and installs it in a new
//! virtual environment. The build tools are in `target/python/tools`. Nothing is installed anywhere else.

use crate::{
    pythons,
    run::{cargo, output, root, run, target_folder},
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

/// The oldest minor version that the package supports. Archives can also be made for 3.8.
const OLDEST: u8 = 9;

/// Makes virtual environments. `venv` cannot, for interpreters without `ensurepip`, such as Debian's.
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

/// A virtual environment with the package, but without the packages that its tests import. It is removed with this
/// value.
#[derive(Debug)]
pub(crate) struct Environment {
    /// Its interpreter.
    pub(crate) python: PathBuf,
    /// The wheel that was installed, in `target/wheels`.
    pub(crate) wheel: PathBuf,
    _folder: TempDir,
}

/// Builds the wheels and runs the tests.
pub(crate) fn python(args: &Args) -> Result<()> {
    let interpreters = interpreters(&args.pythons)?;
    println!("{} interpreters take part:", interpreters.len());
    for interpreter in &interpreters {
        println!("  {:<8} {}", interpreter.version_text, interpreter.executable.display());
    }
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

/// The interpreters that are named, or else one of each minor version that is found. The package must support them.
pub(crate) fn interpreters(named: &[PathBuf]) -> Result<Vec<Interpreter>> {
    let programs = if named.is_empty() { pythons::taking_part().into_values().collect() } else { named.to_vec() };
    let mut interpreters = Vec::new();
    for program in programs {
        let interpreter = Interpreter::probe(&program).with_context(|| format!("cannot use {}", program.display()))?;
        if interpreter.version.minor() >= OLDEST {
            interpreters.push(interpreter);
        } else if !named.is_empty() {
            bail!(
                "{} is CPython {}: the package needs 3.{OLDEST} or later",
                program.display(),
                interpreter.version_text
            );
        }
    }
    ensure!(
        !interpreters.is_empty(),
        "no CPython 3.{OLDEST} or later was found: install one, or name some in {}",
        permacode_testkit::interpreters::VARIABLE
    );
    Ok(interpreters)
}

/// Builds the wheel for an interpreter and installs it in a new virtual environment. If the wheel is up to date, this
/// takes about a second.
pub(crate) fn environment(interpreter: &Interpreter) -> Result<Environment> {
    environment_with(interpreter, &[])
}

/// The same, with additional arguments for `virtualenv`.
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
    /// Installs a dependency group of `python/pyproject.toml`.
    fn install_group(&self, group: &str) -> Result<()> {
        let file = root().join("python/pyproject.toml");
        self.pip(["install", "--group", &format!("{}:{group}", file.display())])
    }

    /// The folder of its packages.
    pub(crate) fn site_packages(&self) -> Result<PathBuf> {
        let ask = "import sysconfig; print(sysconfig.get_path('purelib'), end='')";
        Ok(output(Command::new(&self.python).args(["-I", "-c", ask]))?.into())
    }

    /// The command that the wheel brings.
    fn command(&self) -> PathBuf {
        self.python.with_file_name("permacode")
    }

    /// Runs its pip.
    pub(crate) fn pip(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<()> {
        let pip = ["-m", "pip", "--disable-pip-version-check", "--quiet"];
        run(Command::new(&self.python).args(pip).args(args))
    }

    /// Installs the packages that a file lists.
    pub(crate) fn install_requirements(&self, file: &Path) -> Result<()> {
        self.pip(["install", "--requirement"].map(OsStr::new).into_iter().chain([file.as_os_str()]))
    }

    /// Lets its programs import from an archive.
    pub(crate) fn enable(&self) -> Result<()> {
        run(Command::new(self.command()).args(["enable", "--python"]).arg(&self.python))
    }

    /// Runs the tests with `-I`: Python must not import the package from the source folder, which lacks the compiled
    /// part.
    fn test(&self, pytest: &[String]) -> Result<()> {
        self.install_group("test")?;
        run(Command::new(&self.python)
            .args(["-I", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"])
            .arg(root().join("python/tests"))
            .args(pytest)
            .env("PERMACODE_COMMAND", self.command()))
    }
}

/// Compares the stubs with the package, in the newest interpreter for which mypy can be installed.
fn check_stubs(environments: &[Environment]) -> Result<()> {
    let mut refused = Vec::new();
    for environment in environments.iter().rev() {
        match environment.install_group("types") {
            Ok(()) => return run(Command::new(&environment.python).args(["-I", "-m", "mypy.stubtest", "permacode"])),
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    bail!("mypy cannot be installed for any of the interpreters: {}", refused.join("; "))
}

/// The build tools, from PyPI.
#[derive(Debug)]
struct Tools {
    folder: PathBuf,
    /// The interpreter that installed them.
    program: PathBuf,
}

impl Tools {
    /// Installs them with the `python3` of `PATH`, unless they are installed.
    fn installed() -> Result<Self> {
        let wanted = [&maturin_requirement()?, VIRTUALENV];
        let python = Interpreter::probe("python3").context("cannot use python3 to install maturin and virtualenv")?;
        Tools::installed_with(&python, &target_folder().join("python/tools"), &wanted, |folder| {
            // `--target` also works if there is no `venv` and system packages must not be changed.
            let pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--target"];
            run(Command::new(&python.executable).args(pip).arg(folder).args(wanted))
        })
    }

    /// Packages that one interpreter installed may not work with another: they have compiled parts, and old
    /// interpreters get old versions. So each version of Python has a folder of its own. If another interpreter of that
    /// version made the folder, it is made again.
    fn installed_with(
        python: &Interpreter,
        tools: &Path,
        wanted: &[&str],
        install: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let folder = tools.join(name(python));
        let program = python.executable.clone();
        // Written last, so that an unfinished installation has no stamp.
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

    /// Builds the wheel and copies it to `target/wheels`.
    ///
    /// Each interpreter has a target folder of its own. PyO3 is built for one interpreter, and cargo keeps only the
    /// latest build of a crate, so in a shared folder every change of the interpreter would build PyO3 again.
    fn build(&self, interpreter: &Interpreter, folder: &Path) -> Result<PathBuf> {
        place_command()?;
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

/// Builds the command and puts it into the folder that maturin packs: `MODULE.data`, if it exists. The command is the
/// same for all interpreters, so it is built once.
fn place_command() -> Result<()> {
    run(&mut cargo(&["build", "--quiet", "--profile", "wheel", "--package", "permacode"]))?;
    let scripts = root().join("python/permacode.__init__.data/scripts");
    fs::create_dir_all(&scripts).with_context(|| format!("cannot create {}", scripts.display()))?;
    let (built, packed) = (target_folder().join("wheel/permacode"), scripts.join("permacode"));
    fs::copy(&built, &packed).with_context(|| format!("cannot copy {} to {}", built.display(), packed.display()))?;
    Ok(())
}

/// The name of a folder for one interpreter. It has the patch release, because `pyconfig.h` may change between two of
/// them.
fn name(interpreter: &Interpreter) -> String {
    let kind = if interpreter.free_threaded { "t" } else { "" };
    format!("{}{kind}", interpreter.version_text)
}

/// The requirement of `python/pyproject.toml` for maturin.
fn maturin_requirement() -> Result<String> {
    let path = root().join("python/pyproject.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let requirement = text.split('"').find(|part| part.starts_with("maturin>"));
    Ok(requirement.with_context(|| format!("{} has no requirement for maturin", path.display()))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use permacode_testkit::interpreters;

    /// Asks for the tools. Also returns whether that installed them.
    fn installs(python: &Interpreter, tools: &Path, wanted: &[&str]) -> (Tools, bool) {
        let mut was_installed = false;
        let found = Tools::installed_with(python, tools, wanted, |folder| {
            was_installed = true;
            assert!(!folder.join("part").exists(), "files of another interpreter are removed");
            fs::create_dir_all(folder)?;
            Ok(fs::write(folder.join("part"), "")?)
        });
        (found.unwrap(), was_installed)
    }

    #[test]
    fn tools_belong_to_the_interpreter_that_installed_them() {
        let folder = tempfile::tempdir().unwrap();
        let one = &interpreters::newest();
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
        let python = &interpreters::newest();
        let failed = Tools::installed_with(python, folder.path(), &["maturin"], |folder| {
            fs::create_dir_all(folder)?;
            fs::write(folder.join("part"), "")?;
            bail!("no network")
        });
        assert!(failed.is_err());
        assert!(installs(python, folder.path(), &["maturin"]).1);
    }
}
