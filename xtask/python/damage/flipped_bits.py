#!/usr/bin/env python3
"""Flips bits of an archive: `flipped_bits.py --flips N`, with the package `permacode` installed.

The command that PERMACODE_COMMAND names makes an archive of a few modules. Then one bit of a copy is flipped, N times,
at places that follow from `--seed`. For each copy, a forked process makes every code object and compares it with that
of the undamaged archive. It also installs the copy and imports every module. Two outcomes are right:

* *equal*: everything is as without the damage;
* *refused*: making code raises ImportError, and the import system warns and takes the file.

All other outcomes are faults, and the script names each: different code, a missing module, another exception, a crash,
or a process that does not end.

`--repair` corrects all checksums, as the author of a forged archive can. Then damage reaches the code that makes
CPython's objects: a whole byte is changed, in a section that code objects come from. Different code is to be expected,
and no code runs. Only crashes and processes that do not end are faults. The process first makes each code object, then
inspects it, so that the report can tell which of the two crashed. *Made* means that all code objects were made.

Exit status: 0 no faults, 1 faults, 2 usage error.
"""

import argparse
import collections
import faulthandler
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from importlib import import_module

ROOT = pathlib.Path(__file__).resolve().parents[3]
TESTS = ROOT / "python" / "tests"
sys.path += [str(TESTS), str(ROOT / "xtask" / "python" / "comparison")]

import archive_file  # noqa: E402
import compare  # noqa: E402

#: Modules of the standard library that are copied, so that they can be imported under another name.
COPIED = ["bisect", "colorsys", "contextlib", "heapq", "textwrap"]
#: Sections that are not changed: docstrings are strings like others, and no code object comes from the rest.
APART = {archive_file.DOCSTRINGS, archive_file.SOURCES, archive_file.FILES, archive_file.CHECKSUMS}
#: Seconds that a copy may take. A damaged module may never end.
DEADLINE = 20
#: Bytes of memory that a copy may take.
MEMORY = 4 << 30


class Fault(Exception):
    """An outcome that damage must not have."""


def make_folder(folder):
    """Copies the modules of the package's tests, and some larger ones."""
    for source in sorted((TESTS / "modules").iterdir()):
        if source.name == "all" or sys.version_info >= tuple(map(int, source.name.split("_")[1:])):
            shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in COPIED:
        shutil.copy(import_module(name).__file__, folder / ("copied_%s.py" % name))


def public(module):
    """The public names of a module and the types of their values, which are the same in each process."""
    return {name: type(value).__name__ for name, value in vars(module).items() if not name.startswith("_")}


def look_at(code):
    """Reads all attributes of a code object, so that CPython reads the whole object."""
    hash(code.co_name)
    for name in compare.CODE_ATTRIBUTES:
        repr(getattr(code, name))
    for name in ("co_lines", "co_positions"):
        if hasattr(code, name):
            list(getattr(code, name)())
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            look_at(constant)


class Proof:
    """The archive, and the code objects of the undamaged archive."""

    def __init__(self, folder, archive, package):
        self.folder, self.package = folder, package
        self.data = archive.read_bytes()
        self.layout = list(archive_file.sections(self.data))
        with package.open(archive) as opened:
            self.codes = {name: opened.code(name, folder) for name in opened}
        self.damaged = archive.with_name("damaged.perma")

    def places(self, repair):
        """The ranges of bytes that are changed."""
        if not repair:
            return [range(len(self.data))]
        header = range(archive_file.table_end(self.data))
        sections = [(offset, length) for _, kind, offset, length, _ in self.layout if kind not in APART]
        return [header] + [range(offset, offset + length) for offset, length in sections]

    def change(self, place, mask, repair):
        """Writes a copy with one changed byte."""
        data = bytearray(self.data)
        data[place] ^= mask
        if repair:
            archive_file.repair(data, self.layout)
        # A new file, because the old one may still be mapped.
        self.damaged.unlink(missing_ok=True)
        self.damaged.write_bytes(data)

    def refuses_or_equals(self, say):
        """Compares all code of the copy; returns the outcome."""
        say("opening")
        try:
            archive = self.package.open(self.damaged)
        except ImportError:
            return "refused"
        refused = False
        for name, code in self.codes.items():
            say("code of %s" % name)
            try:
                made = archive.code(name, self.folder)
            except ModuleNotFoundError:
                raise Fault("%s is missing" % name) from None
            except ImportError:
                refused = True
                continue
            report = compare.Report(1)
            try:
                compare.compare_loaded(code, made, report)
            except compare.Enough:
                raise Fault("%s differs: %s" % (name, report.lines)) from None
        say("names")
        try:
            if list(archive) != list(self.codes):
                raise Fault("other names: %s" % sorted(set(archive) ^ set(self.codes)))
        except ImportError:
            refused = True
        return "refused" if refused else "equal"

    def imports(self, say, expected):
        """Imports all modules with the copy installed."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            say("installing")
            self.package.install(self.damaged)
            for name in self.codes:
                say("import of %s" % name)
                found = public(import_module(name))
                if expected is not None and found != expected[name]:
                    raise Fault("%s has other names: %s" % (name, set(found.items()) ^ set(expected[name].items())))

    def makes(self, say):
        """Makes all code of the copy, inspects it and frees it."""
        say("opening")
        try:
            archive = self.package.open(self.damaged)
            names = list(archive)
        except ImportError:
            return "refused"
        refused = False
        for name in names:
            say("code of %s" % name)
            try:
                made = archive.code(name, self.folder)
            except ImportError:
                refused = True
                continue
            say("inspection of %s" % name)
            try:
                look_at(made)
            except Exception:
                pass  # Python refuses to show some forged objects, such as a number of more than 4,300 digits.
            say("deletion of %s" % name)
            del made
        return "refused" if refused else "made"


def in_child(work):
    """Runs `work(say)` in a child process; returns its answer, or how it ended and the last text that it said."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            signal.alarm(DEADLINE)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            silence = os.open(os.devnull, os.O_RDWR)
            for number in range(3):
                os.dup2(silence, number)
            try:
                answer = work(lambda text: os.write(theirs, ("\nat " + text).encode()))
            except Fault as fault:
                answer = "fault: %s" % fault
            except BaseException as error:
                answer = "fault: %a" % error
            os.write(theirs, ("\n" + answer).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, encoding="utf-8", errors="replace") as pipe:
        said = pipe.read().splitlines()
    _, status = os.waitpid(child, 0)
    last = said[-1] if said else ""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        what = "no end" if number == signal.SIGALRM else "crash by %s" % signal.Signals(number).name
        return "fault: %s %s" % (what, last)
    return last if not last.startswith("fault: ") else "%s %s" % (last, said[-2] if len(said) > 1 else "")


def kind_of(answer):
    """The kind of an outcome."""
    if not answer.startswith("fault: "):
        return answer
    for kind in ("crash", "no end"):
        if answer.startswith("fault: " + kind):
            return kind
    return "wrong"


def section_at(proof, place):
    for _, kind, offset, length, _ in proof.layout:
        if offset <= place < offset + length:
            return "section %d" % kind
    return "header" if place < archive_file.table_end(proof.data) else "padding"


def prove(arguments, folder, archive, package):
    sys.path.insert(0, str(folder))
    proof = Proof(folder, archive, package)

    def check(say):
        proof.imports(say, expected)
        return proof.refuses_or_equals(say)

    expected = None
    if not arguments.repair:
        # The parent imports none of the modules, so that each child imports them for the first time.
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            with open(theirs, "w", encoding="utf-8") as pipe:
                pipe.write(repr({name: public(import_module(name)) for name in proof.codes}))
                pipe.flush()
                os._exit(0)
        os.close(theirs)
        with open(ours, encoding="utf-8") as pipe:
            expected = eval(pipe.read())
        os.waitpid(child, 0)
    proof.damaged.write_bytes(proof.data)
    whole = in_child(proof.makes if arguments.repair else check)
    if whole not in ("equal", "made"):
        raise SystemExit("flipped_bits.py: the archive without damage: %s" % whole)
    chance, outcomes, faults = random.Random(arguments.seed), collections.Counter(), []
    places = [place for part in proof.places(arguments.repair) for place in part]
    for _ in range(arguments.flips):
        place = chance.choice(places)
        mask = chance.randrange(1, 256) if arguments.repair else 1 << chance.randrange(8)
        proof.change(place, mask, arguments.repair)
        answer = in_child(proof.makes if arguments.repair else check)
        kind = kind_of(answer)
        outcomes[kind] += 1
        if kind not in ("equal", "made", "refused"):
            faults.append("byte %#x ^ %#x (%s): %s" % (place, mask, section_at(proof, place), answer))
    for fault in faults if arguments.verbose else faults[:20]:
        print(fault[:400])
    kinds = ["made" if arguments.repair else "equal", "refused", "wrong", "crash", "no end"]
    print("%d changes to %d bytes, checksums %s: %s" % (
        arguments.flips, len(places), "corrected" if arguments.repair else "unchanged",
        ", ".join("%d %s" % (outcomes[kind], kind) for kind in kinds)))
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=3000, help="number of bits to flip, one in each copy (3000)")
    parser.add_argument("--seed", type=int, default=1, help="seed for the places (1)")
    parser.add_argument("--repair", action="store_true", help="correct the checksums, and run no code")
    parser.add_argument("--verbose", action="store_true", help="print all faults, not only the first twenty")
    arguments = parser.parse_args()
    command = os.environ.get("PERMACODE_COMMAND")
    if not command:
        parser.error("set PERMACODE_COMMAND to the path of the command `permacode`")
    import permacode

    faulthandler.disable()
    with tempfile.TemporaryDirectory() as scratch:
        folder, archive = pathlib.Path(scratch, "modules"), pathlib.Path(scratch, "whole.perma")
        make_folder(folder)
        subprocess.run([command, "bundle", "--python", sys.executable, "--sealed", "-o", archive, "app=%s" % folder],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        faults = prove(arguments, folder, archive, permacode)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
