"""Long names made short for people; what programs read has them whole."""

from __future__ import annotations

from unicodedata import category, east_asian_width

COLUMNS = 30
_CUT = "\u2026"


def elided(name: str, most: int = COLUMNS) -> str:
    """A name in at most that many columns of a terminal: its beginning and its end, where names differ most.

    A letter of East Asian writing is two columns wide, an accent that stands on another letter none.
    """
    if sum(map(_width, name)) <= most:
        return name
    head = _beginning(name, most // 2)
    tail = _beginning(name[::-1], (most - 1) // 2)[::-1]
    return f"{head}{_CUT}{tail}"


def _beginning(name: str, most: int) -> str:
    """As many letters as fit."""
    used = 0
    for place, letter in enumerate(name):
        used += _width(letter)
        if used > most:
            return name[:place]
    return name


def _width(letter: str) -> int:
    if category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1
