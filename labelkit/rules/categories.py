"""CAT1xx: categories."""

from __future__ import annotations

import unicodedata
from collections import Counter
from difflib import get_close_matches

from labelkit.errors import LabelkitError
from labelkit.findings import Location
from labelkit.formats import formats
from labelkit.formats.coco.native import is_key
from labelkit.formats.coco.raw_document import CocoDocument, CocoSet
from labelkit.rules import Fault, Faults, rule
from labelkit.rules._words import few
from labelkit.rules.structure import coded
from labelkit.survey import Survey

_SHOWN = 5  # categories that a message names


@rule("CAT101")
def duplicate_name(document: CocoDocument | LabelkitError) -> Faults:
    """Two categories of a document have one name.

    Why: the examples of one class are learned as two, and nobody sees it in the names.
    Fix: join them under one id.
    Example: `{"id": 1, "name": "person"}` and `{"id": 7, "name": "person"}`; `dog:::` twice in labelmap.txt
    """
    if isinstance(document, LabelkitError):
        yield from coded(document, "CAT101")
        return
    first: dict[str, object] = {}
    for entry in document.categories:
        if entry.name and entry.name in first and first[entry.name] != entry.id:
            text = f"{entry.name!r} once more (as id {first[entry.name]!r}); expected names once each"
            yield Fault(document.at_category(entry, "name"), text)
        if entry.name:
            first.setdefault(entry.name, entry.id)


@rule("CAT102")
def empty_name(document: CocoDocument | LabelkitError) -> Faults:
    """A category has no name.

    Why: nobody can know what was labelled.
    Fix: name it, or remove it with its annotations.
    Example: `{"id": 7, "name": ""}`
    """
    if isinstance(document, LabelkitError):
        yield from coded(document, "CAT102")
        return
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
        key = _plain(category.name)
        if key in first:
            where = Location(str(survey.root.name), element=f"category {category.name!r}")
            yield Fault(where, f"{category.name!r} differs from {first[key]!r} by case or spaces only")
        first.setdefault(key, category.name)


def _plain(name: str) -> str:
    """A name without its case and spaces."""
    return " ".join(name.replace("_", " ").split()).casefold()


@rule("CAT104", "info")
def unused_category(survey: Survey) -> Faults:
    """A category has no example.

    Why: a model gets an output that it never learns; an official class list has such classes.
    Fix: remove it, unless the list is given.
    Example: a category that no annotation names
    """
    labelled = {label.category for labels in survey.labels.values() for label in labels}
    unused = [name for name, count in survey.examples.items() if not count and name not in labelled]
    if unused:
        what = "category" if len(unused) == 1 else "categories"
        text = f"{len(unused)} {what} without an example: {few(unused, _SHOWN)}"
        yield Fault(Location(survey.root.name), text)


@rule("CAT105", "info")
def too_few_examples(survey: Survey, *, smallest: int = 10) -> Faults:
    """Some categories have very few examples, in a set where others have many.

    Why: what a model learns of them is these examples by heart, and their scores are noise.
    Fix: collect more, join them with a similar class, or leave them out.
    Example: 4 of `toaster` among 80 classes of hundreds
    Option: smallest, the examples that are enough. A set of which no class has ten times as many is a sample,
    and is not told.
    """
    counts = survey.examples
    if max(counts.values(), default=0) < 10 * smallest:
        return
    rare = sorted((count, name) for name, count in counts.items() if 0 < count < smallest)
    if rare:
        shown = few([f"{name} ({count})" for count, name in rare], _SHOWN)
        what = "category" if len(rare) == 1 else "categories"
        text = f"{len(rare)} {what} with fewer than {smallest} examples: {shown}"
        yield Fault(Location(survey.root.name), text)


@rule("CAT106", "warning")
def categories_differ_between_splits(documents: CocoSet) -> Faults:
    """The documents of two splits list different categories, or the same under different ids.

    Why: a model that was trained with the ids of one split is tested with those of another; every score of
    the moved classes is wrong, and nothing stops. Other formats have one list of classes for all splits.
    Fix: write one list into all documents.
    Example: `{"id": 2, "name": "dog"}` in `instances_train.json`, `{"id": 3, "name": "dog"}` in
    `instances_val.json`
    """
    first: dict[str, CocoDocument] = {}
    for document in documents.documents:
        if not document.categories:
            continue
        other = first.setdefault(document.role, document)
        if other.split != document.split:
            yield from _differences(document, other)


def _differences(document: CocoDocument, other: CocoDocument) -> Faults:
    """What a document lists otherwise than another. Ids that are none are STR105's."""
    here, there = (
        {entry.name: entry for entry in each.categories if entry.name} for each in (document, other)
    )
    renamed = {entry.id: name for name, entry in there.items() if name not in here and is_key(entry.id)}
    for name, entry in here.items():
        if not is_key(entry.id):
            continue
        if name in there:
            if is_key(there[name].id) and entry.id != there[name].id:
                text = f"{name!r} has the id {entry.id!r}; expected {there[name].id!r}, as in {other.name}"
                yield Fault(document.at_category(entry, "id"), text)
        elif (before := renamed.pop(entry.id, None)) is not None:
            if _plain(before) == _plain(name):
                continue  # CAT103 tells it
            text = f"id {entry.id!r} is {name!r}; expected {before!r}, as in {other.name}"
            yield Fault(document.at_category(entry, "name"), text)
        else:
            text = f"{name!r} (id {entry.id!r}), which {other.name} does not list"
            yield Fault(document.at_category(entry), text)
    for key, name in renamed.items():
        where = Location(document.name, element="categories")
        yield Fault(where, f"no {name!r}; expected it with the id {key!r}, as in {other.name}")


@rule("CAT107", "warning")
def unknown_to_official_table(survey: Survey, *, share: float = 0.75) -> Faults:
    """The name of a category is nearly that of an official class, in a set of official classes.

    Why: the official tools know the official names only; they leave out the rest, or stop.
    Fix: write the official name, or ignore this rule where the class is one of your own.
    Example: `aeroplne` among the names of Pascal VOC
    Option: share, of the names that must be in one official table (VOC, COCO, Cityscapes, or a plug-in's), so
    that sets with classes of their own are silent.
    """
    names = [category.name for category in survey.header.categories]
    titles = _nearest_tables(names, share)
    alike = Counter(map(_plain, names))  # CAT103 tells those that differ by case or spaces only
    for name in names:
        if name in titles or alike[_plain(name)] > 1:
            continue
        near = get_close_matches(name.casefold(), sorted(titles), 1, _NEAR)
        if near and (near[0] not in names or len(name) >= _LONG):
            where = Location(survey.root.name, element=f"category {name!r}")
            yield Fault(where, f"{name!r} is none of {titles[near[0]]}; expected {near[0]!r}?")


def _nearest_tables(names: list[str], share: float) -> dict[str, str]:
    """The names of the official tables that have most of some names, each with its table's title.

    Nothing where even these have less than that share of them.
    """
    tables = [(title, table) for item in formats().values() for title, table in item.official.items()]
    known = [len(table.intersection(names)) for _, table in tables]
    most = max(known, default=0)
    if not most or most < share * len(names):
        return {}
    best = [entry for entry, count in zip(tables, known, strict=True) if count == most]
    return {name: title for title, table in reversed(best) for name in table}


_NEAR = 0.8  # difflib's ratio: one letter of five is another
_LONG = 6  # letters from which a near name is a slip even where the right one is there too
