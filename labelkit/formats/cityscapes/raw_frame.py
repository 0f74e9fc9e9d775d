"""A frame for rules: its polygons.json and its PNGs as they are, each read when someone looks.

A frame holds arrays of a whole image: look at it and let it go, keep none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from labelkit.errors import FormatError, LabelkitError, RecordError
from labelkit.findings import Location
from labelkit.formats.cityscapes.files import FrameFiles
from labelkit.formats.cityscapes.frame import FrameReader, Truth, first_line, image_name, plain_name
from labelkit.formats.cityscapes.layout import Folder, Frame
from labelkit.formats.cityscapes.pngs import BY_TRAIN_ID, COLOURS, OF_CLASSES, is_known
from labelkit.formats.cityscapes.raw_document import RawObject, RawPolygons
from labelkit.formats.cityscapes.scene import Rule, is_painted, ring_mask, scene_layers
from labelkit.formats.cityscapes.table import (
    BY_ID,
    BY_NAME,
    CLASSES,
    IGNORED_TRAIN_ID,
    PER_CLASS,
    UNSPLIT,
    official_values,
)
from labelkit.map_files import MapFile
from labelkit.model import Layers, Record
from labelkit.pixels import Labels, image_size, source_pixels, value_counts
from labelkit.table import ImageRow

MODES: dict[str, tuple[str, ...]] = {
    "labelIds": ("L", "P"),
    "labelTrainIds": ("L", "P"),
    "instanceIds": ("I;16", "I"),
    "instanceTrainIds": ("I;16", "I"),
    "color": ("RGBA", "RGB"),
}


NAMES = {number: BY_ID[number].name for number in range(len(COLOURS))}


@dataclass(frozen=True, eq=False)
class Scene:
    """The polygons of a frame, painted by a rule.

    owners: (h, w) which polygon each pixel shows, from 1 in the order of those that are not deleted; 0: none.
    numbers: the value of instanceIds that each polygon has by its place in the file.
    """

    rule: Rule
    owners: Labels
    numbers: Sequence[int]

    @cached_property
    def values(self) -> Labels:
        """(h, w) what instanceIds should show."""
        table = np.array([0, *self.numbers], dtype=np.int32)
        return np.maximum(table, 0)[self.owners].astype(np.int32)


class CityscapesFrame:
    """The files of one image.

    row: its image. raster: the rule that polygons are to be painted by. polygons: the polygons.json as far as
    it can be read; None where there is none. errors: what cannot be read. maps: its PNGs by kind.
    """

    def __init__(self, folder: Folder, frame: Frame, raster: Rule, prefix: str) -> None:
        self.frame = frame
        self.raster: Rule = raster
        self.files = FrameFiles(folder, frame)
        self.prefix = prefix
        self.errors: list[LabelkitError] = []
        self.name = self._image_name()
        self.layers: dict[Rule, Layers] = {}
        self.polygons = self._polygons()
        self.row = self._row()
        self.maps = self._maps()

    def place(self, kind: str) -> str:
        """A file's path below the data set."""
        return below(self.prefix, self.files, kind)

    def at(
        self,
        kind: str,
        element: str | None = None,
        *,
        number: int | None = None,
        box: tuple[float, float, float, float] | None = None,
    ) -> Location:
        """Where a file stands, or what is inside of it. number: an object's in the image, from 1."""
        return Location(self.place(kind), element=element, image=self.name, object=number, box=box)

    # --- files -------------------------------------------------------------------------------------------

    def _image_name(self) -> str:
        try:
            return image_name(self.files.folder, self.frame)
        except ValueError as error:
            name = plain_name(self.frame)
            self.errors.append(RecordError(name, str(error), code="STR108"))
            return name

    def _polygons(self) -> RawPolygons | None:
        file = self._file("polygons")
        if file is None:
            return None
        try:
            return RawPolygons(file, self.place("polygons"), self.name)
        except FormatError as error:
            self.errors.append(error)
            return None

    def _file(self, kind: str) -> Path | None:
        if not self.files.has(kind):
            return None
        try:
            return self.files.file(kind)
        except RecordError as error:
            self.errors.append(
                RecordError(self.place(kind), error.found, error.expected, error.advice, code=error.code)
            )
            return None

    def _row(self) -> ImageRow:
        splits = () if self.frame.split == UNSPLIT else (self.frame.split,)
        width, height = self._size()
        return ImageRow(self.name, width, height, splits)

    def _size(self) -> tuple[int, int] | tuple[None, None]:
        """Width and height: those of polygons.json, or of the first PNG where it does not say them."""
        if self.polygons is not None and self.polygons.size is not None:
            height, width = self.polygons.size
            return width, height
        for file in self._pngs.values():
            try:
                return image_size(file)
            except ValueError:
                continue
        return None, None

    @cached_property
    def _pngs(self) -> dict[str, Path]:
        """The PNGs that are there, by kind."""
        files = {kind: self._file(kind) for kind in OF_CLASSES}
        return {kind: file for kind, file in files.items() if file is not None}

    def _maps(self) -> dict[str, MapFile]:
        return {
            kind: MapFile(
                self.row,
                file,
                self.place(kind),
                MODES[kind],
                values_of(kind),
                COLOURS if kind == "color" else (),
                names=NAMES if kind == "color" else {},
            )
            for kind, file in self._pngs.items()
        }

    # --- pixels ------------------------------------------------------------------------------------------

    @cached_property
    def pngs(self) -> dict[str, Labels]:
        """The values of the PNGs that can be read and have the size of the frame."""
        size = (self.row.height, self.row.width)
        found = {}
        for kind in self.maps:
            try:
                pixels = source_pixels(self.files.source(kind))
            except ValueError:
                continue
            if pixels.shape == size:
                found[kind] = pixels
        return found

    @cached_property
    def counts(self) -> dict[str, dict[int, int]]:
        """How many pixels have each value, of the PNGs that were read."""
        return {kind: value_counts(pixels) for kind, pixels in self.pngs.items()}

    @cached_property
    def strange(self) -> dict[str, list[int]]:
        """The values that are in no row of the label table, of the PNGs that were read."""
        return {
            kind: [value for value in counts if not is_known(kind, value)]
            for kind, counts in self.counts.items()
        }

    @cached_property
    def scene(self) -> Scene | None:
        """The polygons as they should be painted; None where a flaw of the file leaves that open."""
        return self.painted(self.raster)

    def painted(self, rule: Rule) -> Scene | None:
        """The polygons, painted by a rule."""
        polygons = self.polygons
        if polygons is None or polygons.flaws or polygons.size is None:
            return None
        usable = [
            (item.category, item.is_group, item.points)
            for item in polygons.kept
            if item.category is not None and item.points is not None
        ]
        if rule not in self.layers:
            names = [name for name, _, _ in usable]
            rings = [ring_mask(points) if is_painted(name) else None for name, _, points in usable]
            self.layers[rule] = scene_layers(names, rings, polygons.size, rule)[0]
        numbers = official_values((name, group) for name, group, _ in usable)
        return Scene(rule, source_pixels(self.layers[rule]), numbers)

    # --- its record --------------------------------------------------------------------------------------

    def record(self, truth: Truth) -> Record | LabelkitError | None:
        """The record that a reader makes of the frame, or why it makes none; None where that is told already.

        What the reader has to paint is not painted again.
        """
        if self.errors or (self.polygons and self.polygons.flaws) or not self._is_sound():
            return None
        reader = FrameReader(self.files.folder, truth, self.raster, self.frame, [])
        try:
            record = reader.record()
        except LabelkitError as error:
            return error
        except (ValueError, OSError) as error:  # pydantic's among them
            return RecordError(self.name, first_line(error))
        self.layers |= reader.layers
        return record

    def _is_sound(self) -> bool:
        """Whether every PNG can be read, and has values that mean something."""
        return self.pngs.keys() == self.maps.keys() and not any(self.strange.values())

    def without_instances(self, kind: str) -> dict[int, int]:
        """The values of a PNG that number a class without instances, with their pixels."""
        values, known = self.counts.get(kind, {}), values_of(kind) or ()
        return {value: values[value] for value in self.strange.get(kind, ()) if value in known}

    @cached_property
    def overflowing(self) -> list[RawObject]:
        """The thousand-and-first object of each class whose number runs into the next class."""
        seen: Counter[str] = Counter()
        found = []
        for item in self.polygons.kept if self.polygons else ():
            name = item.category
            if name is not None and not item.is_group and BY_NAME[name].has_instances:
                if seen[name] == PER_CLASS:
                    found.append(item)
                seen[name] += 1
        return found


def below(prefix: str, files: FrameFiles, kind: str) -> str:
    """The path of a frame's file below the data set. prefix: the folder of annotations there."""
    return prefix + files.place(kind).partition("/")[2]


@cache
def values_of(kind: str) -> frozenset[int] | None:
    """The values that a kind of PNG can have; None for colours.

    Those of instanceIds are of any class: a number of one without instances is a matter of numbering.
    """
    if kind == "color":
        return None
    numbers = [0, *CLASSES] if kind in ("labelIds", "instanceIds") else [*BY_TRAIN_ID, IGNORED_TRAIN_ID]
    if kind in ("labelIds", "labelTrainIds"):
        return frozenset(numbers)
    known = [number for number in numbers if 0 < number < IGNORED_TRAIN_ID]
    return frozenset([*numbers, *(number * PER_CLASS + n for number in known for n in range(PER_CLASS))])


@dataclass(frozen=True, eq=False)
class CityscapesSet:
    """All frames of a data set, for what only several of them show.

    type: gtFine or gtCoarse. prefix: the folder's path below the data set, with a slash. unread: files of the
    folder that belong to no frame.
    """

    folder: Folder
    frames: Sequence[Frame]
    unread: Sequence[str]
    prefix: str

    def place(self, frame: Frame, kind: str) -> str:
        """A file's path below the data set, whether it is there or not."""
        return below(self.prefix, FrameFiles(self.folder, frame), kind)

    def image(self, frame: Frame) -> str:
        """The path of a frame's image."""
        try:
            return image_name(self.folder, frame)
        except ValueError:  # a link to something else, which is told with the frame
            return plain_name(frame)
