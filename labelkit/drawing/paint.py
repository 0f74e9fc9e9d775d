"""Painting on an image: each function changes an array (h, w, 3) of samples of 8 bits in its place.

What lies outside the array is not painted. A line lies inside the edge that it follows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from labelkit.drawing.colours import Colour, ink_on
from labelkit.model import Box

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SOLID, DASHED, DOTTED = "solid", "dashed", "dotted"
_DASH = {DASHED: 4, DOTTED: 1}  # how long a dash and a gap are, in widths of the line
_RIM = 0.55  # how much of the rim beside a line is black or white, so that it is seen on its own colour


def blend(image: Pixels, mask: Mask, colour: Colour, share: float, *, x: int = 0, y: int = 0) -> None:
    """Mix a colour into the pixels of a mask whose top left corner is at x, y. share: of the colour."""
    window = image[y : y + mask.shape[0], x : x + mask.shape[1]]
    for channel, tone in enumerate(colour):
        mixed = np.rint(np.arange(256) * (1 - share) + tone * share).astype(np.uint8)
        samples = window[..., channel]
        samples[mask] = mixed[samples[mask]]


def hatch(image: Pixels, mask: Mask, colour: Colour, share: float, *, line: int) -> None:
    """Mix a colour into stripes of a mask, from bottom left to top right. mask: as large as the image."""
    y, x = np.nonzero(mask)
    striped = np.zeros_like(mask)
    striped[y, x] = (x + y) // (2 * line) % 2 == 0
    blend(image, striped, colour, share)


def edge(image: Pixels, mask: Mask, colour: Colour, style: str, *, line: int, x: int = 0, y: int = 0) -> None:
    """The edge of a mask whose top left corner is at x, y; dashes are cells of a grid that it crosses."""
    whole = np.pad(mask, 1)
    wide, narrow = whole & ~_worn(whole, line + 1), whole & ~_worn(whole, line)
    if style in _DASH:
        step = _DASH[style] * line
        rows, columns = np.nonzero(wide)
        kept = np.zeros_like(wide)
        kept[rows, columns] = ((rows + y) // step + (columns + x) // step) % 2 == 0
        wide, narrow = wide & kept, narrow & kept
    blend(image, (wide & ~narrow)[1:-1, 1:-1], ink_on(colour), _RIM, x=x, y=y)
    blend(image, narrow[1:-1, 1:-1], colour, 1, x=x, y=y)


def _worn(mask: Mask, times: int) -> Mask:
    """A framed mask without the pixels that lie, by sides, no farther than that many from its outside."""
    for _ in range(times):
        inner = mask.copy()
        inner[1:] &= mask[:-1]
        inner[:-1] &= mask[1:]
        inner[:, 1:] &= mask[:, :-1]
        inner[:, :-1] &= mask[:, 1:]
        mask = inner
    return mask


def rectangle(image: Pixels, box: Box, colour: Colour, style: str, *, line: int) -> None:
    """A box in continuous coordinates: its line lies on the outermost pixels that the box touches.

    Of a box without area, or of a negative one, there is a line of one pixel at least.
    """
    left, right = _span(box.x, box.w, image.shape[1])
    top, bottom = _span(box.y, box.h, image.shape[0])
    for inset, width, tone, share in ((line, 1, ink_on(colour), _RIM), (0, line, colour, 1.0)):
        x0, y0, x1, y1 = left + inset, top + inset, right - inset, bottom - inset
        if x1 <= x0 or y1 <= y0:
            continue
        across, along = (_dashes(end - start, style, line) for start, end in ((x0, x1), (y0, y1)))
        thick = min(width, y1 - y0), min(width, x1 - x0)
        _strip(image, np.tile(across, (thick[0], 1)), tone, share, x0, y0)
        _strip(image, np.tile(along[:, None], (1, thick[1])), tone, share, x0, y0)
        _strip(image, np.tile(across, (thick[0], 1)), tone, share, x0, y1 - thick[0])
        _strip(image, np.tile(along[:, None], (1, thick[1])), tone, share, x1 - thick[1], y0)


def _span(start: float, length: float, side: int) -> tuple[int, int]:
    """The first and one past the last pixel that a span touches, no farther out than a side of the image."""
    low, high = sorted((start, start + length))
    first = math.floor(min(max(low, -side), 2 * side))
    return first, max(math.ceil(min(max(high, -side), 2 * side)), first + 1)


def _dashes(length: int, style: str, line: int) -> Mask:
    """Which pixels along a line are painted."""
    if style not in _DASH:
        return np.ones(length, dtype=np.bool_)
    kept: Mask = np.arange(length) // (_DASH[style] * line) % 2 == 0
    return kept


def _strip(image: Pixels, mask: Mask, colour: Colour, share: float, x: int, y: int) -> None:
    """Blend a mask that may begin or end outside the image."""
    rows = slice(max(-y, 0), max(image.shape[0] - y, 0))
    columns = slice(max(-x, 0), max(image.shape[1] - x, 0))
    blend(image, mask[rows, columns], colour, share, x=max(x, 0), y=max(y, 0))


def paste(image: Pixels, piece: Pixels, *, x: int, y: int) -> None:
    """Put a piece with its top left corner at x, y; what does not fit is cut off."""
    rows = slice(max(-y, 0), max(image.shape[0] - y, 0))
    columns = slice(max(-x, 0), max(image.shape[1] - x, 0))
    piece = piece[rows, columns]
    image[max(y, 0) : max(y, 0) + piece.shape[0], max(x, 0) : max(x, 0) + piece.shape[1]] = piece
