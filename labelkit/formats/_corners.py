"""Two corners of a box as four texts: left, top, right, bottom.

In base 1, that of Pascal VOC, pixels count from 1 and both ends are inside: x = left − 1, w = right − left
+ 1. In base 0 they are continuous corners: x = left, w = right − left. Both are computed in decimals, from
the text and into the text, so that every float64 comes back as itself. Sources: FORMATS 0 and 2.3;
tests/test_voc.py checks generated numbers.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, DecimalException
from math import isfinite
from typing import Literal

from labelkit.model import Box

Base = Literal[0, 1]
Texts = tuple[str, str, str, str]

# Sums of two float64 reach from 1e308 down to 5e-324, with 17 digits each: 650 digits hold them exactly.
EXACT = Context(prec=1100)
_BASES = Decimal(0), Decimal(1)
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
        dx, dy = EXACT.subtract(xmin, Decimal(base)), EXACT.subtract(ymin, Decimal(base))
        numbers = (dx, dy, EXACT.subtract(xmax, dx), EXACT.subtract(ymax, dy))
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
    x_, y_ = Decimal(repr(box.x)), Decimal(repr(box.y))
    return (
        _plain(EXACT.add(x_, _BASES[base])),
        _plain(EXACT.add(y_, _BASES[base])),
        _plain(EXACT.add(x_, Decimal(repr(box.w)))),
        _plain(EXACT.add(y_, Decimal(repr(box.h)))),
    )


def decimal_of(text: str) -> Decimal:
    """The number that a text says. Raises ValueError where it says none, or one beyond all bounds."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} where a number was expected")
    try:
        return Decimal(text)
    except DecimalException:  # an exponent beyond all bounds
        raise ValueError(f"{text!r}, which is too large") from None


def _plain(number: Decimal) -> str:
    text = str(number)
    if "E" in text:
        text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
