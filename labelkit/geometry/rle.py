"""Run-length masks as COCO has them, without the size: a 1-D int64 array of run lengths.

Runs go down the columns, left to right, and start with zeros, so a leading 0 says that the first pixel is
set. The size (height, width) travels apart. A canonical RLE has no run of length 0 but a leading one; what
these functions return is canonical, except decode_text, which returns what the text says.

Inside, a mask is its *edges*: the strictly increasing flat positions at which its value changes.
Source: cocoapi maskApi.c (format and text form); test_geometry.py compares every function with pycocotools.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Counts: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

_FIRST, _LAST = 48, 111  # the 64 characters "0" to "o" carry six bits each
_BITS = 5  # of a number in each character; the sixth says that another character follows
_MORE, _SIGN, _LOW = 32, 16, 31
_SIGNED = np.array([k & _LOW if k & _MORE or not k & _SIGN else k - _MORE for k in range(64)], dtype=np.int64)
_LONGEST = 12  # characters of one number: 60 bits, far more than any image has pixels


def decode_text(text: str | bytes) -> Counts:
    """Run lengths from the compressed COCO string.

    Returns: the runs exactly as written, canonical or not; check() says whether they fit a size.
    Raises: ValueError: a character outside "0" to "o", or a number that does not end.
    Source: rleFrString in maskApi.c.
    """
    codes = _codes(text)
    if not codes.size:
        return np.zeros(0, dtype=np.int64)
    is_last = codes < _MORE
    if not is_last[-1]:
        raise ValueError(f"the text ends inside a number after character {codes.size - 1}; expected more")
    is_first = np.empty_like(is_last)
    is_first[0], is_first[1:] = True, is_last[:-1]
    starts = is_first.nonzero()[0]
    bits = _SIGNED[codes]  # those of a number's last character say its sign
    numbers = bits[starts]
    longer = (~is_last[starts]).nonzero()[0]  # numbers that have another character
    length = 1
    while longer.size:
        if length == _LONGEST:
            raise _too_long(starts, codes.size)
        places = starts[longer] + length
        numbers[longer] += bits[places] << (_BITS * length)
        longer = longer[~is_last[places]]
        length += 1
    # Every number but the first three is the difference to the one two before.
    numbers[1::2] = numbers[1::2].cumsum()
    numbers[2::2] = numbers[2::2].cumsum()
    return numbers


def _too_long(starts: Counts, stop: int) -> ValueError:
    lengths = np.diff(starts, append=stop)
    place = int(starts[lengths.argmax()])
    return ValueError(
        f"a number of {lengths.max()} characters at character {place}; expected at most {_LONGEST}"
    )


def _codes(text: str | bytes) -> NDArray[np.uint8]:
    """The six bits of every character, 0 to 63."""
    if isinstance(text, str) and not text.isascii():
        place = next(place for place, letter in enumerate(text) if not "0" <= letter <= "o")
        raise ValueError(f"{text[place]!r} at character {place}; expected one of '0' to 'o'")
    data = text.encode() if isinstance(text, str) else text
    codes = np.frombuffer(data, dtype=np.uint8) - np.uint8(_FIRST)  # what is less goes round
    if codes.size and codes.max() > _LAST - _FIRST:
        place = int((codes > _LAST - _FIRST).argmax())
        raise ValueError(f"{chr(data[place])!r} at character {place}; expected one of '0' to 'o'")
    return codes


def encode_text(counts: Counts) -> str:
    """The compressed COCO string of some run lengths, written as they are (call canonical() first if unsure).

    Source: rleToString in maskApi.c.
    """
    numbers = np.array(counts, dtype=np.int64)
    numbers[3:] -= counts[1:-2]
    shifts = _BITS * np.arange(13)  # 13 characters hold any int64
    # Another character follows while the bits above do not merely repeat the sign.
    magnitude = np.where(numbers < 0, ~numbers, numbers)
    more = (magnitude[:, None] >> (shifts + _BITS - 1)) != 0
    codes = ((numbers[:, None] >> shifts) & _LOW) + np.where(more, _MORE, 0) + _FIRST
    written = np.ones_like(more)
    written[:, 1:] = more[:, :-1]
    return str(codes[written].astype(np.uint8).tobytes(), "ascii")


def check(counts: Counts, height: int, width: int) -> None:
    """Say whether some run lengths are a mask of this size.

    Raises: ValueError: a negative run, or runs that do not add up to height x width. pycocotools accepts
        both; too few pixels then show uninitialised memory.
    """
    pixels = height * width
    if counts.size and counts.min() >= 0 and counts.max() <= pixels and counts.sum() == pixels:
        return
    runs = counts.tolist()  # whose sum has no limit
    for place, run in enumerate(runs):
        if run < 0:
            raise ValueError(f"run {place} is {run}; a run has 0 pixels or more")
    total = sum(runs)
    if total != pixels:
        raise ValueError(f"runs add up to {total}, size {height} x {width} has {pixels} pixels")


def encode_mask(mask: Mask) -> Counts:
    """Canonical run lengths of a boolean (height, width) mask."""
    height, width = mask.shape
    return encode_window(mask, 0, 0, height, width)


def encode_window(window: Mask, top: int, left: int, height: int, width: int) -> Counts:
    """As encode_mask, of a (height, width) mask that is clear but for a window at row top, column left."""
    framed = np.zeros((window.shape[0] + 2, window.shape[1]), dtype=np.bool_)
    framed[1:-1] = window
    rows, columns = np.nonzero(framed[1:] != framed[:-1])
    return from_edges(np.sort((columns + left) * height + rows + top), height * width)


def decode_mask(counts: Counts, height: int, width: int) -> Mask:
    """The boolean (height, width) mask of some run lengths.

    Raises: ValueError: as check() does.
    """
    check(counts, height, width)
    values = np.arange(counts.size) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, counts).reshape(width, height).T)


def canonical(counts: Counts) -> Counts:
    """The same mask without runs of length 0 (but for a leading one), the runs beside them made one."""
    if counts.size and counts[1:].all():
        return counts.copy()
    return from_edges(np.cumsum(counts)[:-1], int(counts.sum()))


def area(counts: Counts) -> int:
    """Number of pixels set."""
    return int(counts[1::2].sum())


def extent(counts: Counts, height: int) -> tuple[int, int, int, int]:
    """The smallest box around the pixels set.

    Returns: x, y, w, h, half-open; four zeros where no pixel is set.
    Source: rleToBbox in maskApi.c. (Boxes of official COCO crowds are one less in w and h.)
    """
    starts, stops = runs_of_ones(counts)
    if not starts.size:
        return 0, 0, 0, 0
    lasts = stops - 1
    x, last_x = int(starts[0]) // height, int(lasts[-1]) // height
    y, last_y = 0, height - 1
    if (starts // height == lasts // height).all():  # else a run goes round a column's foot, so both are met
        y, last_y = int((starts % height).min()), int((lasts % height).max())
    return x, y, last_x - x + 1, last_y - y + 1


def window(counts: Counts, height: int) -> tuple[Mask, int, int]:
    """The pixels of a mask within its extent, and the x and y of that."""
    x, y, w, h = extent(counts, height)
    edges = np.cumsum(canonical(counts))[:-1] - x * height
    columns = decode_mask(from_edges(edges, w * height), height, w)
    return columns[y : y + h], x, y


def has_short_run_apart(counts: Counts, height: int, limit: float) -> bool:
    """Whether some column has a run of set pixels shorter than a limit that touches no run as long as that.

    A part of fewer pixels than the limit is made of such runs: without one no pixels need to be decoded. Runs
    touch that are in columns beside one another, at a corner too.
    """
    starts, stops = runs_of_ones(counts)
    first, last = starts // height, (stops - 1) // height
    times = last - first + 1
    column = np.repeat(first, times) + np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    starts = np.maximum(np.repeat(starts, times), column * height)  # what goes round a column's foot is two
    stops = np.minimum(np.repeat(stops, times), (column + 1) * height)
    is_short = stops - starts < limit
    alone = np.flatnonzero(is_short)
    low, high = starts[~is_short], np.append(stops[~is_short], counts.sum() + 2 * height)
    low = np.append(low, high[-1] - 1)
    for step in (-1, 1):
        beside = column[alone] + step
        top = np.maximum(starts[alone] + step * height - 1, beside * height)
        bottom = np.minimum(stops[alone] + step * height + 1, (beside + 1) * height)
        alone = alone[low[np.searchsorted(high, top, side="right")] >= bottom]
    return bool(alone.size)


def union(masks: Sequence[Counts]) -> Counts:
    """Pixels set in any of some masks of one size.

    Raises: ValueError: no mask (its size could not be known), or masks of different pixel counts.
    """
    return canonical(masks[0]) if len(masks) == 1 else _in_at_least(1, masks)


def minus(a: Counts, b: Counts) -> Counts:
    """Pixels set in a and clear in b, two masks of one size.

    Raises: ValueError: masks of different pixel counts.
    """
    return _in_at_least(2, [a, np.concatenate(([0], b))])


def intersection_area(a: Counts, b: Counts) -> int:
    """Number of pixels set in both of two masks of one size.

    Raises: ValueError: masks of different pixel counts.
    """
    return area(_in_at_least(2, [a, b]))


def from_labels(labels: NDArray[np.integer]) -> dict[int, Counts]:
    """Where each value of an image lies, in one pass over the image.

    Args: labels (height, width), any integer type.
    Returns: canonical run lengths by value, for every value that occurs, in rising order of values.
    """
    flat = labels.T.ravel()
    if not flat.size:
        return {}
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    stops = np.append(starts[1:], flat.size)
    values = flat[starts]
    order = np.argsort(values, kind="stable")
    edges = np.stack((starts[order], stops[order]), axis=1)
    cuts = np.flatnonzero(np.diff(values[order])) + 1
    return {int(flat[group[0, 0]]): from_edges(group.ravel(), flat.size) for group in np.split(edges, cuts)}


def paint(
    layers: Sequence[tuple[int, Counts]], height: int, width: int, background: int = 0
) -> NDArray[np.int32]:
    """An image of values, painted one layer after the other, later over earlier.

    Args: layers: (value, run lengths), each mask of this size.
    Returns: (height, width) int32, in memory column by column, as runs go.
    Raises: ValueError: a mask that does not fit the size, with the layer's number.
    """
    flat = np.full(height * width, background, dtype=np.int32)
    for number, (value, counts) in enumerate(layers):
        try:
            check(counts, height, width)
        except ValueError as error:
            raise ValueError(f"layer {number}: {error}") from error
        starts, stops = runs_of_ones(counts)
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            flat[start:stop] = value
    return flat.reshape(width, height).T


def runs_of_ones(counts: Counts) -> tuple[Counts, Counts]:
    """First and one-past-last flat position of every run of set pixels that is not empty, in order."""
    ends = np.cumsum(counts)
    starts, stops = ends[0:-1:2], ends[1::2]
    filled = stops > starts
    return starts[filled], stops[filled]


def from_edges(edges: NDArray[np.int64], pixels: int) -> Counts:
    """Canonical run lengths of the mask whose value changes at some flat positions, given in rising order.

    A position given twice changes the value twice, so not at all; one at or past the end has no effect.
    """
    edges = edges[edges < pixels]
    if edges.size and (edges[1:] == edges[:-1]).any():
        edges, times = np.unique(edges, return_counts=True)
        edges = edges[times % 2 == 1]
    return np.diff(np.concatenate(([0], edges, [pixels]))).astype(np.int64)


def _in_at_least(number: int, masks: Sequence[Counts]) -> Counts:
    """Pixels set in at least so many of the masks: a sweep over all their run ends."""
    totals = [int(counts.sum()) for counts in masks]
    if not totals:
        raise ValueError("no masks; expected one or more")
    if len(set(totals)) > 1:
        raise ValueError(f"masks of {sorted(set(totals))} pixels; expected one size")
    ends = [np.cumsum(counts)[:-1] for counts in masks]
    steps = [np.where(np.arange(end.size) % 2 == 0, 1, -1) for end in ends]
    places = np.concatenate(ends)
    order = np.argsort(places, kind="stable")
    places, depth = places[order], np.cumsum(np.concatenate(steps)[order])
    final = np.append(places[1:] != places[:-1], True)[: places.size]  # all steps at one place count together
    places, inside = places[final], depth[final] >= number
    changes = inside != np.concatenate(([False], inside[:-1]))[: inside.size]
    return from_edges(places[changes], totals[0])
