"""A program that has CPython inside: it may finalize the interpreter and initialize it again."""

import os
import subprocess
import sys
import sysconfig

import permacode
import pytest

PROGRAM = r"""
#include <Python.h>

static int run(const char *script) {
    Py_Initialize();
    int failed = PyRun_SimpleString(script);
    return Py_FinalizeEx() < 0 || failed;
}

int main(int count, char **scripts) {
    for (int i = 1; i < count; i++)
        if (run(scripts[i]))
            return i;
    return 0;
}
"""

FIRST = """
import sys
sys.path[:0] = [{folder!r}, {site!r}]
import permacode
assert permacode.install({archive!r}, strict=True, roots={{"app": {folder!r}}})
import package.nested
assert type(package.nested.__loader__).__name__ == "PermacodeLoader"
print("first")
"""

AGAIN = """
import sys
sys.path[:0] = [{folder!r}, {site!r}]
for attempt in range(2):
    try:
        import permacode
    except ImportError as error:
        print(type(error).__name__, "Py_Finalize" in str(error))
import package.nested
print(type(package.nested.__loader__).__name__, flush=True)
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """An executable that runs each script it is given in an interpreter of its own."""
    of = sysconfig.get_config_var
    if not of("Py_ENABLE_SHARED"):
        pytest.skip("this interpreter has no shared library to embed")
    folder = tmp_path_factory.mktemp("embedding")
    source, program = folder / "program.c", folder / "program"
    source.write_text(PROGRAM)
    library = of("LIBDIR")
    include = sysconfig.get_path("include", vars={"installed_base": sys.base_prefix})
    name = "python" + of("LDVERSION")
    command = ["cc", "-o", program, source, "-I", include, "-L", library, "-l" + name, "-Wl,-rpath," + library]
    try:
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        pytest.skip("there is no C compiler")
    return program


def test_an_interpreter_after_the_first_is_refused_and_imports_from_files(program, tree):
    site = os.path.dirname(os.path.dirname(permacode.__file__))
    values = {"folder": str(tree.folder), "archive": str(tree.archive), "site": site}
    scripts = [script.format(**values) for script in (FIRST, AGAIN, AGAIN)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment.update(PYTHONHOME=sys.base_prefix, PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run([program, *scripts], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    again = ["ImportError True"] * 2 + ["SourceFileLoader"]
    assert done.stdout.splitlines() == ["first", *again, *again]
