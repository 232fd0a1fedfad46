"""Stamps: an archive that is not sealed need not read a source to see that it is unchanged."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import textwrap
import time

import permacode
import permacode.image
import permacode.stamp
import pytest
from overlay import app  # noqa: F401

TAG = f".stamps-{sys.implementation.cache_tag}"

#: Prints what was imported, and how many modules stamps found and loaded.
SHOW = """
import tool
stamps = permacode.status()["stamps"]
print(tool.WHAT, stamps["found"], stamps["loaded"], permacode.stats()["stale"])
"""

ARCHIVED, SAME_SIZE = "WHAT = 'archived'\n", "WHAT = 'modified'\n"


@pytest.fixture
def stamped(app):  # noqa: F811
    """An application with a module `tool` and a package, an archive of it and stamps."""
    app.write("tool.py", ARCHIVED)
    app.write("package/__init__.py", "from package import inner\nWHAT = 'archived'\n")
    app.write("package/inner.py", ARCHIVED)
    app.bundle()
    app.stamps = stamp(app)
    return app


def stamp(app):  # noqa: F811
    built = permacode.stamp.build(app.archive, roots={"app": app.folder})
    assert built["left_out"] == []
    return pathlib.Path(built["path"])


def status(app, **how):  # noqa: F811
    """The status of the stamps."""
    return json.loads(app.run("import json; print(json.dumps(permacode.status()['stamps']))", **how))


def test_they_answer(stamped):
    assert stamped.run(SHOW) == "archived 1 1 0\n"
    script = """
    import package
    stamps = permacode.status()["stamps"]
    print(stamps["found"], stamps["loaded"], permacode.stats()["hits"])
    """
    assert stamped.run(script) == "2 2 2\n"
    # `status` imports json, which may import an extension module.
    assert {**status(stamped), "found": 0} == {"path": str(stamped.stamps), "reason": None, "found": 0, "loaded": 0}


def test_the_file(stamped):
    assert stamped.stamps == stamped.archive.parent / (stamped.archive.name + TAG)
    assert stamped.stamps.stat().st_mode & 0o7777 == 0o444
    before = stamped.stamps.read_bytes()
    assert stamp(stamped).read_bytes() == before
    assert list(stamped.archive.parent.glob("*.tmp")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the bytes that a process reads")
def test_no_source_is_read_and_no_finder_is_asked(app):  # noqa: F811
    app.write("large.py", ARCHIVED + "#" * 1_000_000)
    app.write("package/__init__.py", ARCHIVED + "#" * 1_000_000)
    app.bundle()
    script = """
    read = lambda: int(open("/proc/self/io").readline().split()[1])
    asked = []
    def profile(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "_get_spec" or frame.f_code.co_filename.endswith("_external>") \\
                and frame.f_code.co_name == "find_spec":
            asked.append(frame.f_locals.get("fullname"))
    before = read()
    sys.setprofile(profile)
    import large, package
    sys.setprofile(None)
    read_bytes = read() - before
    assert permacode.stats()["hits"] == 2
    print(read_bytes > 1_000_000, "large" in asked, "package" in asked)
    """
    assert app.run(script) == "True True True\n"
    stamp(app)
    assert app.run(script) == "False False False\n"


def test_a_library(library, child):
    permacode.stamp.build(library)
    script = """
import permacode, sys
assert permacode.install(sys.argv[1], strict=True)
import asyncio, email.message, json, unittest
stamps, stats = permacode.status()["stamps"], permacode.stats()
# Extension modules are found, too.
print(stamps["reason"], stamps["found"] >= stamps["loaded"] == stats["hits"] > 50, stats["stale"])
"""
    try:
        assert child(script, library) == "None True 0\n"
    finally:
        os.remove(f"{library}{TAG}")


# A change wins.


def edit(path, text, restore=False):
    before = path.stat()
    path.write_text(text)
    if restore:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size


def replace(path, text, restore=False):
    """Another file in the place of the first one."""
    other = path.with_name("other")
    shutil.copy2(path, other)
    edit(other, text, restore)
    os.replace(other, path)


@pytest.mark.parametrize("change", [edit, replace])
@pytest.mark.parametrize(
    "text, restore", [(SAME_SIZE, False), (SAME_SIZE, True), ("WHAT = 'longer than it was'\n", False)]
)
def test_a_changed_file(stamped, change, text, restore):
    change(stamped.folder / "tool.py", text, restore)
    what = text.split("'")[1]
    assert stamped.run(SHOW) in (f"{what} 1 0 1\n", f"{what} 0 0 1\n")


@pytest.mark.parametrize("name", ["package/__init__.py", "package/inner.py"])
def test_a_changed_file_of_a_package(stamped, name):
    edit(stamped.folder / name, (stamped.folder / name).read_text().replace("archived", "modified"), restore=True)
    script = "import package; print(package.WHAT, package.inner.WHAT)"
    expected = "modified archived\n" if name.endswith("__init__.py") else "archived modified\n"
    assert stamped.same(script) == expected


def test_a_file_that_was_only_touched(stamped):
    os.utime(stamped.folder / "tool.py")
    assert stamped.run(SHOW) == "archived 1 0 0\n"
    stamp(stamped)
    assert stamped.run(SHOW) == "archived 1 1 0\n"


def test_an_edit_right_after_the_stamps(app):  # noqa: F811
    """A file system may give the same time to two changes."""
    path = app.write("tool.py", ARCHIVED)
    app.bundle()
    for text in (SAME_SIZE, "WHAT = 'again!!!'\n"):
        edit(path, ARCHIVED)
        stamp(app)
        edit(path, text, restore=True)
        assert app.run(SHOW).startswith(text.split("'")[1])


IMPORT = """
try:
    import tool
    print(tool.WHAT, tool.__file__, hasattr(tool, "__path__"))
except ImportError as error:
    print(type(error).__name__, getattr(error, "name", None))
"""


def test_a_name_with_a_lone_surrogate(stamped):
    script = """
    import importlib
    for name in ("\\udcff", "package.\\udcff"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(ascii(error.name))
    """
    assert stamped.same(script) == "'\\udcff'\n'package.\\udcff'\n"


def test_a_removed_file(stamped):
    (stamped.folder / "tool.py").unlink()
    assert stamped.same(IMPORT) == "ModuleNotFoundError tool\n"


@pytest.mark.parametrize("name", ["tool/__init__.py", "tool.so", "tool{extension}"])
def test_a_file_that_comes_first_in_the_same_folder(stamped, name):
    import _imp

    stamped.write(name.format(extension=_imp.extension_suffixes()[0]), "WHAT = 'added'\n")
    printed = stamped.same(IMPORT)
    assert printed.startswith("added" if name.endswith(".py") else "ImportError tool")


def test_an_extension_module_in_the_folder_of_a_package(stamped):
    import _imp

    stamped.write("package/__init__" + _imp.extension_suffixes()[0], "not one")
    script = "try:\n import package\nexcept ImportError as error:\n print('ImportError', error.name)"
    assert stamped.same(script) == "ImportError package\n"


def test_a_module_in_the_place_of_a_package(stamped):
    (stamped.folder / "package").rename(stamped.folder / "elsewhere")
    stamped.write("package.py", "WHAT = 'added'\n")
    assert stamped.same("import package; print(package.WHAT, hasattr(package, '__path__'))") == "added False\n"


def test_a_package_folder_without_its_file(stamped):
    (stamped.folder / "package" / "__init__.py").unlink()
    script = "import package; print(package.__path__, package.__spec__.loader is None)"
    assert "elsewhere" not in stamped.same(script)


#: Before scripts: another folder is searched first. It is the first argument.
EARLIER = """
earlier, *arguments = arguments
sys.path.insert(0, earlier)
"""


@pytest.fixture
def earlier(tmp_path):
    folder = tmp_path / "earlier"
    folder.mkdir()
    (folder / "unrelated.py").write_text("")
    time.sleep(.15)  # So that its content can be remembered.
    return folder


def test_an_earlier_folder_without_the_module(stamped, earlier):
    assert stamped.run(EARLIER + SHOW, earlier) == "archived 1 1 0\n"
    assert stamped.run("sys.path.insert(0, '')" + SHOW) == "archived 1 1 0\n"
    assert stamped.run("sys.path.insert(0, '/missing')" + SHOW) == "archived 1 1 0\n"


@pytest.mark.parametrize("name", ["tool.py", "tool.pyc", "tool/__init__.py", "tool/other.txt", "tool.so", "tool.txt"])
def test_an_earlier_folder_with_the_module(stamped, earlier, name):
    path = earlier / name
    path.parent.mkdir(exist_ok=True)
    if name.endswith(".pyc"):
        import py_compile

        source = earlier / "source.txt"
        source.write_text("WHAT = 'earlier'\n")
        py_compile.compile(str(source), str(path))
    else:
        path.write_text("WHAT = 'earlier'\n")
    printed = stamped.same(EARLIER + IMPORT, earlier)
    expected = "archived" if name.endswith(".txt") else "ImportError" if name.endswith(".so") else "earlier"
    assert printed.startswith(expected)


def test_an_earlier_folder_that_is_stamped(app, tmp_path):  # noqa: F811
    """As the standard library, which is searched before installed packages."""
    app.write("tool.py", ARCHIVED)
    app.bundle()
    folder = tmp_path / "searched"
    folder.mkdir()
    sys.path.insert(0, str(folder))
    time.sleep(.15)
    try:
        stamp(app)
    finally:
        sys.path.remove(str(folder))
    assert app.run(EARLIER + SHOW, folder) == "archived 1 1 0\n"
    (folder / "tool.py").write_text("WHAT = 'earlier'\n")
    assert app.same(EARLIER + IMPORT, folder).startswith("earlier")


@pytest.mark.parametrize("wait", ["importlib.invalidate_caches()", "time.sleep(.02)"])
@pytest.mark.parametrize("where", ["earlier", "folder"])
def test_a_module_that_is_added_by_the_program(stamped, earlier, wait, where):
    script = f"""
import importlib, os, time
import package
os.mkdir({where} + "/tool")
with open({where} + "/tool/__init__.py", "w") as file:
    file.write("WHAT = 'added'")
{wait}
"""
    assert stamped.run(EARLIER + script + IMPORT, earlier).startswith("added")


def test_a_link_to_another_folder(bundle, child, tmp_path):
    """The folder of the modules is a link, which leads elsewhere after a deployment."""
    from overlay import App

    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "tool.py").write_text(f"WHAT = '{version}'\n")
    link = tmp_path / "current"
    link.symlink_to("one")
    app = App(link, bundle, child)  # noqa: F811
    app.bundle()
    stamp(app)
    assert app.run(SHOW) == "one 1 1 0\n"
    link.unlink()
    link.symlink_to("two")
    assert app.run(SHOW) == "two 0 0 1\n"


def test_a_file_that_is_a_link_has_no_stamp(app):  # noqa: F811
    """Another target would change nothing in the folder."""
    app.write("real/one.py", ARCHIVED)
    (app.folder / "tool.py").symlink_to("real/one.py")
    app.bundle()
    built = permacode.stamp.build(app.archive, roots={"app": app.folder})
    assert ["tool", "its file is not a regular file"] in [list(entry) for entry in built["left_out"]]
    assert app.run(SHOW) == "archived 0 0 0\n"
    (app.folder / "real" / "one.py").write_text(SAME_SIZE)
    assert app.run(SHOW).startswith("modified")


def test_a_source_that_differs_from_the_archive_has_no_stamp(app):  # noqa: F811
    path = app.write("tool.py", ARCHIVED)
    app.bundle()
    edit(path, SAME_SIZE)
    built = permacode.stamp.build(app.archive, roots={"app": app.folder})
    assert built["modules"] == 0 and built["left_out"][0][0] == "tool"
    assert app.run(SHOW) == "modified 0 0 1\n"


def test_an_edit_between_finding_and_loading(stamped):
    script = """
    import importlib.util
    spec = importlib.util.find_spec("tool")
    with open(spec.origin, "w") as file:
        file.write("WHAT = 'modified'\\n")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    print(module.WHAT, permacode.status()["stamps"]["found"], permacode.stats()["stale"])
    """
    assert stamped.run(script) == "modified 1 1\n"


def test_a_program_that_changes_how_files_are_found(stamped):
    script = """
    import importlib.machinery
    class Finder(importlib.machinery.FileFinder):
        pass
    sys.path_importer_cache[folder] = Finder(folder, (importlib.machinery.SourceFileLoader, [".py"]))
    """
    assert stamped.run(script + SHOW.replace("\n", "\n    ")) == "archived 0 0 0\n"


# Stamps that are not used.


def reason(app, **how):  # noqa: F811
    """Why no stamps are used. The module must come from the archive all the same."""
    found = status(app, **how)
    assert found["path"] is None and found["found"] == found["loaded"] == 0
    assert app.run(SHOW, **how) == "archived 0 0 0\n"
    return found["reason"]


def rewrite(stamped, content):
    stamped.stamps.unlink()
    stamped.stamps.write_bytes(content)
    stamped.stamps.chmod(0o444)


def test_there_are_none(app):  # noqa: F811
    app.write("tool.py", ARCHIVED)
    app.bundle()
    assert f"{app.archive}{TAG}; permacode stamp" in reason(app)


def test_a_sealed_archive_needs_none(app):  # noqa: F811
    app.write("tool.py", ARCHIVED)
    app.bundle("--sealed")
    assert permacode.stamp.build(app.archive, roots={"app": app.folder}) is None
    assert reason(app) == "the archive is sealed, so its files are not compared"


def test_of_another_archive(stamped):
    before = stamped.stamps.read_bytes()
    stamped.write("more.py", "")
    stamped.bundle()
    stamped.stamps = pathlib.Path(f"{stamped.archive}{TAG}")
    stamped.stamps.write_bytes(before)
    stamped.stamps.chmod(0o444)
    assert "the stamps were made for archive " in reason(stamped)


def test_of_another_tree(stamped, tmp_path):
    shutil.copytree(stamped.folder, tmp_path / "copy")
    stamped.folder = tmp_path / "copy"
    assert f'and this process has "{tmp_path / "copy"}"' in reason(stamped)


def test_of_a_tree_that_was_replaced(stamped):
    shutil.copytree(stamped.folder, stamped.folder.with_name("copy"))
    shutil.rmtree(stamped.folder)
    stamped.folder.with_name("copy").rename(stamped.folder)
    assert stamped.run(SHOW) == "archived 0 0 0\n"


def test_truncated_ones(stamped):
    content = stamped.stamps.read_bytes()
    for length in {0, 1, 8, 31, 32, 55, 56, 100, len(content) - 1}:
        rewrite(stamped, content[:length])
        assert "stamp file" in reason(stamped), length
    rewrite(stamped, content + b"\0")
    assert "its header states" in reason(stamped)


#: Installs each of the files in turn, and prints why its stamps are not used.
EACH = """
import json, os, shutil
reasons = []
for number in range(int(arguments[0])):
    copy = os.path.join(os.path.dirname(archive), "copy.perma")
    stamps = copy + arguments[1]
    if number == 0:
        shutil.copyfile(archive, copy)
    shutil.copyfile(archive + ".%d" % number, stamps + "~")
    os.chmod(stamps + "~", 0o444)
    os.replace(stamps + "~", stamps)
    permacode.uninstall()
    permacode.install(copy, strict=True, roots={"app": folder})
    reasons.append(permacode.status()["stamps"]["reason"])
print(json.dumps(reasons))
"""


def test_damage(stamped):
    """Each byte is covered by the checksum."""
    content = stamped.stamps.read_bytes()
    damaged = []
    for place in [*range(64), *range(64, len(content), max(1, len(content) // 200))]:
        bad = bytearray(content)
        bad[place] ^= 1 << place % 8
        damaged.append(bytes(bad))
    # The checksum is right, and the tables would be longer than the file, or the format is another one.
    for offset, number in ((8, 1), (12, 1 << 31), (40, 0xFFFFFFFF), (44, 7), (48, 1 << 30), (52, 1 << 29)):
        bad = bytearray(content)
        struct.pack_into("<I", bad, offset, number)
        damaged.append(bytes(bad))
    for number, bad in enumerate(damaged):
        pathlib.Path(f"{stamped.archive}.{number}").write_bytes(bad)
    reasons = json.loads(stamped.run(EACH, len(damaged), TAG))
    assert len(reasons) == len(damaged) and all(reasons), reasons.index(None)


def test_other_users_must_not_be_able_to_write_to_them(stamped):
    stamped.stamps.chmod(0o666)
    assert "other users can write to the stamp file: its mode is 666" in reason(stamped)
    stamped.stamps.chmod(0o444)
    stamped.archive.parent.chmod(0o777)
    assert "other users can write to the folder of the stamp file" in reason(stamped)
    stamped.archive.parent.chmod(0o700)
    assert status(stamped)["reason"] is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_stamps_of_another_user(stamped):
    os.chown(stamped.stamps, 12345, -1)
    assert "the stamp file belongs to user 12345" in reason(stamped)


def test_a_link(stamped):
    elsewhere = stamped.stamps.with_name("elsewhere")
    stamped.stamps.rename(elsewhere)
    stamped.stamps.symlink_to(elsewhere)
    assert reason(stamped)


def test_a_folder_in_their_place(stamped):
    stamped.stamps.unlink()
    stamped.stamps.mkdir(mode=0o755)
    assert "not a regular file" in reason(stamped)


# The functions and the command.


def test_errors(app, tmp_path):  # noqa: F811
    with pytest.raises(OSError):
        permacode.stamp.build(tmp_path / "missing.perma")
    (tmp_path / "other.perma").write_bytes(b"no archive")
    with pytest.raises(ImportError):
        permacode.stamp.build(tmp_path / "other.perma")
    app.write("tool.py", ARCHIVED)
    with pytest.raises(ImportError, match="no root"):
        permacode.stamp.build(app.bundle(), roots={"other": app.folder})


@pytest.mark.skipif(not hasattr(permacode, "_build_image"), reason="this build of CPython has no images")
def test_an_image_comes_with_stamps(app, tmp_path):  # noqa: F811
    app.write("tool.py", ARCHIVED)
    app.bundle()
    built = permacode.image.build(app.archive, roots={"app": app.folder})
    assert built["stamps"]["path"] == f"{app.archive}{TAG}" and built["stamps"]["modules"] == 1
    assert app.run("print(permacode.status()['method'], end=' ')" + SHOW) == "image archived 1 1 0\n"
    os.remove(built["stamps"]["path"])
    assert permacode.image.build(app.archive, tmp_path / "image", roots={"app": app.folder})["stamps"] is None
    assert not os.path.exists(f"{app.archive}{TAG}")


def test_the_module_as_a_command(app, tmp_path):  # noqa: F811
    app.write("tool.py", ARCHIVED)
    app.bundle()

    def run(*arguments):
        command = [sys.executable, "-I", "-m", "permacode.stamp", *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return done.returncode, done.stdout, done.stderr

    status, printed, _ = run(app.archive, "--root", f"app={app.folder}")
    assert status == 0 and printed.startswith(f"{app.archive}{TAG}: 1 modules, ")
    assert run(app.archive, "--root", f"app={app.folder}", "--quiet") == (0, "", "")
    status, printed, _ = run(app.archive, "--root", f"app={app.folder}", "--json")
    assert status == 0 and json.loads(printed)["modules"] == 1
    assert app.run(SHOW) == "archived 1 1 0\n"
    # Without the root, there is no file to stamp.
    status, printed, _ = run(app.archive)
    assert status == 0 and 'not in the stamps: tool: its root "app" has no folder here: name one' in printed
    assert run(tmp_path / "missing")[0] == 2 and run()[0] == 2 and run(app.archive, "--root", "app")[0] == 2
    (tmp_path / "other").write_text("no archive")
    status, printed, said = run(tmp_path / "other")
    assert status == 1 and printed == "" and "not a permacode archive" in said.lower()
    status, printed, _ = run(tmp_path / "other", "--json")
    assert status == 1 and "not a permacode archive" in json.loads(printed)["error"].lower()


def test_the_command(app, command):  # noqa: F811
    app.write("tool.py", ARCHIVED)
    app.bundle()
    options = ["--python", sys.executable, "--root", f"app={app.folder}"]
    assert command("stamp", app.archive, *options).startswith(f"{app.archive}{TAG}: 1 module, ")
    assert app.run(SHOW) == "archived 1 1 0\n"
    assert json.loads(command("stamp", app.archive, *options, "--json"))["stamps"]["path"] == f"{app.archive}{TAG}"
    assert "not in the stamps: tool: " in command("stamp", app.archive, *options[:2])
    app.bundle("--sealed")
    assert command("stamp", app.archive, *options).endswith("is sealed and needs no stamps\n")


def test_many_modules_without_stamps(app, command):  # noqa: F811
    """The report names ten of them. JSON has all."""
    for number in range(12):
        app.write(f"tool{number}.py", ARCHIVED)
    app.bundle()
    own = [sys.executable, "-I", "-m", "permacode.stamp", app.archive]
    asked = [subprocess.check_output([*own, *more], text=True) for more in ([], ["--json"])]
    of_command = ["stamp", app.archive, "--python", sys.executable]
    asked += [command(*of_command), command(*of_command, "--json")]
    for printed in asked[::2]:
        assert printed.count("has no folder here") == 10, printed
        assert printed.splitlines()[-1] == "not in the stamps: 2 more; --json lists them"
    assert len(json.loads(asked[1])["left_out"]) == len(json.loads(asked[3])["stamps"]["left_out"]) == 12


@pytest.mark.skipif(not hasattr(permacode, "_build_image"), reason="this build of CPython has no images")
def test_the_command_makes_images(app, command, tmp_path):  # noqa: F811
    app.write("tool.py", ARCHIVED)
    app.bundle()
    options = [app.archive, "--python", sys.executable, "--root", f"app={app.folder}"]
    report = json.loads(command("image", *options, "--json"))
    assert report["image"]["stamps"]["modules"] == report["image"]["modules"] == 1 and report["error"] is None
    assert app.run("print(permacode.status()['method'], end=' ')" + SHOW) == "image archived 1 1 0\n"
    assert command("image", *options, "--verify").startswith("ok: ")
    image = pathlib.Path(report["image"]["path"])
    content = bytearray(image.read_bytes())
    content[-1] ^= 1
    image.unlink()
    image.write_bytes(content)
    program = os.environ["PERMACODE_COMMAND"]
    done = subprocess.run([program, "image", *map(str, options), "--verify"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stdout == "" and "differs from the image of " in done.stderr


@pytest.mark.skipif(hasattr(permacode, "_build_image"), reason="this build of CPython has images")
def test_the_command_says_that_there_are_no_images(app):  # noqa: F811
    app.write("tool.py", ARCHIVED)
    command = [os.environ["PERMACODE_COMMAND"], "image", str(app.bundle()), "--python", sys.executable]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "this package was built without images" in done.stderr
