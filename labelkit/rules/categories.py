"""CAT1xx: categories."""

from __future__ import annotations

import unicodedata
from collections import Counter

from labelkit.findings import Location
from labelkit.formats.coco.raw_document import CocoDocument
from labelkit.rules import Fault, Faults, rule
from labelkit.survey import Survey


@rule("CAT101")
def duplicate_name(document: CocoDocument) -> Faults:
    """Two categories of a document have one name.

    Why: the examples of one class are learned as two, and nobody sees it in the names.
    Fix: join them under one id.
    Example: `{"id": 1, "name": "person"}` and `{"id": 7, "name": "person"}`
    """
    first: dict[str, object] = {}
    for entry in document.categories:
        if entry.name and entry.name in first and first[entry.name] != entry.id:
            text = f"{entry.name!r} once more (as id {first[entry.name]!r}); expected names once each"
            yield Fault(document.at_category(entry, "name"), text)
        if entry.name:
            first.setdefault(entry.name, entry.id)


@rule("CAT102")
def empty_name(document: CocoDocument) -> Faults:
    """A category has no name.

    Why: nobody can know what was labelled.
    Fix: name it, or remove it with its annotations.
    Example: `{"id": 7, "name": ""}`
    """
    for entry in document.categories:
        if entry.name is not None and not entry.name.strip():
            yield Fault(document.at_category(entry, "name"), "an empty name")


@rule("CAT108")
def unprintable_name(survey: Survey) -> Faults:
    """The name of a category has a line break or another control character.

    Why: lists of classes are files with a name a line; XML cannot hold such characters at all.
    Fix: rename it.
    Example: `"name": "traffic\\nlight"`
    """
    for category in survey.header.categories:
        if any(unicodedata.category(letter) == "Cc" for letter in category.name):
            where = Location(survey.root.name, element=f"category {category.name!r}")
            yield Fault(where, f"{category.name!r} has a control character; expected letters and spaces")


@rule("CAT103", "warning")
def names_alike(survey: Survey) -> Faults:
    """Two categories differ by case or spaces only.

    Why: they are one class to every human, and two to every model.
    Fix: rename one, or join them.
    Example: `Traffic light` and `traffic light `
    """
    first: dict[str, str] = {}
    for category in survey.header.categories:
        key = " ".join(category.name.replace("_", " ").split()).casefold()
        if key in first:
            where = Location(str(survey.root.name), element=f"category {category.name!r}")
            yield Fault(where, f"{category.name!r} differs from {first[key]!r} by case or spaces only")
        first.setdefault(key, category.name)


@rule("CAT104", "info")
def unused_category(survey: Survey) -> Faults:
    """A category has no example.

    Why: a model gets an output that it never learns; an official class list has such classes.
    Fix: remove it, unless the list is given.
    Example: a category that no annotation names
    """
    used = Counter(survey.table.category)
    labelled = {label.category for labels in survey.labels.values() for label in labels}
    unused = [
        category.name
        for category in survey.header.categories
        if not used[category.name] and category.name not in labelled and category.name not in survey.painted
    ]
    if unused:
        shown = ", ".join(unused[:5]) + (f" and {len(unused) - 5} more" if len(unused) > 5 else "")
        yield Fault(Location(survey.root.name), f"{len(unused)} categories without an example: {shown}")
