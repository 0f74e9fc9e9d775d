"""What a row holds: the columns of the record model, with masks and maps as others can read them.

* ``image``: struct of ``bytes`` (the file, where it is embedded) and ``path``, as Hugging Face ``datasets``
  has an image; ``width``, ``height``.
* ``labels``, ``objects``: structs of lists, one list a field. ``objects.bbox`` is x, y, w, h in pixels.
* ``objects.mask``: ``polygons`` (parts, each an exterior ring and its holes, flat), ``rle`` (pycocotools'
  ``size`` and ``counts``; uncompressed ones in ``runs``) or ``cell`` (a map and the value of its pixels).
  ``text`` is the JSON that it was made from, only where that would be lost.
* ``maps``: a list of structs. ``source.png`` is an index PNG (or RGB: R + 256 G + 65536 B); a map that is
  painted layer by layer has its ``source.layers`` too, which are what counts.
* ``raw``, ``attributes``: JSON text, for what a file says is of any type.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labelkit.formats.parquet.arrow import Column, Columns, Many, Plain, Table, TableOfLists, Values
from labelkit.geometry import rle
from labelkit.map_png import encode_map
from labelkit.model import (
    BoundingBox,
    Cell,
    Header,
    ImageLabel,
    Instance,
    InstanceMap,
    Layer,
    Layers,
    Mask,
    Model,
    Png,
    Polygons,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pixels import png_values, rle_mask, source_pixels

_FLAT = pa.list_(pa.float64())
_RLE = pa.struct([("size", pa.list_(pa.int64())), ("counts", pa.string()), ("runs", pa.list_(pa.int64()))])
_CELL = pa.struct([("map", pa.string()), ("value", pa.int64())])
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_INT64 = 1 << 63


class MaskColumn:
    """Masks by their kind; their text only where the canonical text of their shape is another."""

    type = pa.struct(
        [("polygons", pa.list_(pa.list_(_FLAT))), ("rle", _RLE), ("cell", _CELL), ("text", pa.string())]
    )

    def encode(self, values: Values) -> Any:
        return pa.array([None if mask is None else _mask_row(mask) for mask in values], self.type)

    def decode(self, array: Any) -> list[Any]:
        return [None if row is None else _mask_of(row) for row in array.to_pylist()]


def _mask_row(mask: Mask) -> dict[str, Any]:
    try:
        shape = mask.shape
    except ValueError:  # a rule tells it, and it is kept as it is
        return {"text": mask.text.decode()}
    row = _shape_row(shape)
    if not row or Mask.of(shape).text != mask.text:
        row["text"] = mask.text.decode()
    return row


def _shape_row(shape: Polygons | Rle | Cell) -> dict[str, Any]:
    if isinstance(shape, Polygons):
        return {"polygons": shape.parts}
    if isinstance(shape, Cell):
        fits = -_INT64 <= shape.value < _INT64
        return {"cell": {"map": shape.map, "value": shape.value}} if fits else {}
    counts = {"counts": shape.counts} if isinstance(shape.counts, str) else {"runs": shape.counts}
    numbers = [*shape.size, *counts.get("runs", ())]
    return {"rle": {"size": shape.size, **counts}} if max(map(abs, numbers), default=0) < _INT64 else {}


def _mask_of(row: dict[str, Any]) -> Mask:
    if row["text"] is not None:
        return Mask(row["text"].encode())
    if row["polygons"] is not None:
        return Mask.of(Polygons(row["polygons"]))
    if row["cell"] is not None:
        return Mask.of(msgspec.convert(row["cell"], Cell))
    found = row["rle"] or {}
    counts = found.get("counts")
    shape = {"size": found.get("size"), "counts": found.get("runs") if counts is None else counts}
    return Mask.of(msgspec.convert(shape, Rle))  # a mask without a shape is told as such


class SourceColumn:
    """The pixels of maps, as PNGs, and as layers where they are painted layer by layer."""

    def __init__(self, columns: Columns) -> None:
        self.fields = columns.of_models(Png, Layers, without=("path",))
        self.type = pa.struct([("png", pa.binary()), *self.fields.type])

    def encode(self, values: Values) -> Any:
        pictures = pa.array([_png_of(source) for source in values], pa.binary())
        return pa.StructArray.from_arrays([pictures, *self.fields.arrays(values)], fields=list(self.type))

    def decode(self, array: Any) -> list[Any]:
        """Raises ValueError where a PNG is none."""
        names = self.fields.columns
        rows = self.fields.rows([array.field(name) for name in names], len(array))
        pictures = array.field("png")
        for position, row in enumerate(rows):
            if row.get("kind") == "png":  # it lies in no file, and a record says it by layers
                row["source"] = _layers_of(pictures[position].as_py() or b"", row)
        return [row.get("source", row) for row in rows]


def _png_of(source: Png | Layers) -> bytes | None:
    """The file of a map, or one that is made of its layers; None where no PNG can hold them."""
    if isinstance(source, Png):
        return Path(source.path).read_bytes()
    try:
        pixels = source_pixels(source)
    except ValueError:  # they are kept as they are
        return None
    low, high = (int(pixels.min()), int(pixels.max())) if pixels.size else (0, 0)
    return None if low < 0 or high >= 1 << 24 else _encoded(pixels, high)


def _encoded(pixels: NDArray[np.int32], high: int) -> bytes:
    if high < 1 << 8:
        stored = pixels.astype(np.uint8)
    elif high < 1 << 16:
        stored = pixels.astype(np.uint16)
    else:
        stored = np.stack([pixels & 255, pixels >> 8 & 255, pixels >> 16], axis=-1).astype(np.uint8)
    return encode_map(stored)


def _layers_of(png: bytes, row: dict[str, Any]) -> dict[str, Any]:
    colours = row.get("colours")
    values = png_values(png, row.get("encoding") or "index", colours)
    height, width = values.shape
    layers = tuple(
        Layer(value=value, mask=rle_mask(runs, height, width))
        for value, runs in sorted(rle.from_labels(values).items())
        if value
    )
    return {"kind": "layers", "height": height, "width": width, "layers": layers}


class Rows:
    """Records as Arrow batches of one schema, and back."""

    def __init__(self, header: Header) -> None:
        names = [category.name for category in header.categories]
        columns = Columns({"category": names}, {Mask: MaskColumn()})
        sources = SourceColumn(columns)
        kinds: tuple[type[Model], ...] = (SemanticMap, InstanceMap)
        maps = Columns({}, {Png | Layers: sources}).of_models(*kinds)
        self.columns: dict[str, Column] = {
            "width": Plain(pa.int64()),
            "height": Plain(pa.int64()),
            "splits": Many(Plain(pa.string()), default=()),
            "labels": TableOfLists(columns.of_models(ImageLabel)),
            "objects": TableOfLists(columns.of_models(BoundingBox, Instance)),
            "maps": Many(_Named(maps), default=()),
            "raw": columns.of_field("raw", Record.model_fields["raw"].annotation, {}),
        }
        self.schema = pa.schema(
            [("image", _IMAGE), *((name, column.type) for name, column in self.columns.items())]
        )

    def encode(self, records: Sequence[Record], files: Sequence[bytes | None]) -> Any:
        """A batch of records, and the files of their images where they are embedded."""
        images = [
            {"bytes": file, "path": record.image.path} for record, file in zip(records, files, strict=True)
        ]
        values: dict[str, list[Any]] = {
            "width": [record.image.width for record in records],
            "height": [record.image.height for record in records],
            "maps": [list(record.maps.items()) for record in records],
        }
        arrays = [pa.array(images, _IMAGE)]
        for name, column in self.columns.items():
            arrays.append(column.encode(values.get(name) or [getattr(each, name) for each in records]))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def decode(self, table: Any) -> list[dict[str, Any]]:
        """What pydantic makes records of, row by row. table: its columns may lack ``image.bytes``.

        Raises ValueError, KeyError or TypeError where the columns are none of ours.
        """
        arrays = {name: table.column(name).combine_chunks() for name in table.column_names}
        paths = arrays["image"].field("path").to_pylist()
        decoded = {name: column.decode(arrays[name]) for name, column in self.columns.items()}
        sizes = zip(decoded.pop("width"), decoded.pop("height"), strict=True)
        decoded["image"] = [
            {"path": path, "width": width, "height": height}
            for path, (width, height) in zip(paths, sizes, strict=True)
        ]
        decoded["maps"] = [dict(items) for items in decoded["maps"]]
        return [dict(zip(decoded, row, strict=True)) for row in zip(*decoded.values(), strict=True)]


class _Named:
    """Pairs of a map's name and the map, as one struct."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.type = pa.struct([("name", pa.string()), *table.type])

    def encode(self, values: Values) -> Any:
        names = pa.array([name for name, _ in values], pa.string())
        arrays = self.table.arrays([item for _, item in values])
        return pa.StructArray.from_arrays([names, *arrays], fields=list(self.type))

    def decode(self, array: Any) -> list[Any]:
        names = array.field("name").to_pylist()
        arrays = [array.field(name) for name in self.table.columns]
        return list(zip(names, self.table.rows(arrays, len(array)), strict=True))
