"""Stamps: facts about the source files and folders of this machine, in a file beside an archive.

`python -m permacode.stamp ARCHIVE` makes the stamps of an archive. `permacode.install(ARCHIVE)` uses them from then on:
it need not read a source to see that it is unchanged. An archive that is sealed needs no stamps.
"""

import sys

import permacode

__all__ = ["build", "main"]


def build(archive, *, roots=None):
    """Makes the stamps of an archive for this interpreter, or replaces them. The file lies beside the archive.

    It has the facts of each source, of its folder, and of each folder in `sys.path`. `roots` says which folders the
    roots of the archive stand for, as for `install`. If a file or a folder changed just now, this waits for .1 s (for 2
    s if the file system stores times in seconds): a further change within that time might go unnoticed.

    Returns a dict: `path` and `bytes` of the file, the numbers of `modules` and `folders` in it, and in `left_out` the
    names of modules that have no stamp, with the reasons. Returns None if the archive is sealed.

    Raises ImportError if the archive is not for this interpreter, and OSError if the file cannot be written.
    """
    return permacode._build_stamps(archive, roots=roots)


def main(arguments=None):
    """The command `python -m permacode.stamp`. Returns the exit status."""
    from . import _command

    parser = _command.parser("permacode.stamp",
                             "Makes the stamps of an archive for this interpreter, beside the archive.")
    options = parser.parse_args(arguments)

    def action(roots):
        built = build(options.archive, roots=roots)
        if built is None:
            return None, [f"{options.archive}: the archive is sealed and needs no stamps"]
        return built, _command.described(built, "stamps")

    return _command.run(parser, options, action)


if __name__ == "__main__":
    sys.exit(main())
