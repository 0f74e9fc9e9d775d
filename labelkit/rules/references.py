"""REF1xx: ids, names and files that do not belong together."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable
from posixpath import basename, splitext

from labelkit.findings import Location
from labelkit.formats._files import brief
from labelkit.formats._raw import RawDocument
from labelkit.formats.coco.mends import removed, renumbered
from labelkit.formats.coco.raw_document import CocoDocument
from labelkit.formats.voc.raw_annotation import VocAnnotation
from labelkit.formats.voc.raw_set import VocSet
from labelkit.rules import Fault, Faults, rule
from labelkit.survey import Survey


@rule("REF101")
def duplicate_image_id(document: CocoDocument) -> Faults:
    """Two images have one id.

    Why: the annotations of both go to the one that a tool reads last; the other seems to be empty.
    Fix: give one a new id, and its annotations with it.
    Example: two entries of `images` with `"id": 7`
    """
    first: dict[object, int] = {}
    for entry in document.images:
        if isinstance(entry.id, int | str):
            if entry.id in first:
                text = f"id {entry.id!r} once more (as images[{first[entry.id]}]); expected ids once each"
                yield Fault(document.at_image(entry, "id"), text)
            first.setdefault(entry.id, entry.ordinal)


@rule("REF102", fixes="unsafe")
def duplicate_annotation_id(document: CocoDocument) -> Faults:
    """Two annotations have one id.

    Why: pycocotools keeps the last of them only; evaluation counts one object less.
    Fix: number the annotations anew.
    Example: two entries of `annotations` with `"id": 7`
    """
    for nth, ordinal in enumerate(document.columns.repeated):
        text = f"id {document.columns.ids[ordinal]!r} once more; expected ids once each"
        yield Fault(document.at(ordinal, "id"), text, fix=renumbered(document, ordinal, nth))


@rule("REF103")
def duplicate_category_id(document: CocoDocument) -> Faults:
    """Two categories have one id.

    Why: which name the annotations get depends on the tool.
    Fix: give one a new id, and find out which annotations are of which.
    Example: two entries of `categories` with `"id": 1`
    """
    first: dict[object, str | None] = {}
    for entry in document.categories:
        if isinstance(entry.id, int | str):
            if entry.id in first:
                text = f"id {entry.id!r} of {entry.name!r} is {first[entry.id]!r} already"
                yield Fault(document.at_category(entry, "id"), f"{text}; expected ids once each")
            first.setdefault(entry.id, entry.name)


@rule("REF104", fixes="unsafe")
def unknown_image(document: CocoDocument) -> Faults:
    """An annotation belongs to an image that is not listed.

    Why: tools leave it out and say nothing, or crash.
    Fix: list the image, or remove the annotation.
    Example: `"image_id": 99` where no image has the id 99
    """
    for ordinal, key in document.columns.orphans:
        text = f"image_id {brief(key)}; expected the id of an image"
        yield Fault(document.at(ordinal, "image_id"), text, fix=removed(document, ordinal))


@rule("REF105", fixes="unsafe")
def unknown_category(document: RawDocument) -> Faults:
    """An annotation is of a category that is not listed.

    Why: it has no name; training crashes on it, or learns a class that nobody meant.
    Fix: list the category, or correct the id. Ids that are off by one come from lists that start at 0.
    Example: `"category_id": 81` where the last category is 80; a `<name>` that labelmap.txt has not
    """
    for where, message, fix in document.told("unknown category"):
        yield Fault(where, message, fix=fix)


@rule("REF106")
def image_missing(survey: Survey) -> Faults:
    """An image that the annotations name is not there.

    Why: training stops at it, often after hours.
    Fix: bring the image, or remove its annotations. `--images-dir` says where the images are.
    Example: `"file_name": "0017.jpg"` and no such file
    """
    there = survey.files.keys() | survey.refused
    missing = [row.path for row in survey.images if row.path not in there]
    if missing and len(missing) == len(survey.images):
        return  # a data set without its images, which REF112 tells once
    for path in missing:
        if path in survey.misplaced:
            continue  # it lies in another split's folder, which SPL105 tells
        yield Fault(Location(path, image=path), "no such image file")


@rule("REF107", "warning")
def image_not_listed(survey: Survey) -> Faults:
    """An image file lies among the others, and no annotation file lists it.

    Why: either its annotations were lost, or it should not be there; nothing will ever look at it.
    Fix: list it, also if nothing is on it, or remove it.
    Example: `images/0018.jpg`, which is in no list
    """
    misplaced = set(survey.misplaced.values())  # SPL105 tells these
    for name in survey.strangers:
        if name in misplaced:
            continue
        yield Fault(Location(name), "no annotation file lists this image")


@rule("REF109")
def duplicate_file_name(document: RawDocument) -> Faults:
    """Two images of a document have one file name.

    Why: each has a part of the labels, and training sees the file twice, each time half labelled.
    Fix: join their annotations under one id.
    Example: two entries of `images` with `"file_name": "a.jpg"`
    """
    for where, message, _ in document.told("repeated image"):
        yield Fault(where, message)


@rule("REF110", "warning")
def colliding_names(survey: Survey) -> Faults:
    """Two images have names that some file systems or formats cannot tell apart.

    Why: copied to Windows or macOS, one replaces the other; VOC and Cityscapes know names without suffix
    only, so that `a.jpg` and `a.png` share their labels.
    Fix: rename one.
    Example: `IMG_1.jpg` and `img_1.jpg`; `a.jpg` and `a.png`
    """
    told: set[str] = set()
    paths = [row.path for row in survey.images]
    for what, key in _WAYS:
        keys = [key(path) for path in paths]
        if len(set(keys)) == len(paths):
            continue
        groups: dict[str, list[str]] = defaultdict(list)
        for path, same in zip(paths, keys, strict=True):
            groups[same].append(path)
        for first, *others in groups.values():
            for path in others:
                if path not in told:
                    told.add(path)
                    yield Fault(Location(path, image=path), f"differs from {first!r} by {what} only")


def _without_suffix(path: str) -> str:
    """As splitext, which takes four times as long: some sets have a million names."""
    stem, dot, suffix = path.rpartition(".")
    return stem if dot and "/" not in suffix and stem.rpartition("/")[2].strip(".") else path


_WAYS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("case", str.casefold),
    ("its Unicode form", lambda path: path if path.isascii() else unicodedata.normalize("NFC", path)),
    ("its suffix", _without_suffix),
)


@rule("REF111", "warning", fixes="unsafe")
def annotation_id_zero(document: CocoDocument) -> Faults:
    """An annotation has the id 0.

    Why: COCOeval takes a match with id 0 for no match: the object counts as missed, whatever is predicted.
    Fix: number the annotations from 1.
    Example: `"annotations": [{"id": 0, ...}]`
    """
    text = "id 0; expected ids from 1, for COCOeval takes 0 for unmatched"
    for nth, ordinal in enumerate(document.columns.zero, len(document.columns.repeated)):
        yield Fault(document.at(ordinal, "id"), text, fix=renumbered(document, ordinal, nth))


@rule("REF112", "info")
def no_images_there(survey: Survey) -> Faults:
    """None of the images is there.

    Why: nothing that needs an image file was checked.
    Fix: say with `--images-dir` where they are.
    Example: a JSON file alone
    """
    if survey.images and not survey.files:
        yield Fault(Location(survey.root.name), f"none of {len(survey.images)} image files is there")


@rule("REF113", "warning")
def file_name_differs(annotation: VocAnnotation) -> Faults:
    """The `<filename>` of VOC XML is not the image that the file is named for.

    Why: some tools go by the one, the others by the other; the boxes land on another image.
    Fix: find out which image was labelled; mostly the XML was copied or renamed.
    Example: `Annotations/0017.xml` with `<filename>0018.jpg</filename>`
    """
    element = annotation.root.find("filename")
    text = element.text.strip() if element is not None else ""
    if element is None or not text:
        return
    name, stem = basename(text.replace("\\", "/")), basename(annotation.id)
    if stem not in (name, splitext(name)[0]):
        where = annotation.at("filename", element)
        yield Fault(where, f"{brief(text)}; expected {stem!r} with a suffix, as the XML is called")


@rule("REF120", "warning")
def listed_twice(whole: VocSet) -> Faults:
    """A list names an image twice.

    Why: training sees it twice as often; evaluation counts its objects twice, or stops.
    Fix: remove the second line.
    Example: `2007_000032` in lines 2 and 9 of `ImageSets/Main/train.txt`
    """
    for id_ in whole.reader.sets.lines:
        first: dict[tuple[str, str | None], int] = {}
        for line in whole.lines(id_):
            text = (line.text or id_).strip() if line.list.startswith(("Layout/", "Action/")) else None
            key = line.list, text
            if key in first:
                text = f"{id_!r} once more (as line {first[key]})"
                yield Fault(whole.reader.at(id_, line), f"{text}; expected it once")
            first.setdefault(key, line.number)


@rule("REF121")
def listed_and_not_there(whole: VocSet) -> Faults:
    """A list names an image of which there is no annotation, no label map and no image file.

    Why: training stops at it, or leaves it out and says nothing.
    Fix: bring its files, or remove the line; an id is a file's name without its suffix.
    Example: `2007_000032.jpg` in a list
    """
    for id_ in whole.unfounded():
        if not whole.lines(id_):
            continue  # a line that says nothing readable, which the reader tells
        first, *others = whole.lines(id_)
        more = f" (and in {len(others)} more lines)" if others else ""
        yield Fault(whole.reader.at(id_, first), f"{id_!r}{more} has no file; expected an image, XML or PNG")


@rule("REF122", "info")
def not_in_any_list(whole: VocSet) -> Faults:
    """An annotation is of an image that no list names, and there are lists.

    Why: tools that go by the lists never see it.
    Fix: add it to a list of `ImageSets`, or remove it.
    Example: `Annotations/0017.xml`, and no `0017` in `ImageSets/Main`
    """
    if whole.has_lists:
        for id_, annotation in whole.annotations.items():
            if not whole.lines(id_):
                yield Fault(Location(annotation.name), f"{id_!r} is in no list of ImageSets")
