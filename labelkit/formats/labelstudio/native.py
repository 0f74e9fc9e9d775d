"""What Label Studio said in its own words, and what labelkit adds to it under keys of its own.

``Record.raw["labelstudio"]`` is ``{"task": text, "read": [key, number] or null, "parent": number or null}``:
the native text of the task, in which a mark (``OBJECT``, ``CHOICES``, ``LAYER``) stands for each region that
became an object, a label or a layer of a map; which annotation was read; the prediction that it stands for.
An object keeps ``{"at": [key, number], "text": text}``: the annotation or prediction of its region, and the
region's native text; a label the same; a map one such entry a layer. A brush's code is left out of the text
where the mask gives it again; ``pixels`` is the CRC-32 of that mask.

``meta.labelkit`` of a region keeps what the model says and Label Studio has no place for; of a task, path and
size of the image, and its splits. Label Studio keeps the meta of regions through editing and export
(web/libs/editor/src/regions/Result.js).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from labelkit.model import Provenance

NAME = "labelstudio"
OBJECT, CHOICES, LAYER = "object", "choices", "layer"
INVENTED = re.compile(r"labelkit-[0-9]+")  # the id of a region whose object has no uid
NOTHING = msgspec.Raw(b"")
At = tuple[str, int]  # a list of a task, and a place in it
Raws = dict[str, msgspec.Raw]

_PATH = re.compile(r" - at `(?:key in )?\$?([^`]*)`$")
_DEEPEST = 100  # levels of attributes; pydantic reads 200 of JSON, and writes 255


class TaskError(ValueError):
    """Why a task is no record: where in it, what was found and what was expected; the code of the rule."""

    def __init__(self, element: str, found: str, expected: str = "", *, code: str = "") -> None:
        super().__init__(found)
        self.element = element
        self.found = found
        self.expected = expected
        self.code = code

    def within(self, outer: str) -> TaskError:
        """The same, seen from further out."""
        return TaskError(outer + self.element, self.found, self.expected, code=self.code)


class Made(msgspec.Struct, omit_defaults=True):
    """Who made a label: a ``Provenance`` as JSON."""

    run: str
    model: str
    score: float | None = None
    status: Literal["pending", "accepted", "changed", "rejected"] = "pending"

    def provenance(self) -> Provenance:
        return Provenance(run=self.run, model=self.model, score=self.score, status=self.status)


def made(item: Provenance) -> Made:
    """A provenance as JSON."""
    return Made(item.run, item.model, item.score, item.status)


class OwnLabel(msgspec.Struct, omit_defaults=True):
    """What is said of one of several choices."""

    score: float | None = None
    provenance: Made | None = None


class Own(msgspec.Struct, omit_defaults=True):
    """``meta.labelkit`` of a region.

    uid: where it cannot be the region's id. score: null where the region's score is not the object's own.
    exact: pixels that percents do not give again, by position. labels: of choices, by class.
    """

    uid: str | None = None
    score: float | msgspec.UnsetType | None = msgspec.UNSET
    provenance: Made | None = None
    crowd: bool | None = None
    difficult: bool | None = None
    truncated: bool | None = None
    occluded: bool | None = None
    pose: str | None = None
    attributes: dict[str, Any] | None = None
    exact: dict[str, float] = {}
    labels: dict[str, OwnLabel] = {}


FIELDS = ("crowd", "difficult", "truncated", "occluded", "pose", "attributes")


class OwnTask(msgspec.Struct, omit_defaults=True):
    """``meta.labelkit`` of a task."""

    path: str | None = None
    width: int | None = None
    height: int | None = None
    splits: list[str] = []


class _RegionMeta(msgspec.Struct):
    labelkit: Own | None = None


class _TaskMeta(msgspec.Struct):
    labelkit: OwnTask | None = None


class Region(msgspec.Struct):
    """The keys of a region that mean something here; their values are judged later."""

    id: Any = None
    type: Any = None
    from_name: Any = None
    original_width: Any = None
    original_height: Any = None
    image_rotation: Any = None
    item_index: Any = None
    score: Any = None
    origin: Any = None
    value: msgspec.Raw = NOTHING
    meta: msgspec.Raw = NOTHING


def decode(raw: bytes | msgspec.Raw, type: Any, element: str = "") -> Any:
    """JSON as a typed value. Raises TaskError with the place inside."""
    try:
        return msgspec.json.decode(raw, type=type)
    except RecursionError:
        raise TaskError(element, "values nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = str(error)
        path = _PATH.search(text)
        found = text[: path.start()] if path else text
        inner = element + (path[1] if path else "")
        if not found.startswith("Expected "):
            code = "STR104" if "missing required field" in found else ""
            raise TaskError(inner, found[:1].lower() + found[1:], code=code) from None
        expected, _, got = found.removeprefix("Expected ").partition(", got ")
        code = "STR105" if got else ""
        raise TaskError(inner, got or "a value out of bounds", expected, code=code) from None


def region_meta(raw: msgspec.Raw) -> Own:
    """What labelkit added to a region."""
    said = decode(raw, _RegionMeta, ".meta").labelkit if _is_object(raw) else None
    if said is not None and _is_deep(said.attributes):
        raise TaskError(".meta.labelkit.attributes", f"nested more than {_DEEPEST} deep")
    return said or Own()


def task_meta(raw: msgspec.Raw) -> OwnTask:
    """What labelkit added to a task."""
    return (decode(raw, _TaskMeta, ".meta").labelkit if _is_object(raw) else None) or OwnTask()


def with_own(meta: msgspec.Raw, own: Own | OwnTask) -> Raws | None:
    """The meta with what labelkit has to say, and all else of it; None where nothing is left."""
    said: Raws = decode(meta, Raws) if _is_object(meta) else {}
    text = encoded(own)
    if text == b"{}":
        said.pop("labelkit", None)
    else:
        said["labelkit"] = msgspec.Raw(text)
    return said or None


def _is_object(raw: msgspec.Raw) -> bool:
    return first_byte(raw) == b"{"


def first_byte(raw: msgspec.Raw) -> bytes:
    """The first byte of a value, which tells its type; none of a value that is not there."""
    return bytes(memoryview(raw)[:1])


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def encoded(value: Any) -> bytes:
    """A value as compact JSON."""
    return msgspec.json.encode(value)


def own_raw(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """What this format kept of something; empty where it is from elsewhere or malformed."""
    found = raw.get(NAME)
    return found if isinstance(found, dict) else {}


def at_of(kept: Mapping[str, Any]) -> At | None:
    """The annotation or prediction that something is of."""
    at = kept.get("at")
    if isinstance(at, list) and len(at) == 2 and isinstance(at[0], str) and type(at[1]) is int and at[1] >= 0:
        return at[0], at[1]
    return None


def text_of(kept: Mapping[str, Any]) -> str | None:
    """The native text of a region."""
    text = kept.get("text")
    return text if isinstance(text, str) else None
