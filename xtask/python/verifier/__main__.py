"""`python -m verifier FILE [--depth DEPTH]`: checks whether the archive follows `spec.md`."""

import argparse
import sys
from pathlib import Path

from . import DEPTHS, verify


def main():
    parser = argparse.ArgumentParser(
        prog="python -m verifier",
        description="Say `ok`, or the first rule of spec.md that an archive breaks.",
        epilog="Exit status: 0 if no rule is broken, 1 if one is, 2 if the file cannot be read.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--depth", choices=DEPTHS, default=DEPTHS[-1])
    args = parser.parse_args()
    try:
        data = args.file.read_bytes()
    except OSError as error:
        print(f"cannot read {args.file}: {error.strerror}", file=sys.stderr)
        return 2
    finding = verify(data, args.depth)
    print("ok" if finding is None else f"{finding.depth}: {finding.text}")
    return 0 if finding is None else 1


if __name__ == "__main__":
    sys.exit(main())
