"""The annotations of a COCO document as columns, however broken some of them are.

One pass decodes them. Nearly all are as expected and are decoded as fixed structures; the others are looked
at key by key, and what is wrong with them is a flaw.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from labelkit.formats._files import brief
from labelkit.formats._json import is_number
from labelkit.formats.coco.flaws import (
    ANNOTATION_KEYS,
    ANNOTATION_TYPES,
    ROLE_TYPES,
    Flaw,
    flaws_of,
    is_box,
    is_flag,
)
from labelkit.formats.coco.native import NOTHING, is_key
from labelkit.formats.coco.repeats import colons_of

OBJECT_ROLES = ("instances", "keypoints", "results")  # their annotations are objects
NOWHERE = -1  # the position of an image or a category that is not there
_NAN4 = (np.nan,) * 4
_NO_RINGS = (b"", b"[]")
_CHUNK = 4096  # annotations that are decoded together
Placed = tuple[str, int, Flaw]  # a flaw in a list of the document, with the ordinal of the entry


class _Object(msgspec.Struct, gc=False):
    """An annotation that is an object, as nearly all are."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: Literal[0, 1]


class _Usual(_Object, gc=False, forbid_unknown_fields=True):
    """With the keys that most have, and no others."""

    segmentation: msgspec.Raw


class _Loose(_Object, gc=False):
    """With whatever other keys."""

    segmentation: msgspec.Raw = NOTHING
    score: float = np.nan


class _Keypoints(_Loose, kw_only=True):
    keypoints: list[float]
    num_keypoints: Annotated[int, msgspec.Meta(ge=0)]


class _Shape(msgspec.Struct, gc=False):
    segmentation: msgspec.Raw = NOTHING


class _Salvaged(msgspec.Struct, gc=False):
    """What can be used of an annotation that is not as expected."""

    id: Any = None
    image_id: Any = None
    category_id: Any = None
    bbox: tuple[float, float, float, float] = _NAN4
    area: float = np.nan
    iscrowd: int = 0
    segmentation: msgspec.Raw = NOTHING
    score: float = np.nan


_Item = _Usual | _Loose | _Salvaged

_usual_decoder = msgspec.json.Decoder(_Usual)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    "instances": msgspec.json.Decoder(_Loose),
    "keypoints": msgspec.json.Decoder(_Keypoints),
}
_shape_decoder = msgspec.json.Decoder(_Shape)
_values_decoder = msgspec.json.Decoder(dict[str, Any])


@dataclass
class Columns:
    """The annotations of a document, one after the other.

    image, category: positions in the document's lists, or NOWHERE. box: four numbers each, NaN where there
    is none. area, score: NaN where there is none. unusual: annotations that have not just the usual keys.
    colons: those of all annotations if none is unusual and no key stands twice. orphans: annotations whose
    image_id is no image of the document, with that id; classless: the same for category_id. repeated: those
    whose id an earlier one has. zero: those of id 0. flaws: what is wrong with which.
    """

    ids: list[Any] = field(default_factory=list)
    image: array[int] = field(default_factory=lambda: array("q"))
    category: array[int] = field(default_factory=lambda: array("q"))
    box: array[float] = field(default_factory=lambda: array("d"))
    area: array[float] = field(default_factory=lambda: array("d"))
    crowd: array[int] = field(default_factory=lambda: array("b"))
    score: array[float] = field(default_factory=lambda: array("d"))
    has_shape: array[int] = field(default_factory=lambda: array("b"))
    unusual: list[int] = field(default_factory=list)
    colons: int = 0
    orphans: list[tuple[int, Any]] = field(default_factory=list)
    classless: list[tuple[int, Any]] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    zero: list[int] = field(default_factory=list)
    flaws: list[Placed] = field(default_factory=list)


def columns_of(
    annotations: Sequence[memoryview],
    role: str,
    images: Mapping[Any, int] | None,
    categories: Mapping[Any, int] | None,
) -> Columns:
    """The annotations of a document of a role.

    images, categories: positions by id; None where no document says them.
    """
    columns = Columns()
    for start in range(0, len(annotations), _CHUNK):
        chunk = annotations[start : start + _CHUNK]
        items = _decoded(chunk, start, role, columns)
        columns.ids += [item.id for item in items]
        columns.image.extend(_places(start, [item.image_id for item in items], images, columns.orphans))
        columns.category.extend(
            _places(start, [item.category_id for item in items], categories, columns.classless)
        )
        columns.box.extend(chain.from_iterable([item.bbox for item in items]))
        columns.area.extend([item.area for item in items])
        columns.crowd.extend([item.iscrowd for item in items])
        columns.score.extend([np.nan if isinstance(item, _Usual) else item.score for item in items])
        shapes = [bytes(item.segmentation) for item in items]
        columns.has_shape.extend([shape not in _NO_RINGS for shape in shapes])
        columns.colons += sum(colons_of(shape) for shape in shapes if shape[:1] == b"{")
    columns.colons += len(_Usual.__struct_fields__) * len(annotations)
    _note_ids(columns)
    return columns


def segmentation_of(raw: memoryview) -> msgspec.Raw:
    """The segmentation of an annotation, unparsed; empty where it has none."""
    return _shape_decoder.decode(raw).segmentation


def values_of(raw: memoryview | msgspec.Raw) -> dict[str, Any] | str:
    """The values of an entry, or what it is if it is no object."""
    try:
        return _values_decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return brief(bytes(raw).decode("utf-8", "replace"))


def _decoded(chunk: Sequence[memoryview], start: int, role: str, columns: Columns) -> Sequence[_Item]:
    if role == "instances":
        try:
            return [_usual_decoder.decode(raw) for raw in chunk]
        except msgspec.DecodeError:
            pass
    return [_one(raw, ordinal, role, columns) for ordinal, raw in enumerate(chunk, start)]


def _one(raw: memoryview, ordinal: int, role: str, columns: Columns) -> _Item:
    if role == "instances":
        try:
            return _usual_decoder.decode(raw)
        except msgspec.DecodeError:
            pass
    columns.unusual.append(ordinal)
    if role in _decoders:
        try:
            item: _Loose = _decoders[role].decode(raw)
            if not isinstance(item, _Keypoints) or len(item.keypoints) % 3 == 0:
                return item
        except msgspec.DecodeError:
            pass
    return _salvaged(raw, ordinal, role, columns.flaws)


def _salvaged(raw: memoryview, ordinal: int, role: str, flaws: list[Placed]) -> _Salvaged:
    """What can be used of an annotation; the rest is a flaw."""
    said = values_of(raw)
    if isinstance(said, str):
        flaws.append(("annotations", ordinal, Flaw("type", "", f"{said}; expected an object")))
        return _Salvaged()
    found = list(flaws_of(said, ROLE_TYPES.get(role, ANNOTATION_TYPES), *ANNOTATION_KEYS[role]))
    if role in OBJECT_ROLES and not {"bbox", "segmentation", "keypoints"} & said.keys():
        found.append(Flaw("missing", "", "neither bbox nor segmentation"))
    flaws += [("annotations", ordinal, flaw) for flaw in found]
    box, area, crowd, score = (said.get(key) for key in ("bbox", "area", "iscrowd", "score"))
    x, y, w, h = map(float, box) if is_box(box) else _NAN4  # type: ignore[arg-type]
    return _Salvaged(
        said.get("id"),
        said.get("image_id"),
        said.get("category_id"),
        (x, y, w, h),
        float(area) if is_number(area) else np.nan,  # type: ignore[arg-type]
        crowd if is_flag(crowd) else 0,  # type: ignore[arg-type]
        segmentation_of(raw),
        float(score) if is_number(score) else np.nan,  # type: ignore[arg-type]
    )


def _places(
    start: int, keys: list[Any], positions: Mapping[Any, int] | None, strays: list[tuple[int, Any]]
) -> list[int]:
    """The positions of some ids; those that have none are strays, if ids can be known and one is said.

    One that is of another type than all ids is wrong by its type, which is told.
    """
    if positions is None:
        return [NOWHERE] * len(keys)
    try:
        found = list(map(positions.get, keys, repeat(NOWHERE)))
    except TypeError:  # a list or an object as an id
        found = [positions.get(key, NOWHERE) if is_key(key) else NOWHERE for key in keys]
    if NOWHERE in found:
        types = (int, *{type(key) for key in positions})
        strays += [
            (start + k, key)
            for k, (key, place) in enumerate(zip(keys, found, strict=True))
            if place == NOWHERE and isinstance(key, types)
        ]
    return found


def _note_ids(columns: Columns) -> None:
    if not columns.unusual and len(distinct := set(columns.ids)) == len(columns.ids):  # all of them numbers
        columns.zero += [columns.ids.index(0)] if 0 in distinct else []
        return
    seen: set[Any] = set()
    for ordinal, key in enumerate(columns.ids):
        if type(key) is not int and not is_key(key):
            continue
        if key in seen:
            columns.repeated.append(ordinal)
        elif key == 0:
            columns.zero.append(ordinal)
        seen.add(key)
