"""Outcomes of CPython's tests that differ with an archive installed, each with its reason.

What is not listed here fails the run.  A reason says why the difference is no fault, or whose it is.
"""

from fnmatch import fnmatchcase

#: (versions, test file, the difference as `regrtest.judge` words it; reason): all three are patterns.
EXPLAINED = []


def reason(version, test, difference):
    """Why there is this difference, or None."""
    for versions, tests, pattern, why in EXPLAINED:
        if fnmatchcase(version, versions) and fnmatchcase(test, tests) and fnmatchcase(difference, pattern):
            return why
    return None
