"""The masks of a table of annotations: taken from the file, painted or counted when someone looks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.formats._files import map_bytes
from labelkit.formats.coco.columns import segmentation_of
from labelkit.formats.coco.raw_document import CocoDocument
from labelkit.geometry.raster import coco_areas
from labelkit.geometry.rle import area
from labelkit.model import Mask, Polygons, Shape
from labelkit.pixels import Counts, refuse_huge, shape_runs
from labelkit.table import Floats, ImageRow


class Masks(Sequence["Mask | None"]):
    """The masks of some annotations, each taken from its bytes when someone looks."""

    def __init__(self, document: CocoDocument, ordinals: NDArray[np.int64]) -> None:
        self._document = document
        self._ordinals = ordinals

    def __len__(self) -> int:
        return len(self._ordinals)

    def __getitem__(self, row: Any) -> Any:
        return self._document.mask(int(self._ordinals[row]))

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: where in the file the masks are."""
        index, has_shape = self._document.index, self._document.columns.has_shape
        spans = index.spans[self._ordinals]
        spans[~np.frombuffer(has_shape, dtype=np.bool_)[self._ordinals]] = 0
        return _MappedMasks, (index.path, spans)


class _MappedMasks(Sequence["Mask | None"]):
    """The masks of annotations that are known by their spans of bytes in a file."""

    def __init__(self, path: Path, spans: NDArray[np.int64]) -> None:
        self._path = path
        self._spans = spans

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, row: Any) -> Any:
        start, length = self._spans[row].tolist()
        if not length:
            return None
        return Mask(bytes(segmentation_of(_mapped(self._path)[start : start + length])))


@lru_cache(maxsize=2)
def _mapped(path: Path) -> memoryview:
    return map_bytes(path)


@dataclass(frozen=True)
class Runs:
    """The pixels of the masks of a table."""

    images: Sequence[ImageRow]
    image: NDArray[np.int64]
    masks: Sequence[Mask | None]

    def __call__(self, row: int) -> Counts:
        mask, entry = self.masks[row], self.images[int(self.image[row])]
        if mask is None or entry.width is None or entry.height is None:
            raise ValueError("no mask, or an image whose size is not known")
        return shape_runs(mask, entry.height, entry.width)

    def areas(self) -> Floats:
        """(N,) How many pixels each mask has; plain polygons of images of one size are counted together."""
        found = np.full(len(self.image), np.nan)
        plain: dict[tuple[int, int], dict[int, list[list[float]]]] = {}
        for row, mask in enumerate(self.masks):
            entry = self.images[int(self.image[row])]
            if mask is None or entry.width is None or entry.height is None:
                continue
            with suppress(ValueError):  # of a malformed one
                rings = _plain(mask.shape)
                if rings is None:
                    found[row] = area(shape_runs(mask, entry.height, entry.width))
                else:
                    refuse_huge(entry.height, entry.width)
                    plain.setdefault((entry.height, entry.width), {})[row] = rings
        for (height, width), shapes in plain.items():
            found[list(shapes)] = coco_areas(list(shapes.values()), height, width)
        return found


def _plain(shape: Shape) -> list[list[float]] | None:
    """The rings of a mask that is polygons without holes."""
    if not isinstance(shape, Polygons) or any(len(rings) != 1 for rings in shape.parts):
        return None
    return [rings[0] for rings in shape.parts]
