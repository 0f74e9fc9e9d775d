"""The ``<attribute>`` elements of a label or an object: labelkit's own, and those of the user.

CVAT knows an attribute by its name, and its value is a text. These names are labelkit's (``declare`` says how
labels declare them, so that CVAT can fill them in for new objects and says nothing by it):

* ``uid``, ``score``, ``pose``: the field of that name. ``crowd``, ``difficult``, ``truncated``: ``true`` or
  ``false``.
* ``run`` and ``model`` (both, or they are the user's), ``model_score``, ``status``: where a prediction came
  from, and what a reviewer has said of it, in whatever case.
* ``map``: on a mask or a polygon, ``semantic`` or ``panoptic``: it is a piece of that map and no object.

Every other attribute is the user's, and so is one of these names whose value cannot be labelkit's (a
``score`` of "good"). A user's own attribute that has one of these names, wherever it came from, is written
with ``attributes.`` before it. A value that is no text is written as ``json:`` and its JSON. An empty value
says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NoReturn

from labelkit.formats._corners import decimal_of
from labelkit.formats._files import brief
from labelkit.formats._xml import Element, writable
from labelkit.formats.cvat.shapes import ShapeError
from labelkit.model import ImageLabel, Object, Provenance

MAPS = ("semantic", "panoptic")
STATUSES = ("pending", "accepted", "changed", "rejected")
FLAGS = ("crowd", "difficult", "truncated")
_RUN = ("run", "model", "model_score", "status")
NAMES = frozenset({"uid", "score", "pose", "map", *FLAGS, *_RUN})

_OWN = "attributes."
_JSON = "json:"
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Said:
    """What the attributes of an element say. own: those of the user. map: the map that it is a piece of."""

    uid: str | None = None
    score: float | None = None
    pose: str | None = None
    crowd: bool | None = None
    difficult: bool | None = None
    truncated: bool | None = None
    provenance: Provenance | None = None
    map: str | None = None
    own: Mapping[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        """The fields of an object."""
        names = ("uid", "score", "pose", *FLAGS, "provenance")
        own = None if self.own is None else dict(self.own)
        return {name: getattr(self, name) for name in names} | {"attributes": own}


# --- reading -----------------------------------------------------------------------------------------------


def pairs_of(element: Element) -> list[tuple[str, str]]:
    """The names and values of an element's attributes.

    Raises ShapeError: one has no name, or two have the same.
    """
    found: dict[str, str] = {}
    for child in element.children:
        if child.tag != "attribute":
            continue
        name = child.attributes.get("name")
        if not name:
            raise ShapeError("attribute", "no name", "an attribute with a name", "STR104")
        if name in found:
            raise ShapeError("attribute", f"{brief(name)} twice", "attributes once each", "STR102")
        found[name] = child.text
    return list(found.items())


def read_attributes(pairs: Pairs, *, can_be_map: bool = False) -> Said:
    """What attributes say. can_be_map: whether the element can be a piece of a map.

    Raises ShapeError: a model's score that is no number, or an attribute of the user twice.
    """
    texts = {name: text for name, text in pairs if text}
    said: dict[str, Any] = {"uid": texts.pop("uid", None), "pose": texts.pop("pose", None)}
    for flag in FLAGS:
        if texts.get(flag, "").lower() in ("true", "false"):
            said[flag] = texts.pop(flag).lower() == "true"
    if (score := _number(texts.get("score"))) is not None:
        said["score"] = score
        del texts["score"]
    if "run" in texts and "model" in texts:
        said["provenance"] = _provenance(texts)
    if can_be_map and texts.get("map") in MAPS:
        said["map"] = texts.pop("map")
    own: dict[str, Any] = {}
    for name, text in texts.items():
        name = name.removeprefix(_OWN)
        if name in own:
            raise ShapeError("attribute", f"{brief(name)} twice", "attributes once each", "STR102")
        own[name] = _value(text)
    return Said(**said, own=own or None)


def users_names(pairs: Pairs, *, can_be_map: bool) -> set[str]:
    """Which attributes are the user's although labelkit has some of that name. Raises ShapeError."""
    own = read_attributes(pairs, can_be_map=can_be_map).own or {}
    names = {name for name, _ in pairs}
    return {name for name in names & NAMES if name in own and f"{_OWN}{name}" not in names}


def _provenance(texts: dict[str, str]) -> Provenance:
    status = texts.get("status", "pending").strip().lower()
    if status in STATUSES:
        texts.pop("status", None)
    else:
        status = "pending"
    text = texts.pop("model_score", None)
    score = _number(text)
    if text is not None and score is None:
        raise ShapeError("model_score", brief(text), "a finite number")
    run, model = texts.pop("run"), texts.pop("model")
    return Provenance(run=run, model=model, score=score, status=status)  # type: ignore[arg-type]


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        number = float(decimal_of(text.strip()))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _value(text: str) -> Any:
    """A value of the user's; a text that starts like JSON and is none is a text."""
    if not text.startswith(_JSON):
        return text
    try:
        value = json.loads(text[len(_JSON) :], parse_constant=_refused, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        return text
    return value


def _refused(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


# --- writing -----------------------------------------------------------------------------------------------


def object_pairs(item: Object) -> list[tuple[str, str]]:
    """The attributes of a fitted object, in a fixed order."""
    pairs = [("uid", item.uid)] if item.uid is not None else []
    pairs += score_pairs(item.score)
    pairs += provenance_pairs(item.provenance)
    pairs += [(name, str(getattr(item, name)).lower()) for name in FLAGS if getattr(item, name) is not None]
    pairs += [("pose", item.pose)] if item.pose is not None else []
    return pairs + own_pairs(item.attributes)


def score_pairs(score: float | None) -> list[tuple[str, str]]:
    """The attribute that says a score."""
    return [] if score is None else [("score", repr(score))]


def provenance_pairs(item: Provenance | None) -> list[tuple[str, str]]:
    """The attributes that say where a prediction came from."""
    if item is None:
        return []
    score = [] if item.score is None else [("model_score", repr(item.score))]
    return [("run", item.run), ("model", item.model), *score, ("status", item.status)]


def own_name(name: str) -> str:
    """The name that an attribute of the user is written with."""
    return f"{_OWN}{name}" if name in NAMES or name.startswith(_OWN) else name


def own_text(value: Any) -> str:
    """A value of the user's as a text. Raises ValueError or TypeError where JSON has none for it."""
    if isinstance(value, str) and value and not value.startswith(_JSON) and writable(value):
        return value
    return _JSON + json.dumps(value, allow_nan=False)


def is_kept(name: str, value: Any) -> bool:
    """Whether an attribute of the user comes back as it is."""
    try:
        return bool(name) and writable(name) and _value(own_text(value)) == value
    except (ValueError, TypeError, RecursionError):
        return False


def label_pairs(label: ImageLabel) -> list[tuple[str, str]]:
    """The attributes of a fitted image label."""
    return score_pairs(label.score) + provenance_pairs(label.provenance)


def own_pairs(own: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The attributes of the user."""
    return [(own_name(name), own_text(value)) for name, value in (own or {}).items()]


def merged_pairs(native: Pairs, before: Pairs, now: Pairs) -> list[tuple[str, str]]:
    """The attributes of an element that was read, with what is said differently now.

    native: as they were read. before, now: what they said and what is to be said, as it is written anew.
    Names, digits and the order of what still says the same are kept, also of what says nothing.
    """
    old, new = dict(before), dict(now)
    if old == new:
        return list(native)
    merged: dict[str, str] = {}
    for name, text in native:
        meant = name if name in old or name in new else own_name(name)
        if meant in old and meant not in new:
            continue
        if old.get(meant) == new.get(meant):
            merged[name] = text
        else:
            merged[meant] = new[meant]
    there = {name if name in new else own_name(name) for name in merged}
    pairs = [*merged.items(), *((name, text) for name, text in now if name not in there)]
    return pairs if _is_same(pairs, now) else list(now)


def _is_same(pairs: Pairs, now: Pairs) -> bool:
    """Whether attributes say the same."""
    try:
        return read_attributes(pairs, can_be_map=True) == read_attributes(now, can_be_map=True)
    except ShapeError:
        return False
