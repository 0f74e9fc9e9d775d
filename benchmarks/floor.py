"""The least that a conversion must do: scan the input, and write the same bytes into as many files.

    python benchmarks/floor.py INPUT.json OUTPUT MADE

MADE: a folder that a conversion made, whose files give the number and the bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec


def main(source: Path, target: Path, made: Path) -> None:
    msgspec.json.decode(source.read_bytes(), type=dict[str, msgspec.Raw])
    sizes = [(path.relative_to(made), path.stat().st_size) for path in made.rglob("*") if path.is_file()]
    for folder in {name.parent for name, _ in sizes}:
        (target / folder).mkdir(parents=True, exist_ok=True)
    for name, size in sizes:
        with open(target / name, "wb", buffering=0) as stream:  # noqa: PTH123
            stream.write(b"x" * size)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
