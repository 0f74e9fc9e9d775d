"""The seam between a format's raw files and the rules that judge them value by value.

A reader stops at the first value that no record can hold. A raw document tells all of them, each at its
place, so that one rule serves every format whose files can have the defect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from labelkit.changes import Edit, Fix
from labelkit.findings import Location
from labelkit.formats._files import BOM

Kind = Literal[
    "missing",
    "missing for evaluation",
    "type",
    "not finite",
    "repeated key",
    "repeated image",
    "unknown category",
    "byte order mark",
]


class Told(NamedTuple):
    """A flaw of a raw document: where it is, what was found and expected, and how to mend it."""

    where: Location
    message: str
    fix: Fix | None = None


def unmarked(path: Path) -> Fix:
    """The fix of a file that starts with a byte order mark."""
    edit = Edit(path, 0, len(BOM), b"")
    return Fix("remove the byte order mark", partial(tuple, (edit,)), is_safe=True)


class RawDocument(ABC):
    """A file of labels, or an entry of one, as rules look at it before it is records.

    A base class and no protocol: whether something is one is asked of everything that is validated.
    """

    @abstractmethod
    def told(self, kind: Kind) -> Iterator[Told]:
        """The flaws of one kind, in the order of the file."""


class Flaws(RawDocument):
    """Flaws that were found while records were read."""

    def __init__(self, found: Sequence[tuple[Kind, Told]]) -> None:
        self.found = found

    def told(self, kind: Kind) -> Iterator[Told]:
        """Those of one kind."""
        return (told for other, told in self.found if other == kind)
