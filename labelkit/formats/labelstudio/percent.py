"""Percent of a side, as Label Studio counts, and pixels, as the model does: there and back without a change.

Several pixel values can have one percent in float64, and a few have none that gives just them. A percent
is read as the plainest number that it is written for: one of few decimals, as humans and data sets have them,
else one of float32, as models have them. What would be read otherwise travels beside its percent, and holds
as long as the percent is the one written for it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

_DECIMALS = 3
_LARGEST = 1e30  # well within float32
_single = struct.Struct("f")


def to_percent(pixels: float, side: int) -> float:
    """The percent of some pixels; infinite where a double cannot hold it."""
    return pixels * 100 / side


def to_pixels(percent: float, side: int) -> float:
    """The pixels of a percent: the plainest number that has it, else what label_studio_sdk makes of it."""
    nearest = percent * side / 100
    if abs(nearest) < _LARGEST:
        for pixels in _plain(nearest):
            if to_percent(pixels, side) == percent:
                return pixels
    return nearest


def _plain(pixels: float) -> Iterator[float]:
    for decimals in range(_DECIMALS + 1):
        yield round(pixels, decimals)
    yield _single.unpack(_single.pack(pixels))[0]


def written(pixels: Sequence[float], sides: Sequence[int]) -> tuple[list[float], dict[str, float]]:
    """Percents of sides that take turns, and by position the pixels that they are not read as."""
    turns = [sides[k % len(sides)] for k in range(len(pixels))]
    percents = [to_percent(value, side) for value, side in zip(pixels, turns, strict=True)]
    triples = zip(percents, turns, pixels, strict=True)
    exact = {str(k): value for k, (p, side, value) in enumerate(triples) if to_pixels(p, side) != value}
    return percents, exact


def read(percents: Sequence[float], sides: Sequence[int], exact: Mapping[str, float]) -> list[float]:
    """The pixels of percents of sides that take turns.

    exact: as ``written`` gave it; a human may have moved some since.
    """
    pixels = []
    for k, percent in enumerate(percents):
        side = sides[k % len(sides)]
        known = exact.get(str(k))
        holds = known is not None and to_percent(known, side) == percent
        pixels.append(known if known is not None and holds else to_pixels(percent, side))
    return pixels
