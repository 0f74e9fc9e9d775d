"""The record model: one image and all that is said of it, whatever file said it.

Coordinates are pixels in float64: origin at the outer corner of the top-left pixel, x right, y down,
half-open, so that the box (0, 0, 1, 1) is exactly the first pixel. A format that counts otherwise
converts at its own border, and nowhere else.

``None`` means "not said". What a format said that has no field here is in ``raw``, under the format's
name, as native text: numbers keep their digits and keys their order (see formats/__init__.py).

The model refuses what cannot be represented (NaN, a box of three numbers); it accepts what should not be
(a negative width, a ring of two points), so that it can be read, found by a rule, and repaired.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema
from typing_extensions import Self

Finite = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]
Byte = Annotated[int, Field(ge=0, le=255)]
Size = Annotated[int, Field(ge=1)]


def _empty(value: object) -> bool:
    return not value


T = TypeVar("T")
Raw = Annotated[dict[str, Any], Field(exclude_if=_empty)]
Many = Annotated[tuple[T, ...], Field(exclude_if=_empty)]


M = TypeVar("M", bound="Model")
_set = object.__setattr__


def _made(cls: type[M], fields: dict[str, Any], given: set[str]) -> M:
    made = cls.__new__(cls)
    _set(made, "__dict__", fields)
    _set(made, "__pydantic_fields_set__", given)
    _set(made, "__pydantic_extra__", None)
    _set(made, "__pydantic_private__", None)
    return made


@cache
def _defaults(cls: type[Model]) -> dict[str, Any]:
    """Every field in its order, with its default."""
    return {name: None if field.is_required() else field.default for name, field in cls.model_fields.items()}


class Model(BaseModel):
    """What every type here has in common: frozen, strict, no unknown fields. Empty fields are not written."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    @classmethod
    def trusted(cls, fields: Mapping[str, Any]) -> Self:
        """A value whose fields the caller has checked, for readers, which make millions: 2 µs instead of 5.

        Mutable defaults would be shared: give them.
        """
        return _made(cls, {**_defaults(cls), **fields}, set(fields))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's own, in a third of the time."""
        if deep:
            return super().model_copy(update=update, deep=True)
        new = update or {}
        return _made(type(self), {**self.__dict__, **new}, {*self.__pydantic_fields_set__, *new})


def _needs_kind(schema: dict[str, Any]) -> None:
    schema.setdefault("required", []).append("kind")


class Tagged(Model):
    """A type that stands in a union: what is written says by ``kind`` which one it is."""

    model_config = ConfigDict(json_schema_extra=_needs_kind)


class Box(NamedTuple):
    """x, y, w, h in pixels; ``Box(0, 0, 1, 1)`` is exactly the first pixel."""

    x: float
    y: float
    w: float
    h: float


def _box(numbers: tuple[float, float, float, float]) -> Box:
    return Box(*numbers)


if TYPE_CHECKING:
    BoxField = Box
else:  # a NamedTuple would accept an object too, and the published schema says an array
    BoxField = Annotated[tuple[Finite, Finite, Finite, Finite], AfterValidator(_box)]


# --- masks -------------------------------------------------------------------------------------------------


class Polygons(msgspec.Struct, frozen=True):
    """Parts, each a list of rings: the exterior, then its holes. A ring is flat: x0, y0, x1, y1, …

    The pixels are the union of the parts, rasterised as pycocotools does (FORMATS 1.3).
    """

    parts: list[list[list[float]]]


class Rle(msgspec.Struct, frozen=True):
    """Runs of zeros and ones in turn, column by column, as in pycocotools.

    size: height, width. counts: the runs, or their compressed text.
    """

    size: tuple[int, int]
    counts: str | list[int]


class Cell(msgspec.Struct, frozen=True):
    """The pixels that have one value in a map of the same record."""

    map: str
    value: int


Shape = Polygons | Rle | Cell

_MASK_SCHEMA = {
    "type": "string",
    "contentMediaType": "application/json",
    "contentSchema": {
        "anyOf": [
            {
                "title": "Polygons without holes: one flat ring [x0, y0, x1, y1, …] a part",
                "type": "array",
                "items": {"type": "array", "items": {"type": "number"}},
            },
            {
                "title": "Polygons: a list of parts, each its exterior ring and then its holes",
                "type": "object",
                "required": ["parts"],
            },
            {"title": "Rle", "type": "object", "required": ["size", "counts"]},
            {"title": "Cell", "type": "object", "required": ["map", "value"]},
        ]
    },
}


class Mask:
    """The pixels of one object, decoded when someone looks.

    It keeps the JSON text that it was made from: half a gigabyte of COCO is read for its boxes without a
    polygon being parsed, and an untouched mask is copied as bytes. The text is one of

    * ``[[x0, y0, x1, y1, …], …]``: polygons without holes, one ring a part (what COCO writes);
    * ``{"parts": [[exterior, hole, …], …]}``: polygons with holes;
    * ``{"size": [h, w], "counts": "…" or […]}``: an RLE;
    * ``{"map": "objects", "value": 3}``: a cell of a map.

    Two masks are equal if their shapes are. Raises ValueError from ``shape`` if the text is none of these.
    """

    def __init__(self, text: bytes) -> None:
        self.text = text

    @classmethod
    def of(cls, shape: Shape) -> Mask:
        """The mask of a shape."""
        if isinstance(shape, Polygons) and all(len(rings) == 1 for rings in shape.parts):
            return cls(msgspec.json.encode([rings[0] for rings in shape.parts]))
        return cls(msgspec.json.encode(shape))

    @cached_property
    def shape(self) -> Shape:
        """The decoded mask. Raises ValueError where the text is malformed."""
        try:
            return self._decoded()
        except RecursionError:
            raise ValueError("nested too deeply") from None

    @property
    def is_decoded(self) -> bool:
        """Whether anyone has looked."""
        return "shape" in self.__dict__

    def _decoded(self) -> Shape:
        start = self.text.lstrip()[:1]
        if start == b"[":
            rings = msgspec.json.decode(self.text, type=list[list[float]])
            return Polygons([[ring] for ring in rings])
        keys = msgspec.json.decode(self.text, type=dict[str, msgspec.Raw])
        if "counts" in keys:
            return msgspec.json.decode(self.text, type=Rle)
        if "map" in keys:
            return msgspec.json.decode(self.text, type=Cell)
        if "parts" in keys:
            return msgspec.json.decode(self.text, type=Polygons)
        raise ValueError(f"an object with keys {sorted(keys)} is no polygon, RLE or cell")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and (self.text == other.text or self.shape == other.shape)

    def __hash__(self) -> int:
        raise TypeError("masks are compared by shape and cannot be hashed")

    def __reduce__(self) -> tuple[type[Mask], tuple[bytes]]:
        return Mask, (self.text,)

    def __repr__(self) -> str:
        text = self.text.decode("utf-8", "replace")
        return f"Mask({text if len(text) < 60 else text[:57] + '…'})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(
            lambda text: cls(text.encode()), core_schema.str_schema(strict=True)
        )
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.is_instance_schema(cls),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda mask: mask.text.decode(), when_used="json"
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(_MASK_SCHEMA)


# --- what is said of an image ------------------------------------------------------------------------------


class Category(Model):
    """A class of things or stuff; annotations name it, ids belong to the formats."""

    name: Name
    supercategory: str | None = None
    thing: bool | None = None
    colour: tuple[Byte, Byte, Byte] | None = None
    raw: Raw = {}


class Provenance(Model):
    """Where a predicted label came from, and what a reviewer has said of it.

    run: names the run that made it. score: of a semantic map the mean confidence of its pixels.
    """

    run: str
    model: str
    score: Finite | None = None
    status: Literal["pending", "accepted", "changed", "rejected"] = "pending"


class ImageLabel(Model):
    """The whole image has this class, has not, or nobody could tell (VOC's 1, -1 and 0)."""

    category: Name
    state: Literal["present", "absent", "uncertain"] = "present"
    score: Finite | None = None
    provenance: Provenance | None = None
    raw: Raw = {}


class Part(Model):
    """A named piece of an object (VOC: head, hand, foot); it may leave its object's box."""

    name: Name
    box: BoxField
    raw: Raw = {}


class _Object(Tagged):
    category: Name
    crowd: bool | None = None
    difficult: bool | None = None
    truncated: bool | None = None
    occluded: bool | None = None
    pose: str | None = None
    score: Finite | None = None
    attributes: dict[str, Any] | None = None
    parts: tuple[Part, ...] | None = None
    uid: str | None = None
    provenance: Provenance | None = None
    raw: Raw = {}


class BoundingBox(_Object):
    """An object that is known by its box."""

    kind: Literal["box"] = "box"
    box: BoxField


class Instance(_Object):
    """An object whose pixels are known; it has a box too where one is stated."""

    kind: Literal["instance"] = "instance"
    mask: Mask
    box: BoxField | None = None


Object = Annotated[BoundingBox | Instance, Field(discriminator="kind")]


# --- pixel maps --------------------------------------------------------------------------------------------


class Png(Tagged):
    """Pixels in an image file.

    encoding: ``index`` takes the stored values as they are (modes P, L, I;16); ``rgb24`` is
    R + 256 G + 65536 B; ``colours`` looks each colour up in ``colours``, whose position is the value.
    """

    kind: Literal["png"] = "png"
    path: str
    encoding: Literal["index", "rgb24", "colours"] = "index"
    colours: tuple[tuple[Byte, Byte, Byte], ...] | None = None


class Layer(Model):
    """One value and the pixels that are painted with it."""

    value: int
    mask: Mask


class Layers(Tagged):
    """Pixels that are painted layer by layer, later over earlier, on a ground of 0.

    rule: who rasterises a layer that is a polygon: ``coco`` pycocotools, ``official`` the fill that made
    the Cityscapes PNGs, ``pillow`` the fill of the Pillow that is installed.
    """

    kind: Literal["layers"] = "layers"
    height: Size
    width: Size
    layers: tuple[Layer, ...]
    rule: Literal["coco", "official", "pillow"] = "coco"


Source = Annotated[Png | Layers, Field(discriminator="kind")]


_WHOLE_KEYS = Field(json_schema_extra={"propertyNames": {"pattern": "^(0|-?[1-9][0-9]*)$"}})


class SemanticMap(Tagged):
    """A class for every pixel. Several values may mean one class (panoptic segments do).

    classes: what each value means. Any other value means that nothing is said of the pixel.
    ignore: the value of pixels that are to be left out (VOC's void).
    """

    kind: Literal["semantic"] = "semantic"
    source: Source
    classes: Annotated[dict[int, Name], _WHOLE_KEYS]
    ignore: int | None = None
    provenance: Provenance | None = None
    raw: Raw = {}


class InstanceMap(Tagged):
    """An object for every pixel: objects with the mask ``Cell(map, value)`` own the pixels of that value."""

    kind: Literal["instances"] = "instances"
    source: Source
    ignore: int | None = None
    raw: Raw = {}


PixelMap = Annotated[SemanticMap | InstanceMap, Field(discriminator="kind")]


# --- records -----------------------------------------------------------------------------------------------


class Image(Model):
    """path: the image's identity in every format, with "/" between folders. Sizes are None if not said."""

    path: Name
    width: Size | None = None
    height: Size | None = None


class Record(Model):
    """One image and all that is said of it: the unit that is read, checked, converted and written.

    objects: in the order of the file; the order is meaning in VOC and Cityscapes.
    maps: by name. ``semantic`` and ``panoptic`` are semantic maps, ``objects`` is the instance map.
    """

    image: Image
    splits: Many[str] = ()
    labels: Many[ImageLabel] = ()
    objects: Many[Object] = ()
    maps: Annotated[dict[str, PixelMap], Field(exclude_if=_empty)] = {}
    raw: Raw = {}


class Header(Model):
    """What a data set says once: its categories in order, and each format's own extras."""

    categories: Many[Category] = ()
    raw: Raw = {}
