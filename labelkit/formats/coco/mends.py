"""How defects of a COCO document's entries are mended, where it is plain what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from labelkit.changes import Edit, Fix, known
from labelkit.formats.coco.edits import box_text, put, taken_out, value_of
from labelkit.formats.coco.flaws import Flaw
from labelkit.formats.coco.native import json_text
from labelkit.geometry import rle
from labelkit.geometry.boxes import polygon_area, polygon_extent
from labelkit.model import Polygons
from labelkit.pixels import shape_runs

if TYPE_CHECKING:
    from labelkit.formats.coco.raw_document import CocoDocument

_WHOLE = ("id", "image_id", "category_id", "width", "height")


def removed(document: CocoDocument, ordinal: int) -> Fix:
    """An annotation is taken out."""
    edit = taken_out(document, document.index.annotations[ordinal])
    return _fix("remove the annotation", edit, is_safe=False)


def renumbered(document: CocoDocument, ordinal: int, nth: int) -> Fix:
    """An annotation gets a new id: the nth (from 0) of those after the highest."""
    number = max(document.highest_id, 0) + 1 + nth
    edit = put(document, document.index.annotations[ordinal], "id", b"%d" % number)
    return _fix(f"give it the new id {number}", edit, is_safe=False)


def mended(document: CocoDocument, name: str, ordinal: int, flaw: Flaw) -> Fix | None:
    """The fix of a flaw of an entry, where there is one."""
    if flaw.kind == "type":
        return _of_type(document, name, ordinal, flaw.key)
    if flaw.kind == "missing for evaluation" and name == "annotations":
        return _of_missing(document, ordinal, flaw.key)
    return None


def _of_type(document: CocoDocument, name: str, ordinal: int, key: str) -> Fix | None:
    """A whole number that is written as a text or a fraction; a truth value that is meant as 0 or 1."""
    entry = getattr(document.index, name)[ordinal]
    raw = value_of(entry, key) if key else None
    if raw is None:
        return None
    value, number = msgspec.json.decode(raw), None
    if key == "iscrowd" and isinstance(value, bool):
        number = int(value)
    elif key in _WHOLE:
        number = _whole(value)
    if number is None:
        return None
    is_safe = not isinstance(value, str)  # "7" may be the id of another entry that is written so
    return _fix(f"write {key} as {number}", put(document, entry, key, b"%d" % number), is_safe=is_safe)


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value) if str(int(value)) == value else None
    return None


def _of_missing(document: CocoDocument, ordinal: int, key: str) -> Fix | None:
    """What evaluation needs, from the shape that is there; whether it is a crowd nobody can derive."""
    entry = document.index.annotations[ordinal]
    if key == "iscrowd":
        return _fix("write iscrowd 0", put(document, entry, key, b"0"), is_safe=False)
    shape = _measures(document, ordinal)
    if shape is None or key not in shape:
        return None
    text = box_text(shape[key], None) if key == "bbox" else json_text(shape[key]).encode()
    return _fix(f"write {key} {text.decode()}", put(document, entry, key, text), is_safe=True)


def _measures(document: CocoDocument, ordinal: int) -> dict[str, Any] | None:
    """Box and area of an annotation by COCO's own formulas: of its polygons, its runs, or its box."""
    mask = document.mask(ordinal)
    if mask is None:
        w, h = document.columns.box[4 * ordinal + 2 : 4 * ordinal + 4]
        return {"area": w * h} if w > 0 and h > 0 else None
    try:
        shape = mask.shape
        if isinstance(shape, Polygons):
            rings = [ring for part in shape.parts for ring in part]
            return {"area": sum(map(polygon_area, rings)), "bbox": polygon_extent(rings)}
        runs = shape_runs(mask, *shape.size)  # type: ignore[union-attr]  # a document's masks are no cells
    except ValueError:
        return None
    box = tuple(float(number) for number in rle.extent(runs, shape.size[0]))  # type: ignore[union-attr]
    return {"area": rle.area(runs), "bbox": box}


def _fix(summary: str, edit: Edit, *, is_safe: bool) -> Fix:
    return Fix(summary, known(edit), is_safe)
