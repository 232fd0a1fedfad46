"""`python -m verifier.stream`: gives verdicts about many archives to another program.

Standard input: archives, each after its length in four bytes, little-endian. Standard output: a line for each archive,
either `ok` or the first depth that refuses it and the rule.
"""

import sys

from . import verify


def main():
    read = sys.stdin.buffer.read
    write = sys.stdout.buffer.write
    while True:
        head = read(4)
        if not head:
            return
        finding = verify(read(int.from_bytes(head, "little")))
        write(b"ok\n" if finding is None else f"{finding.depth} {finding.rule}\n".encode())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
