"""`permacode enable`, `status`, `refresh` and `disable`, with a virtual environment that has this package."""

import json
import os
import random
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution

import pytest

import permacode

COMMAND = os.environ.get("PERMACODE_COMMAND", "permacode")
LIBRARY = f"python{sys.version_info[0]}.{sys.version_info[1]}{getattr(sys, 'abiflags', '')}"

USED = """
import sys
import sample, colorsys, permacode
stats = permacode.stats()
import importlib.util, json
stock = importlib.util.spec_from_file_location("sample", sample.__file__)
assert type(sample.__loader__) is type(stock.loader) and sample.__spec__ == stock and sample.LOADER == stock.loader
print(json.dumps({"value": sample.VALUE, "stats": stats, "status": permacode.status()}))
"""

SAMPLE = "VALUE = {}\nLOADER = __loader__\nassert type(LOADER).__name__ == 'SourceFileLoader'\n"


class Environment:
    """A virtual environment with this package and a module."""

    def __init__(self, folder):
        self.folder = folder
        venv.create(folder, with_pip=False, symlinks=True)
        self.packages = next(folder.glob("lib/python*/site-packages"))
        shutil.copytree(os.path.dirname(permacode.__file__), self.packages / "permacode",
                        ignore=shutil.ignore_patterns("__pycache__"))
        (self.packages / "sample.py").write_text(SAMPLE.format(1))

    @property
    def python(self):
        return self.folder / "bin" / "python"

    @property
    def start_file(self):
        return self.packages / ("_permacode.start" if sys.version_info >= (3, 15) else "_permacode.pth")

    @property
    def archives(self):
        return self.folder / "share" / "permacode" / LIBRARY

    def run(self, *arguments, **variables):
        """Exit status, standard output and standard error of its interpreter, which gives no warning."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        ran = subprocess.run([self.python, "-B", *arguments], capture_output=True, text=True,
                             env={**environment, **variables})
        assert ran.stderr == "", ran.stderr
        return ran.stdout

    def used(self, *arguments, script=USED, **variables):
        return json.loads(self.run(*arguments, "-c", script, **variables))

    def start(self, *arguments, **how):
        return subprocess.Popen([COMMAND, *arguments, "--python", str(self.python), "--json"], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)

    def command(self, *arguments, **how):
        """Exit status and result of the command."""
        process = self.start(*arguments, **how)
        out, error = process.communicate()
        return process.returncode, json.loads(out or error)

    def enable(self):
        code, made = self.command("enable", "--no-measure")
        assert code == 0, made
        return made["made"]

    def generation(self):
        return os.readlink(self.archives / "current")

    def files(self):
        """All files with their content, without compiled modules."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder)
            if "__pycache__" not in name.parts:
                found[name] = path.read_bytes() if path.is_file() else os.readlink(path) if path.is_symlink() else None
        return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An enabled environment. Tests leave it enabled and as the files are."""
    made = Environment(tmp_path_factory.mktemp("enable") / "an 'odd' \"environment\" \u00e9")
    made.before = made.files()
    assert made.enable()["modules"] > 100
    return made


def test_programs_import_from_the_archive(environment):
    used = environment.used()
    assert used["value"] == 1
    assert used["stats"]["hits"] >= 2 and used["stats"]["stale"] == 0
    assert used["status"]["stamps"]["reason"] is None
    assert used["status"]["archive"] == str(environment.archives / "current" / "environment.perma")
    code, status = environment.command("status")
    assert (code, status["is_on"], status["reason"]) == (0, True, None)
    assert status["changes"] == {"added": 0, "changed": 0, "removed": 0, "other_interpreter": False}


def test_a_loader_that_did_not_load_yet_is_pickled_and_loads(environment):
    script = "import importlib.util, pickle; loader = importlib.util.find_spec('sample').loader;" \
             "print(pickle.loads(pickle.dumps(loader)) == loader, loader.get_code('sample').co_names[0])"
    assert environment.run("-c", script) == "True VALUE\n"


def test_a_lazy_loader(environment):
    script = """
import importlib.util, sys
spec = importlib.util.find_spec("sample")
spec.loader = importlib.util.LazyLoader(spec.loader)
module = importlib.util.module_from_spec(spec)
sys.modules["sample"] = module
spec.loader.exec_module(module)
print(module.VALUE, type(module.__loader__).__name__)
"""
    assert environment.run("-c", script) == environment.run("-c", script, PERMACODE_OFF="1")


def test_the_package_that_the_start_up_file_loads_is_the_one_that_programs_import(environment):
    assert environment.run("-c", "import permacode.image; print(permacode.__spec__.origin)").startswith(
        str(environment.packages / "permacode"))


def test_enabling_again_changes_nothing(environment):
    before, times = environment.generation(), environment.packages.stat().st_mtime_ns
    assert environment.enable() is None
    assert (environment.generation(), environment.packages.stat().st_mtime_ns) == (before, times)


IS_USED = "import sys, colorsys; print('permacode' in sys.modules and sys.modules['permacode'].status()['archive'] is not None)"


@pytest.mark.parametrize(("options", "is_used"), [
    ([], True), (["-I"], True), (["-E"], True), (["-s"], True), (["-W", "error"], True), (["-X", "utf8"], True),
    (["-S"], False), (["-I", "-S"], False),
])
def test_options_of_the_interpreter(environment, options, is_used):
    assert environment.run(*options, "-c", "pass") == ""
    assert environment.run(*options, "-c", IS_USED).strip() == str(is_used)


def test_nothing_is_loaded_before_the_first_import_from_a_file(environment):
    script = "import sys, time; print('permacode' in sys.modules, [type(finder).__name__ for finder in sys.meta_path])"
    loaded, _, finders = environment.run("-c", script).partition(" ")
    assert loaded == "False" and "'module'" in finders, finders
    script = "import sys, colorsys; print([type(finder).__name__ for finder in sys.meta_path])"
    finders = environment.run("-c", script)
    assert "PermacodeFinder" in finders and "PermacodeStart" not in finders, finders


@pytest.mark.parametrize("first", ["permacode", "permacode.image", "sample", "xml.dom", "missing"])
def test_any_module_can_be_the_first(environment, first):
    script = f"try:\n import {first}\nexcept ModuleNotFoundError as error:\n assert error.name == 'missing'\n" + USED
    used = environment.used(script=script)
    assert used["stats"]["hits"] >= 2 and used["status"]["archive"] is not None, used


def test_threads_can_have_the_first_imports(environment):
    script = """
import _thread, sys
names, done = ["sample", "colorsys", "xml.dom", "csv", "wave", "shlex"], []
go, end = _thread.allocate_lock(), _thread.allocate_lock()
def run(name):
    with go:
        pass
    try:
        __import__(name)
        done.append(True)
    except BaseException as error:
        done.append(repr(error))
    if len(done) == len(names):
        end.release()
go.acquire()
end.acquire()
for name in names:
    _thread.start_new_thread(run, (name,))
go.release()
end.acquire()
assert done == [True] * len(names), done
""" + USED
    assert environment.used(script=script)["stats"]["hits"] >= 6


@pytest.mark.parametrize("option", ["-O", "-OO"])
def test_another_optimisation_level_is_stock_behaviour(environment, option):
    used = environment.used(option)
    assert (used["value"], used["stats"]["hits"]) == (1, 0)
    assert "optimisation level" in used["status"]["reason"]


def test_a_variable_switches_it_off(environment):
    assert environment.run("-c", IS_USED, PERMACODE_OFF="1").strip() == "False"


def test_an_archive_of_the_program_comes_before_that_of_the_environment(environment, bundle, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.py").write_text("VALUE = 3\n")
    archive = bundle(f"own={own}")
    script = """
import json, sys
import permacode
sys.path.insert(0, sys.argv[2])
permacode.install(sys.argv[1], strict=True, roots={"own": sys.argv[2]})
before = permacode.stats()["hits"]
import mine, colorsys
status = permacode.status()
print(json.dumps({
    "archives": [(layer["archive"], layer["startup"]) for layer in status["layers"]],
    "top": status["archive"],
    "hits": permacode.stats()["hits"] - before,
    "loaders": [type(module.__spec__.loader).__name__ for module in (mine, colorsys)],
    "uninstalled": [permacode.uninstall(sys.argv[1]), permacode.status()["startup"], permacode.uninstall()],
    "left": permacode.status()["layers"],
}))
"""
    said = json.loads(environment.run("-c", script, str(archive), str(own)))
    of_environment = str(environment.archives / "current" / "environment.perma")
    assert said["archives"] == [[str(archive), False], [of_environment, True]] and said["top"] == str(archive)
    # A module of the environment has the loader of its file.
    assert said["hits"] == 2 and said["loaders"] == ["PermacodeLoader", "SourceFileLoader"]
    assert said["uninstalled"] == [True, True, True] and said["left"] == []


def test_status_is_that_of_the_environment(environment, bundle, tmp_path):
    """Code of the environment may install another archive in each process."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.py").write_text("VALUE = 3\n")
    other = str(bundle(f"own={own}"))
    archive = environment.archives / environment.generation() / "environment.perma"
    customize = environment.packages / "sitecustomize.py"
    customize.write_text(f"import permacode\npermacode.install({other!r}, strict=True)\n")
    try:
        code, state = environment.command("status")
        assert (code, state["is_on"], state["reason"]) == (0, True, None)
        assert state["status"]["archive"] == str(environment.archives / "current" / "environment.perma")
        assert [layer["startup"] for layer in state["status"]["layers"]] == [False, True]
        archive.rename(archive.with_name("away"))
        code, state = environment.command("status")
        assert (code, state["is_on"]) == (1, False) and other in state["reason"], state["reason"]
    finally:
        customize.unlink()
        if not archive.exists():
            archive.with_name("away").rename(archive)
    assert environment.command("status")[1]["is_on"] is True


def test_edited_installed_and_removed_files_win_until_refresh(environment):
    sample, added = environment.packages / "sample.py", environment.packages / "added.py"
    sample.write_text(SAMPLE.format(2))
    added.write_text("VALUE = 4\n")
    used = environment.used()
    assert (used["value"], used["stats"]["stale"]) == (2, 1)
    assert environment.run("-c", "import added; print(added.VALUE)") == "4\n"
    changes = environment.command("status")[1]["changes"]
    assert (changes["added"], changes["changed"], changes["removed"]) == (1, 1, 0)
    code, made = environment.command("refresh", "--no-measure")
    assert code == 0 and made["changes"]["added"] == 1, made
    used = environment.used()
    assert (used["value"], used["stats"]["stale"]) == (2, 0)
    assert len(list(environment.archives.glob("generation-*"))) == 1
    added.unlink()
    script = "try:\n import added\nexcept ModuleNotFoundError: print('none')"
    assert environment.run("-c", script) == "none\n"
    sample.write_text(SAMPLE.format(1))
    assert environment.used()["value"] == 1


def test_a_missing_folder_is_stock_behaviour(environment):
    away = environment.archives.with_name("away")
    environment.archives.rename(away)
    try:
        used = environment.used()
        assert (used["value"], used["stats"]["hits"]) == (1, 0)
        assert "environment.perma" in used["status"]["reason"]
        code, status = environment.command("status")
        assert (code, status["is_on"]) == (1, False)
        assert "some of its files are missing" in status["reason"]
    finally:
        away.rename(environment.archives)
    assert environment.used()["stats"]["hits"] > 0


def test_a_damaged_archive_is_stock_behaviour(environment):
    archive = environment.archives / environment.generation() / "environment.perma"
    copy = archive.read_bytes()
    archive.unlink()
    archive.write_bytes(b"x" * len(copy))
    try:
        assert environment.used()["stats"]["hits"] == 0
        code, status = environment.command("status")
        assert code == 1 and str(archive.name) in status["reason"]
    finally:
        archive.write_bytes(copy)


@pytest.mark.skipif(not hasattr(permacode, "_build_image"), reason="this build of CPython has no images")
def test_a_damaged_image_does_not_stop_the_command(environment):
    image, = (environment.archives / environment.generation()).glob("environment.perma.image-*")
    intact = image.read_bytes()
    # Damage everywhere is noticed. A few bytes can crash Python.
    for seed, count in enumerate([len(intact) // 101, 3000, 3000, 3000]):
        random.seed(seed)
        data = bytearray(intact)
        for place in random.sample(range(65536, len(data)), count):
            data[place] = random.randrange(256)
        image.unlink()
        image.write_bytes(data)
        image.chmod(0o444)
        code, status = environment.command("status")
        assert code in (0, 1), status
        if code == 1:
            assert "PERMACODE_OFF" in status["reason"], status
            break
    code, made = environment.command("refresh", "--no-measure")
    assert code == 0 and (made["made"] is not None or status["is_on"]), made
    if made["made"] is None:
        image.unlink()
        image.write_bytes(intact)
        image.chmod(0o444)
    assert environment.used()["status"]["image"]["reason"] is None


def test_a_file_beside_the_archive_that_is_not_used_is_made_again(environment):
    stamps, = (environment.archives / environment.generation()).glob("environment.perma.stamps-*")
    stamps.unlink()
    stamps.write_bytes(b"x" * 100)
    assert environment.enable() is not None
    assert environment.used()["status"]["stamps"]["reason"] is None


@pytest.mark.parametrize("could_be_made", [True, False])
def test_a_missing_image_is_made(environment, could_be_made):
    found = list((environment.archives / environment.generation()).glob("environment.perma.image-*"))
    if not found:
        pytest.skip("this interpreter has no images")
    found[0].unlink()
    if not could_be_made:
        manifest = environment.archives / environment.generation() / "manifest.json"
        text = manifest.read_text()
        assert '"has_image":true' in text
        manifest.write_text(text.replace('"has_image":true', '"has_image":false'))
    assert "there is no image" in environment.used()["status"]["image"]["reason"]
    assert environment.enable() is not None
    assert environment.used()["status"]["image"]["reason"] is None
    assert environment.enable() is None


def test_status_names_the_variable_that_switches_it_off(environment):
    code, status = environment.command("status", env={**os.environ, "PERMACODE_OFF": "1"})
    assert (code, status["is_on"], status["is_off_here"]) == (0, True, True)
    assert environment.command("status")[1]["is_off_here"] is False
    ran = subprocess.run([COMMAND, "status", "--python", str(environment.python)], capture_output=True, text=True,
                         env={**os.environ, "PERMACODE_OFF": "1"})
    assert "PERMACODE_OFF is set here" in ran.stdout


def test_the_first_import_removes_the_hook(environment):
    """In a virtual environment, Python runs each line of a start-up file twice."""
    show = "import sys; print(sys.meta_path.count(sys.modules['_permacode_start']))"
    assert environment.run("-c", show) == "1\n"
    assert environment.run("-c", "import sample; " + show) == "0\n"
    assert environment.run("-c", "import sample; " + show, PERMACODE_OFF="1") == "0\n"


def test_a_meta_path_that_is_no_list(environment):
    script = "import sys; sys.meta_path = tuple(sys.meta_path); import sample; print(sample.VALUE)"
    assert environment.run("-c", script) == environment.run("-c", script, PERMACODE_OFF="1") == "1\n"


def test_the_module_of_the_start_up_file_is_compiled(environment):
    show = "import sys, os; print(os.path.isfile(sys.modules['_permacode_start'].__spec__.cached))"
    assert environment.run("-c", show) == "True\n"


def test_a_package_that_was_removed_is_stock_behaviour(environment):
    package = environment.packages / "permacode"
    away = environment.packages / "away"
    package.rename(away)
    try:
        assert environment.run("-c", "import sys, sample; print('permacode' in sys.modules)") == "False\n"
    finally:
        away.rename(package)


def test_a_moved_environment_is_stock_behaviour(environment):
    moved = environment.folder.with_name("moved")
    old, old_packages = environment.folder, environment.packages
    old.rename(moved)
    environment.folder, environment.packages = moved, moved / old_packages.relative_to(old)
    try:
        script = "import sys, sample; print('permacode' in sys.modules, sample.__file__)"
        assert environment.run("-c", script) == f"False {environment.packages / 'sample.py'}\n"
        code, status = environment.command("status")
        assert code == 1 and "made for another place" in status["reason"], status
        # All files have other paths now, which says nothing.
        assert status["changes"] is None, status
        code, made = environment.command("refresh", "--no-measure")
        assert code == 0 and made["changes"] is None, made
        assert environment.used()["value"] == 1
    finally:
        moved.rename(old)
        environment.folder, environment.packages = old, old_packages
    assert environment.enable() is not None


@pytest.mark.parametrize("line, is_on", [("# A comment\n", True), ("raise SystemError\n", False)])
def test_changed_start_up_files_are_noticed(environment, line, is_on):
    module = environment.packages / "_permacode_start.py"
    assert environment.command("status")[1]["start_files"] is None
    module.write_text(line + module.read_text())
    code, status = environment.command("status")
    assert (code, status["is_on"]) == (int(not is_on), is_on), status
    assert "they were changed" in status["start_files"], status
    assert (status["reason"] is None) == is_on, status
    assert environment.enable() is not None
    assert environment.command("status")[1]["start_files"] is None


def test_a_failure_leaves_in_use_what_was_there(environment):
    before, text = environment.generation(), environment.start_file.read_bytes()
    image = environment.packages / "permacode" / "image.py"
    original = image.read_bytes()
    image.write_text("raise SystemError('broken')\n")
    try:
        code, error = environment.command("enable")
        assert code == 2 and "broken" in error["message"], error
        assert (environment.generation(), environment.start_file.read_bytes()) == (before, text)
        assert len(list(environment.archives.glob("generation-*"))) == 1
        assert environment.used()["stats"]["hits"] > 0
    finally:
        image.write_bytes(original)


def test_disable_leaves_nothing_and_two_may_run_at_once(environment):
    assert environment.command("disable")[0] == 0
    assert environment.files() == environment.before
    assert environment.command("disable")[1]["was_enabled"] is False
    assert environment.command("status")[1]["is_on"] is False
    assert environment.command("refresh")[0] == 1
    processes = [environment.start("enable", "--no-measure") for _ in range(2)]
    answers = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    made = [json.loads(out)["made"] is not None for out, _ in answers]
    assert sorted(made) == [False, True]
    assert len(list(environment.archives.glob("generation-*"))) == 1
    assert environment.used()["stats"]["hits"] > 0
    assert environment.command("disable")[0] == 0
    assert environment.files() == environment.before


def test_a_first_attempt_that_fails_leaves_nothing(environment):
    image = environment.packages / "permacode" / "image.py"
    text = image.read_bytes()
    image.write_text("raise SystemError('broken')\n")
    try:
        assert environment.command("enable")[0] == 2
    finally:
        image.write_bytes(text)
    assert environment.files() == environment.before


def test_an_interpreter_without_the_package(environment, tmp_path):
    other = Environment(tmp_path / "other")
    shutil.rmtree(other.packages / "permacode")
    before = other.files()
    code, error = other.command("enable")
    assert (code, error["kind"]) == (2, "interpreter") and "pip install" in error["advice"], error
    assert other.files() == before
    assert other.command("status")[1]["is_on"] is False


def test_the_environment_that_is_meant(environment, tmp_path):
    def status(program, *arguments, **variables):
        names = ("VIRTUAL_ENV", "PERMACODE_PYTHON")
        inherited = {name: value for name, value in os.environ.items() if name not in names}
        ran = subprocess.run([program, *arguments, "status", "--json"], capture_output=True, text=True,
                             env={**inherited, **variables})
        return json.loads(ran.stdout or ran.stderr)

    command = tmp_path / "permacode"
    shutil.copy(COMMAND, command)
    error = status(command)
    assert error["kind"] == "usage" and "no virtual environment is active" in error["message"]
    assert status(command, VIRTUAL_ENV=str(environment.folder))["environment"] == str(environment.folder)
    beside = environment.folder / "bin" / "permacode"
    shutil.copy(COMMAND, beside)
    assert status(beside, VIRTUAL_ENV="/missing")["environment"] == str(environment.folder)
    beside.unlink()
    assert status(sys.executable, "-I", "-m", "permacode")["environment"] == sys.prefix


def test_the_wheel_brings_the_command():
    names = [str(file) for file in distribution("permacode").files]
    assert any(name.endswith("bin/permacode") for name in names), names
