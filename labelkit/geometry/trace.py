"""Masks to outlines, and masks to the one polygon that a given rasteriser paints back.

Masks are boolean (height, width) arrays. An outline follows the edges between pixels, so its points are pixel
corners (x, y) in whole numbers, 0 to width and 0 to height, and it turns by a right angle at every point.
Pixels that only touch at a corner are two parts (4-connected) and the clear pixels beside them one hole or
one outside (8-connected). components() alone joins pixels at corners.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry.rle import Counts, Mask, from_edges

Ints: TypeAlias = NDArray[np.int64]

_SPINE = -1  # an x outside the image: the official rule paints nothing for two crossings there


def outlines(mask: Mask) -> list[list[Ints]]:
    """The edges of a mask, as parts: each an exterior ring and then the rings of its holes.

    Returns: rings (N, 2) of pixel corners, not closed (the last point is not the first), without points on a
        straight line, each from its topmost, then leftmost point. Exteriors go right from there (clockwise on
        the screen), holes go down. Parts, and the holes of a part, come by that first point. Filling all
        rings even-odd gives the mask back.
    """
    rings, is_hole = _rings(mask)
    if not rings:
        return []
    starts, _, labels = _labelled_runs(mask, touch=False)
    width = mask.shape[1]
    first = np.array([ring[0] for ring in rings])
    # Above the first point of a hole, and below that of an exterior, lies a pixel of the part.
    pixel = (first[:, 1] - is_hole) * width + first[:, 0]
    owner = labels[np.searchsorted(starts, pixel, side="right") - 1]
    parts: dict[int, list[Ints]] = {}
    for ring, part in zip(rings, owner.tolist(), strict=True):
        parts.setdefault(part, []).append(ring)
    return list(parts.values())


def official_polygon_of(mask: Mask) -> Ints:
    """One closed polygon that official_polygon() fills to exactly this mask, whatever its parts and holes.

    Returns: (N, 2) whole x, y; (0, 2) for an empty mask. x is -1 only on the way between parts that no row
        joins; else 0 to width - 1. y is 0 to height.
    How: that rule fills a run of pixels a to b from crossings at x = a and x = b, so outlines get their right
    edges moved one to the left. Horizontal edges never count, so rings that meet a common y are strung
    together along it, out and back. What remains apart is strung on a line at x = -1, also out and back.
    """
    rings, _ = _rings(mask)
    if not rings:
        return np.zeros((0, 2), dtype=np.int64)
    roots, children = _seams(mask, rings)
    moved = [_right_edges_moved(ring, by_y=False) for ring in rings]
    if len(roots) == 1:
        path = _strung(roots[0], moved, children)
    else:
        path = []
        for root in roots:
            x, y = moved[root][0].tolist()
            path += [(_SPINE, y), *_strung(root, moved, children), (x, y), (_SPINE, y)]
    return _without_repeats(np.array(path, dtype=np.int64))


def pillow_polygon_of(mask: Mask) -> Ints:
    """A polygon that today's Pillow fills to this mask if that is one part, else nearly.

    Returns: (N, 2) whole x, y of pixels on the border; (0, 2) for an empty mask.
    Only the part with most pixels is traced, with its holes: a line between two parts would be painted. For
    one part every mask tried came back exactly (Pillow 10.3 and 13.0), but that is a measurement, not the
    library's promise: render it to know. Pillow fills the border pixels themselves, so the polygon runs
    through the pixels (their centres), not around them. A seam to a hole runs along a row of the mask's own
    pixels, out and back.
    """
    parts = outlines(mask)
    if not parts:
        return np.zeros((0, 2), dtype=np.int64)
    rings = max(parts, key=lambda part: sum(_signed_area(ring) for ring in part))
    moved = [_right_edges_moved(ring, by_y=True) for ring in rings]
    return _without_repeats(np.array(_strung(0, moved, _hole_seams(rings, mask.shape[1])), dtype=np.int64))


def components(mask: Mask) -> list[Counts]:
    """The parts of a mask, pixels that touch at a corner included (8-connected), as canonical run lengths.

    Returns: the part with the topmost, then leftmost pixel first.
    """
    height, width = mask.shape
    starts, stops, labels = _labelled_runs(mask.T, touch=True)
    if not starts.size:
        return []
    order = np.argsort(labels, kind="stable")
    cuts = np.flatnonzero(np.diff(labels[order])) + 1
    groups = np.split(order, cuts)
    corner = starts % height * width + starts // height
    groups.sort(key=lambda group: int(corner[group].min()))
    return [
        from_edges(np.stack((starts[group], stops[group]), axis=1).ravel(), mask.size) for group in groups
    ]


def _rings(mask: Mask) -> tuple[list[Ints], NDArray[np.bool_]]:
    """All rings of a mask, as outlines() describes them, by their first point; and which are holes."""
    x, y, across, along = _corners(mask)
    seen = np.zeros(x.size, dtype=np.bool_)
    step_across, step_along = across.tolist(), along.tolist()
    rings: list[Ints] = []
    holes: list[bool] = []
    for start in range(x.size):
        if seen[start]:
            continue
        ring, corner = [], start
        while True:
            ring += [corner, step_across[corner]]
            corner = step_along[ring[-1]]
            if corner == start:
                break
        seen[ring] = True
        holes.append(not mask[y[start], x[start]])
        if holes[-1]:
            ring = [start, *ring[:0:-1]]
        rings.append(np.stack((x[ring], y[ring]), axis=1))
    return rings, np.array(holes, dtype=np.bool_)


def _corners(mask: Mask) -> tuple[Ints, Ints, Ints, Ints]:
    """Points where the edge of a mask turns, row by row: x, y, the other end across and the other end along.

    A point where two set pixels touch only at their corners is two points: first the one whose edge comes
    from the left, then the one whose edge goes to the right.
    """
    framed = np.pad(mask, 1)
    a, b, c, d = framed[:-1, :-1], framed[:-1, 1:], framed[1:, :-1], framed[1:, 1:]
    is_double = (a == d) & (b == c) & (a != b)
    y, x = np.nonzero((a ^ b ^ c ^ d) | is_double)
    times = np.where(is_double[y, x], 2, 1)
    falls = np.repeat(a[y, x], times)  # at a double point: pixels above left and below right are set
    y, x = np.repeat(y, times), np.repeat(x, times)
    second = np.zeros(x.size, dtype=np.int64)
    second[np.cumsum(times)[times == 2] - 1] = 1
    # Edges across join points 0-1, 2-3, ... of a row; edges along do so in a column. At a double point the
    # edge from above belongs to the edge from the left if the pixel above left is set, else to the right one.
    across = np.arange(x.size) ^ 1
    is_lower = np.where(falls, second, 1 - second)
    down = np.lexsort((is_lower, y, x))
    along = np.empty_like(down)
    along[down] = down[np.arange(x.size) ^ 1]
    return x, y, across, along


def _labelled_runs(mask: Mask, *, touch: bool) -> tuple[Ints, Ints, Ints]:
    """Row runs of a mask, in order: flat start, flat stop, and the index of the first run of their component.

    Args: touch: whether runs of neighbouring rows that only meet at a corner are joined.
    """
    height, width = mask.shape
    framed = np.zeros((height, width + 2), dtype=np.bool_)
    framed[:, 1:-1] = mask
    rows, x = np.nonzero(framed[:, 1:] != framed[:, :-1])
    row, first, stop = rows[0::2], x[0::2], x[1::2]
    base = row * (width + 2)  # wide enough that runs of one row never reach those of another
    below = width + 2
    low = np.searchsorted(base + stop, base + first + below, side="left" if touch else "right")
    high = np.searchsorted(base + first, base + stop + below, side="right" if touch else "left")
    times = (high - low).clip(0)
    upper = np.repeat(np.arange(row.size), times)
    lower = np.arange(upper.size) + np.repeat(low - np.cumsum(times) + times, times)
    return row * width + first, row * width + stop, _joined(row.size, upper, lower)


def _joined(number: int, a: Ints, b: Ints) -> Ints:
    """The smallest member of the set that each thing is in, after a[i] and b[i] are joined for all i."""
    parent = np.arange(number)
    while True:
        one, other = parent[a], parent[b]
        if (one == other).all():
            return parent
        np.minimum.at(parent, np.maximum(one, other), np.minimum(one, other))
        while (parent[parent] != parent).any():
            parent = parent[parent]


def _signed_area(ring: Ints) -> int:
    """Twice the shoelace area: above 0 for an exterior, below 0 for a hole."""
    x, y = ring.T
    return int(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def _right_edges_moved(ring: Ints, *, by_y: bool) -> Ints:
    """A ring with each edge that has the mask on its left side (on the screen) moved one pixel to the left.

    Args: by_y: whether edges with the mask above them are moved up by one as well.
    """
    moved = ring.copy()
    following = np.roll(ring, -1, axis=0)
    # The mask lies to the right of the direction of travel: rings go clockwise, holes the other way.
    goes_down = following[:, 1] > ring[:, 1]
    moved[goes_down, 0] -= 1
    moved[np.roll(goes_down, 1), 0] -= 1
    if by_y:
        goes_left = following[:, 0] < ring[:, 0]
        moved[goes_left, 1] -= 1
        moved[np.roll(goes_left, 1), 1] -= 1
    return moved


# A child ring hangs on an upright edge of another: ring -> edge (index of its first point) -> children.
_Children: TypeAlias = dict[int, dict[int, list[int]]]


def _seams(mask: Mask, rings: list[Ints]) -> tuple[list[int], _Children]:
    """A forest over the rings: those that stand alone, and for the others the edge that a seam leads to.

    A ring hangs, at the y of its first point, on the upright edge next to the left of that point; or, where
    its own row has none, on one that ends there from above. Such an edge always belongs to an earlier ring.
    """
    stride = mask.shape[1] + 1
    keys, ring_of, point_of = _upright_units(rings, stride)
    roots: list[int] = []
    children: _Children = {}
    for number, ring in enumerate(rings):
        x, y = ring[0].tolist()
        place = int(np.searchsorted(keys, y * stride + x)) - 1
        if place < 0 or keys[place] < (y - 1) * stride:
            roots.append(number)
            continue
        if keys[place] < y * stride:  # nothing to the left in this row; from above, the nearest to the left
            place = int(np.searchsorted(keys, (y - 1) * stride + x, side="right")) - 1
            place += bool(place < 0 or keys[place] < (y - 1) * stride)
        on_ring = children.setdefault(int(ring_of[place]), {})
        on_ring.setdefault(int(point_of[place]), []).append(number)
    return roots, children


def _hole_seams(rings: list[Ints], width: int) -> _Children:
    """For each hole of one part the edge that a seam leads to, by which pillow_polygon_of strings it.

    The seam lies in the row above the hole's first point, where the pixel up and to the left of it is set
    (were it clear it would be a higher point of the same hole), and runs from there to the start of its run.
    """
    stride = width + 1
    keys, ring_of, point_of = _upright_units(rings, stride)
    children: _Children = {}
    for number, ring in enumerate(rings[1:], 1):
        x, y = ring[0].tolist()
        place = int(np.searchsorted(keys, (y - 1) * stride + x)) - 1
        on_ring = children.setdefault(int(ring_of[place]), {})
        on_ring.setdefault(int(point_of[place]), []).append(number)
    return children


def _upright_units(rings: list[Ints], stride: int) -> tuple[Ints, Ints, Ints]:
    """Upright edges cut into single rows, in order: row * stride + x, the ring, the edge's first point."""
    here = np.concatenate(rings)
    following = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    sizes = np.array([len(ring) for ring in rings])
    ring_of = np.repeat(np.arange(len(rings)), sizes)
    point_of = np.arange(len(here)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    top = np.minimum(here[:, 1], following[:, 1])
    times = np.abs(here[:, 1] - following[:, 1])  # 0 for a level edge
    edge = np.repeat(np.arange(len(here)), times)
    rows = np.arange(edge.size) - np.repeat(np.cumsum(times) - times - top, times)
    keys = rows * stride + here[edge, 0]
    order = np.argsort(keys)
    edge = edge[order]
    return keys[order], ring_of[edge], point_of[edge]


def _strung(root: int, rings: list[Ints], children: _Children) -> list[tuple[int, int]]:
    """One closed walk around a ring and all that hang on it, from the first point of the root and back."""
    path: list[tuple[int, int]] = []
    walks = [_walk(root, rings, children)]  # a stack, since a row of parts may hang a thousand deep
    while walks:
        step = next(walks[-1], None)
        if step is None:
            walks.pop()
        elif isinstance(step, int):
            walks.append(_walk(step, rings, children))
        else:
            path.append(step)
    return path


def _walk(number: int, rings: list[Ints], children: _Children) -> Iterator[tuple[int, int] | int]:
    """The points of a ring, back to its first, and the numbers of the rings to walk in between."""
    points: list[tuple[int, int]] = [(x, y) for x, y in rings[number].tolist()]
    hanging = children.get(number, {})
    for place, (x, y) in enumerate(points):
        yield x, y
        levels = sorted((int(rings[child][0, 1]), child) for child in hanging.get(place, []))
        goes_down = points[(place + 1) % len(points)][1] > y
        for level, child in levels if goes_down else levels[::-1]:
            yield x, level
            yield child
            yield x, level
    yield points[0]


def _without_repeats(path: Ints) -> Ints:
    """A closed path without points that repeat the one before; of a mere line, three points remain."""
    kept = path[(path != np.roll(path, 1, axis=0)).any(axis=1)]
    if len(kept) == 0:
        kept = path[:1]
    return kept if len(kept) > 2 else np.concatenate((kept, np.repeat(kept[:1], 3 - len(kept), axis=0)))
