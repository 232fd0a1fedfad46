"""Programs for the tests of the importer: they import from an archive, and the files of its modules are there, too."""

import textwrap

import pytest

#: Before each script: the folder of the modules is searched. As long as the other prologue: tracebacks number lines.
STOCK = """\
import sys
folder, archive, *arguments = sys.argv[1:]
sys.path.insert(0, folder)

"""

#: And the archive is installed.
INSTALL = """\
import sys
folder, archive, *arguments = sys.argv[1:]
sys.path.insert(0, folder)
import permacode; permacode.install(archive, strict=True, roots={"app": folder})
"""


class App:
    """A folder of modules, with the name `app` as a root, and archives of it."""

    def __init__(self, folder, bundle, child):
        self.folder = folder
        self._bundle, self._child = bundle, child
        self.archive = None

    def write(self, name, text):
        """Writes a file; `name` is its path in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def bundle(self, *options):
        """Makes an archive of all that is there now, and uses it from now on."""
        self.archive = self._bundle(f"app={self.folder}", *options)
        return self.archive

    def run(self, script, *arguments, prologue=INSTALL, **how):
        """Runs a script that imports from the archive, and gives what it printed."""
        return self._child(prologue + textwrap.dedent(script), self.folder, self.archive, *arguments, **how)

    def same(self, script, *arguments, **how):
        """Runs a script with and without the archive. It must print the same; that is the result."""
        expected = self.run(script, *arguments, prologue=STOCK, **how)
        assert self.run(script, *arguments, **how) == expected
        return expected


@pytest.fixture
def app(tmp_path, bundle, child):
    folder = tmp_path / "app"
    folder.mkdir()
    return App(folder, bundle, child)


def is_archived(module):
    """An expression: whether the module came from the archive."""
    return f"type({module}.__spec__.loader).__name__ == 'PermacodeLoader'"
