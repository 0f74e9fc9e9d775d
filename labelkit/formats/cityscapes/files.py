"""The files of one frame: where they are, the values of its PNGs, and the size that all of them share."""

from __future__ import annotations

from pathlib import Path

from labelkit.errors import RecordError
from labelkit.formats._files import inside
from labelkit.formats.cityscapes.document import Document
from labelkit.formats.cityscapes.layout import Folder, Frame
from labelkit.formats.cityscapes.pngs import expected, is_known, png_of
from labelkit.formats.cityscapes.table import SUFFIX
from labelkit.model import Png
from labelkit.pixels import Labels, image_size, source_pixels, value_counts


class FrameFiles:
    """The files of a frame in its folder, by kind."""

    def __init__(self, folder: Folder, frame: Frame) -> None:
        self.folder = folder
        self.frame = frame

    def has(self, kind: str) -> bool:
        """Whether there is such a file."""
        return kind in self.frame.kinds

    def place(self, kind: str) -> str:
        """A file as messages name it: type/split/city/name."""
        type, frame = self.folder.type, self.frame
        return f"{type}/{frame.split}/{frame.city}/{frame.core}_{type}_{kind}{SUFFIX[kind]}"

    def file(self, kind: str) -> Path:
        """A file. Raises RecordError where it is gone, or leads out of the folder."""
        place = self.place(kind)
        try:
            file = inside(self.folder.path, place.partition("/")[2])
        except ValueError as error:
            raise RecordError(place, str(error), code="STR108") from None
        if file is None:
            raise RecordError(place, "the file is gone, or is no file", "a readable file")
        return file

    def source(self, kind: str) -> Png:
        """A PNG as the source of a map."""
        return png_of(kind, self.file(kind))

    def png(self, kind: str) -> Labels:
        """The values of a PNG. Raises RecordError where it is none, or has values that mean nothing."""
        place, source = self.place(kind), self.source(kind)
        try:
            pixels = source_pixels(source)
        except ValueError as error:
            wanted = "an RGB PNG in " if kind == "color" else "a gray PNG with one whole number a pixel: "
            raise RecordError(place, str(error), wanted + expected(kind)) from None
        counts = value_counts(pixels)
        strange = [v for v in counts if not is_known(kind, v)]
        if strange:
            raise RecordError(
                place,
                f"value {strange[0]} ({counts[strange[0]]} pixels) is in no row of the label table",
                expected(kind),
                f"{len(strange)} such values" if len(strange) > 1 else "",
                code="MSK112",
            )
        return pixels

    def size(self, document: Document | None, pngs: dict[str, Labels]) -> tuple[int, int] | None:
        """Height and width, which all files must share; None where a document without objects has none."""
        sizes = {kind: pixels.shape for kind, pixels in pngs.items()}
        if document is not None and (document.size is not None or document.polys):
            sizes = {"polygons": document.size or (0, 0), **sizes}
        for kind in self.frame.kinds:
            if kind not in sizes and kind != "polygons" and (document is None or document.size):
                width, height = self._stated_size(kind)
                sizes[kind] = (height, width)
        if not sizes:
            return None
        first = next(iter(sizes))
        height, width = (int(number) for number in sizes[first])
        if not height or not width:
            raise RecordError(
                self.place(first), f"the size {width} x {height}", "a width and a height of 1 or more"
            )
        for kind, other in sizes.items():
            if other != sizes[first]:
                raise RecordError(
                    self.place(kind),
                    f"{other[1]} x {other[0]} pixels",
                    f"{width} x {height} as in {self.place(first)}",
                    code="MSK108",
                )
        return height, width

    def _stated_size(self, kind: str) -> tuple[int, int]:
        try:
            return image_size(self.file(kind))
        except ValueError as error:
            raise RecordError(self.place(kind), str(error), "a PNG") from None
