"""What the values of a COCO document should be, and which are not: for rules, value by value.

Source of the types: FORMATS 1; of what evaluation needs: pycocotools' COCOeval, which fails without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labelkit.formats._files import brief
from labelkit.formats._json import is_number
from labelkit.formats._raw import Kind
from labelkit.pixels import SIDE_LIMIT

Expected = tuple[Callable[[Any], bool], str]


@dataclass(frozen=True)
class Flaw:
    """A value that is not as it should be. key: where it is in its entry, "" for the entry itself."""

    kind: Kind
    key: str
    message: str


def flaws_of(
    said: Mapping[str, Any], types: Mapping[str, Expected], needed: tuple[str, ...], wanted: tuple[str, ...]
) -> Iterator[Flaw]:
    """The flaws of one entry. needed: keys without which it means nothing. wanted: evaluation's."""
    for key in needed:
        if key not in said:
            yield Flaw("missing", key, f"no {key!r}")
    for key in wanted:
        if key not in said:
            yield Flaw("missing for evaluation", key, f"no {key!r}")
    for key, (fits, expected) in types.items():
        if key in said and not fits(said[key]):
            yield Flaw("type", key, f"{key} {brief(said[key])}; expected {expected}")


def is_box(value: Any) -> bool:
    """Whether a value is four numbers."""
    return isinstance(value, list) and len(value) == 4 and all(map(is_number, value))


def is_flag(value: Any) -> bool:
    """Whether a value is 0 or 1; COCO's tools take true for neither."""
    return type(value) is int and value in (0, 1)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_side(value: Any) -> bool:
    """Whether a value can be a width or a height."""
    return _is_whole(value) and 0 < value < SIDE_LIMIT


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_points(value: Any) -> bool:
    return isinstance(value, list) and len(value) % 3 == 0 and all(map(is_number, value))


_ID: Expected = (_is_whole, "a whole number")
IMAGE_TYPES: dict[str, Expected] = {
    "id": _ID,
    "file_name": (lambda value: isinstance(value, str) and bool(value), "a file name"),
    "width": (is_side, "a whole number of pixels above 0"),
    "height": (is_side, "a whole number of pixels above 0"),
}
CATEGORY_TYPES: dict[str, Expected] = {
    "id": _ID,
    "name": (_is_text, "a name"),
    "isthing": (lambda value: isinstance(value, int) and value in (0, 1), "0 or 1"),
}
ANNOTATION_TYPES: dict[str, Expected] = {
    "id": _ID,
    "image_id": _ID,
    "category_id": _ID,
    "bbox": (is_box, "four numbers: x, y, width, height"),
    "area": (is_number, "a number"),
    "iscrowd": (is_flag, "0 or 1"),
    "score": (is_number, "a number"),
}
_POINT_TYPES: dict[str, Expected] = {
    "keypoints": (_is_points, "three numbers a point: x, y, and how it can be seen"),
    "num_keypoints": (lambda value: _is_whole(value) and value >= 0, "a whole number"),
}
# What annotations of some roles have besides.
ROLE_TYPES: dict[str, dict[str, Expected]] = {
    "keypoints": {**ANNOTATION_TYPES, **_POINT_TYPES},
    "results": {**ANNOTATION_TYPES, **_POINT_TYPES},
    "captions": {**ANNOTATION_TYPES, "caption": (_is_text, "a text")},
}
# By role: the keys that an annotation needs, and those that evaluation needs.
ANNOTATION_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "instances": (("id", "image_id", "category_id"), ("bbox", "area", "iscrowd")),
    "keypoints": (("id", "image_id", "category_id", "keypoints"), ("num_keypoints", "area", "iscrowd")),
    "results": (("image_id", "category_id", "score"), ()),
    "panoptic": (("image_id", "file_name", "segments_info"), ()),
    "stuff": (("image_id", "category_id", "segmentation"), ()),
    "labels": (("image_id", "category_id"), ()),
    "captions": (("image_id", "caption"), ()),
    "info": ((), ()),
}
# Of an entry of segments_info; panopticapi's evaluation needs area and iscrowd, and others the box.
SEGMENT_TYPES: dict[str, Expected] = {
    key: ANNOTATION_TYPES[key] for key in ("id", "category_id", "area", "bbox", "iscrowd")
}
SEGMENT_KEYS: tuple[tuple[str, ...], tuple[str, ...]] = (("id", "category_id"), ("area", "bbox", "iscrowd"))
