"""The nearest record that CVAT can hold.

One polygon without holes stays a polygon; every other outline becomes a mask of the same pixels. A map is a
mask for each of its values. CVAT knows no absent labels, no box beside a mask and one subset an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labelkit.errors import FormatError
from labelkit.findings import Tell
from labelkit.formats import Target
from labelkit.formats._xml import writable
from labelkit.formats.cvat.attributes import MAPS, is_kept
from labelkit.formats.cvat.image import NO_SUBSET
from labelkit.formats.cvat.shapes import ring_of
from labelkit.geometry import rle
from labelkit.model import (
    Header,
    ImageLabel,
    Object,
    PixelMap,
    Polygons,
    Provenance,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pixels import cell_runs, map_pixels, mask_runs, rle_mask


def adjust_header(header: Header, options: Mapping[str, Any], tell: Tell) -> Header:
    """The header as it is. Raises FormatError: a name that XML cannot hold."""
    for category in header.categories:
        if not writable(category.name):
            found, expected = "has a control character", "a name that XML can hold"
            raise FormatError(f"category {category.name!r}", found, expected, "rename it with a class map")
    return header


def adjust(record: Record, target: Target, ordinal: int, tell: Tell) -> Record:
    """The record as CVAT can hold it. Raises ValueError where pixels cannot be decoded, or have no size."""
    if not writable(record.image.path):
        raise ValueError("a control character in the image's path, which XML cannot hold")
    place = record.image.path
    objects = tuple(
        _shaped(record, _fields(item, f"{place}:object {number}", tell), f"{place}:object {number}", tell)
        for number, item in enumerate(record.objects, 1)
    )
    update: dict[str, Any] = {"objects": objects, "splits": _splits(record, tell)}
    update["maps"] = dict(_maps(record, tell))
    update["labels"] = tuple(_label(label, place, tell) for label in record.labels)
    return record.model_copy(update=update)


def _splits(record: Record, tell: Tell) -> tuple[str, ...]:
    good = [split for split in record.splits if split != NO_SUBSET and writable(split)]
    for split in record.splits:
        if split not in good:
            tell("LOS110", record.image.path, f"split {split!r} cannot be the name of a subset")
    for split in good[1:]:
        tell("LOS110", record.image.path, f"split {split!r}: an image is in one subset, {good[0]!r}")
    return tuple(good[:1])


# --- objects -----------------------------------------------------------------------------------------------


def _fields(item: Object, place: str, tell: Tell) -> Object:
    """The object without values that CVAT has no text for."""
    update: dict[str, Any] = {}
    if item.occluded is False:
        tell("LOS115", place, "not occluded, which CVAT says of every object")
        update["occluded"] = None
    for name in ("uid", "pose"):
        text = getattr(item, name)
        if text is not None and not _is_text(text):
            tell("LOS105", place, f"a {name} that is empty, or has control characters")
            update[name] = None
    if item.attributes is not None:
        kept = {name: value for name, value in item.attributes.items() if is_kept(name, value)}
        lost = len(item.attributes) - len(kept)
        if lost or not kept:
            text = "attributes that XML or JSON cannot hold" if lost else "an empty set of attributes"
            tell("LOS105", place, text, count=lost or 1)
            update["attributes"] = kept or None
    if _is_lost(item.provenance, place, tell):
        update["provenance"] = None
    return item.model_copy(update=update) if update else item


def _label(label: ImageLabel, place: str, tell: Tell) -> ImageLabel:
    if _is_lost(label.provenance, f"{place}:label {label.category!r}", tell):
        return label.model_copy(update={"provenance": None})
    return label


def _is_lost(source: Provenance | None, place: str, tell: Tell) -> bool:
    """Whether CVAT has no text for a provenance; it is told."""
    if source is None or (_is_text(source.run) and _is_text(source.model)):
        return False
    tell("LOS105", place, "a provenance whose run or model is empty, or has control characters")
    return True


def _is_text(text: str) -> bool:
    return bool(text) and writable(text)


def _shaped(record: Record, item: Object, place: str, tell: Tell) -> Object:
    """The object with a mask that CVAT can write, and no box beside it."""
    if item.kind == "box":
        return item
    update: dict[str, Any] = {}
    if item.box is not None:
        tell("LOS109", place, "the box has no place beside the pixels")
        update["box"] = None
    shape = item.mask.shape
    if ring_of(item.mask) is None:
        height, width = _size(record)
        runs = mask_runs(record, item.mask)
        if not isinstance(shape, Rle):
            update["mask"] = rle_mask(runs, height, width)
        if isinstance(shape, Polygons):
            tell("LOS201", place, "an outline of several rings becomes a mask of the same pixels")
    return item.model_copy(update=update) if update else item


def _size(record: Record) -> tuple[int, int]:
    if record.image.height is None or record.image.width is None:
        raise ValueError("the size of the image is not known, so that a mask has no place in CVAT")
    return record.image.height, record.image.width


# --- maps --------------------------------------------------------------------------------------------------


def _maps(record: Record, tell: Tell) -> Iterator[tuple[str, PixelMap]]:
    place = record.image.path
    for name, item in record.maps.items():
        if not isinstance(item, SemanticMap):
            continue  # its pixels are those of the objects
        if name not in MAPS:
            tell("LOS103", place, f"map {name!r} has no place in CVAT")
            continue
        if map_pixels(item).shape != _size(record):
            raise ValueError(f"a {name} map of another size than the image")
        fitted = _without_void(item, place, tell)
        if any(value in fitted.classes for value in cell_runs(fitted)):
            lost = _is_lost(fitted.provenance, f"{place}:map {name}", tell)
            yield name, fitted.model_copy(update={"provenance": None}) if lost else fitted
        else:
            tell("LOS103", place, f"a {name} map in which no pixel has a class")


def _without_void(item: SemanticMap, place: str, tell: Tell) -> SemanticMap:
    if item.ignore is None:
        return item
    runs = cell_runs(item)
    if item.ignore in runs:
        tell(
            "LOS106", place, f"{rle.area(runs[item.ignore])} pixels are to be ignored, which CVAT cannot say"
        )
    classes = {value: name for value, name in item.classes.items() if value != item.ignore}
    return item.model_copy(update={"ignore": None, "classes": classes})
