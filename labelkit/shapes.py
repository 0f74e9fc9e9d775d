"""The masks of many objects, decoded once for all rules: outlines as columns of rings, the others by row."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from labelkit.geometry.rings import Crossing, Floats, Ints, Part, Rings, crossings
from labelkit.model import Mask, Polygons, Rle

ABSURD = 1e6  # pixels: further out than any image reaches, in which products of numbers could overflow
_MIN_NUMBERS = 6  # of a ring: three points
_NOTHING = 1e-6  # square pixels: what rounding makes of the area of a line

_plain_decoder = msgspec.json.Decoder(list[list[float]])


@dataclass(frozen=True, eq=False)
class Shapes:
    """The masks of N objects.

    row, part, place, numbers: (R,) of every ring of every outline, in order: its object, its part (from 0),
    its place in the part (0 for the exterior, then the holes), and how many numbers it is written with.
    sound: (S,) the rings that are polygons: three points or more, none of them absurd. rings: these.
    absurd: the rings with a coordinate that no image has. blank: the rows of outlines without a ring.
    rles: by row. cells: the rows of cells of maps. broken: what is wrong with a mask that is neither, by row.
    """

    size: int
    row: Ints
    part: Ints
    place: Ints
    numbers: Ints
    sound: Ints
    rings: Rings
    absurd: Ints
    blank: Sequence[int]
    rles: Mapping[int, Rle]
    cells: Sequence[int]
    broken: Mapping[int, str]

    @cached_property
    def is_whole(self) -> NDArray[np.bool_]:
        """(N,) the objects that are known by an outline, all of whose rings are polygons."""
        rings, sound = (np.bincount(rows, minlength=self.size) for rows in (self.row, self.owners))
        whole: NDArray[np.bool_] = (rings > 0) & (rings == sound)
        return whole

    @cached_property
    def has_mask(self) -> NDArray[np.bool_]:
        """(N,) the objects that have a mask of any kind."""
        found = np.zeros(self.size, dtype=bool)
        for rows in (self.row, self.blank, self.cells, list(self.rles), list(self.broken)):
            found[np.array(rows, dtype=np.int64)] = True
        return found

    @cached_property
    def owners(self) -> Ints:
        """(S,) the objects of the rings that are polygons."""
        return self.row[self.sound]

    @cached_property
    def extent(self) -> Floats:
        """(N, 4) x, y, w, h of the smallest box around all points of an object's exteriors.

        NaN where there is no outline, or one with a ring that is no polygon. Official COCO boxes are this,
        rounded to two decimals.
        """
        found = np.full((self.size, 4), np.nan)
        is_exterior = self.place[self.sound] == 0
        rows, corners = self.owners[is_exterior], self.rings.extents[is_exterior]
        if len(rows):
            firsts = np.flatnonzero(np.append(True, rows[1:] != rows[:-1]))
            low = np.minimum.reduceat(corners[:, :2], firsts, axis=0)
            high = np.maximum.reduceat(corners[:, 2:], firsts, axis=0)
            found[rows[firsts]] = np.concatenate([low, high - low], axis=1)
        found[~self.is_whole] = np.nan
        return found

    @cached_property
    def area(self) -> Floats:
        """(N,) the shoelace areas of an object's exteriors, less those of its holes: what COCO states.

        NaN where extent is.
        """
        areas = np.abs(self.rings.signed_areas) * np.where(self.place[self.sound] == 0, 1, -1)
        found = np.bincount(self.owners, weights=areas, minlength=self.size)
        return np.where(self.is_whole, found, np.nan)

    @cached_property
    def crossings(self) -> list[Crossing]:
        """The rings (by their place in ``sound``) that cross or touch themselves."""
        return crossings(self.rings)

    @cached_property
    def empty(self) -> Ints:
        """The places in ``sound`` of rings that enclose nothing. A bow tie of equal lobes encloses both."""
        (which,) = np.nonzero(np.abs(self.rings.signed_areas) < _NOTHING)
        if not len(which):
            return which
        chosen = [self.rings.at(number) for number in which.tolist()]
        few = Rings(np.concatenate(chosen), np.cumsum([0, *map(len, chosen)]))
        ties = {found.ring for found in crossings(few) if found.covered > _NOTHING}
        return np.array([number for k, number in enumerate(which.tolist()) if k not in ties], dtype=np.int64)

    @cached_property
    def is_worthless(self) -> NDArray[np.bool_]:
        """(R,) the rings that cover nothing, so that an outline is the same without them."""
        found: NDArray[np.bool_] = (self.numbers < _MIN_NUMBERS) & (self.numbers % 2 == 0)
        found[self.sound[self.empty]] = True
        return found

    def name(self, ring: int) -> str:
        """What to call a ring (its place among all) in a message."""
        row, part, place = int(self.row[ring]), int(self.part[ring]), int(self.place[ring])
        parts = int(self.part[np.searchsorted(self.row, row, side="right") - 1]) + 1
        if place:
            return f"hole {place} of part {part + 1}"
        return f"part {part + 1}" if parts > 1 else "the polygon"


@dataclass
class _Columns:
    """Shapes under way. ring: row, part, place and numbers of each ring in turn."""

    coordinates: array[float] = field(default_factory=lambda: array("d"))
    ring: array[int] = field(default_factory=lambda: array("q"))
    blank: list[int] = field(default_factory=list)
    rles: dict[int, Rle] = field(default_factory=dict)
    cells: list[int] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)

    def add(self, row: int, mask: Mask) -> None:
        if mask.text[:1] == b"[":  # as nearly all; its numbers are taken and not kept as a list
            try:
                rings = _plain_decoder.decode(mask.text)
            except (msgspec.DecodeError, RecursionError):
                pass  # its shape says what is wrong
            else:
                self.add_parts(row, [[ring] for ring in rings])
                return
        try:
            shape = mask.shape
        except ValueError as error:
            self.broken[row] = str(error)
            return
        if isinstance(shape, Rle):
            self.rles[row] = shape
        elif isinstance(shape, Polygons):
            self.add_parts(row, shape.parts)
        else:
            self.cells.append(row)

    def add_parts(self, row: int, parts: list[Part]) -> None:
        before = len(self.ring)
        for part, rings in enumerate(parts):
            for place, numbers in enumerate(rings):
                self.coordinates.fromlist(numbers)
                self.ring.extend((row, part, place, len(numbers)))
        if len(self.ring) == before:
            self.blank.append(row)


def shapes_of(masks: Iterable[Mask | None]) -> Shapes:
    """The masks of some objects, one each."""
    columns, size = _Columns(), 0
    for mask in masks:
        if mask is not None:
            columns.add(size, mask)
        size += 1
    row, part, place, numbers = np.array(columns.ring, dtype=np.int64).reshape(-1, 4).T
    coordinates = np.array(columns.coordinates, dtype=np.float64)
    is_sound = (numbers >= _MIN_NUMBERS) & (numbers % 2 == 0)
    is_absurd = np.zeros_like(is_sound)
    far = np.repeat(np.arange(len(numbers)), numbers)[np.abs(coordinates) > ABSURD]
    is_absurd[far] = is_sound[far]
    is_sound &= ~is_absurd
    points = coordinates[np.repeat(is_sound, numbers)].reshape(-1, 2)
    starts = np.concatenate([[0], np.cumsum(numbers[is_sound] // 2)])
    return Shapes(
        size,
        row,
        part,
        place,
        numbers,
        np.flatnonzero(is_sound),
        Rings(points, starts),
        np.flatnonzero(is_absurd),
        columns.blank,
        columns.rles,
        columns.cells,
        columns.broken,
    )
