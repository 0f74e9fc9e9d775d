"""The four corners of a box as texts, and where they start to count.

Boxes are ``xmin, ymin, xmax, ymax``. In base 1, the official one, pixels count from 1 and both ends are
inside: x = xmin − 1, w = xmax − xmin + 1. In base 0, which many tools write, they are continuous corners:
x = xmin, w = xmax − xmin. Both are computed in decimals, from the text and into the text, so that every
float64 comes back as itself. Sources: FORMATS 0 and 2.3; tests/test_voc.py checks generated numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException
from math import isfinite
from typing import Literal

from labelkit.model import Box

Base = Literal[0, 1]
Texts = tuple[str, str, str, str]
CORNERS = ("xmin", "ymin", "xmax", "ymax")

# Sums of two float64 reach from 1e308 down to 5e-324, with 17 digits each: 650 digits hold them exactly.
_EXACT = Context(prec=1100)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[0-9]{1,12}")


def box_from_texts(texts: Texts, base: Base) -> Box:
    """The box that four corners mean. Raises ValueError where one is no finite number."""
    if all(_INTEGER.fullmatch(text) for text in texts):
        left, top, right, bottom = (int(text) for text in texts)
        x, y = left - base, top - base
        return Box(float(x), float(y), float(right - x), float(bottom - y))
    xmin, ymin, xmax, ymax = (decimal_of(text) for text in texts)
    try:
        dx, dy = _EXACT.subtract(xmin, Decimal(base)), _EXACT.subtract(ymin, Decimal(base))
        numbers = (dx, dy, _EXACT.subtract(xmax, dx), _EXACT.subtract(ymax, dy))
        box = Box(*(float(number) for number in numbers))
    except (DecimalException, OverflowError):
        raise ValueError(f"corners {', '.join(texts)}, which are too large") from None
    if not all(isfinite(number) for number in box):
        raise ValueError(f"corners {', '.join(texts)}, which are too large")
    return box


def box_texts(box: Box, base: Base) -> Texts:
    """The four corners that mean a box, as plain decimals that give it back bit by bit."""
    if all(number.is_integer() and abs(number) < 1e12 for number in box):
        x, y, w, h = (int(number) for number in box)
        return str(x + base), str(y + base), str(x + w), str(y + h)
    x_, y_, w_, h_ = (Decimal(repr(number)) for number in box)
    corners = (
        _EXACT.add(x_, Decimal(base)),
        _EXACT.add(y_, Decimal(base)),
        _EXACT.add(x_, w_),
        _EXACT.add(y_, h_),
    )
    xmin, ymin, xmax, ymax = (_plain(number) for number in corners)
    return xmin, ymin, xmax, ymax


def decimal_of(text: str) -> Decimal:
    """The number that a text says. Raises ValueError where it says none, or one beyond all bounds."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} where a number was expected")
    try:
        return Decimal(text)
    except DecimalException:  # an exponent beyond all bounds
        raise ValueError(f"{text!r}, which is too large") from None


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


# --- what a set says about its base -----------------------------------------------------------------------


@dataclass(slots=True)
class BaseEvidence:
    """Whether boxes speak for a base: a 0 for base 0; else an end at the image's edge for base 1."""

    boxes: bool = False
    zero: bool = False
    edge: bool = False

    def add(self, texts: Texts, width: float | None, height: float | None) -> None:
        """Count the corners of one object's box."""
        try:
            left, top, right, bottom = (float(text) for text in texts)
        except ValueError:  # the box is reported when it is read
            return
        self.boxes = True
        self.zero = self.zero or 0 <= left < 1 or 0 <= top < 1
        self.edge = self.edge or right == width or bottom == height

    @property
    def base(self) -> Base:
        """The base that is spoken for, or the official one."""
        return 0 if self.zero else 1

    @property
    def assumed(self) -> bool:
        """Whether there are boxes, and nothing speaks for a base."""
        return self.boxes and not self.zero and not self.edge


def reads_as_zero(box: Box, base: Base) -> bool:
    """Whether the corners that are written for a box speak for base 0."""
    return any(0 <= _corner(number, base) < 1 for number in (box.x, box.y))


def _corner(number: float, base: Base) -> float:
    """A corner as ``BaseEvidence`` takes it from its text."""
    return (
        number + base
        if float(number).is_integer()
        else float(_EXACT.add(Decimal(repr(number)), Decimal(base)))
    )
