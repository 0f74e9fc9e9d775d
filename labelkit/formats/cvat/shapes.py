"""The geometry of CVAT's shapes: the attributes of a ``<box>``, a ``<polygon>`` and a ``<mask>``.

Coordinates are pixels from the outer corner of the top-left one, as in the model. A mask is a window of the
image (``left``, ``top``, ``width``, ``height``) and runs of zeros and ones in turn, row by row, that start
with zeros. Numbers have two decimals, as CVAT writes them, or all that they need to come back. Sources:
docs.cvat.ai "XML annotation format" 1.1; CVAT's own importer and exporter (dataset_manager/formats/cvat.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import cos, isfinite, radians, sin

import numpy as np

from labelkit.formats._corners import box_from_texts, box_texts, decimal_of
from labelkit.formats._files import brief
from labelkit.geometry import rle
from labelkit.model import Box, Mask, Polygons
from labelkit.pixels import Counts, refuse_huge, rle_mask

SHAPES = ("box", "polygon", "mask")
CORNERS = ("xtl", "ytl", "xbr", "ybr")
WINDOW = ("left", "top", "width", "height")
GEOMETRY = frozenset({*CORNERS, *WINDOW, "points", "rle", "rotation"})

_WHOLE = re.compile(r"\s*([0-9]{1,12})\s*")
_RUNS = re.compile(r"\s*[0-9]{1,12}\s*(?:,\s*[0-9]{1,12}\s*)*")
_NUMBER = r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*"
_POINTS = re.compile(f"{_NUMBER},{_NUMBER}(?:;{_NUMBER},{_NUMBER})*")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", re.IGNORECASE)
_LONG = 1e15  # from here on a float has no digits behind the point
_STEP = 6  # decimals of a rotated corner: what a sine gives beyond them depends on the machine


class ShapeError(ValueError):
    """Why an element is no shape. attribute: which is wrong or missing; code: the rule that tells it."""

    def __init__(self, attribute: str, found: str, expected: str, code: str = "STR105") -> None:
        super().__init__(found)
        self.attribute = attribute
        self.found = found
        self.expected = expected
        self.code = code


def wanted(attributes: Mapping[str, str], name: str, expected: str) -> str:
    """The text of an attribute. Raises ShapeError where there is none."""
    if name not in attributes:
        raise ShapeError(name, f"no {name}", expected, "STR104")
    return attributes[name]


def number_text(number: float) -> str:
    """A number as CVAT writes it, or with all the digits that it needs to come back."""
    text = f"{number:.2f}" if abs(number) < _LONG else repr(number)
    return text if float(text) == number else repr(number)


# --- boxes -------------------------------------------------------------------------------------------------


def read_box(attributes: Mapping[str, str]) -> Box:
    """The box of a ``<box>``, whatever its rotation. Raises ShapeError."""
    left, top, right, bottom = (wanted(attributes, name, "a number of pixels").strip() for name in CORNERS)
    try:
        return box_from_texts((left, top, right, bottom), 0)
    except ValueError as error:
        raise _flaw_of((left, top, right, bottom), error) from None


def _flaw_of(texts: tuple[str, ...], error: ValueError) -> ShapeError:
    """Which corner is wrong, or else that all of them make no box."""
    for name, text in zip(CORNERS, texts, strict=True):
        try:
            decimal_of(text)
        except ValueError:
            code = "STR103" if _NOT_FINITE.fullmatch(text) else "STR105"
            return ShapeError(name, brief(text), "a number of pixels", code)
    return ShapeError(CORNERS[0], str(error), "finite numbers", "STR103")


def write_box(box: Box) -> dict[str, str]:
    """The corners of a box, as texts that give it back bit by bit."""
    return {name: _padded(text) for name, text in zip(CORNERS, box_texts(box, 0), strict=True)}


def _padded(text: str) -> str:
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"


def rotation_of(attributes: Mapping[str, str]) -> float:
    """By how many degrees a box is turned, clockwise around its centre. Raises ShapeError."""
    if "rotation" not in attributes:
        return 0
    text = attributes["rotation"].strip()
    try:
        angle = float(decimal_of(text))
    except ValueError:
        raise ShapeError("rotation", brief(text), "degrees") from None
    if not isfinite(angle):
        raise ShapeError("rotation", brief(text), "degrees")
    return angle


def turned(box: Box, degrees: float) -> Mask:
    """The corners of a turned box, as a polygon. Source: rotatePoint of CVAT's user interface."""
    x, y = box.x + box.w / 2, box.y + box.h / 2
    sine, cosine = sin(radians(degrees)), cos(radians(degrees))
    ring: list[float] = []
    for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        across, down = dx * box.w / 2, dy * box.h / 2
        ring.append(round(x + across * cosine - down * sine, _STEP))
        ring.append(round(y + across * sine + down * cosine, _STEP))
    if not all(isfinite(number) for number in ring):
        raise ShapeError("rotation", "a turned box out of all bounds", "corners that are finite numbers")
    return Mask.of(Polygons([[ring]]))


# --- polygons ----------------------------------------------------------------------------------------------


def read_polygon(attributes: Mapping[str, str]) -> Mask:
    """The mask of a ``<polygon>``. Raises ShapeError."""
    text = wanted(attributes, "points", "x,y;x,y;…")
    if not _POINTS.fullmatch(text):
        raise ShapeError("points", brief(text), "x,y;x,y;…")
    ring = [float(number) for number in text.replace(";", ",").split(",")]
    if not all(isfinite(number) for number in ring):
        raise ShapeError("points", "a number that is too large", "finite numbers", "STR103")
    return Mask.of(Polygons([[ring]]))


def ring_of(mask: Mask) -> list[float] | None:
    """The one ring of a mask that a ``<polygon>`` can say; None for any other."""
    shape = mask.shape
    if not isinstance(shape, Polygons) or len(shape.parts) != 1 or len(shape.parts[0]) != 1:
        return None
    ring = shape.parts[0][0]
    return ring if ring and len(ring) % 2 == 0 else None


def write_polygon(ring: list[float]) -> dict[str, str]:
    """The points of a ring."""
    texts = [number_text(number) for number in ring]
    return {"points": ";".join(f"{x},{y}" for x, y in zip(texts[::2], texts[1::2], strict=True))}


# --- masks -------------------------------------------------------------------------------------------------


def read_mask(attributes: Mapping[str, str], width: int | None, height: int | None) -> Mask:
    """The mask of a ``<mask>`` in an image of that size. Raises ShapeError."""
    left, top, wide, high = (_whole(attributes, name) for name in WINDOW)
    text = wanted(attributes, "rle", "runs of pixels")
    if width is None or height is None:
        raise ShapeError("rle", "a mask in an image of unknown size", "its width and height", "STR104")
    if left + wide > width or top + high > height:
        found = f"a window {wide} x {high} at {left}, {top}"
        raise ShapeError("rle", found, f"one inside the image, {width} x {height}", "")
    if text.strip() and not _RUNS.fullmatch(text):
        raise ShapeError("rle", brief(text), "whole numbers with commas between them")
    runs = [int(number) for number in text.split(",")] if text.strip() else []
    if sum(runs) != wide * high:
        found = f"runs add up to {sum(runs)}"
        raise ShapeError("rle", found, f"{wide} x {high} = {wide * high} pixels", "MSK102")
    try:
        refuse_huge(height, width)
    except ValueError as error:
        raise ShapeError("rle", str(error), "an image of a size that can be decoded", "") from None
    values = np.arange(len(runs)) % 2 == 1
    window = np.repeat(values, runs).reshape(high, wide)
    return rle_mask(rle.encode_window(window, top, left, height, width), height, width)


def write_mask(runs: Counts, height: int) -> dict[str, str]:
    """The runs of a mask (the model's, down the columns), in the smallest window around its pixels.

    A mask without a pixel is one clear pixel.
    """
    window, left, top = rle.window(runs, height)
    if not window.size:
        window, left, top = np.zeros((1, 1), dtype=np.bool_), 0, 0
    high, wide = window.shape
    flat = np.concatenate(([False], window.ravel(), [not window[-1, -1]]))
    stops = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(stops, prepend=0).tolist()
    texts = {"rle": ", ".join(str(count) for count in counts)}
    return texts | {name: str(side) for name, side in zip(WINDOW, (left, top, wide, high), strict=True)}


def _whole(attributes: Mapping[str, str], name: str) -> int:
    text = wanted(attributes, name, "a whole number of pixels")
    found = _WHOLE.fullmatch(text)
    if found is None:
        raise ShapeError(name, brief(text), "a whole number of pixels from 0 on")
    return int(found[1])
