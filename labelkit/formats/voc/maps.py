"""The PNGs of Pascal VOC: class or object indices in mode P, 0 background, 255 void (FORMATS 2.4).

Some tools write the official colours as RGB instead; both are read, and indices are written.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from labelkit.errors import RecordError
from labelkit.formats.voc.layout import CLASSES, OBJECTS, inside_folder
from labelkit.formats.voc.names import MOST, VOID, colormap, palette
from labelkit.map_png import save_map
from labelkit.model import Category, InstanceMap, Layers, PixelMap, Png, SemanticMap
from labelkit.pixels import Colour, decoding, source_pixels, stamp, value_counts

Encoding = Literal["index", "rgb24", "colours"]
_MAP_FILE = "MSK108"  # or another rule over map files: they say what is wrong with its mode or its colours


def read_maps(
    root: Path, id_: str, categories: Sequence[Category]
) -> tuple[dict[str, PixelMap], frozenset[int]]:
    """The pixel maps of an image, and the values of its objects that occur.

    categories: of the data set, in the order of their indices. Raises RecordError: a PNG cannot be read, has
    a value that is no class, or stands without its pair.
    """
    classes = inside_folder(root / CLASSES, f"{id_}.png")
    owners = inside_folder(root / OBJECTS, f"{id_}.png")
    if classes is None:
        if owners is not None:
            found = f"no {CLASSES} PNG beside it"
            raise RecordError(str(owners), found, "both PNGs of the pair", code="STR106")
        return {}, frozenset()
    maps: dict[str, PixelMap] = {"semantic": _semantic(classes, categories)}
    if owners is None:
        return maps, frozenset()
    try:
        instances = InstanceMap(source=open_map(owners, colormap()), ignore=VOID)
        values = values_of(instances) - {0, VOID}
    except ValueError as error:
        expected = "object indices from 0 to 255"
        raise RecordError(str(owners), str(error), expected, code=_MAP_FILE) from None
    maps["objects"] = instances
    return maps, values


def _semantic(file: Path, categories: Sequence[Category]) -> SemanticMap:
    names = [category.name for category in categories[:MOST]]
    try:
        semantic = SemanticMap(
            source=open_map(file, palette(categories)), classes=dict(enumerate(names, 1)), ignore=VOID
        )
        strange = sorted(values_of(semantic) - set(range(len(names) + 1)) - {VOID})
    except ValueError as error:
        expected = "class indices, or the colours of classes"
        raise RecordError(str(file), str(error), expected, code=_MAP_FILE) from None
    if strange:
        expected = f"0 to {len(names)} (there are {len(names)} classes) or 255"
        raise RecordError(str(file), f"value {strange[0]}", expected, code="MSK112")
    return semantic


def open_map(path: Path, colours: tuple[Colour, ...]) -> Png:
    """A PNG as a source of indices, by its mode alone. Raises ValueError: no image, or of another mode."""
    mode = _mode(path)
    if mode in ("P", "L", "1", "I;16"):
        return Png(path=str(path.absolute()))
    if mode in ("RGB", "RGBA"):
        return Png(path=str(path.absolute()), encoding="colours", colours=colours)
    raise ValueError(f"a PNG of mode {mode}; expected indices (P, L) or colours (RGB)")


def _mode(path: Path) -> str:
    from PIL import Image

    with decoding("no readable PNG"), Image.open(path, formats=["PNG"]) as image:
        return image.mode


def values_of(item: SemanticMap | InstanceMap) -> frozenset[int]:
    """The values that occur in a map. Raises ValueError where it cannot be decoded."""
    source = item.source
    if isinstance(source, Png):
        return _png_values(source.path, source.encoding, source.colours, stamp(Path(source.path)))
    return _values(source)


@lru_cache(maxsize=64)
def _png_values(
    path: str, encoding: Encoding, colours: tuple[Colour, ...] | None, stamp: int
) -> frozenset[int]:
    return _values(Png(path=path, encoding=encoding, colours=colours))


def _values(source: Png | Layers) -> frozenset[int]:
    return frozenset(value_counts(source_pixels(source)))


def write_map(item: SemanticMap | InstanceMap, path: Path, colours: Sequence[Colour]) -> None:
    """Write the values of a fitted map; a PNG of mode P is copied as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = item.source
    if isinstance(source, Png) and source.encoding == "index" and _mode(Path(source.path)) == "P":
        shutil.copyfile(source.path, path)
        return
    table = bytes(chain.from_iterable(colours))
    save_map(source_pixels(source).astype(np.uint8), path, table)
