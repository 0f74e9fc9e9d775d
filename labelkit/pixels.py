"""From records to pixels: the runs of a mask, the array of a map, decoded when someone looks.

Arrays come from a bounded cache of this process and are read-only. Runs are column-major counts that start
with zeros, as everywhere in ``geometry.rle``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry import raster, rle
from labelkit.model import (
    Cell,
    InstanceMap,
    Layer,
    Layers,
    Mask,
    Png,
    Polygons,
    Record,
    Rle,
    SemanticMap,
)

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

PIXEL_LIMIT = 178_956_970  # the number at which Pillow warns of a decompression bomb
_VALUE_LIMIT = 1 << 31  # maps are int32
SIDE_LIMIT = 1 << 31  # of a width or a height: what image files can say, and 64-bit products can hold
Counts = NDArray[np.int64]
Labels = NDArray[np.int32]
Colour = tuple[int, int, int]


def image_size(path: Path) -> tuple[int, int]:
    """Width and height from the header of an image file, without decoding its pixels.

    Raises ValueError where the file is no image that Pillow knows, or has more pixels than the limit.
    """

    with decoding("no readable image"), open_image(path) as image:
        width, height = image.size
    refuse_huge(height, width)
    return width, height


def open_image(path: Path) -> ImageFile:
    """Pillow's ``Image.open``, also for a file that stands in for an image on shared storage."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(path)
    except UnidentifiedImageError:
        from labelkit.storage.mirror import brought  # only now: local images are opened without it

        if not brought(path):
            raise
        return Image.open(path)


class HugeImageError(ValueError):
    """An image claims more pixels than the limit."""


@contextmanager
def decoding(what: str = "") -> Iterator[None]:
    """Pillow's many ways to say that a file is broken as one ValueError; its warnings as nothing.

    what: the message begins with it. A file that claims too many pixels is a HugeImageError.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise HugeImageError(str(error)) from None
    except ValueError:
        raise
    except Exception as error:  # decoders raise anything on a broken file
        text = _pillow_fault(error)
        raise ValueError(f"{what} ({text})" if what else text) from None


def _pillow_fault(error: Exception) -> str:
    """What Pillow found in a file, without the path of it, which is another one on each machine."""
    from PIL import UnidentifiedImageError

    return "of no type that Pillow knows" if isinstance(error, UnidentifiedImageError) else str(error)


def refuse_huge(height: int, width: int) -> None:
    """Raise HugeImageError where an image has more pixels than the limit: a few bytes can claim any size."""
    if height * width > PIXEL_LIMIT:
        raise HugeImageError(f"{width} x {height} pixels; the limit is {PIXEL_LIMIT}")


def read_png(path: Path) -> NDArray[Any]:
    """The stored values of an index PNG (h, w), or the colours of an RGB one (h, w, 3 or 4), read-only.

    Raises ValueError, as image_size does, and where the file is truncated.
    """
    return _read_png(path, stamp(path))


def stamp(path: Path) -> int:
    """What changes when a file does, for caches."""
    return path.stat().st_mtime_ns if path.exists() else 0


@lru_cache(maxsize=6)  # a frame of Cityscapes has five
def _read_png(path: Path, stamp: int) -> NDArray[Any]:
    from PIL import Image

    image_size(path)
    with decoding("the PNG cannot be decoded"), Image.open(path, formats=["PNG"]) as image:
        pixels: NDArray[Any] = np.array(image)
    pixels.flags.writeable = False
    return pixels


def value_counts(pixels: NDArray[Any]) -> dict[int, int]:
    """How many pixels each value has that occurs, in rising order of values. pixels: whole numbers."""
    if pixels.size and int(pixels.min()) >= 0 and int(pixels.max()) < 1 << 16:  # faster than sorting
        counts = np.bincount(pixels.ravel())
        values, times = np.flatnonzero(counts), counts[counts > 0]
    else:
        values, times = np.unique(pixels, return_counts=True)
    return dict(zip(values.tolist(), times.tolist(), strict=True))


def map_pixels(item: SemanticMap | InstanceMap) -> Labels:
    """The values of a map, (h, w) int32, read-only.

    Raises ValueError: the file cannot be read, or a colour is none of the map's colours.
    """
    return source_pixels(item.source)


def source_pixels(source: Png | Layers) -> Labels:
    """The values of a map's source, (h, w) int32, read-only; raises as map_pixels does."""
    if isinstance(source, Png):
        path = Path(source.path)
        return _png_pixels(path, source.encoding, source.colours, stamp(path))
    return _painted(source)


@lru_cache(maxsize=6)
def _png_pixels(path: Path, encoding: str, colours: tuple[Colour, ...] | None, stamp: int) -> Labels:
    labels = _values_of(_read_png(path, stamp), encoding, colours)
    labels.flags.writeable = False
    return labels


def png_values(data: bytes, encoding: str, colours: Sequence[Colour] | None) -> Labels:
    """The values of a map whose PNG is in memory, (h, w) int32; raises as map_pixels does."""
    from PIL import Image

    with decoding("the PNG cannot be decoded"), Image.open(BytesIO(data), formats=["PNG"]) as image:
        refuse_huge(image.height, image.width)
        stored = np.array(image)
    return _values_of(stored, encoding, colours)


def _values_of(stored: NDArray[Any], encoding: str, colours: Sequence[Colour] | None) -> Labels:
    if encoding == "index":
        if stored.ndim != 2:
            raise ValueError(f"{stored.ndim}-dimensional pixels where one index a pixel was expected")
        return stored.astype(np.int32)
    if stored.ndim != 3 or stored.shape[2] < 3:
        raise ValueError("one value a pixel where colours were expected")
    packed = packed_colours(stored)
    return _by_colour(packed, colours or ()) if encoding == "colours" else packed


def packed_colours(colours: NDArray[Any]) -> Labels:
    """Colours (..., 3 or 4) as one number each: R + 256 G + 65536 B."""
    wide = colours[..., :3].astype(np.int32)
    return np.asarray(wide[..., 0] + 256 * wide[..., 1] + 65536 * wide[..., 2])


def places_of_colours(packed: Labels, colours: Sequence[Colour]) -> tuple[Labels, NDArray[np.bool_]]:
    """Where packed colours (...) stand in a table of some, and which of them are not there."""
    first, where = np.unique(packed_colours(np.array(colours)), return_index=True)
    found = np.clip(np.searchsorted(first, packed), 0, len(first) - 1)
    return where[found].astype(np.int32), first[found] != packed


def _by_colour(packed: Labels, colours: Sequence[Colour]) -> Labels:
    places, strange = places_of_colours(packed, colours)
    if strange.any():
        y, x = (int(v) for v in np.argwhere(strange)[0])
        value = int(packed[y, x])
        raise ValueError(
            f"colour ({value & 255}, {value >> 8 & 255}, {value >> 16}) at x={x}, y={y} is not in the palette"
            f" ({int(strange.sum())} such pixels)"
        )
    return places


_PAINTED = 3  # maps whose pixels are remembered: of the formats, none has more of an image
_last_painted: list[tuple[Layers, Labels]] = []


def _painted(source: Layers) -> Labels:
    for known, labels in _last_painted:
        if known is source:
            return labels
    refuse_huge(source.height, source.width)
    for layer in source.layers:
        if not -_VALUE_LIMIT <= layer.value < _VALUE_LIMIT:
            raise ValueError(f"the layer value {layer.value}, which has more than 32 bits")
    runs = [(layer.value, layer_runs(layer, source)) for layer in source.layers]
    labels = rle.paint(runs, source.height, source.width).astype(np.int32, copy=False)
    _remember(source, labels)
    return labels


def _remember(source: Layers, labels: Labels) -> None:
    """Note the pixels of layers, so that who looks next need not paint them."""
    labels.flags.writeable = False
    _last_painted[:] = [(source, labels), *_last_painted[: _PAINTED - 1]]


def layer_runs(layer: Layer, source: Layers) -> Counts:
    """The runs of one layer before later ones cover it. Raises ValueError where its mask is malformed."""
    return shape_runs(layer.mask, source.height, source.width, source.rule)


def mask_runs(record: Record, mask: Mask) -> Counts:
    """The runs of an object's mask at the size of its image.

    Raises ValueError: the mask is malformed or of another size, its map is missing or unreadable.
    """
    shape = mask.shape
    if isinstance(shape, Cell):
        if shape.map not in record.maps:
            raise ValueError(f"a mask in map {shape.map!r}, which the record has not")
        item = record.maps[shape.map]
        cells = cell_runs(item)
        return cells[shape.value] if shape.value in cells else _none_of(item)
    width, height = record.image.width, record.image.height
    if isinstance(shape, Rle) and (width is None or height is None):
        height, width = shape.size
    if width is None or height is None:
        raise ValueError("the size of the image is not known, so that polygons have no pixels")
    return shape_runs(mask, height, width)


def shape_runs(mask: Mask, height: int, width: int, rule: str = "coco") -> Counts:
    """The runs of polygons (under that rule) or of an RLE. Raises ValueError as mask_runs does."""
    shape = mask.shape
    if isinstance(shape, Rle):
        if shape.size != (height, width):
            raise ValueError(
                f"an RLE of size {shape.size[0]} x {shape.size[1]}, the image has {height} x {width}"
            )
        refuse_huge(height, width)
        return rle_runs(shape)
    if isinstance(shape, Polygons):
        refuse_huge(height, width)
        return _polygon_runs(shape, height, width, rule)
    raise ValueError("a cell of a map where an outline or an RLE was expected")


def rle_runs(shape: Rle) -> Counts:
    """The runs of an RLE at its own size. Raises ValueError where the counts cannot be its pixels."""
    try:
        listed = rle.decode_text(shape.counts) if isinstance(shape.counts, str) else shape.counts
        runs = np.asarray(listed, dtype=np.int64)
    except OverflowError:
        raise ValueError("a run of more than 64 bits") from None
    rle.check(runs, *shape.size)
    return runs


def _polygon_runs(shape: Polygons, height: int, width: int, rule: str) -> Counts:
    if rule == "coco":
        solid = [rings[0] for rings in shape.parts if len(rings) == 1]
        runs = [raster.coco_polygons(solid, height, width)] if solid else []
        for rings in shape.parts:
            if len(rings) > 1:
                outer = raster.coco_polygons(rings[:1], height, width)
                runs.append(rle.minus(outer, raster.coco_polygons(rings[1:], height, width)))
    else:
        fill = raster.official_polygon if rule == "official" else raster.pillow_polygon
        runs = [
            fill(np.array(rings[0], dtype=np.float64).reshape(-1, 2), height, width) for rings in shape.parts
        ]
    return rle.union(runs) if runs else np.array([height * width], dtype=np.int64)


_last_cells: list[tuple[SemanticMap | InstanceMap, dict[int, Counts]]] = []


def cell_runs(item: SemanticMap | InstanceMap) -> Mapping[int, Counts]:
    """The runs of every value that occurs in a map, found in one pass. Raises as map_pixels does."""
    for known, cells in _last_cells:
        if known is item:
            return cells
    cells = rle.from_labels(map_pixels(item))
    _last_cells[:] = [(item, cells), *_last_cells[:3]]
    return cells


def class_pixels(item: SemanticMap | InstanceMap) -> dict[str, int]:
    """How many pixels a map shows of each class, where it shows any. Raises as map_pixels does."""
    pixels: dict[str, int] = {}
    if isinstance(item, SemanticMap):
        for value, runs in cell_runs(item).items():
            if value in item.classes:
                name = item.classes[value]
                pixels[name] = pixels.get(name, 0) + rle.area(runs)
    return pixels


def shown_classes(item: SemanticMap | InstanceMap) -> set[str]:
    """The classes that a map shows in some pixel. Raises as map_pixels does."""
    return set(class_pixels(item))


def _none_of(item: SemanticMap | InstanceMap) -> Counts:
    height, width = map_pixels(item).shape
    return np.array([height * width], dtype=np.int64)


def rle_mask(runs: Counts, height: int, width: int) -> Mask:
    """A mask as a compressed RLE."""
    return Mask.of(Rle((height, width), rle.encode_text(rle.canonical(runs))))


def layers_showing(labels: Labels) -> Layers:
    """Layers that show some pixels, (h, w) int32, on a ground of 0, in ascending order of value.

    The pixels are remembered as theirs, and must not be changed any more.
    """
    height, width = labels.shape
    layers = tuple(
        Layer(value=value, mask=rle_mask(runs, height, width))
        for value, runs in rle.from_labels(labels).items()
        if value
    )
    made = Layers(height=height, width=width, layers=layers)
    _remember(made, labels)
    return made


def as_layers(item: SemanticMap | InstanceMap, *, skip: frozenset[int] = frozenset({0})) -> Layers:
    """A map's pixels as layers of compressed RLEs in ascending order of value, without ``skip``."""
    height, width = map_pixels(item).shape
    layers = tuple(
        Layer(value=value, mask=rle_mask(runs, height, width))
        for value, runs in sorted(cell_runs(item).items())
        if value not in skip
    )
    return Layers(height=height, width=width, layers=layers)
