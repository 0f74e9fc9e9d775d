"""The PNG of a label map as rules look at it: its header, its stored values, and what its format expects.

Readers refuse what they cannot read and accept more than the official tools do; here everything is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.image_files import ImageHeader, read_header
from labelkit.pixels import read_png
from labelkit.table import ImageRow

Colour = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class MapFile:
    """A PNG of labels, and what it should be.

    row: its image. name: the file's path relative to the data set. modes: Pillow's modes that the official
    tools take; the first is the usual one. values: those that mean something; None: any. colours: the colour
    of each value, in the palette or, where a tool wrote colours, in the pixels; empty if the format has none.
    void: the value of pixels that are to be ignored, where the format has one.
    """

    row: ImageRow
    path: Path
    name: str
    modes: tuple[str, ...]
    values: frozenset[int] | None = None
    colours: tuple[Colour, ...] = ()
    void: int | None = None

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
        pixels = self.stored
        if not self.is_index:
            wide = pixels[..., :3].astype(np.int64)
            pixels = wide[..., 0] + 256 * wide[..., 1] + 65536 * wide[..., 2]
        values, times = np.unique(pixels, return_counts=True)
        return dict(zip(values.tolist(), times.tolist(), strict=True))
