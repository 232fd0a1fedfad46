"""Known differences in the outcomes of CPython's tests when an archive is installed, each with its reason.

Any other difference fails the run. A reason says why the difference is not a fault of the package.
"""

from fnmatch import fnmatchcase

#: (versions, test file, ids of tests, reason): versions and ids are patterns.
EXPLAINED = [
    ("3.1[2-9].*", "test_import",
     ["test.test_import.SubinterpImportTests.test_isolated_config",
      "test.test_import.SubinterpImportTests.test_python_compat"],
     "these tests look up the type of a module's loader in a table that has only CPython's own types, and stop with a"
     " KeyError"),
]
#: Further differences that follow from the failure of such a test.
CONSEQUENCES = ["exit status: 2, but 0 on the other side", "failing: file {0}: yes, but absent on the other side",
                "failing: * ({1}): yes, but absent on the other side",
                "failing: * ({2}): yes, but absent on the other side"]


def reason(version, test, difference):
    """The reason for a difference in the words of `regrtest.judge`, or None."""
    for versions, tests, ids, why in EXPLAINED:
        if not fnmatchcase(version, versions) or test != tests:
            continue
        for name in ids:
            # Up to 3.10, the printed name of a failure has the name of the class; later versions have that of the test.
            follows = [words.format(test, name, name.rpartition(".")[0]) for words in CONSEQUENCES]
            if any(fnmatchcase(difference, pattern) for pattern in [name + ": *", *follows]):
                return why
    return None
