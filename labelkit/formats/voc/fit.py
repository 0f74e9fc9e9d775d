"""Fitting records to Pascal VOC: what its XML and its lists can hold (``scene`` does the two PNGs)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelkit.errors import FormatError
from labelkit.findings import Tell
from labelkit.formats import Target
from labelkit.formats._xml import writable
from labelkit.formats.voc.names import (
    MOST,
    OFFICIAL,
    colormap,
    native_labelmap,
    unwritable_name,
)
from labelkit.formats.voc.scene import fit_pixels
from labelkit.formats.voc.sets import VALUES, implied_values
from labelkit.model import Category, Header, ImageLabel, Object, Record

# --- the header -------------------------------------------------------------------------------------------


def adjust_header(header: Header, options: Mapping[str, Any], tell: Tell) -> Header:
    """The official 20 classes where no other is named, else the classes in order.

    Raises FormatError: a name that a VOC reader would change.
    """
    for category in header.categories:
        fault = unwritable_name(category.name)
        if fault:
            raise FormatError(
                f"category {category.name!r}", fault, "a name VOC can hold", "rename it with a class map"
            )
    categories = header.categories
    native = native_labelmap(header)
    numbered = native is not None and [entry.name for entry in native[1]] == [c.name for c in categories]
    names = {category.name: category for category in categories}
    if not numbered and names.keys() <= set(OFFICIAL):
        categories = tuple(names.get(name) or Category(name=name) for name in OFFICIAL)
    categories = tuple(_plain_colour(category, index) for index, category in enumerate(categories, 1))
    own = header.raw.get("voc")
    raw = dict(own) if isinstance(own, dict) else {}
    stuff = [category.name for category in categories if category.thing is False]
    if stuff:  # the fitted categories do not say it, and adjust needs it
        raw["stuff"] = stuff
    return header.model_copy(
        update={"categories": categories, "raw": {**header.raw, "voc": raw} if raw else header.raw}
    )


def _plain_colour(category: Category, index: int) -> Category:
    """Without a colour that the index says anyway."""
    if index <= MOST and category.colour == colormap()[index]:
        return category.model_copy(update={"colour": None})
    return category


# --- a record ---------------------------------------------------------------------------------------------


def adjust(record: Record, target: Target, ordinal: int, tell: Tell) -> Record:
    """The nearest record that VOC can hold. Raises ValueError where pixels cannot be decoded."""
    place = record.image.path
    objects = tuple(
        _fit_fields(item, f"{place}:object {number}", tell) for number, item in enumerate(record.objects, 1)
    )
    update: dict[str, Any] = {}
    if any(new is not old for new, old in zip(objects, record.objects, strict=True)):
        update["objects"] = objects
    if record.maps or any(item.kind == "instance" for item in objects):
        crowds = {position for position, item in enumerate(record.objects) if item.crowd}
        update |= fit_pixels(record.model_copy(update=update), crowds, target, tell)
    splits = tuple(sorted(set(record.splits)))
    if splits != record.splits:
        update["splits"] = splits
    fitted = record.model_copy(update=update) if update else record
    if fitted.labels:
        labels = _fit_labels(fitted, target, tell)
        if labels != fitted.labels:
            fitted = fitted.model_copy(update={"labels": labels})
    return fitted


def _fit_fields(item: Object, place: str, tell: Tell) -> Object:
    update: dict[str, Any] = {}
    if item.crowd:
        tell("LOS203", place, "crowd becomes difficult, which evaluation leaves out")
        update = {"crowd": None, "difficult": True}
    if item.pose is not None and not writable(item.pose):
        tell("LOS105", place, "a pose with control characters")
        update["pose"] = None
    if item.parts is not None:
        parts = tuple(
            part for part in item.parts if writable(part.name) and part.name == part.name.strip() != ""
        )
        if len(parts) < len(item.parts):
            tell("LOS105", place, "parts whose names VOC cannot hold", count=len(item.parts) - len(parts))
        elif not parts:
            tell("LOS105", place, "an empty list of parts: VOC cannot say that there are none")
        if parts != item.parts or not parts:
            update["parts"] = parts or None
    return item.model_copy(update=update) if update else item


# --- labels -----------------------------------------------------------------------------------------------


def has_xml(record: Record) -> bool:
    """Whether a fitted record gets an annotation: all do, but those that a VOC set had without one.

    An image without objects that a list or a PNG names has an annotation only if the source had it: with it
    every class that no list names would be absent.
    """
    own = record.raw.get("voc")
    if not isinstance(own, dict) or "xml" in own or record.objects:
        return True
    return not (record.splits or record.labels or record.maps)


def _fit_labels(record: Record, target: Target, tell: Tell) -> tuple[ImageLabel, ...]:
    place = record.image.path
    order = {category.name: index for index, category in enumerate(target.header.categories)}
    never = target.options.get("class_lists") == "never"
    implied = implied_values(record.objects) if has_xml(record) else None
    kept: dict[str, ImageLabel] = {}
    for label in record.labels:
        before = kept.get(label.category)
        if never:
            tell("LOS102", place, f"label {label.category!r}: class lists are not to be written")
        elif implied is not None and implied.get(label.category, -1) == VALUES[label.state]:
            tell("LOS113", place, f"{label.category!r} is {label.state} by what the objects say")
        elif before is not None:
            tell("LOS102", place, f"{label.category!r} is {before.state}, and cannot be {label.state} too")
        else:
            kept[label.category] = label
    ordered = sorted(kept.values(), key=lambda label: order.get(label.category, len(order)))
    if ordered != list(kept.values()):
        tell("LOS206", place, "labels are read in the order of the classes")
    return tuple(ordered)
