"""The PNGs of an image for rules: each as a file, and both beside the objects of the XML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labelkit.errors import RecordError
from labelkit.formats._files import relative
from labelkit.formats.voc.layout import CLASSES, OBJECTS, inside_folder
from labelkit.formats.voc.names import MOST, VOID, colormap, palette
from labelkit.formats.voc.read import VocReader
from labelkit.map_files import MapFile
from labelkit.table import ImageRow


@dataclass(frozen=True, eq=False)
class VocMaps:
    """Both PNGs of an image, and what its XML says.

    categories: of the objects by the value of their pixels, as far as they can be read; count: how many
    objects there are; None: there is no XML. moved: values whose pixels lie in the box of another object than
    the one of that number, with that object's number. indices: of the classes in SegmentationClass.
    """

    classes: MapFile
    objects: MapFile
    categories: Mapping[int, str]
    count: int | None
    moved: Mapping[int, int]
    indices: Mapping[str, int]


def class_map(reader: VocReader, id_: str, row: ImageRow) -> MapFile | None:
    """The SegmentationClass of an image, where there is a file."""
    file = _file(reader, CLASSES, id_)
    if file is None:
        return None
    names = [category.name for category in reader.header.categories[:MOST]]
    return MapFile(
        row,
        file,
        relative(file, reader.path),
        modes=("P",),
        values=frozenset({*range(len(names) + 1), VOID}),
        colours=palette(reader.header.categories),
        void=VOID,
        names=dict(enumerate(names, 1)),
    )


def object_map(reader: VocReader, id_: str, row: ImageRow) -> MapFile | None:
    """The SegmentationObject of an image, where there is a file."""
    file = _file(reader, OBJECTS, id_)
    if file is None:
        return None
    return MapFile(row, file, relative(file, reader.path), modes=("P",), colours=colormap(), void=VOID)


def _file(reader: VocReader, folder: str, id_: str) -> Path | None:
    try:
        return inside_folder(reader.layout.root / folder, f"{id_}.png")
    except RecordError:  # which the reader tells: a link that leads out, or no file
        return None
