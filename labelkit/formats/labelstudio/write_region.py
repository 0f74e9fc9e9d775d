"""An object, the choices of an image, or a layer of a map as a region: as it was where it says the same.

A region that says something else keeps its id and all keys that labelkit does not know, and its geometry
where only its class or its maker changed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import msgspec

from labelkit.formats.labelstudio import percent
from labelkit.formats.labelstudio.config import IGNORE, SEMANTIC, Config, Control
from labelkit.formats.labelstudio.frame import Home
from labelkit.formats.labelstudio.native import (
    FIELDS,
    INVENTED,
    NOTHING,
    Own,
    OwnLabel,
    Raws,
    TaskError,
    decode,
    encoded,
    made,
    own_raw,
    text_of,
    with_own,
)
from labelkit.formats.labelstudio.region import Said, code_of, object_of, read_region, with_code
from labelkit.formats.labelstudio.review import Review, implied
from labelkit.formats.labelstudio.task import Container
from labelkit.model import (
    ImageLabel,
    Instance,
    Layer,
    Layers,
    Mask,
    Object,
    Polygons,
    Provenance,
    SemanticMap,
)

Size = tuple[int | None, int | None]


@dataclass(frozen=True)
class Room:
    """Where a region is written: an annotation or a prediction that there is, or one that is to be made.

    container: None for a new one, model: then of the prediction, None of an annotation.
    """

    home: Home
    config: Config
    size: Size
    review: Review
    container: Container | None
    model: str | None

    def is_from(self, kept: Mapping[str, Any]) -> bool:
        """Whether something was read from here."""
        return self.container is not None and kept.get("at") == list(self.container.at)

    def has_control(self, said: Said) -> bool:
        """Whether the control of a region is still there; the native configuration need not have had it."""
        return self.config.text is not None or self.config.of(said.name, said.kind) is not None

    def implied(self, score: float | None) -> Provenance | None:
        """Who made a region here that does not say it."""
        if self.container is not None:
            return implied(self.container, score) if self.container.is_prediction else None
        return None if self.model is None else Provenance(run="", model=self.model, score=score)


class Keys:
    """The ids of a task, which are unique in each annotation and prediction; new ones in all of them.

    taken: those of regions that stay in the text. kept: those of regions whose text was kept.
    """

    def __init__(self, taken: set[str], kept: set[str]) -> None:
        self._reserved = taken | kept
        self._given: set[tuple[Home, str]] = set()
        self._last = 0

    def keep(self, key: str | None, home: Home) -> str | None:
        """The id that a region had, unless another has it there by now."""
        if key is None or (home, key) in self._given:
            return None
        self._given.add((home, key))
        return key

    def new(self, uid: str | None) -> str:
        """An id for a new region: its uid where that can be one, else one that is known to be invented."""
        if uid and "#" not in uid and not INVENTED.fullmatch(uid) and uid not in self._reserved:
            self._reserved.add(uid)
            return uid
        while True:
            self._last += 1
            key = f"labelkit-{self._last}"
            if key not in self._reserved:
                self._reserved.add(key)
                return key


# --- objects -----------------------------------------------------------------------------------------------


def object_region(item: Object, room: Room, keys: Keys) -> bytes:
    """The region of an object."""
    kept = own_raw(item.raw)
    mask = item.mask if isinstance(item, Instance) else None
    said = read_text(kept, mask)
    key = keys.keep(said.key, room.home) if said is not None else None
    if said is not None and room.container is not None and room.is_from(kept) and room.has_control(said):
        known = object_of(said, room.review.provenance(room.container, said))
        if said.size == room.size and known == item.model_copy(update={"raw": {}}):
            return _native(kept, mask)
    if key is not None and room.review.stands_for(key) and item.provenance is None:
        key = None  # under its old id it would be read as what the reviewer made of the prediction
    if key is None or (item.uid is None and not INVENTED.fullmatch(key)):
        key = keys.new(item.uid)
    kind = _kind(item)
    score = _region_score(item.score, item.provenance)
    own = _besides(item, key, score, room)
    if said is not None and (said.kind, said.size) == (kind, room.size) and _same_shape(said, item):
        own.exact = said.own.exact
        shape: dict[str, Any] = decode(decode(_native(kept, mask), Raws)["value"], Raws)
        shape.pop("labels", None)
    else:
        shape, own.exact = _shape(item, kind, room.size)
    value = {**shape, _type(kind): [item.category]}
    base = kept if said is not None else {}
    return _written(base, room, _control(said, kind, room.config), key, value, score, own)


def _besides(item: Object, key: str, score: float | None, room: Room) -> Own:
    """What Label Studio has no place for. key, score: of the region; the object may have others."""
    own = Own(**{name: getattr(item, name) for name in FIELDS})
    if item.uid is not None and (item.uid != key or INVENTED.fullmatch(key)):
        own.uid = item.uid
    if score != item.score:
        own.score = None
    if item.provenance is not None and item.provenance != room.implied(score):
        own.provenance = made(item.provenance)
    return own


def _same_shape(said: Said, item: Object) -> bool:
    return said.shape == (item.mask if isinstance(item, Instance) else item.box)


def _region_score(score: float | None, provenance: Provenance | None) -> float | None:
    return score if score is not None or provenance is None else provenance.score


def _kind(item: Object) -> str:
    if item.kind == "box":
        return "rectanglelabels"
    return "polygonlabels" if isinstance(item.mask.shape, Polygons) else "brushlabels"


def _type(kind: str) -> str:
    return "brushlabels" if kind == SEMANTIC else kind


def _shape(item: Object, kind: str, size: Size) -> tuple[dict[str, Any], dict[str, float]]:
    """The value of a region, and the pixels that its percents do not give again."""
    width, height = size
    if width is None or height is None:
        raise ValueError("an object in an image of no size")
    if item.kind == "box":
        numbers, exact = percent.written(item.box, (width, height))
        return {**dict(zip(("x", "y", "width", "height"), numbers, strict=True)), "rotation": 0}, exact
    if kind == "polygonlabels":
        assert isinstance(item.mask.shape, Polygons)
        numbers, exact = percent.written(item.mask.shape.parts[0][0], (width, height))
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        return {"points": points, "closed": True}, exact
    return {"format": "rle", "rle": code_of(item.mask)}, {}


def _control(said: Said | None, kind: str, config: Config) -> Control:
    """The control that made a region, where there still is one of that kind."""
    return (config.of(said.name, kind) if said is not None else None) or config.control(kind)


def read_text(kept: Mapping[str, Any], mask: Mask | None) -> Said | None:
    """What the kept text of a region says; mask: the present pixels, which may be those that it left out."""
    text = text_of(kept)
    if text is None:
        return None
    same = mask is not None and kept.get("pixels") == zlib.crc32(mask.text)
    try:
        return read_region(text.encode(), mask if same else None)
    except TaskError:
        return None


def _native(kept: Mapping[str, Any], mask: Mask | None) -> bytes:
    """The text of a region as it was, with the code that it left out."""
    text = str(kept["text"]).encode()
    said: Raws = decode(text, Raws)
    left_out = mask is not None and b'"rle":[]' in bytes(said["value"])
    return with_code(text, mask) if left_out and mask is not None else text


def _written(
    base: Mapping[str, Any],
    room: Room,
    control: Control,
    key: str,
    value: dict[str, Any],
    score: float | None,
    own: Own,
) -> bytes:
    """A region, with the keys of its old text that labelkit does not know."""
    text = text_of(base)
    old: Raws = decode(text.encode(), Raws) if text is not None else {}
    width, height = room.size
    new: dict[str, Any] = {
        **old,
        "id": key,
        "type": _type(control.kind),
        "from_name": control.name,
        "to_name": control.to_name,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value,
        "score": score,
        "meta": with_own(old.get("meta", NOTHING), own),
    }
    return encoded({name: item for name, item in new.items() if item is not None})


# --- choices -----------------------------------------------------------------------------------------------


def choices_region(labels: Sequence[ImageLabel], control: Control, room: Room, keys: Keys) -> bytes:
    """The region of the labels that are chosen with one control."""
    base = next((own_raw(label.raw) for label in labels if room.is_from(own_raw(label.raw))), {})
    said = read_text(base, None)
    key = keys.keep(said.key, room.home) if said is not None else None
    if said is not None and room.container is not None and room.has_control(said):
        names = tuple(dict.fromkeys(said.labels))
        known = [(name, *room.review.label(room.container, said, name)) for name in names]
        if known == [(label.category, label.score, label.provenance) for label in labels]:
            return str(base["text"]).encode()
    scores = [_region_score(label.score, label.provenance) for label in labels]
    given = [score for score in scores if score is not None]
    score = fmean(given) if given else None
    own = Own()
    only = labels[0] if len(labels) == 1 else None
    if not (only and only.score == score and only.provenance == room.implied(score)):
        own.labels = {
            label.category: OwnLabel(label.score, made(label.provenance) if label.provenance else None)
            for label in labels
            if label.score is not None or label.provenance is not None
        }
    value = {"choices": [label.category for label in labels]}
    return _written(base, room, control, key or keys.new(None), value, score, own)


# --- layers of a map ---------------------------------------------------------------------------------------


def layer_regions(
    item: SemanticMap, kept: Sequence[Mapping[str, Any]], room: Room, keys: Keys
) -> list[bytes]:
    """The regions of a semantic map, one a layer. kept: what was kept of them."""
    source, provenance = item.source, item.provenance
    if not isinstance(source, Layers):
        raise ValueError("a map that was not fitted")
    names = {value: name for value, name in item.classes.items() if value != item.ignore}
    bases: Sequence[Mapping[str, Any]] = (
        kept if len(kept) == len(source.layers) else [{}] * len(source.layers)
    )
    saids = [read_text(base, layer.mask) for base, layer in zip(bases, source.layers, strict=True)]
    own_keys = [keys.keep(said.key, room.home) if said else None for said in saids]
    labels = [names.get(layer.value, IGNORE) for layer in source.layers]
    rows = list(zip(bases, saids, labels, source.layers, strict=True))
    if room.container is not None and all(_is_layer(*row, room) for row in rows):
        known = [said for said in saids if said is not None]
        if room.review.map_provenance(room.container, known) == provenance:
            return [_native(base, layer.mask) for base, layer in zip(bases, source.layers, strict=True)]
    score = provenance.score if provenance else None
    own = Own(score=None if score is not None else msgspec.UNSET)
    if provenance is not None and provenance != room.implied(score):
        own.provenance = made(provenance)
    regions = []
    for base, said, key, label, layer in zip(bases, saids, own_keys, labels, source.layers, strict=True):
        value = {"format": "rle", "rle": code_of(layer.mask), "brushlabels": [label]}
        control = _control(said, SEMANTIC, room.config)
        regions.append(_written(base, room, control, key or keys.new(None), value, score, own))
    return regions


def _is_layer(base: Mapping[str, Any], said: Said | None, label: str, layer: Layer, room: Room) -> bool:
    """Whether a region says what a layer says."""
    if said is None or not room.is_from(base) or not room.has_control(said):
        return False
    return (said.labels, said.size, said.shape) == ((label,), room.size, layer.mask)
