"""What mends a defect: what is to become of an object, and the bytes of files that make it so.

A rule over a table says what is to become of an object (``Put``, ``Remove``); its format knows which bytes
that means. A rule over something else says the bytes itself, made when someone asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias


class Edit(NamedTuple):
    """Bytes of a file to be replaced: from start to stop (exclusive) by text.

    Edits of one file are all of the file as it is now, in any order. stop None: to the end of the file.
    text None: the bytes are an element of a JSON list, which is taken out with its comma.
    """

    file: Path
    start: int
    stop: int | None
    text: bytes | None


class Put(NamedTuple):
    """An object gets another value: box (``Box``), area (a number) or mask (``Mask``)."""

    field: Literal["box", "area", "mask"]
    value: Any


class Remove(NamedTuple):
    """An object is taken out of its image."""


Change: TypeAlias = Put | Remove
Edits: TypeAlias = Callable[[], Iterable[Edit]]


def known(*edits: Edit) -> Edits:
    """Edits that need not be made, as a function that pickles."""
    return partial(tuple, edits)


class Fix(NamedTuple):
    """How to mend a defect.

    summary: what is done, as an order ("clip the box to the image"). change: of the object of the row that
    the fault names; or the edits, a function that pickles. is_safe: no label changes its meaning.
    """

    summary: str
    change: Change | Edits
    is_safe: bool
