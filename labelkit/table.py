"""The objects of some images as columns: what rules look at, many rows at once.

A row is an object. Rows of one image stand together, in the order of its file. Coordinates are those of the
record model: x, y, w, h in pixels, half-open, origin at the outer corner of the top-left pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.changes import Change, Edit
from labelkit.findings import Location
from labelkit.geometry.rle import area
from labelkit.model import Mask, Record
from labelkit.pixels import Counts, mask_runs
from labelkit.shapes import Shapes, shapes_of

Floats = NDArray[np.float64]

_SAMPLE = 200  # objects of a table whose outlines tell in what units they are


class ImageRow(NamedTuple):
    """An image: its path, its size as the annotations state it, and its splits."""

    path: str
    width: int | None
    height: int | None
    splits: tuple[str, ...] = ()


def image_row(record: Record) -> ImageRow:
    """The image of a record."""
    return ImageRow(record.image.path, record.image.width, record.image.height, record.splits)


class Names(Sequence["str | None"]):
    """A column of names of which there are few: each is kept once, and a code a row.

    names: each once; None where there is no name. codes: (N,) positions in names.
    """

    def __init__(self, names: Sequence[str | None], codes: NDArray[np.int64]) -> None:
        self.names = tuple(names)
        self.codes = codes

    @classmethod
    def of(cls, column: Iterable[str | None]) -> Names:
        """The names of a column, in the order in which they first occur."""
        places: dict[str | None, int] = {}
        codes = [places.setdefault(name, len(places)) for name in column]
        return cls(list(places), np.array(codes, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self.names[code] for code in self.codes[row].tolist()]
        return self.names[int(self.codes[row])]

    def __iter__(self) -> Iterator[str | None]:
        return iter(self[:])


def no_edits(row: int, change: Change) -> Iterable[Edit]:
    """The edits of a table whose format cannot be edited."""
    return ()


def unlike_others(row: int) -> object:
    """What an object says where nobody knows all of it: nothing that another says too."""
    return row


def no_pixels(row: int) -> Counts:
    """The pixels of a table whose masks were not kept."""
    raise ValueError("only the columns were kept")


@dataclass(frozen=True, eq=False)
class Table:
    """Objects of some images, a row each.

    images: the images, also those without objects. image: (N,) their positions, ascending.
    category: (N,) names, or None where the file names no known class.
    box: (N, 4) x, y, w, h; NaN where none is stated. area: (N,) as stated; NaN where it is not.
    crowd: (N,) bool. masks: (N,) the masks, None for objects known by a box.
    outlines: (N,) what was drawn, where a mask is only the part of it that can be seen; empty where the masks
    are what was drawn. painted: the pixels of a row's outline, before others cover it, as runs.
    runs: the pixels of a row's mask as runs; raises ValueError where it is malformed. counted: how many
    pixels each mask has, where that is known without runs; NaN for none, or a malformed one.
    score: (N,) of predictions, NaN where none is stated; None where none is at all.
    extent: (N, 4) x, y, w, h of the outlines of some objects, NaN elsewhere; only where masks were left out.
    locate: where a row stands in its file. edits: the bytes of files that give a row's object a change; none
    where the format cannot say it. says: all that a row's object says but its id, equal where one is a copy
    of another. All but these three pickle.
    """

    images: Sequence[ImageRow]
    image: NDArray[np.int64]
    category: Sequence[str | None]
    box: Floats
    area: Floats
    crowd: NDArray[np.bool_]
    masks: Sequence[Mask | None]
    runs: Callable[[int], Counts]
    locate: Callable[[int], Location]
    edits: Callable[[int, Change], Iterable[Edit]] = no_edits
    says: Callable[[int], object] = unlike_others
    extent: Floats | None = None
    score: Floats | None = None
    outlines: Sequence[Mask | None] = ()
    painted: Callable[[int], Counts] = no_pixels
    counted: Callable[[], Floats] | None = None

    def __len__(self) -> int:
        return len(self.image)

    @cached_property
    def size(self) -> Floats:
        """(N, 2) width and height of each row's image; NaN where the file does not say."""
        sizes = np.array(
            [(row.width or np.nan, row.height or np.nan) for row in self.images], dtype=np.float64
        ).reshape(-1, 2)
        return sizes[self.image]

    def image_of(self, row: int) -> ImageRow:
        """The image of a row."""
        return self.images[int(self.image[row])]

    def pixels(self, row: int) -> Counts | None:
        """The runs of a row's mask, decoded once; None where there is no mask, or a malformed one."""
        if self.masks[row] is None:
            return None
        if row not in self._decoded:
            try:
                self._decoded[row] = self.runs(row)
            except ValueError:
                self._decoded[row] = None
        return self._decoded[row]

    def mask_areas(self) -> Floats:
        """(N,) How many pixels each mask has; NaN where there is none, or a malformed one."""
        if self.counted is not None:
            return self.counted()
        runs = (self.pixels(row) for row in range(len(self)))
        return np.array([np.nan if each is None else area(each) for each in runs], dtype=np.float64)

    @cached_property
    def shapes(self) -> Shapes:
        """The masks, decoded once, without their pixels."""
        return shapes_of(self.masks)

    @cached_property
    def drawn(self) -> Shapes:
        """What was drawn of each object: its outline, or else its mask."""
        return shapes_of(self.outlines) if self.outlines else self.shapes

    def drawn_mask(self, row: int) -> Mask | None:
        """What was drawn of a row."""
        return (self.outlines or self.masks)[row]

    def drawn_pixels(self, row: int) -> Counts | None:
        """The runs of what was drawn of a row; None where there is nothing that can be painted."""
        if not self.outlines:
            return self.pixels(row)
        try:
            return self.painted(row) if self.outlines[row] is not None else None
        except ValueError:
            return None

    @cached_property
    def _decoded(self) -> dict[int, Counts | None]:
        return {}

    def without_masks(self) -> Table:
        """The columns alone, which can be kept for the whole data set."""
        extent = self.extent if self.extent is not None else self._some_extents()
        return replace(
            self,
            category=self.coded,
            masks=(),
            outlines=(),
            runs=no_pixels,
            painted=no_pixels,
            counted=None,
            locate=_nowhere,
            edits=no_edits,
            says=unlike_others,
            extent=extent,
        )

    @cached_property
    def coded(self) -> Names:
        """The categories as codes."""
        return self.category if isinstance(self.category, Names) else Names.of(self.category)

    def packed(self) -> Table:
        """The table for another process, which does not ask where its rows stand."""
        return replace(self, locate=_nowhere, edits=no_edits, says=unlike_others)

    def _some_extents(self) -> Floats:
        """The extents of a sample of the outlines, the same whatever rules are selected, and soon made."""
        extent = np.full((len(self), 4), np.nan)
        rows = np.unique(np.linspace(0, len(self) - 1, min(_SAMPLE, len(self))).astype(np.int64))
        drawn = self.outlines or self.masks
        extent[rows] = shapes_of(drawn[row] for row in rows.tolist()).extent
        return extent

    def groups(self) -> Iterator[NDArray[np.int64]]:
        """The rows of each image that has objects."""
        if len(self):
            cuts = np.flatnonzero(np.diff(self.image)) + 1
            yield from np.split(np.arange(len(self)), cuts)


def rows_where(condition: NDArray[np.bool_]) -> list[int]:
    """The rows for which a condition (N,) holds."""
    found: list[int] = np.flatnonzero(condition).tolist()
    return found


def table_of(
    records: Sequence[Record],
    locate: Callable[[Record, int], Location],
    edits: Callable[[Record, int, Change], Iterable[Edit]] | None = None,
) -> Table:
    """The objects of records. locate: where object k (from 0) of a record stands; edits: what changes it."""
    rows = [(k, position) for k, record in enumerate(records) for position in range(len(record.objects))]
    items = [records[k].objects[position] for k, position in rows]
    nothing = (np.nan,) * 4

    def runs(row: int) -> Counts:
        item = items[row]
        if item.kind == "box":
            raise ValueError("an object that is known by its box has no pixels")
        return mask_runs(records[rows[row][0]], item.mask)

    def changed(row: int, change: Change) -> Iterable[Edit]:
        return edits(records[rows[row][0]], rows[row][1], change) if edits is not None else ()

    return Table(
        images=[image_row(record) for record in records],
        image=np.array([k for k, _ in rows], dtype=np.int64),
        category=[item.category for item in items],
        box=np.array([item.box or nothing for item in items], dtype=np.float64).reshape(-1, 4),
        area=np.full(len(rows), np.nan),
        crowd=np.array([bool(item.crowd) for item in items], dtype=bool),
        score=np.array([np.nan if item.score is None else item.score for item in items], dtype=np.float64),
        masks=[item.mask if item.kind == "instance" else None for item in items],
        runs=runs,
        locate=lambda row: locate(records[rows[row][0]], rows[row][1]),
        edits=changed if edits is not None else no_edits,
        says=lambda row: items[row].model_copy(update={"uid": None}),
    )


def _nowhere(row: int) -> Location:
    raise ValueError("only the columns were kept")
