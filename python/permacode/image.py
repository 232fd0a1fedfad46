"""Images: files with finished code objects, for one build of one interpreter on this machine.

`python -m permacode.image ARCHIVE` makes the image of an archive. `permacode.install(ARCHIVE)` uses it from then on.
"""

import sys

import permacode

__all__ = ["build", "main", "verify"]


def build(archive, output=None, *, roots=None):
    """Makes the image of an archive for this interpreter, or replaces it.

    The image lies beside the archive, unless `output` names another file. `install` and `open` look beside the archive
    only. `roots` says which folders the roots of the archive stand for, as for `install`.

    Returns a dict: `path` and `bytes` of the image, the number of `modules` in it, and in `left_out` the names of
    modules that are not, with the reasons.

    Raises ImportError if there can be no image, and OSError if it cannot be written.
    """
    return _functions()[0](archive, output, roots=roots)


def verify(archive, image=None, *, roots=None):
    """Compares an image with what `build` makes of its archive.

    Raises ImportError if they differ, and OSError if one of them cannot be read.
    """
    _functions()[1](archive, image, roots=roots)


def _functions():
    try:
        return permacode._build_image, permacode._verify_image
    except AttributeError:
        raise ImportError(
            "this package was built without images: they need CPython 3.12 to 3.14 with its interpreter lock, Linux, "
            "and CPython's internal headers when the package is built"
        ) from None


def main(arguments=None):
    """The command `python -m permacode.image`. Returns the exit status."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="python -m permacode.image",
        description="Makes the image of an archive for this interpreter, beside the archive.",
        epilog="Exit status: 0 done, 1 the image cannot be made or differs, 2 usage error.",
    )
    parser.add_argument("archive", metavar="ARCHIVE")
    parser.add_argument("-o", "--output", metavar="FILE", help="another file for the image")
    parser.add_argument("--verify", action="store_true", help="compare the image with the archive instead")
    parser.add_argument("--quiet", action="store_true", help="print nothing if all goes well")
    options = parser.parse_args(arguments)
    try:
        if options.verify:
            verify(options.archive, options.output)
            return 0
        built = build(options.archive, options.output)
    except (ImportError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    if not options.quiet:
        print(f"{built['path']}: {built['modules']} modules, {built['bytes']} bytes")
        for name, reason in built["left_out"]:
            print(f"not in the image: {name}: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
