"""Three-way merge of a record: what the source said, what its target showed then, what it shows now.

Per value: **the source's returns only where what is shown is unchanged**; else the present one wins. A value
that was not shown stands behind one that was: a box that moved takes its object's hidden pixels away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, TypedDict, TypeVar, cast

import msgspec

from labelkit.align import align, outside_pixels
from labelkit.geometry import rle
from labelkit.merge_maps import Difference, merge_map, without_cells
from labelkit.model import (
    Cell,
    Image,
    ImageLabel,
    InstanceMap,
    Mask,
    Object,
    PixelMap,
    Record,
    SemanticMap,
)
from labelkit.pixels import mask_runs, rle_mask
from labelkit.visible import FIELDS, map_digest, visible

_Said = TypeVar("_Said", ImageLabel, PixelMap)
_Values = Mapping[str, Any]
_Four = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]


class _Classed(TypedDict):
    category: str


class _LabelBase(_Classed):
    state: Literal["present", "absent", "uncertain"]
    score: float | None


class ShownLabel(_LabelBase, total=False):
    """An image label as a target showed it."""

    provenance: dict[str, Any]


class ShownObject(_Classed, total=False):
    """An object as a target showed it; ``extent`` is its mask's, where it has no box."""

    box: _Four
    extent: _Four
    mask: str
    crowd: bool
    difficult: bool
    truncated: bool
    occluded: bool
    pose: str
    score: float
    attributes: dict[str, Any]
    parts: list[list[Any]]
    uid: str
    provenance: dict[str, Any]


class _RecordBase(TypedDict):
    size: list[int | None]
    splits: list[str]
    labels: list[ShownLabel]
    objects: list[ShownObject]
    maps: dict[str, str]


class Shown(_RecordBase, total=False):
    """A record as a target showed it: what ``visible`` says, typed, for it is read from hostile files.

    provenance: of maps, by name.
    """

    provenance: dict[str, dict[str, Any]]


class Carried(msgspec.Struct):
    """What a carrier's entry says beside the source record.

    path: the target's. origins: for each shown object its place in the source, or None if it was derived.
    maps: where a map of the target showed something else than the source's.
    """

    path: str
    shown: Shown
    origins: list[int | None]
    maps: dict[str, list[Difference]] = {}


def show(record: Record) -> Shown:
    """What a record shows, with the extent of every mask that has no box (to align by)."""
    shown = visible(record)
    for item, text in zip(record.objects, shown["objects"], strict=True):
        if item.kind == "instance" and item.box is None:
            text["extent"] = _extent(record, item.mask)
    return cast(Shown, shown)


def _extent(record: Record, mask: Mask) -> list[float]:
    height = record.image.height
    return [float(side) for side in rle.extent(mask_runs(record, mask), height)] if height else [0.0] * 4


def merge(source: Record, carried: Carried, now: Record, shown: Shown) -> Record:
    """The source record, wherever the present one still shows what was shown then.

    shown: what ``now`` shows. An image that was renamed since keeps its new name.
    Raises ValueError where the entry contradicts itself or its source, or a mask cannot be decoded.
    """
    _check_origins(source, carried)
    then = carried.shown
    size = source.image if shown["size"] == then["size"] else now.image
    renamed = stem(carried.path) != stem(now.image.path)
    path = now.image.path if renamed else source.image.path
    objects = _merge_objects(source, carried, now, shown)
    maps = _with_provenance(source, then, now, shown, _merge_maps(source, carried, now, shown))
    return Record(
        image=Image(path=path, width=size.width, height=size.height),
        splits=source.splits if shown["splits"] == then["splits"] else now.splits,
        labels=_merge_labels(source, then, now, shown),
        objects=objects,
        maps=_without_lost_cells(source, objects, maps),
        raw={**now.raw, **source.raw},
    )


def stem(path: str) -> str:
    """A path without its suffix, which not every format knows."""
    return str(PurePosixPath(path).with_suffix(""))


def _check_origins(source: Record, carried: Carried) -> None:
    """Raise ValueError where the origins are not one for each shown object, each an object of the source."""
    origins, shown = carried.origins, len(carried.shown["objects"])
    known = [origin for origin in origins if origin is not None]
    if any(not 0 <= origin < len(source.objects) for origin in known):
        raise ValueError(f"origins {origins} of {len(source.objects)} objects")
    if len(origins) != shown or len(set(known)) < len(known):
        raise ValueError(f"origins {origins} for {shown} shown objects")


def _merge_labels(source: Record, then: Shown, now: Record, shown: Shown) -> tuple[ImageLabel, ...]:
    if shown["labels"] == then["labels"]:
        own = {label.category: label for label in now.labels}
        return tuple(_with_raw(label, own.get(label.category)) for label in source.labels)
    was_shown = {label["category"]: label for label in then["labels"]}
    by_name = {label.category: label for label in source.labels}
    merged = []
    for label, text in zip(now.labels, shown["labels"], strict=True):
        known = by_name.get(label.category)
        merged.append(_merge_label(known, was_shown.get(label.category), label, text) if known else label)
    present = {label.category for label in merged}
    hidden = [
        label for label in source.labels if label.category not in was_shown and label.category not in present
    ]
    return (*merged, *hidden)


def _merge_label(
    source: ImageLabel, then: ShownLabel | None, now: ImageLabel, text: ShownLabel
) -> ImageLabel:
    """The source's label of a class with what is shown differently now; a score belongs to a state."""
    if then == text:
        return _with_raw(source, now)
    if then is None or then["score"] == text["score"]:
        score = source.score if now.state == source.state and now.score is None else now.score
    else:
        score = now.score
    shown_then = then.get("provenance") if then else None
    same_provenance = shown_then == text.get("provenance")
    provenance = source.provenance if same_provenance else now.provenance
    update = {"state": now.state, "score": score, "provenance": provenance}
    return _with_raw(source, now).model_copy(update=update)


def _with_raw(source: _Said, now: _Said | None) -> _Said:
    """The source's value, with what the present format said of it: its next writing gives the same ids."""
    if now is None or not now.raw:
        return source
    return source.model_copy(update={"raw": {**now.raw, **source.raw}})


def _merge_maps(source: Record, carried: Carried, now: Record, shown: Shown) -> dict[str, PixelMap]:
    then = carried.shown["maps"]
    if shown["maps"] == then:
        return {name: _with_raw(item, now.maps.get(name)) for name, item in source.maps.items()}
    maps = {
        name: item
        for name, item in source.maps.items()
        if isinstance(item, InstanceMap) or (name not in then and name in _referred(source))
    }
    for name, item in now.maps.items():
        if not isinstance(item, SemanticMap):
            continue
        own = source.maps.get(name)
        if then.get(name) == shown["maps"][name]:
            if own is not None:
                maps[name] = _with_raw(own, item)
        elif name in then and isinstance(own, SemanticMap):
            maps[name] = _merged_map(own, carried, name, item)
        else:
            maps[name] = item
    return maps


def _merged_map(source: SemanticMap, carried: Carried, name: str, now: SemanticMap) -> SemanticMap:
    """The source's map with the pixels that are shown differently now; the present one if that is unknown."""
    known = name in carried.maps or map_digest(source) == carried.shown["maps"][name]
    return merge_map(source, carried.maps.get(name, []), now) if known else now


def _with_provenance(
    source: Record, then: Shown, now: Record, shown: Shown, maps: dict[str, PixelMap]
) -> dict[str, PixelMap]:
    """The maps, each made by whom the source says, unless the present record shows somebody else."""
    before, after = then.get("provenance", {}), shown.get("provenance", {})
    merged = dict(maps)
    for name, item in maps.items():
        own = source.maps if before.get(name) == after.get(name) else now.maps
        maker = own.get(name)
        if isinstance(item, SemanticMap) and isinstance(maker, SemanticMap):
            merged[name] = item.model_copy(update={"provenance": maker.provenance})
    return merged


def _without_lost_cells(
    source: Record, objects: tuple[Object, ...], maps: dict[str, PixelMap]
) -> dict[str, PixelMap]:
    """The maps without the pixels of objects that no longer own them."""
    lost = _cells(source.objects) - _cells(objects)
    cut = {}
    for name, item in maps.items():
        values = {cell.value for cell in lost if cell.map == name}
        cut[name] = without_cells(item, values) if values and isinstance(item, InstanceMap) else item
    return cut


def _cells(objects: tuple[Object, ...]) -> set[Cell]:
    shapes = (item.mask.shape for item in objects if item.kind == "instance")
    return {shape for shape in shapes if isinstance(shape, Cell)}


def _referred(record: Record) -> set[str]:
    """The maps that masks of the record point into."""
    return {cell.map for cell in _cells(record.objects)}


# --- objects -----------------------------------------------------------------------------------------------


def _merge_objects(source: Record, carried: Carried, now: Record, shown: Shown) -> tuple[Object, ...]:
    then = carried.shown["objects"]
    pairs = align(then, shown["objects"])
    merged: list[tuple[int | None, Object]] = []
    for position, (item, text) in enumerate(zip(now.objects, shown["objects"], strict=True)):
        old = pairs.get(position)
        if old is not None and _has_slipped(then, shown["objects"], old, text):
            text = then[old]
        if old is None:
            merged.append((None, _freed(now, item)))
        elif (origin := carried.origins[old]) is not None:
            merged.append((origin, _merge_object(source.objects[origin], then[old], now, item, text)))
        elif text != then[old]:
            merged.append((None, _freed(now, item)))
    were_shown = {origin for origin in carried.origins if origin is not None}
    hidden = [(k, item) for k, item in enumerate(source.objects) if k not in were_shown]
    kept_order = [pairs[k] for k in sorted(pairs)]
    return _ordered(merged, hidden, keep=kept_order == sorted(kept_order))


def _has_slipped(then: Sequence[_Values], now: Sequence[_Values], old: int, text: _Values) -> bool:
    """Whether an object shows another's pixels only because one before it is gone.

    Tools that know boxes delete an object from the annotation and leave the pixels, which are numbered.
    """
    if len(now) >= len(then) or text.get("mask") == then[old].get("mask"):
        return False
    others = {item.get("mask") for item in then} - {None}
    return text.get("mask") in others and outside_pixels(text) == outside_pixels(then[old])


def _ordered(
    merged: list[tuple[int | None, Object]], hidden: list[tuple[int, Object]], *, keep: bool
) -> tuple[Object, ...]:
    """The source's order where nobody changed the order, and what was added behind it."""
    if not keep:
        return (*(item for _, item in merged), *(item for _, item in hidden))
    known = [(origin, item) for origin, item in merged if origin is not None] + hidden
    added = [item for origin, item in merged if origin is None]
    return (*(item for _, item in sorted(known, key=lambda pair: pair[0])), *added)


def _merge_object(source: Object, then: _Values, now: Record, item: Object, text: _Values) -> Object:
    """The source's object with every value that is shown differently now."""
    fields: dict[str, Any] = {
        name: getattr(source, name) if text.get(name) == then.get(name) else getattr(item, name)
        for name in FIELDS
    }
    fields["category"] = source.category if text["category"] == then["category"] else item.category
    same_box = text.get("box") == then.get("box")
    same_mask = text.get("mask") == then.get("mask")
    # A value that was not shown stands behind the one that was: a moved box takes its hidden pixels away.
    mask_returns = same_mask and ("mask" in then or same_box)
    box_returns = same_box and ("box" in then or same_mask)
    parts_return = text.get("parts") == then.get("parts") and ("parts" in then or (same_box and same_mask))
    fields["parts"] = source.parts if parts_return else item.parts
    fields["box"] = source.box if box_returns else item.box
    same_provenance = text.get("provenance") == then.get("provenance")
    fields["provenance"] = source.provenance if same_provenance else item.provenance
    fields["raw"] = {**item.raw, **source.raw}
    if source.kind == "instance" and mask_returns:
        return source.model_copy(update=fields)
    if item.kind == "instance" and not mask_returns:
        return _freed(now, item).model_copy(update=fields)
    if source.kind == "box" and fields["box"] is not None:
        return source.model_copy(update=fields)
    return _freed(now, item).model_copy(update={key: fields[key] for key in fields if key != "box"})


def _freed(record: Record, item: Object) -> Object:
    """The object with a mask of its own: cells point into maps that the merged record may not have."""
    if item.kind == "box" or not isinstance(item.mask.shape, Cell):
        return item
    runs = mask_runs(record, item.mask)
    height, width = record.image.height, record.image.width
    if height is None or width is None:
        raise ValueError("the size of the image is not known, so that a cell has no pixels")
    return item.model_copy(update={"mask": rle_mask(runs, height, width)})
