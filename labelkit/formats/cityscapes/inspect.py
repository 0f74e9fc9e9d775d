"""A Cityscapes data set for rules: its frames as they are, their objects as tables, images and PNGs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from labelkit.changes import Change, Edit
from labelkit.errors import FormatError, RecordError
from labelkit.findings import Location
from labelkit.formats import Parcel, Part, total_of
from labelkit.formats._files import relative
from labelkit.formats.cityscapes.edits import object_edits
from labelkit.formats.cityscapes.frame import Truth
from labelkit.formats.cityscapes.layout import TypeOption
from labelkit.formats.cityscapes.raw_document import RawObject, RawPolygons
from labelkit.formats.cityscapes.raw_frame import CityscapesFrame, CityscapesSet
from labelkit.formats.cityscapes.read import CityscapesReader
from labelkit.formats.cityscapes.scene import Rule, ring_mask
from labelkit.formats.cityscapes.table import native
from labelkit.geometry import rle
from labelkit.image_files import ImageFile
from labelkit.model import Instance, Mask, Object, Record
from labelkit.pixels import Counts, mask_runs, shape_runs
from labelkit.table import ImageRow, Table


def inspect(
    path: Path,
    *,
    images_dir: Path | None = None,
    type: TypeOption = "auto",
    truth: Truth = "png",
    raster: Rule = "official",
) -> Iterator[object]:
    """All that a Cityscapes data set is made of, frame by frame."""
    try:
        reader = CityscapesReader(path, images_dir, type, truth, raster)
        parts = reader.parts()
    except FormatError as error:
        yield error
        return
    yield from total_of(parts)
    yield reader.header
    for part in parts:
        yield Parcel(_part_items, (reader, part, path))
    yield CityscapesSet(reader.folder, reader.frames, reader.unread, _prefix(reader, path))


def _prefix(reader: CityscapesReader, root: Path) -> str:
    """The folder of annotations below the data set, with a slash; nothing where it is the data set."""
    return "" if reader.folder.path == root else f"{relative(reader.folder.path, root)}/"


def _part_items(reader: CityscapesReader, part: Part, root: Path) -> Iterator[object]:
    """What the frames of a part are made of, and a table of their objects."""
    rows: list[_Row] = []
    images: list[ImageRow] = []
    for name in part.key:
        frame = CityscapesFrame(reader.folder, name, reader.raster, _prefix(reader, root))
        record = frame.record(reader.truth)
        if frame.polygons is not None:
            yield frame.polygons
        yield frame
        yield from frame.errors
        yield from frame.maps.values()
        if record is not None:
            yield record
        found = record if isinstance(record, Record) else None
        row = frame.row
        if found is not None:  # the PNGs know the size of a frame without polygons
            row = row._replace(width=found.image.width, height=found.image.height)
        yield from _image(frame, row, root)
        rows += _rows(frame, found, len(images))
        images.append(row)
    yield _table(images, rows)


def _image(frame: CityscapesFrame, row: ImageRow, root: Path) -> Iterator[ImageFile | RecordError]:
    try:
        file = frame.files.folder.image(row.path)
    except ValueError as error:
        if not any(known.code == "STR108" and known.place == row.path for known in frame.errors):
            yield RecordError(row.path, str(error), code="STR108")
        return
    if file is not None:
        yield ImageFile(row, file, relative(file, root))


# --- the table -------------------------------------------------------------------------------------------


class _Row:
    """An object of a frame.

    image: the position of its image. number: its own in the image, from 1. item: what the file says of it, or
    the object that only PNGs know. record: its frame's, where that could be read. is_alone: no PNG is made
    from its polygon.
    """

    def __init__(
        self, image: int, number: int, frame: CityscapesFrame, stated: RawObject | None, record: Record | None
    ) -> None:
        self.image = image
        self.number = number
        self.document: RawPolygons | None = frame.polygons
        self.raster: Rule = frame.raster
        self.stated = stated
        self.record = record
        self.is_alone = [*frame.frame.kinds] == ["polygons"]
        self.png = frame.at("instanceIds" if frame.files.has("instanceIds") else "instanceTrainIds")

    @property
    def item(self) -> Object | None:
        return self.record.objects[self.number - 1] if self.record else None

    @property
    def category(self) -> str | None:
        return self.item.category if self.item else self.stated.category if self.stated else None

    @property
    def is_crowd(self) -> bool:
        return bool(self.item.crowd) if self.item else self.stated is not None and self.stated.is_group

    @property
    def mask(self) -> Mask | None:
        return self.item.mask if isinstance(self.item, Instance) else None

    @property
    def outline(self) -> Mask | None:
        """The polygon, where the file states one."""
        return ring_mask(self.stated.points) if self.stated and self.stated.points is not None else None

    def runs(self) -> Counts:
        """The pixels that can be seen of the object. Raises ValueError where they are not known."""
        if self.record is None or self.mask is None:
            raise ValueError("its frame cannot be read")
        return mask_runs(self.record, self.mask)

    def painted(self) -> Counts:
        """The pixels of the polygon. Raises ValueError where it has none, or the image has no size."""
        size = self.document.size if self.document else None
        if self.outline is None or size is None:
            raise ValueError("no polygon, or an image whose size is not known")
        return shape_runs(self.outline, *size, self.raster)

    def locate(self) -> Location:
        """Where the object stands: its polygon, or its value in the PNG."""
        if self.stated is not None and self.document is not None:
            return self.document.at(self.stated, number=self.number)
        value = native(self.item.raw).get("value", "") if self.item else ""
        return Location(
            self.png.file,
            element=f"value {value or self._cell()}",
            image=self.png.image,
            object=self.number,
            box=self._extent(),
        )

    def edits(self, change: Change) -> Iterable[Edit]:
        """The bytes that change the object; none where PNGs are made from it."""
        if not self.is_alone or self.document is None or self.stated is None:
            return ()
        return object_edits(self.document, self.stated, change)

    def _cell(self) -> object:
        return getattr(self.mask.shape, "value", "") if self.mask else ""

    def _extent(self) -> tuple[float, float, float, float] | None:
        height = self.record.image.height if self.record else None
        if height is None:
            return None
        x, y, w, h = rle.extent(self.runs(), height)
        return float(x), float(y), float(w), float(h)


def _rows(frame: CityscapesFrame, record: Record | None, image: int) -> list[_Row]:
    """The objects of a frame: those of its file that are not deleted, then those that only PNGs have."""
    stated: Sequence[RawObject | None] = frame.polygons.kept if frame.polygons else []
    count = len(record.objects) if record else len(stated)
    return [_Row(image, k + 1, frame, stated[k] if k < len(stated) else None, record) for k in range(count)]


def _table(images: Sequence[ImageRow], rows: Sequence[_Row]) -> Table:
    return Table(
        images=images,
        image=np.array([row.image for row in rows], dtype=np.int64),
        category=[row.category for row in rows],
        box=np.full((len(rows), 4), np.nan),
        area=np.full(len(rows), np.nan),
        crowd=np.array([row.is_crowd for row in rows], dtype=bool),
        masks=[row.mask for row in rows],
        outlines=[row.outline for row in rows],
        painted=lambda row: rows[row].painted(),
        runs=lambda row: rows[row].runs(),
        locate=lambda row: rows[row].locate(),
        edits=lambda row, change: rows[row].edits(change),
    )
