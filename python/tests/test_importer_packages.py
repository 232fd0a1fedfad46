"""Installed packages: in whichever folder they are, the interpreter finds the root of that folder again."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import permacode
import pytest
from overlay import STOCK, app  # noqa: F401

PACKAGE = pathlib.Path(permacode.__file__).parent.parent
KINDS = {"sealed": ["--sealed"], "digest": []}
LIBRARY = os.path.join("lib", "python%d.%d" % sys.version_info[:2])


def run(python, script, *arguments, home, flags=()):
    """What a script prints in another interpreter, which has `permacode` without its folder being one of packages."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment.update(HOME=str(home), PYTHONDONTWRITEBYTECODE="1")
    prologue = textwrap.dedent(
        f"""\
        import sys
        sys.path.append({str(PACKAGE)!r})
        import permacode
        sys.path.remove({str(PACKAGE)!r})
        archive, *arguments = sys.argv[1:]
        """
    )
    command = [str(python), "-X", "faulthandler", *flags, "-c", prologue + textwrap.dedent(script), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


class Environment:
    """A virtual environment that sees the packages of the system and of a user."""

    def __init__(self, folder, *flags):
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-I", "-m", "venv", "--without-pip", *flags, folder / "venv"], check=True)
        self.home = folder / "home"
        self.python = folder / "venv" / "bin" / "python"
        self.packages = folder / "venv" / LIBRARY / "site-packages"
        self.user = self.home / ".local" / LIBRARY / "site-packages"
        self.user.mkdir(parents=True)

    def bundle(self, archive, *options):
        program = os.environ["PERMACODE_COMMAND"]
        command = [program, "bundle", "--json", "--python", self.python, "--output", archive, *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "HOME": str(self.home)})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.mark.parametrize("options", KINDS.values(), ids=list(KINDS))
def test_packages_of_an_environment_of_the_user_and_of_the_system(tmp_path, options):
    environment = Environment(tmp_path, "--system-site-packages")
    (environment.packages / "of_environment.py").write_text("WHAT = 'environment'\n")
    (environment.user / "of_user.py").write_text("WHAT = 'user'\n")
    (environment.user / "of_environment.py").write_text("WHAT = 'hidden or hiding'\n")
    archive = tmp_path / "packages.perma"
    report = environment.bundle(archive, "--no-stdlib", "--site-packages", "--no-resources", *options)
    roots = {root["name"]: root["folder"] for root in report["roots"]}
    assert roots["site-packages"] == str(environment.packages) and roots["user-site-packages"] == str(environment.user)
    script = """
    import importlib, os
    order = [entry for entry in sys.path if os.path.basename(entry) in ("site-packages", "dist-packages")]
    permacode.install(archive, strict=True)
    import of_environment, of_user
    for module in (of_environment, of_user):
        print(type(module.__loader__).__name__, module.WHAT, os.path.dirname(module.__file__) in order)
    print(permacode.stats()["unsearched"], permacode.stats()["hits"])
    # Each module of a folder of the system that the archive has at all comes from it.
    with permacode.open(archive) as opened:
        names = set(opened)
    system = [entry for entry in order if entry.startswith((sys.base_prefix, "/usr"))]
    before, count = permacode.stats()["hits"], 0
    for folder in system:
        for name in sorted(os.listdir(folder)):
            if name.endswith(".py") and name[:-3] in names and not importlib.util.find_spec(name[:-3]).origin.startswith(folder):
                continue
            if name.endswith(".py") and name[:-3] in names:
                count += 1
                loader = importlib.util.find_spec(name[:-3]).loader
                assert type(loader).__name__ == "PermacodeLoader", name
                assert loader.get_code(name[:-3]).co_filename.startswith(folder), name
    print(permacode.stats()["hits"] - before == count)
    print(sorted(permacode.status()["roots"]) == sorted({*arguments, "stdlib", "site-packages"}))
    """
    script = script.replace("import importlib, os", "import importlib.util, os")
    out, errors = run(environment.python, script, archive, *roots, home=environment.home)
    first = "hidden or hiding" if sys.path and _user_comes_first(environment) else "environment"
    assert out.splitlines() == [
        f"PermacodeLoader {first} True",
        "PermacodeLoader user True",
        "{} 2",
        "True",
        "True",
    ]
    assert errors == ""


def _user_comes_first(environment):
    out, _ = run(environment.python, "print(sys.path.index(arguments[0]) < sys.path.index(arguments[1]))", "-",
                 environment.user, environment.packages, home=environment.home)
    return out == "True\n"


#: An interpreter whose folders of packages are those of another system.
ELSEWHERE = """
import os
sys.prefix = sys.exec_prefix = sys.base_prefix = sys.base_exec_prefix = arguments[0]
sys.platlibdir = arguments[1]
added = [os.path.join(sys.prefix, part) for part in arguments[2:]]
if not {late}:
    sys.path += added
import permacode
print(permacode.install(archive, strict=True))
if {late}:
    sys.path += added
for number in range(len(added)):
    module = __import__(f"module_{{number}}")
    print(type(module.__loader__).__name__, os.path.dirname(module.__file__) == added[number])
print(permacode.stats()["unsearched"])
"""

SYSTEMS = {
    "debian": ("lib", {
        "local-dist-packages": os.path.join("local", LIBRARY, "dist-packages"),
        "python3-dist-packages": "lib/python3/dist-packages",
        "dist-packages": os.path.join(LIBRARY, "dist-packages"),
    }),
    "fedora": ("lib64", {
        "local-lib64-site-packages": os.path.join("local", LIBRARY.replace("lib", "lib64", 1), "site-packages"),
        "local-site-packages": os.path.join("local", LIBRARY, "site-packages"),
        "lib64-site-packages": os.path.join(LIBRARY.replace("lib", "lib64", 1), "site-packages"),
        "site-packages": os.path.join(LIBRARY, "site-packages"),
    }),
}


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("system", list(SYSTEMS))
def test_folders_of_other_systems(bundle, child, tmp_path, system, late):
    platform_library, folders = SYSTEMS[system]
    given = []
    for number, (root, folder) in enumerate(folders.items()):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"module_{number}.py").write_text("")
        given.append(f"{root}={tmp_path / folder}")
    prologue = "import sys\narchive, *arguments = sys.argv[1:]\n"
    out = child(prologue + ELSEWHERE.format(late=late), bundle(*given), tmp_path, platform_library, *folders.values())
    assert out.splitlines() == ["True", *["PermacodeLoader True"] * len(folders), "{}"]


@pytest.mark.parametrize("options", KINDS.values(), ids=list(KINDS))
def test_a_root_that_is_not_searched_is_named_once(app, options):
    app.write("tool.py", "WHAT = 'a file'\n")
    app.write("other.py", "WHAT = 'a file'\n")
    app.write("package/__init__.py", "")
    app.bundle(*options)
    script = """
    import permacode, warnings, json
    if arguments[0] == "elsewhere":
        permacode.install(archive, strict=True, roots={"app": "/elsewhere"})
    else:
        permacode.install(archive, strict=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import tool, other, package
    print(json.dumps([permacode.stats(), [[entry.category.__name__, str(entry.message)] for entry in caught]]))
    # A program may add the folder later.
    sys.path.append("/elsewhere")
    print(permacode.stats()["unsearched"])
    permacode.uninstall()
    print(permacode.stats()["unsearched"])
    """
    for how, folder in [("elsewhere", "/elsewhere"), ("nowhere", None)]:
        first, later, none = app.run(script, how, prologue=STOCK).splitlines()
        stats, warned = json.loads(first)
        assert stats["unsearched"] == {"app": folder} and stats["hits"] == 0
        [(category, message)] = warned
        assert category == "PermacodeWarning" and str(app.archive) in message and "tool" in message and "'app'" in message.replace('"', "'")
        assert folder is None or folder in message
        assert later == ("{}" if folder else "{'app': None}") and none == "{}"


def test_a_package_that_another_finder_finds(app):
    """As in an editable installation: only the path of the package leads to the folder of the root, not `sys.path`."""
    app.write("package/__init__.py", "")
    app.write("package/inner.py", "")
    app.bundle("--sealed")
    script = """
    import importlib.util, warnings
    warnings.simplefilter("error")
    sys.path.remove(folder)
    class Editable:
        def find_spec(self, name, path=None, target=None):
            if name == "package":
                return importlib.util.spec_from_file_location(name, folder + "/package/__init__.py")
    sys.meta_path.insert(0, Editable())
    import package.inner
    print(type(package.__loader__).__name__, type(package.inner.__loader__).__name__, permacode.stats()["hits"])
    """
    assert app.run(script) == "SourceFileLoader PermacodeLoader 1\n"


def test_a_warning_of_a_root_that_is_an_error(app):
    app.write("tool.py", "")
    app.bundle()
    script = """
    import permacode, warnings
    permacode.install(archive, strict=True, roots={"app": "/elsewhere"})
    for action in ("error", "error", "always", "always"):
        warnings.simplefilter(action)
        sys.modules.pop("tool", None)
        with warnings.catch_warnings(record=action == "always") as caught:
            try:
                import tool
                print("imported", len(caught))
            except permacode.PermacodeWarning as warning:
                print("/elsewhere" in str(warning))
    """
    # It was not given as long as it was raised.
    assert app.run(script, prologue=STOCK) == "True\nTrue\nimported 1\nimported 0\n"


def test_a_root_that_the_archive_does_not_have(app):
    app.write("tool.py", "")
    app.write("words.txt", "")
    os.mkdir(app.folder.parent / "data")
    (app.folder.parent / "data" / "words.txt").write_text("")
    app.bundle(f"data={app.folder.parent / 'data'}")
    script = """
    import permacode, warnings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(permacode.install(archive, roots={"app": folder, "apo": "/elsewhere"}), permacode.status()["archive"] == archive)
    print(*[entry.message for entry in caught], sep="; ")
    print(permacode.status()["reason"])
    try:
        permacode.install(archive, strict=True, roots={"apo": "/elsewhere"})
    except ImportError as error:
        print(error)
    with permacode.open(archive) as opened:
        try:
            opened.code("tool", base={"apo": "/elsewhere"})
        except ValueError as error:
            print(error)
        print(opened.code("tool", base={"app": "/elsewhere"}).co_filename)
    # A root of resources alone is one, too.
    print(permacode.install(archive, strict=True, roots={"app": folder, "data": "/elsewhere"}))
    """
    lines = app.run(script, prologue=STOCK).splitlines()
    assert lines[0] == "False True"
    for line in lines[1:5]:
        assert '"apo"' in line and '"app", "data"' in line and str(app.archive) in line, line
    assert lines[5:] == ["/elsewhere/tool.py", "True"]


def test_a_root_that_is_searched_is_not_named(app):
    app.write("tool.py", "")
    app.write("package/inner.py", "")
    app.write("gone.py", "")
    app.bundle()
    os.remove(app.folder / "gone.py")
    script = """
    import warnings
    warnings.simplefilter("error")
    import tool, package.inner
    try:
        import gone
    except ModuleNotFoundError:
        print(permacode.stats()["unsearched"], permacode.stats()["hits"])
    """
    assert app.run(script) == "{} 2\n"
