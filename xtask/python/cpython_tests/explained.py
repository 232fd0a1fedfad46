"""Outcomes of CPython's tests that differ with an archive installed, each with its reason.

What is not listed here fails the run.  A reason says why the difference is no fault, or whose it is.
"""

from fnmatch import fnmatchcase

#: (versions, test file, ids of tests, reason): versions and ids are patterns.
EXPLAINED = [
    ("3.1[2-9].*", "test_import",
     ["test.test_import.SubinterpImportTests.test_isolated_config",
      "test.test_import.SubinterpImportTests.test_python_compat"],
     "they look the type of a module's loader up in a table of their own, which has the types that CPython comes with"
     " and no other, and stop with a KeyError"),
]
#: What follows from a test that failed where it did not fail, and is no difference of its own.
CONSEQUENCES = ["exit status: 2, but 0 on the other side", "failing: file {0}: yes, but absent on the other side",
                "failing: * ({1}): yes, but absent on the other side",
                "failing: * ({2}): yes, but absent on the other side"]


def reason(version, test, difference):
    """Why there is this difference, as `regrtest.judge` words it, or None."""
    for versions, tests, ids, why in EXPLAINED:
        if not fnmatchcase(version, versions) or test != tests:
            continue
        for name in ids:
            # Until 3.10 a failure is printed with the name of the class, later with that of the test.
            follows = [words.format(test, name, name.rpartition(".")[0]) for words in CONSEQUENCES]
            if any(fnmatchcase(difference, pattern) for pattern in [name + ": *", *follows]):
                return why
    return None
