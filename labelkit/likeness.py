"""Pictures that look alike: near fingerprints among hundreds of thousands, and how alike two pictures are.

A fingerprint finds candidates fast and is often wrong about plain pictures; thumbnails decide. What is
compared of them is where they get brighter and darker, so that exposure and size do not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from labelkit.image_files import THUMBNAIL_SIDE

Thumbnails = NDArray[np.uint8]
Positions = NDArray[np.int64]
Agree = Callable[[Positions, Positions], NDArray[np.bool_]]
NONE = -1
_BITS = 64
# Every other bit, every other two bits, every other four, and the lowest of every byte.
_ONES, _PAIRS, _FOURS, _BYTES = (np.uint64(int(byte * 8, 16)) for byte in ("55", "33", "0f", "01"))
_REACH = 4096  # how far apart two may stand in a band: without a limit, hostile pictures take n² looks
_AT_ONCE = 1 << 14  # thumbnails that are compared together
_PLAIN = 1.0  # shades by which neighbouring cells of a picture differ; below it is a plain one


def first_near(fingerprints: NDArray[np.uint64], distance: int, agree: Agree) -> Positions:
    """For each fingerprint the position of an earlier one that is near, or NONE.

    Args: fingerprints (N,). distance: in how many of their 64 bits near ones differ at most, 0 to 31.
        agree: whether pairs that are near, as the positions of both, are such as are looked for.

    Of distance + 1 bands of bits at least one is equal in such a pair. So only fingerprints that share a band
    are compared, those that stand k places apart in the order of the band at once, for every k; one that has
    found another looks no further, so that a thousand frames of one camera are not compared each with each.
    """
    found = np.full(len(fingerprints), NONE, dtype=np.int64)
    edges = np.linspace(0, _BITS, distance + 2).astype(int).tolist()
    for low, high in pairwise(edges):
        band = fingerprints >> np.uint64(low) & np.uint64((1 << high - low) - 1)
        order = np.argsort(band, kind="stable")
        band, sorted_, right = band[order], fingerprints[order], np.flatnonzero(found[order] == NONE)
        for step in range(1, min(len(order), _REACH)):
            right = right[right >= step]
            right = right[band[right] == band[right - step]]
            if not len(right):
                break
            near = np.flatnonzero(_bit_counts(sorted_[right] ^ sorted_[right - step]) <= distance)
            if not len(near):
                continue
            late, early = order[right[near]], order[right[near] - step]
            agreed = agree(early, late)
            found[late[agreed]] = early[agreed]
            right = np.delete(right, near[agreed])
    return found


def _bit_counts(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(N,) How many bits are set, counted in parallel in every number (Hacker's Delight, 5-1)."""
    numbers = numbers - (numbers >> np.uint64(1) & _ONES)
    numbers = (numbers & _PAIRS) + (numbers >> np.uint64(2) & _PAIRS)
    numbers = numbers + (numbers >> np.uint64(4)) & _FOURS
    return (numbers * _BYTES) >> np.uint64(56)


def stack(thumbnails: list[bytes]) -> Thumbnails:
    """Thumbnails as ``ImageFile`` has them, as one array (N, side, side)."""
    return np.frombuffer(b"".join(thumbnails), dtype=np.uint8).reshape(-1, THUMBNAIL_SIDE, THUMBNAIL_SIDE)


def is_plain(thumbnails: Thumbnails) -> NDArray[np.bool_]:
    """(N,) Whether a picture shows nearly nothing, so that it looks like every other such picture."""
    pieces = [_changes(thumbnails[start:stop]) for start, stop in _pieces(len(thumbnails))]
    means = [np.sqrt(np.mean(piece**2, axis=1)) for piece in pieces]
    return np.concatenate([np.zeros(0, np.float32), *means]) < _PLAIN


def likeness(thumbnails: Thumbnails, first: Positions, second: Positions) -> NDArray[np.float64]:
    """(M,) How alike the pictures at two positions (M,) are: from -1 to 1, which is the same picture."""
    alike = np.zeros(len(first))
    for start, stop in _pieces(len(first)):
        a, b = (_changes(thumbnails[positions[start:stop]]) for positions in (first, second))
        product = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        alike[start:stop] = np.einsum("ij,ij->i", a, b) / np.maximum(product, 1)
    return alike


def _pieces(count: int) -> list[tuple[int, int]]:
    return [(start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE)]


def _changes(thumbnails: Thumbnails) -> NDArray[np.float32]:
    """(N, 480) Where pictures get brighter and darker, to the right and down."""
    pixels = thumbnails.astype(np.float32)
    across, down = np.diff(pixels, axis=2), np.diff(pixels, axis=1)
    return np.concatenate([across.reshape(len(pixels), -1), down.reshape(len(pixels), -1)], axis=1)
