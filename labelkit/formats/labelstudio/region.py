"""One region of a result: what it says, and the object that it is.

A rotated rectangle has no box: it is the polygon of its four corners, turned about its top-left corner as the
editor turns it. Ellipses, key points, relations and regions without a class are no objects: they stay in the
native text (see ``extras``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from labelkit.formats._files import brief
from labelkit.formats._json import is_number
from labelkit.formats.labelstudio import brush, percent
from labelkit.formats.labelstudio.config import IGNORE, SEMANTIC, kind_of
from labelkit.formats.labelstudio.native import (
    FIELDS,
    INVENTED,
    Own,
    Raws,
    Region,
    TaskError,
    decode,
    encoded,
    region_meta,
)
from labelkit.model import BoundingBox, Box, Instance, Mask, Object, Polygons, Provenance, Rle
from labelkit.pixels import SIDE_LIMIT, refuse_huge, rle_mask, rle_runs

_Percent = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
_Code = list[Annotated[int, msgspec.Meta(ge=0, le=255)]]


class _Rectangle(msgspec.Struct):
    x: _Percent
    y: _Percent
    width: _Percent
    height: _Percent
    rotation: float | None = None


class _Polygon(msgspec.Struct):
    points: list[tuple[_Percent, _Percent]]


class _Brush(msgspec.Struct):
    rle: _Code
    format: str = "rle"


@dataclass(frozen=True)
class Said:
    """What a region says.

    kind: of the control that made it, which name is the name of. key: its id, as a text. labels: the classes
    that it names; an object has the first. size: width and height of the image. shape: None of choices. code:
    the brush's code, where the mask does not give it again.
    """

    kind: str
    name: object
    key: str | None
    labels: tuple[str, ...]
    size: tuple[int, int] | None
    score: float | None
    own: Own
    origin: object
    shape: Box | Mask | None
    code: bytes | None = None

    @property
    def uid(self) -> str | None:
        """The uid of its object: its id, unless labelkit invented that or says another."""
        invented = self.key is None or INVENTED.fullmatch(self.key)
        return self.own.uid if self.own.uid is not None or invented else self.key

    @property
    def is_turned(self) -> bool:
        """Whether it is a rectangle that is known by its corners."""
        return self.kind == "rectanglelabels" and isinstance(self.shape, Mask)


def read_region(text: bytes | msgspec.Raw, mask: Mask | None = None) -> Said | None:
    """What a region says; None where it is neither an object nor pixels nor choices.

    mask: of a brush whose code was left out of the text. Raises TaskError.
    """
    region: Region = decode(text, Region)
    kind = kind_of(region.type, region.from_name)
    if not kind or not len(region.value):
        return None
    values: Raws = decode(region.value, Raws, ".value")
    labels = _labels(region.type, values)
    if not labels:
        return None
    size = _size(region)
    own = region_meta(region.meta)
    shape: Box | Mask | None = None
    code = None
    if kind != "choices":
        _refuse_views(region)
        if size is None:
            expected = "both, for coordinates are percents"
            raise TaskError("", "no original_width and original_height", expected, code="STR104")
        shape, code = _shape(kind, region.value, size, own, mask)
    key = region.id if isinstance(region.id, str | int) and not isinstance(region.id, bool) else None
    text_key = None if key is None else str(key)
    score = _score(region.score)
    return Said(kind, region.from_name, text_key, labels, size, score, own, region.origin, shape, code)


def _labels(type: str, values: Raws) -> tuple[str, ...]:
    raw = values.get(type, values.get("labels"))
    if raw is None:
        return ()
    labels: list[str] = decode(raw, list[str], f".value.{type}")
    if "" in labels:
        raise TaskError(f".value.{type}", "an empty text", "the name of a class")
    return tuple(labels)


def _size(region: Region) -> tuple[int, int] | None:
    width, height = region.original_width, region.original_height
    if width is None and height is None:
        return None
    for key, side in (("original_width", width), ("original_height", height)):
        if type(side) is not int or not 0 < side < SIDE_LIMIT:
            raise TaskError(f".{key}", brief(side), "a whole number of pixels", code="STR105")
    return width, height


def _refuse_views(region: Region) -> None:
    """Refuse regions of an image that was turned, or of another image than the first of a task."""
    if region.image_rotation not in (None, 0):
        raise TaskError(".image_rotation", brief(region.image_rotation), "0: the image as it is in its file")
    if region.item_index not in (None, 0):
        raise TaskError(".item_index", brief(region.item_index), "0: one image a task")


def _score(value: Any) -> float | None:
    if value is None:
        return None
    if not is_number(value):
        raise TaskError(".score", brief(value), "a number", code="STR105")
    return float(value)


# --- shapes ------------------------------------------------------------------------------------------------


def _shape(
    kind: str, value: msgspec.Raw, size: tuple[int, int], own: Own, mask: Mask | None
) -> tuple[Box | Mask, bytes | None]:
    if kind == "rectanglelabels":
        return _rectangle(decode(value, _Rectangle, ".value"), size, own), None
    if kind == "polygonlabels":
        points = [number for point in decode(value, _Polygon, ".value").points for number in point]
        ring = percent.read(points, size, own.exact)
        if not all(map(math.isfinite, ring)):
            raise TaskError(".value.points", "a number beyond what a double holds", "percents")
        return Mask.of(Polygons([[ring]])), None
    return _brush(decode(value, _Brush, ".value"), size, mask)


def _rectangle(said: _Rectangle, size: tuple[int, int], own: Own) -> Box | Mask:
    numbers = percent.read([said.x, said.y, said.width, said.height], size, own.exact)
    if not all(map(math.isfinite, [*numbers, said.rotation or 0])):
        raise TaskError(".value", "a number beyond what a double holds", "percents")
    box = Box(*numbers)
    return box if not said.rotation else Mask.of(Polygons([[_corners(box, said.rotation)]]))


def _corners(box: Box, degrees: float) -> list[float]:
    """The corners of a box that is turned clockwise about its top-left one."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    sides = [(0.0, 0.0), (box.w, 0.0), (box.w, box.h), (0.0, box.h)]
    return [n for w, h in sides for n in (box.x + w * cos - h * sin, box.y + w * sin + h * cos)]


def _brush(said: _Brush, size: tuple[int, int], mask: Mask | None) -> tuple[Mask, bytes | None]:
    if not said.rle and mask is not None:
        return mask, None
    if said.format != "rle":
        raise TaskError(".value.format", brief(said.format), "'rle'")
    width, height = size
    code = bytes(said.rle)
    try:
        refuse_huge(height, width)
        runs = brush.decode_mask(code, height, width)
    except ValueError as error:
        raise TaskError(".value.rle", str(error)) from None
    own_code = brush.encode_mask(runs, height, width)
    return rle_mask(runs, height, width), code if code != own_code else None


def without_code(text: bytes | msgspec.Raw) -> bytes:
    """The text of a brush region without its code, which its mask gives again."""
    said: Raws = decode(text, Raws)
    value: Raws = decode(said["value"], Raws)
    return encoded({**said, "value": {**value, "rle": []}})


def with_code(text: bytes, mask: Mask) -> bytes:
    """The text of a brush region with the code of a mask."""
    said: Raws = decode(text, Raws)
    value: Raws = decode(said["value"], Raws)
    return encoded({**said, "value": {**value, "rle": code_of(mask)}})


def code_of(mask: Mask) -> list[int]:
    """The code of an RLE."""
    shape = mask.shape
    if not isinstance(shape, Rle):
        raise ValueError("no RLE")
    return list(brush.encode_mask(rle_runs(shape), *shape.size))


# --- objects -----------------------------------------------------------------------------------------------


def is_ignored(said: Said) -> bool:
    """Whether a region marks pixels that are to be left out."""
    return said.kind == SEMANTIC and said.labels[0] == IGNORE


def object_of(said: Said, provenance: Provenance | None) -> Object:
    """The object that a region is, by whom it was made."""
    fields: dict[str, Any] = {name: getattr(said.own, name) for name in FIELDS}
    fields["category"] = said.labels[0]
    fields["uid"] = said.uid
    fields["score"] = said.score if said.own.score is msgspec.UNSET else said.own.score
    fields["provenance"] = provenance
    if isinstance(said.shape, Box):
        return BoundingBox(box=said.shape, **fields)
    assert said.shape is not None  # only choices have none
    return Instance(mask=said.shape, **fields)
