"""Where findings stand on disk: the files that they name, with lines and columns.

A finding names its file relative to the data set. What people click on, and what annotations of a pull
request attach to, is a path from the working directory and a line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labelkit.findings import Finding, Location

_BLOCK = 1 << 20


class Spot(NamedTuple):
    """A place in a file of text. line, column: from 1, in characters; None where nobody knows."""

    file: str
    line: int | None = None
    column: int | None = None


class Files:
    """The files that the findings of a data set name.

    source: the data set. here: the folder that paths are shown from; the working directory if not said.
    """

    def __init__(self, source: Path, findings: Iterable[Finding], here: Path | None = None) -> None:
        self._source = source
        self._here = here or Path.cwd()
        folder = source if source.is_dir() else source.parent
        self._bases = [folder, folder.parent]  # of a document in annotations/, the data set is above
        self._findings = findings
        self._found: dict[str, Path] = {}

    def path(self, file: str) -> Path:
        """Where a file lies that a finding names; where it should lie if it is not there."""
        if file not in self._found:
            self._found[file] = self._find(file)
        return self._found[file]

    def _find(self, file: str) -> Path:
        if file in (self._source.name, self._source.resolve().name) and not (self._bases[0] / file).is_file():
            return self._source
        possible = [base / file for base in self._bases]
        try:
            return next((path for path in possible if path.exists()), possible[0])
        except (OSError, ValueError):  # a name that no file can have
            return possible[0]

    def spot(self, at: Location) -> Spot:
        """A finding's place: its file as seen from the working directory, its line and its column."""
        path = self.path(at.file)
        if at.line is not None:
            return Spot(self.shown(path), at.line)
        if at.offset is not None and (known := self._lines.get((path, at.offset))):
            return Spot(self.shown(path), *known)
        return Spot(self.shown(path))

    def shown(self, path: Path) -> str:
        """A path from the working directory, or the whole path of what lies elsewhere."""
        whole = Path(os.path.abspath(path))  # noqa: PTH100 (links stay as they are called)
        return whole.relative_to(self._here).as_posix() if whole.is_relative_to(self._here) else str(whole)

    @cached_property
    def _lines(self) -> dict[tuple[Path, int], tuple[int, int]]:
        """The lines and columns of every byte that a finding names; a file is read once."""
        wanted: dict[Path, set[int]] = {}
        for finding in self._findings:
            at = finding.at
            if at is not None and at.line is None and at.offset is not None:
                wanted.setdefault(self.path(at.file), set()).add(at.offset)
        found = {}
        for path, offsets in wanted.items():
            places = _lines_of(path, sorted(offsets))
            found.update(
                {(path, offset): place for offset, place in zip(sorted(offsets), places, strict=False)}
            )
        return found


def _lines_of(path: Path, offsets: list[int]) -> list[tuple[int, int]]:
    """The line and column of each offset, ascending; fewer where the file ends before, or cannot be read."""
    found: list[tuple[int, int]] = []
    line, column, position = 1, 1, 0
    try:
        with path.open("rb") as stream:
            for offset in offsets:
                while position < offset:
                    block = stream.read(min(_BLOCK, offset - position))
                    if not block:
                        return found
                    position += len(block)
                    start = block.rfind(b"\n") + 1
                    line += block.count(b"\n")
                    column = (1 if start else column) + _characters(block[start:])
                found.append((line, column))
    except OSError:
        pass
    return found


def _characters(text: bytes) -> int:
    """How many characters begin in some bytes of UTF-8."""
    return int(np.count_nonzero((np.frombuffer(text, dtype=np.uint8) & 0xC0) != 0x80))
