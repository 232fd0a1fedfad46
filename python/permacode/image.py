"""Images: files with finished code objects, for one build of one interpreter on this machine.

`python -m permacode.image ARCHIVE` makes the image of an archive. `permacode.install(ARCHIVE)` uses it from then on.
"""

import sys

import permacode

__all__ = ["build", "main", "verify"]


def build(archive, output=None, *, roots=None):
    """Makes the image of an archive for this interpreter, or replaces it. Makes the stamps of the archive, too.

    The image lies beside the archive, unless `output` names another file. `install` and `open` look beside the archive
    only, so with `output` no stamps are made. `roots` says which folders the roots of the archive stand for, as for
    `install`.

    Returns a dict: `path` and `bytes` of the image, the number of `modules` in it, and in `left_out` the names of
    modules that are not, with the reasons. `stamps` is what `permacode.stamp.build` returns, or None.

    Raises ImportError if there can be no image, and OSError if it cannot be written.
    """
    built = _functions()[0](archive, output, roots=roots)
    built["stamps"] = None if output is not None else permacode._build_stamps(archive, roots=roots)
    return built


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
            "this package was built without images: they need CPython 3.12 to 3.15 with its interpreter lock, Linux, "
            "and CPython's internal headers when the package is built"
        ) from None


def main(arguments=None):
    """The command `python -m permacode.image`. Returns the exit status."""
    from . import _command

    parser = _command.parser("permacode.image",
                             "Makes the image of an archive for this interpreter, and its stamps, beside the archive.")
    parser.add_argument("-o", "--output", metavar="FILE", help="another file for the image; no stamps are made then")
    parser.add_argument("--verify", action="store_true", help="compare the image with the archive instead")
    options = parser.parse_args(arguments)

    def action(roots):
        if options.verify:
            verify(options.archive, options.output, roots=roots)
            return {"verified": True}, []
        built = build(options.archive, options.output, roots=roots)
        stamps = built["stamps"]
        return built, [*_command.described(built, "image"), *(_command.described(stamps, "stamps") if stamps else ())]

    return _command.run(parser, options, action)


if __name__ == "__main__":
    sys.exit(main())
