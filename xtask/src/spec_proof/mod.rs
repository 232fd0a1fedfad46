//! `cargo xtask spec-proof`: two independent verifiers agree about damaged archives.
//!
//! One verifier is that of the reader. The other is in `xtask/python/verifier` and was written from `spec.md` alone.
//! Both get the same mutants of small archives. If one accepts a mutant and the other refuses it, one of them has a
//! bug, or `spec.md` leaves a question open. Both must refuse at the same verification depth
//! (`open`, `structure`, `module` or `everything`), and name the same rule if a header
//! breaks it. They may name different rules otherwise, because an archive may break several.

mod bases;
mod mutate;

use crate::run::{root, run, script, target_folder};
use anyhow::{Context, Result, bail, ensure};
use bases::Bases;
use fastrand::Rng;
use permacode_bundle::Interpreter;
use permacode_format::{RULES, Rule};
use permacode_reader::Archive;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{BufRead, BufReader, Write},
    panic::catch_unwind,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

/// How many mutants a verifier gets at once. Their verdicts must fit into a pipe.
const BLOCK: u64 = 100;

/// Rules that a verifier may check early, to bound the work on one module, or late, when it verifies everything [V-2].
const EARLY: [&str; 4] = ["O-1", "M-6", "C-9", "G-2"];

/// Compare the verdicts of two verifiers about damaged archives
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many mutants to compare
    #[arg(long, value_name = "N", default_value_t = Args::default().mutants)]
    mutants: u64,
    /// The seed of the generator
    #[arg(long, value_name = "S", default_value_t = Args::default().seed)]
    seed: u64,
    /// How many processes of the second verifier to run
    #[arg(long, value_name = "J", default_value_t = Args::default().jobs)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    jobs: u64,
    /// Only make the mutant with this number, and compare the verifiers on it
    #[arg(long, value_name = "NUMBER", conflicts_with = "mutants")]
    only: Option<u64>,
    /// Print the verdicts about these files, and make no mutants
    #[arg(long, value_name = "FILE", num_args = 1.., exclusive = true)]
    file: Vec<PathBuf>,
}

/// The defaults, which are those of `cargo xtask ci`.
impl Default for Args {
    fn default() -> Self {
        Args { mutants: 4000, seed: 1, jobs: 2, only: None, file: Vec::new() }
    }
}

/// Compares verdicts about mutants, or shows those about files.
pub(crate) fn spec_proof(args: &Args) -> Result<()> {
    if args.file.is_empty() { compare(args) } else { show(&args.file) }
}

/// Shows the verdicts of both verifiers about some files.
fn show(files: &[PathBuf]) -> Result<()> {
    let python = Python::installed()?;
    for file in files {
        let archive = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        println!("{}\n  the reader: {}", file.display(), verdict(&archive));
        print!("  the second verifier: ");
        std::io::stdout().flush()?;
        // Its exit status tells whether the archive is valid. It has printed that already.
        python.command("verifier")?.arg(file).status().context("cannot start python3")?;
    }
    Ok(())
}

fn compare(args: &Args) -> Result<()> {
    let python = Python::installed()?;
    check_vectors(&mut python.start()?)?;
    let start = Instant::now();
    let bases = bases::bases(args.seed)?;
    let (first, end) = args.only.map_or((0, args.mutants), |only| (only, only + 1));
    let next = AtomicU64::new(first);
    let work = || -> Result<Outcome> {
        let mut verifier = python.start()?;
        let mut outcome = Outcome::default();
        loop {
            let block = next.fetch_add(BLOCK, Ordering::Relaxed);
            if block >= end {
                return Ok(outcome);
            }
            compare_block(block..end.min(block + BLOCK), args.seed, &bases, &mut verifier, &mut outcome)?;
        }
    };
    let outcomes: Vec<Result<Outcome>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..args.jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked"))).collect()
    });
    let mut outcome = Outcome::default();
    for part in outcomes {
        outcome.add(part?);
    }
    outcome.report(end - first, args.seed, start)
}

/// Checks that the second verifier gives the verdicts that the lists of test vectors have.
fn check_vectors(verifier: &mut Verifier) -> Result<()> {
    let mut check = |folder: &str, expected: &dyn Fn(&Value) -> Option<Verdict>| -> Result<usize> {
        let folder = root().join("testdata").join(folder);
        let manifest = fs::read(folder.join("manifest.json")).context("cannot read a manifest")?;
        let entries: Vec<Value> = serde_json::from_slice(&manifest)?;
        for entry in &entries {
            let expected = expected(entry).with_context(|| format!("a manifest lacks a member: {entry}"))?;
            let path = folder.join(entry["file"].as_str().context("a manifest lacks a file")?);
            verifier.send(&fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?)?;
            let verdict = verifier.receive()?;
            ensure!(
                verdict == expected,
                "{}: the verdict of the second verifier is {verdict}, expected {expected}",
                path.display()
            );
        }
        Ok(entries.len())
    };
    let valid = check("valid", &|_| Some(Verdict::valid()))?;
    let invalid =
        check("invalid", &|entry| format!("{} {}", entry["depth"].as_str()?, entry["rule"].as_str()?).parse().ok())?;
    println!("{valid} valid and {invalid} invalid test vectors: the second verifier gives the expected verdicts");
    Ok(())
}

/// Compares the mutants of these numbers. They do not depend on the worker.
fn compare_block(
    numbers: std::ops::Range<u64>,
    seed: u64,
    bases: &Bases,
    verifier: &mut Verifier,
    outcome: &mut Outcome,
) -> Result<()> {
    let mut ours = Vec::new();
    for number in numbers {
        // Each number has its own generator, so that `--only` can make a single mutant again.
        let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let base = bases.choose(&mut rng);
        let mutant = mutate::mutant(base, &mut rng);
        verifier.send(&mutant)?;
        let verdict = catch_unwind(|| verdict(&mutant)).unwrap_or(Verdict { depth: "panic", rule: String::new() });
        ours.push((number, &base.name, mutant, verdict));
    }
    for (number, base, mutant, ours) in ours {
        let theirs = verifier.receive()?;
        *outcome.depths.entry(ours.depth).or_default() += 1;
        if !ours.agrees_with(&theirs) {
            let path = target_folder().join(format!("spec-proof/{seed}-{number}.perma"));
            fs::create_dir_all(path.parent().unwrap_or(&path)).context("cannot make a folder for mutants")?;
            fs::write(&path, mutant).with_context(|| format!("cannot write {}", path.display()))?;
            let only_depth = ours.is_ok() == theirs.is_ok();
            let text = format!("{}: {base}: reader {ours}, second verifier {theirs}", path.display());
            outcome.differences.push((only_depth, number, text));
        } else if ours.rule != theirs.rule {
            outcome.other_rules += 1;
        }
        *outcome.rules.entry(ours.rule).or_default() += 1;
    }
    Ok(())
}

/// A verdict: the first depth that refuses an archive, and the rule.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    depth: &'static str,
    rule: String,
}

impl Verdict {
    const DEPTHS: [&str; 5] = ["ok", "open", "structure", "module", "everything"];

    fn valid() -> Self {
        Verdict { depth: "ok", rule: String::new() }
    }

    fn is_ok(&self) -> bool {
        self.depth == "ok"
    }

    fn agrees_with(&self, other: &Verdict) -> bool {
        let is_one_of = |rules: &[&str]| rules.contains(&&*self.rule) || rules.contains(&&*other.rule);
        if self.depth != other.depth {
            return !self.is_ok() && !other.is_ok() && is_one_of(&EARLY);
        }
        // The order of header rules is fixed (spec.md 5.2).
        self.rule == other.rule || !(self.rule.starts_with("H-") || other.rule.starts_with("H-"))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.depth, self.rule)
    }
}

impl FromStr for Verdict {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let (depth, rule) = line.split_once(' ').unwrap_or((line, ""));
        let depth = Self::DEPTHS.into_iter().find(|known| *known == depth);
        let depth = depth.with_context(|| format!("{line:?} of the second verifier is not a verdict"))?;
        Ok(Verdict { depth, rule: rule.to_owned() })
    }
}

/// The verdict of the reader.
fn verdict(bytes: &[u8]) -> Verdict {
    let refused = |depth, error: permacode_reader::Error| {
        let rule = error.rule().map(|rule| rule.id().to_owned());
        Verdict { depth, rule: rule.unwrap_or_default() }
    };
    let archive = match Archive::open(bytes) {
        Ok(archive) => archive,
        Err(error) => return refused("open", error),
    };
    if let Err(error) = archive.verify_structure() {
        return refused("structure", error);
    }
    let mut modules = archive.targets().flat_map(|target| target.modules());
    if let Err(error) = modules.try_for_each(|module| archive.verify_module(&module?)) {
        return refused("module", error);
    }
    match archive.verify() {
        Ok(()) => Verdict::valid(),
        Err(error) => refused("everything", error),
    }
}

/// The results.
#[derive(Debug, Default)]
struct Outcome {
    /// How many mutants the reader refuses at which depth.
    depths: BTreeMap<&'static str, u64>,
    /// How many mutants the reader refuses with which rule.
    rules: BTreeMap<String, u64>,
    /// How many mutants are refused with different rules.
    other_rules: u64,
    /// For each difference: whether only the depth differs, the number of the mutant, the verdicts.
    differences: Vec<(bool, u64, String)>,
}

impl Outcome {
    fn add(&mut self, other: Outcome) {
        for (depth, count) in other.depths {
            *self.depths.entry(depth).or_default() += count;
        }
        for (rules, count) in other.rules {
            *self.rules.entry(rules).or_default() += count;
        }
        self.other_rules += other.other_rules;
        self.differences.extend(other.differences);
    }

    fn report(mut self, mutants: u64, seed: u64, start: Instant) -> Result<()> {
        let seconds = start.elapsed().as_secs_f64();
        println!("{mutants} mutants, seed {seed}: {seconds:.1} s, {:.0} a second", mutants as f64 / seconds);
        let depths = Verdict::DEPTHS
            .iter()
            .map(|depth| format!("{depth} {}", self.depths.get(depth).copied().unwrap_or_default()));
        println!("refused at which depth: {}", depths.collect::<Vec<_>>().join(", "));
        println!("refused with different rules, which is no fault: {}", self.other_rules);
        let often = |rule: &Rule| self.rules.get(rule.id()).copied().unwrap_or_default();
        let rules = RULES.iter().filter(|rule| often(rule) < 100);
        let rules = rules.map(|rule| format!("{} {}", rule.id(), often(rule))).collect::<Vec<_>>();
        println!("rules that the reader named for less than 100 of them: {}", rules.join(", "));
        self.differences.sort();
        self.differences.iter().take(50).for_each(|(_, _, text)| println!("{text}"));
        ensure!(self.differences.is_empty(), "the verifiers differ about {} mutants", self.differences.len());
        Ok(())
    }
}

/// The interpreter of the second verifier, and the folder of the packages that it imports.
struct Python {
    program: PathBuf,
    packages: PathBuf,
}

impl Python {
    fn installed() -> Result<Self> {
        const WANTED: &str = "xxhash>=3.4,<5";
        let interpreter = Interpreter::probe("python3").context("cannot use python3 for the second verifier")?;
        let program = interpreter.executable;
        // xxhash has compiled parts, so each version of Python has a folder of its own.
        let packages = target_folder().join("python/verifier").join(interpreter.version_text);
        let stamp = packages.join("installed.txt");
        let installed = format!("{}\n{WANTED}\n", program.display());
        if !fs::read_to_string(&stamp).is_ok_and(|found| found == installed) {
            let pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--upgrade", "--target"];
            run(Command::new(&program).args(pip).arg(&packages).arg(WANTED))?;
            fs::write(&stamp, installed).with_context(|| format!("cannot write {}", stamp.display()))?;
        }
        Ok(Python { program, packages })
    }

    fn command(&self, module: &str) -> Result<Command> {
        let path = std::env::join_paths([script(""), self.packages.clone()])?;
        let mut command = Command::new(&self.program);
        command.args(["-B", "-s", "-m", module]).env("PYTHONPATH", path);
        Ok(command)
    }

    fn start(&self) -> Result<Verifier> {
        let mut command = self.command("verifier.stream")?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("cannot start python3")?;
        let (input, output) = (process.stdin.take(), process.stdout.take().map(BufReader::new));
        Ok(Verifier { input, output: output.context("python3 has no output")?, process })
    }
}

/// A process of the second verifier. It ends when its input ends.
struct Verifier {
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    process: Child,
}

impl Verifier {
    fn send(&mut self, archive: &[u8]) -> Result<()> {
        let input = self.input.as_mut().context("the second verifier has ended")?;
        input.write_all(&u32::try_from(archive.len())?.to_le_bytes())?;
        Ok(input.write_all(archive)?)
    }

    fn receive(&mut self) -> Result<Verdict> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        line.trim_end().parse()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        drop(self.input.take());
        // All verdicts have been read, so the exit status does not matter.
        let _ = self.process.wait();
    }
}
