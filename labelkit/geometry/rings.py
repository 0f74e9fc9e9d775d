"""Many polygon rings at once, as one array of points, and what is wrong with some of them.

Rings stand one after the other. Whether the last point of a ring repeats its first is of no account.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Ring: TypeAlias = list[float]  # flat: x0, y0, x1, y1, …
Part: TypeAlias = list[Ring]  # an exterior, then its holes

_PLACE = re.compile(r"\[(\S+) (\S+)\]")  # in what GEOS says of an invalid polygon


@dataclass(frozen=True, eq=False)
class Rings:
    """Some rings of three points or more. points: (P, 2) x, y. starts: (R + 1,) where each ring begins."""

    points: Floats
    starts: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def sizes(self) -> Ints:
        """(R,) the number of points of each ring."""
        return np.diff(self.starts)

    @cached_property
    def signed_areas(self) -> Floats:
        """(R,) shoelace areas: above 0 where the ring goes clockwise on the screen.

        Where a ring crosses itself, parts that turn the other way round count against each other.
        """
        x, y = (self.points - np.repeat(self.points[self.starts[:-1]], self.sizes, axis=0)).T
        following = self._following
        return np.add.reduceat(x * y[following] - y * x[following], self.starts[:-1]) / 2

    @cached_property
    def extents(self) -> Floats:
        """(R, 4) the corners of the smallest box around each ring: left, top, right, bottom."""
        low = np.minimum.reduceat(self.points, self.starts[:-1], axis=0)
        high = np.maximum.reduceat(self.points, self.starts[:-1], axis=0)
        return np.concatenate([low, high], axis=1)

    @cached_property
    def repeats(self) -> NDArray[np.bool_]:
        """(P,) the points that are the same as the next of their ring; the last is not compared."""
        same: NDArray[np.bool_] = (self.points == self.points[self._following]).all(axis=1)
        same[self.starts[1:] - 1] = False
        return same

    @cached_property
    def is_star(self) -> NDArray[np.bool_]:
        """(R,) the rings that go once round the mean of their points, all one way: none crosses itself.

        Two of five outlines of official COCO are so, and no edges need to be compared to tell.
        """
        points, following = self.points, self._following
        middle = np.add.reduceat(points, self.starts[:-1], axis=0) / self.sizes[:, None]
        x, y = (points - np.repeat(middle, self.sizes, axis=0)).T
        turns = x * y[following] - y * x[following]
        moves = (points != points[following]).any(axis=1)
        one_way: NDArray[np.bool_] = (self.count(moves & (turns <= 0)) == 0) | (
            self.count(moves & (turns >= 0)) == 0
        )
        one_way &= self.count((y < 0) & (y[following] >= 0)) == 1
        return one_way

    @cached_property
    def _following(self) -> Ints:
        following = np.arange(1, len(self.points) + 1)
        following[self.starts[1:] - 1] = self.starts[:-1]
        return following

    def count(self, marks: NDArray[np.bool_]) -> Ints:
        """(R,) how many points of each ring are marked; marks: (P,)."""
        return np.add.reduceat(marks.astype(np.int64), self.starts[:-1])

    def at(self, number: int) -> Floats:
        """(N, 2) the points of one ring."""
        return self.points[self.starts[number] : self.starts[number + 1]]


class Crossing(NamedTuple):
    """A ring that crosses or touches itself.

    ring: its number. x, y: one of the places. swallowed: the area of the smaller lobe of a bow tie, or of
    what the ring goes round twice: half of what the shoelace formula and an even-odd fill disagree on.
    covered: the area of an even-odd fill.
    """

    ring: int
    x: float
    y: float
    swallowed: float
    covered: float


def crossings(rings: Rings) -> list[Crossing]:
    """The rings that cross or touch themselves, in order."""
    import shapely

    doubtful = np.flatnonzero(~rings.is_star)
    if not len(doubtful):
        return []
    number = np.repeat(np.cumsum(~rings.is_star) - 1, rings.sizes)
    chosen = np.repeat(~rings.is_star, rings.sizes)
    lines = shapely.linearrings(rings.points[chosen], indices=number[chosen])
    is_crossed = ~shapely.is_simple(lines)
    which, polygons = doubtful[is_crossed], shapely.polygons(lines[is_crossed])
    covered = shapely.area(shapely.make_valid(polygons))
    swallowed = np.abs(np.abs(rings.signed_areas[which]) - covered) / 2
    found = []
    for number, polygon, lost, area in zip(
        which.tolist(), polygons, swallowed.tolist(), covered.tolist(), strict=True
    ):
        place = _PLACE.search(shapely.is_valid_reason(polygon))
        x, y = (float(place[1]), float(place[2])) if place else rings.at(number)[0].tolist()
        found.append(Crossing(number, x, y, lost, area))
    return found


def beyond(hole: Floats, exterior: Floats) -> float:
    """How much of the area of a hole lies outside of an exterior, from 0 to 1; both (N, 2), with an area."""
    import shapely

    inner, outer = (shapely.make_valid(_polygon([ring])) for ring in (hole, exterior))
    return float(shapely.area(shapely.difference(inner, outer)) / shapely.area(inner))


def clipped(part: Sequence[Sequence[float]], width: float, height: float) -> list[Part]:
    """What of a part lies in an image of that size: no part, one, or several."""
    import shapely

    seen = shapely.intersection(shapely.make_valid(_polygon(part)), shapely.box(0, 0, width, height))
    pieces = [piece for piece in shapely.get_parts(seen) if piece.geom_type == "Polygon"]
    return [[_flat(ring) for ring in (piece.exterior, *piece.interiors)] for piece in pieces]


def _polygon(part: Sequence[ArrayLike]) -> object:
    import shapely

    exterior, *holes = [np.array(ring, dtype=np.float64).reshape(-1, 2) for ring in part]
    return shapely.Polygon(exterior, holes)


def _flat(ring: object) -> Ring:
    """The points of a ring of shapely, which repeats the first at the end; COCO does not."""
    import shapely

    numbers: Ring = shapely.get_coordinates(ring)[:-1].ravel().tolist()
    return numbers
