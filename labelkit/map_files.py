"""The PNG of a label map as rules look at it: its header, its stored values, and what its format expects.

Readers refuse what they cannot read and accept more than the official tools do; here everything is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.changes import Edit
from labelkit.findings import Location
from labelkit.image_files import ImageHeader, read_header
from labelkit.pixels import Colour, decoding, packed_colours, places_of_colours, read_png, value_counts
from labelkit.table import ImageRow


@dataclass(frozen=True, eq=False)
class MapFile:
    """A PNG of labels, and what it should be.

    row: its image. name: the file's path relative to the data set. modes: Pillow's modes that the official
    tools take; the first is the usual one; empty: any. values: those that mean something; None: any.
    colours: the colour of each value, in the palette or, where a tool wrote colours, in the pixels; empty if
    the format has none. void: the value of pixels that are to be ignored, where the format has one. names: of
    the values that are classes.
    """

    row: ImageRow
    path: Path
    name: str
    modes: tuple[str, ...]
    values: frozenset[int] | None = None
    colours: tuple[Colour, ...] = ()
    void: int | None = None
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def at(self) -> Location:
        """Where it is."""
        return Location(self.name, image=self.row.path)

    @cached_property
    def header(self) -> ImageHeader:
        """Raises ValueError where it is no image, or claims too many pixels."""
        return read_header(self.path)

    @cached_property
    def stored(self) -> NDArray[Any]:
        """The pixels as they are stored: (h, w) values or (h, w, 3 or 4) colours, read-only.

        Raises ValueError where it is no PNG, is truncated or claims too many pixels.
        """
        pixels = read_png(self.path)
        pixels.flags.writeable = False
        return pixels

    @cached_property
    def is_index(self) -> bool:
        """Whether each pixel is one value. Raises as ``stored`` does."""
        return self.stored.ndim == 2

    @cached_property
    def counts(self) -> dict[int, int]:
        """How many pixels have each value that occurs; colours are R + 256 G + 65536 B.

        Raises as ``stored`` does.
        """
        return value_counts(self.stored if self.is_index else packed_colours(self.stored))

    @cached_property
    def palette(self) -> tuple[Colour, ...]:
        """The colours of the indices, as far as the file has them; none without a palette.

        Raises as ``stored`` does.
        """
        from PIL import Image

        if self.header.mode != "P":
            return ()
        with decoding(), Image.open(self.path, formats=["PNG"]) as image:
            numbers = image.getpalette("RGB") or []
        return tuple(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))

    @cached_property
    def labels(self) -> NDArray[Any] | None:
        """The values (h, w), also where the file has their colours in their place.

        None where there are none: the file cannot be read, is of a mode without them, or has other colours.
        """
        try:
            stored = self.stored
        except ValueError:
            return None
        if stored.ndim == 2:
            return stored
        if stored.shape[2] < 3 or not self.colours:
            return None
        labels, strange = places_of_colours(packed_colours(stored), self.colours)
        return None if strange.any() else labels


def as_palette(path: Path, labels: NDArray[Any], colours: Sequence[Colour]) -> Edit:
    """The edit that makes a PNG one of mode P with these values and this palette."""
    from PIL import Image

    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette([number for colour in colours for number in colour])
    with BytesIO() as stream:
        image.save(stream, format="PNG")
        return Edit(path, 0, None, stream.getvalue())


def with_values(path: Path, values: Mapping[int, int]) -> Edit:
    """The edit that gives the pixels of a PNG of mode P other values, and keeps its palette."""
    from PIL import Image

    with decoding(), Image.open(path, formats=["PNG"]) as image, BytesIO() as stream:
        image.point([values.get(value, value) for value in range(256)]).save(stream, format="PNG")
        return Edit(path, 0, None, stream.getvalue())
