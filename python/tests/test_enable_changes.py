"""Enabled environments that change, and programs in them that find or load modules in their own way: each import must
give the module that it gives without the archive."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from test_enable import SAMPLE, USED, Environment
from test_importer_install import VM_VERSION, set_in_target

SHOP = {
    "shop/__init__.py": "VALUE = {version}\n",
    "shop/sub.py": "def choose(flag):\n    if flag:\n        return 'yes'\n    return 'no'\n",
    "shop/checks.py": "def check(found):\n    assert found == [1, 3]\n",
    "shop/data.txt": "data {version}\n",
}

PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "1"
[tool.setuptools]
packages = ["{name}"]
package-dir = {{"" = "{folder}"}}
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def wheel(folder, name, version, files):
    """A wheel of pure Python."""
    made = folder / f"{name}-{version}-py3-none-any.whl"
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(made, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return made


def shop(folder, version):
    return wheel(folder, "shop", version, {file: text.format(version=version) for file, text in SHOP.items()})


def pip(environment, *arguments):
    """Runs pip with the interpreter of the environment, which imports from the archive."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    ran = subprocess.run([sys.executable, "-m", "pip", "--python", environment.python, "--disable-pip-version-check",
                          *arguments], capture_output=True, text=True, env=variables)
    assert ran.returncode == 0, ran.stderr


def install(environment, *wheels):
    pip(environment, "install", "--no-index", "--no-deps", *wheels)


def install_editable(environment, project, name, folder):
    """Installs a project as `pip install -e` does, but builds the wheel with the setuptools of these tests."""
    write(project / "pyproject.toml", PROJECT.format(name=name, folder=folder))
    source = write(project / folder / name / "__init__.py", "VALUE = 1\n")
    build = "import sys; from setuptools import build_meta; build_meta.build_editable(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, project], cwd=project, check=True, capture_output=True)
    install(environment, *project.glob("*.whl"))
    return source


def copy_of(environment, name, copied):
    """Installs a package that these tests have, and what it needs."""
    if name in copied:
        return
    copied.add(name)
    found = distribution(name)
    for file in found.files:
        # Commands lie in other folders.
        if ".." not in file.parts and file.suffix != ".pyc":
            target = environment.packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), target)
    for requirement in map(Requirement, found.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            copy_of(environment, requirement.name, copied)


@pytest.fixture(scope="module")
def folder():
    """A folder that all users may enter. pytest's are for one user."""
    with tempfile.TemporaryDirectory() as made:
        os.chmod(made, 0o755)
        yield pathlib.Path(made).resolve()


@pytest.fixture(scope="module")
def environment(folder):
    """An enabled environment. Tests leave it enabled and as the files are."""
    made = Environment(folder / "environment")
    copied = set()
    for name in ("pytest", "coverage"):
        copy_of(made, name, copied)
    install(made, shop(folder / "wheels", 1))
    made.editable = {
        "finder": install_editable(made, folder / "with_finder", "with_finder", "."),
        "path": install_editable(made, folder / "with_path", "with_path", "src"),
    }
    write(made.packages / "space" / "one.py", "VALUE = 1\n")
    write(folder / "parts" / "space" / "two.py", "VALUE = 2\n")
    made.egg = folder / "egg-1.0-py3.egg"
    with zipfile.ZipFile(made.egg, "w") as archive:
        archive.writestr("EGG-INFO/PKG-INFO", "Metadata-Version: 1.0\nName: egg\nVersion: 1.0\n")
        archive.writestr("egg.py", "VALUE = 6\n")
        archive.writestr("sample.py", "VALUE = 7\n")
    write(made.packages / "more.pth", f"{folder / 'parts'}\n{made.egg}\n")
    assert made.enable()["modules"] > 100
    return made


def same(environment, *arguments, **variables):
    """What a program prints, with and without the archive."""
    printed = environment.run(*arguments, **variables)
    assert printed == environment.run(*arguments, PERMACODE_OFF="1", **variables)
    return printed


def value(environment, name, **variables):
    """The variable VALUE of a module, or its absence, with and without the archive."""
    script = f"try:\n import {name}\n print({name}.VALUE)\nexcept ModuleNotFoundError as error:\n print(error)"
    return same(environment, "-c", script, **variables).strip()


def counted(environment, name):
    """How the import of a module is counted."""
    script = "import sys, json, permacode; before = permacode.stats(); __import__(sys.argv[1]);" \
             "print(json.dumps({name: count - before[name] for name, count in permacode.stats().items() if name in " \
             "('hits', 'misses', 'stale', 'shadowed')}))"
    return json.loads(environment.run("-c", script, name))


FROM_ARCHIVE = {"hits": 1, "misses": 0, "stale": 0, "shadowed": 0}


def test_pip_installs_upgrades_and_removes_a_package(environment, tmp_path):
    assert (value(environment, "shop"), counted(environment, "shop")) == ("1", FROM_ARCHIVE)
    install(environment, "--upgrade", shop(tmp_path, 2))
    assert value(environment, "shop") == "2"
    assert counted(environment, "shop")["hits"] == 0
    install(environment, "--upgrade", wheel(tmp_path, "shop", 3, {"shop.py": "VALUE = 3\n"}))
    assert value(environment, "shop") == "3"
    assert value(environment, "shop.sub") == "No module named 'shop.sub'; 'shop' is not a package"
    pip(environment, "uninstall", "--yes", "shop")
    assert value(environment, "shop") == "No module named 'shop'"
    install(environment, shop(tmp_path, 1))
    assert (value(environment, "shop"), counted(environment, "shop")) == ("1", FROM_ARCHIVE)
    install(environment, wheel(tmp_path, "other", 1, {"other.py": "VALUE = 4\n"}))
    assert (value(environment, "other"), counted(environment, "other")["misses"]) == ("4", 1)
    assert environment.command("refresh", "--no-measure")[0] == 0
    assert (value(environment, "other"), counted(environment, "other")) == ("4", FROM_ARCHIVE)
    pip(environment, "uninstall", "--yes", "other")
    assert value(environment, "other") == "No module named 'other'"


@pytest.mark.parametrize("kind", ["finder", "path"])
def test_an_editable_install(environment, kind):
    source, name = environment.editable[kind], f"with_{kind}"
    where = same(environment, "-c", f"import {name}; print({name}.__file__)").strip()
    assert os.path.samefile(where, source)
    assert value(environment, name) == "1"
    source.write_text("VALUE = 2\n")
    assert value(environment, name) == "2"
    write(source.with_name("added.py"), "VALUE = 3\n")
    assert value(environment, f"{name}.added") == "3"
    assert counted(environment, name)["hits"] == 0


def test_an_edit_that_keeps_size_and_time(environment):
    path = environment.packages / "sample.py"
    before = path.stat()

    def write_at_the_same_time(number):
        path.write_text(SAMPLE.format(number))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    write_at_the_same_time(2)
    used = environment.used()
    assert (used["value"], used["stats"]["stale"]) == (2, 1)
    write_at_the_same_time(1)
    used = environment.used()
    assert (used["value"], used["stats"]["stale"]) == (1, 0)


def test_a_file_that_was_only_touched_comes_from_the_archive(environment):
    os.utime(environment.packages / "sample.py")
    used = environment.used()
    assert (used["value"], used["stats"]["stale"], used["stats"]["shadowed"]) == (1, 0, 0)
    assert counted(environment, "sample") == FROM_ARCHIVE


def test_without_folders_of_compiled_modules(environment):
    # An interpreter that writes them, so that there are some.
    subprocess.run([environment.python, "-c", "import sample, shop.sub"], check=True, env={"PERMACODE_OFF": "1"})
    folders = list(environment.packages.rglob("__pycache__"))
    assert environment.packages / "__pycache__" in folders
    assert counted(environment, "sample") == FROM_ARCHIVE
    for folder in folders:
        shutil.rmtree(folder)
    assert counted(environment, "sample") == FROM_ARCHIVE
    elsewhere = str(environment.folder / "elsewhere")
    assert value(environment, "shop", PYTHONPYCACHEPREFIX=elsewhere) == "1"


def test_namespace_packages(environment, tmp_path):
    assert [value(environment, name) for name in ("space.one", "space.two")] == ["1", "2"]
    assert counted(environment, "space.one")["hits"] == 1
    for name, number in {"one": 4, "three": 3}.items():
        write(tmp_path / "space" / f"{name}.py", f"VALUE = {number}\n")
    names = ("space.one", "space.two", "space.three")
    assert [value(environment, name, PYTHONPATH=str(tmp_path)) for name in names] == ["4", "2", "3"]


def test_a_zipped_egg(environment):
    assert value(environment, "egg") == "6"
    # It comes after the folder of packages, and here before.
    assert value(environment, "sample") == "1"
    assert value(environment, "sample", PYTHONPATH=str(environment.egg)) == "7"


def test_data_files_and_metadata(environment):
    script = "import importlib.resources as resources, importlib.metadata as metadata, pkgutil;" \
             "print(resources.files('shop').joinpath('data.txt').read_text(), pkgutil.get_data('shop', 'data.txt')," \
             "metadata.version('shop'))"
    assert same(environment, "-c", script) == "data 1\n b'data 1\\n' 1\n"


def test_pytest_rewrites_assertions(environment, tmp_path):
    write(tmp_path / "conftest.py", "import pytest\npytest.register_assert_rewrite('shop.checks')\n")
    write(tmp_path / "test_it.py", "from shop.checks import check\ndef test_it():\n    check([1, 2])\n")
    run = ("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path))
    printed, stock = environment.run(*run), environment.run(*run, PERMACODE_OFF="1")
    assert "At index 1 diff: 2 != 3" in printed
    assert [re.sub(r" in [0-9.]+s", "", text) for text in (printed, stock)] == [re.sub(r" in [0-9.]+s", "", stock)] * 2
    assert counted(environment, "_pytest.config")["hits"] > 50


@pytest.mark.parametrize("core", ["ctrace", "pytrace", "sysmon"])
def test_coverage(environment, tmp_path, core):
    if core == "sysmon" and sys.version_info < (3, 12):
        pytest.skip("sys.monitoring exists from 3.12 on")
    program = write(tmp_path / "program.py", "import shop.sub\nshop.sub.choose(1)\n")
    how = {"COVERAGE_CORE": core, "COVERAGE_FILE": str(tmp_path / "data")}
    assert same(environment, "-m", "coverage", "run", "--source=shop", str(program), **how) == ""
    environment.run("-m", "coverage", "run", "--source=shop", str(program), **how)
    report = environment.run("-m", "coverage", "report", "-m", **how)
    assert re.search(r"sub\.py +4 +1 +75% +4\n", report), report


def test_a_debugger(environment, tmp_path):
    program = write(tmp_path / "program.py", "import shop.sub\nshop.sub.choose('a flag')\n")
    stop = f"break {environment.packages / 'shop' / 'sub.py'}:3"
    printed = same(environment, "-m", "pdb", "-c", stop, "-c", "continue", "-c", "p flag", "-c", "quit", str(program))
    assert printed.startswith("Breakpoint 1 at") and "'a flag'" in printed


HOOK = """
import sys
from importlib.machinery import PathFinder, SourceFileLoader
class Loader(SourceFileLoader):
    def get_code(self, name):
        return compile(self.get_data(self.path) + b"VALUE = 'changed'\\n", self.path, "exec")
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] != "shop":
            return None
        for finder in FINDERS:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = Loader(spec.loader.name, spec.loader.path)
                return spec
sys.meta_path.insert(0, Finder())
import shop.sub, sample
print(shop.VALUE, shop.sub.VALUE, type(shop.__loader__).__name__, sample.VALUE)
"""


@pytest.mark.parametrize("finders", ["[PathFinder]", "sys.meta_path[1:]"])
def test_a_finder_that_a_program_puts_first(environment, finders):
    """As typeguard does."""
    assert same(environment, "-c", HOOK.replace("FINDERS", finders)) == "changed changed Loader 1\n"


LAZY = """
import sys
lazy import colorsys, sample
lazy from csv import reader
print("colorsys" in sys.modules, "sample" in sys.modules, "csv" in sys.modules)
print(sample.VALUE, colorsys.rgb_to_hsv(1, 0, 0), next(reader(["a,b"])), type(sample.__loader__).__name__)
"""


@pytest.mark.skipif(sys.version_info < (3, 15), reason="lazy imports exist from 3.15 on")
@pytest.mark.parametrize("options", [[], ["-X", "lazy_imports=all"], ["-X", "lazy_imports=normal"]])
def test_lazy_imports(environment, options):
    expected = "False False False\n1 (0.0, 1.0, 1) ['a', 'b'] SourceFileLoader\n"
    assert same(environment, *options, "-c", LAZY) == expected
    counted = "import permacode; print(permacode.stats()['hits'])"
    hits = environment.run(*options, "-c", LAZY + counted).splitlines()[-1]
    assert int(hits) >= 3


def other_patch_releases():
    """Interpreters that can load this build of the package, and have another patch release."""
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    named = os.environ.get("PERMACODE_PYTHONS")
    if named is not None:
        programs = [pathlib.Path(path) for path in named.split(os.pathsep) if path]
    else:
        root = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
        folders = [pathlib.Path(path) for path in os.environ["PATH"].split(os.pathsep)]
        programs = [*root.glob(f"versions/{minor}.*/bin/python"), *(path / f"python{minor}" for path in folders)]
    ask = "import sys, importlib.machinery as machinery;" \
          "print(*sys.version_info[:3], machinery.EXTENSION_SUFFIXES[0], end='')"
    major, minor, patch = sys.version_info[:3]
    for program in filter(pathlib.Path.is_file, programs):
        ran = subprocess.run([program, "-I", "-c", ask], capture_output=True, text=True)
        pattern = rf"{major} {minor} (?!{patch} )\d+ {re.escape(EXTENSION_SUFFIXES[0])}"
        if ran.returncode == 0 and re.fullmatch(pattern, ran.stdout):
            yield program


def test_an_archive_of_another_patch_release(environment):
    """What a process sees after an update of Python in place."""
    archive = environment.archives / environment.generation() / "environment.perma"
    data = bytearray(archive.read_bytes())
    set_in_target(data, VM_VERSION, sys.hexversion ^ 0x0100)
    archive.unlink()
    archive.write_bytes(data)
    used = environment.used()
    assert (used["value"], used["stats"]["hits"]) == (1, 0)
    code, status = environment.command("status")
    assert code == 1 and "another patch release" in status["reason"], status
    assert environment.command("refresh", "--no-measure")[0] == 0
    assert environment.used()["stats"]["hits"] > 0


def test_another_patch_release_of_python(tmp_path):
    other = next(other_patch_releases(), None)
    if other is None:
        pytest.skip("there is no second patch release of this minor version; the test before this one simulates it")
    environment = Environment(tmp_path / "environment")
    assert environment.enable() is not None
    assert environment.used()["stats"]["hits"] > 0
    version = environment.run("-c", "import sys; print(sys.version)")
    environment.python.unlink()
    environment.python.symlink_to(other)
    settings = environment.folder / "pyvenv.cfg"
    settings.write_text(re.sub(r"(?m)^home = .*$", f"home = {other.parent}", settings.read_text()))
    assert environment.run("-c", "import sys; print(sys.version)") != version
    used = environment.used()
    assert (used["value"], used["stats"]["hits"]) == (1, 0)
    code, status = environment.command("status")
    assert code == 1 and "another patch release" in status["reason"], status
    assert status["changes"]["other_interpreter"] is True
    assert environment.command("refresh", "--no-measure")[0] == 0
    assert environment.used()["stats"]["hits"] > 0


def copy_as_a_layer(path):
    """Replaces a file as if the layer of a container had gone to another machine: times have whole seconds."""
    seconds = int(path.stat().st_mtime)
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    os.utime(copy, (seconds, seconds))
    copy.replace(path)


def test_a_sealed_archive_and_a_mask_that_lets_no_other_user_read(environment):
    assert environment.command("disable")[0] == 0
    code, made = environment.command("enable", "--no-measure", "--sealed", preexec_fn=lambda: os.umask(0o077))
    assert code == 0 and made["made"]["is_sealed"] is True, made
    files = [*environment.packages.glob("_permacode*"), *environment.archives.parent.rglob("*")]
    modes = {path: oct(path.stat().st_mode & 0o777) for path in files}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {"0o755"}, modes
    assert {mode for path, mode in modes.items() if path.is_file()} <= {"0o644", "0o444"}, modes
    sample = environment.packages / "sample.py"
    for path in (sample, *(environment.packages / "permacode").glob("__init__.*.so")):
        copy_as_a_layer(path)
    assert set(environment.command("status")[1]["changes"].values()) == {0, False}
    sample.write_text(SAMPLE.format(2))
    os.utime(sample, (1, 1))
    used = environment.used()
    assert (used["value"], used["status"]["sealed"]) == (1, True)
    assert environment.command("status")[1]["changes"]["changed"] == 1
    assert environment.command("refresh", "--no-measure")[0] == 0
    used = environment.used()
    assert (used["value"], used["status"]["sealed"]) == (2, True)
    sample.write_text(SAMPLE.format(1))
    assert environment.enable()["is_sealed"] is False
    used = environment.used()
    assert (used["value"], used["status"]["sealed"], used["stats"]["stale"]) == (1, False, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user(environment):
    """As in a container: root makes the archive, and another user runs programs and cannot write."""
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    try:
        subprocess.run([environment.python, "-c", "pass"], check=True, env={"PERMACODE_OFF": "1"}, **nobody)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip(f"another user cannot run {os.path.realpath(environment.python)}")
    ran = subprocess.run([environment.python, "-B", "-c", USED], capture_output=True, text=True, env={}, **nobody)
    used = json.loads(ran.stdout)
    assert (used["value"], used["stats"]["stale"], used["status"]["stamps"]["reason"]) == (1, 0, None)
    assert used["stats"]["hits"] >= 2
    if (3, 12) <= sys.version_info < (3, 16) and not getattr(sys, "abiflags", ""):
        assert used["status"]["image"]["reason"] is None
