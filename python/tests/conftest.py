"""Archives for the tests: of a few modules, and of this interpreter's library.

They are made by the command `permacode`, which PERMACODE_COMMAND names; `cargo xtask python` sets it.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import permacode
import permacode.image

TESTS = pathlib.Path(__file__).parent


class Tree:
    """A folder of modules, and the archive that was made of it."""

    def __init__(self, folder, archive):
        self.folder, self.archive = folder, archive
        #: Names of the modules, and their files.
        self.files = {name_of(path.relative_to(folder)): path for path in sorted(folder.rglob("*.py"))}


class Imaged:
    """An archive with an image beside it."""

    def __init__(self, archive, roots):
        self.archive, self.roots = archive, roots
        self.built = permacode.image.build(archive, roots=roots)
        self.image = pathlib.Path(self.built["path"])

    def copy(self, folder):
        """The two files in another folder."""
        for file in (self.archive, self.image):
            shutil.copy2(file, folder / file.name)
        return folder / self.archive.name, folder / self.image.name


def name_of(path):
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(scope="session", autouse=True)
def _installed():
    """It is the installed package that is tested, not the folder of its sources."""
    assert TESTS.parent not in pathlib.Path(permacode.__file__).parents, permacode.__file__


@pytest.fixture(scope="session")
def command():
    """Runs `permacode` and gives what it printed."""
    program = os.environ.get("PERMACODE_COMMAND")
    if not program:
        pytest.fail("PERMACODE_COMMAND does not name the command `permacode`: run cargo xtask python")

    def run(*arguments):
        done = subprocess.run([program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def bundle(command, tmp_path_factory):
    """Makes an archive for this interpreter: `bundle("app=FOLDER", "--sealed")` gives its path."""

    def make(*arguments):
        archive = tmp_path_factory.mktemp("bundle") / "archive.perma"
        command("bundle", "--python", sys.executable, "--output", archive, *arguments)
        return archive

    return make


@pytest.fixture(scope="session")
def tree(bundle, tmp_path_factory):
    """A few modules of every kind that this version can compile, as the root `app`."""
    folder = tmp_path_factory.mktemp("tree")
    for source in sorted((TESTS / "modules").iterdir()):
        if source.name == "all" or sys.version_info >= tuple(map(int, source.name.split("_")[1:])):
            shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return Tree(folder, bundle(f"app={folder}"))


@pytest.fixture
def archive(tree):
    """The archive of `tree`, open."""
    with permacode.open(tree.archive) as opened:
        yield opened


@pytest.fixture(scope="session")
def library(bundle):
    """The whole standard library of this interpreter, without its tests."""
    return bundle("--no-resources", "--exclude", "test", "--exclude", "**/tests", "--exclude", "**/test")


@pytest.fixture(scope="session")
def imaged(bundle, tree):
    return Imaged(bundle(f"app={tree.folder}", "--sealed"), {"app": str(tree.folder)})


@pytest.fixture(scope="session")
def library_image(bundle):
    archive = bundle("--no-resources", "--sealed", "--exclude", "test", "--exclude", "**/tests", "--exclude", "**/test")
    return Imaged(archive, None)


@pytest.fixture
def child():
    """Runs a script in an interpreter of its own, and gives what it printed.

    In a child, what is imported and what is installed does not matter to other tests, and a crash is a failure of one
    test. A child that hangs is ended.
    """

    def run(script, *arguments, flags=(), env=None, timeout=300):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", *flags, "-c", script, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**environment, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
            timeout=timeout,
        )
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    return run
