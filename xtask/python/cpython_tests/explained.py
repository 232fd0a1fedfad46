"""Known differences in the outcomes of CPython's tests when an archive is installed, each with its reason.

Any other difference fails the run. A reason says why the difference is not a fault of the package.
"""

from collections import namedtuple
from fnmatch import fnmatchcase

#: Tests with an outcome that is known to differ. The versions and the ids of the tests are patterns. An outcome is a
#: result with the archive and the result without, such as "error, but ok".
Entry = namedtuple("Entry", "versions test ids outcomes reason")

IMMORTAL = ("these tests compare reference counts of constants, and the constants of an image are immortal, as those of"
            " frozen modules are")
LOADER = ("these tests look up the type of a module's loader in a table that has only CPython's own types, and stop with"
          " a KeyError")
EXPLAINED = [
    Entry("3.1[2-9].*", "test_import",
          ["test.test_import.SubinterpImportTests.test_isolated_config",
           "test.test_import.SubinterpImportTests.test_python_compat"],
          ["error, but ok"],
          LOADER),
    # With tracemalloc, the other side skips the parts of these tests.
    Entry("3.1[2-9].*", "test_import",
          ["test.test_import.SubinterpImportTests.test_isolated_config",
           "test.test_import.SubinterpImportTests.test_isolated_config ?threading: *",
           "test.test_import.SubinterpImportTests.test_python_compat",
           "test.test_import.SubinterpImportTests.test_python_compat ?threading: *"],
          ["error, but absent", "absent, but skipped"],
          LOADER),
    Entry("3.15.*", "test_import",
          ["test.test_import.ImportTests.test_filter_syntax_warnings_by_module"],
          ["failure, but ok"],
          "the test expects warnings of the compiler, and code from an archive is compiled already"),
    Entry("3.1[2-5].*", "test_code",
          ["test.test_code.CodeConstsTest.test_interned_string_default"],
          ["failure, but ok"],
          "the test module comes from an image, whose strings are not interned unless C code may compare them by"
          " identity"),
    Entry("3.1[23].*", "test_ctypes",
          ["test.test_ctypes.test_python_api.PythonAPITestCase.test_PyObj_FromPtr",
           "test.test_ctypes.test_internals.ObjectsTestCase.test_c_char_p"],
          ["failure, but ok"],
          IMMORTAL),
    Entry("3.1[23].*", "test_memoryio",
          ["test.test_memoryio.CBytesIOTest.test_cow_*"],
          ["failure, but ok"],
          IMMORTAL),
]
#: Outcomes of tests that fail. Further differences follow from them.
FAILING = ("error, but ", "failure, but ")


def consequences(test, name):
    """Patterns of the differences that follow if a test with this id fails in a test file."""
    scope, _, method = name.rpartition(".")
    # A test file is named as on the command line, or as the module in a test package.
    module = scope.rpartition(".")[0]
    yield "exit status: 2, but 0 on the other side"
    for file in {test, module[len("test."):] if module.startswith("test.") else module}:
        yield "failing: file %s: yes, but absent on the other side" % file
    # Up to 3.10, the printed name of a failure has the name of the class; later versions have that of the test.
    for full in (scope, name):
        yield "failing: %s (%s): yes, but absent on the other side" % (method, full)


def reason(version, test, difference, entries=EXPLAINED):
    """The reason for a difference in the words of `regrtest.judge`, or None."""
    for entry in entries:
        if not fnmatchcase(version, entry.versions) or test != entry.test:
            continue
        for name in entry.ids:
            patterns = ["%s: %s on the other side" % (name, outcome) for outcome in entry.outcomes]
            if any(outcome.startswith(FAILING) for outcome in entry.outcomes):
                patterns += consequences(test, name)
            if any(fnmatchcase(difference, pattern) for pattern in patterns):
                return entry.reason
    return None
