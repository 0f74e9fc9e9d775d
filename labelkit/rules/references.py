"""REF1xx: ids, names and files that do not belong together."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable
from posixpath import splitext

from labelkit.findings import Location
from labelkit.formats._files import brief
from labelkit.formats.coco.raw_document import CocoDocument
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


@rule("REF102")
def duplicate_annotation_id(document: CocoDocument) -> Faults:
    """Two annotations have one id.

    Why: pycocotools keeps the last of them only; evaluation counts one object less.
    Fix: number the annotations anew.
    Example: two entries of `annotations` with `"id": 7`
    """
    for ordinal in document.columns.repeated:
        key = document.columns.ids[ordinal]
        yield Fault(document.at(ordinal, "id"), f"id {key!r} once more; expected ids once each")


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


@rule("REF104")
def unknown_image(document: CocoDocument) -> Faults:
    """An annotation belongs to an image that is not listed.

    Why: tools leave it out and say nothing, or crash.
    Fix: list the image, or remove the annotation.
    Example: `"image_id": 99` where no image has the id 99
    """
    for ordinal, key in document.columns.orphans:
        yield Fault(document.at(ordinal, "image_id"), f"image_id {brief(key)}; expected the id of an image")


@rule("REF105")
def unknown_category(document: CocoDocument) -> Faults:
    """An annotation is of a category that is not listed.

    Why: it has no name; training crashes on it, or learns a class that nobody meant.
    Fix: list the category, or correct the id. Ids that are off by one come from lists that start at 0.
    Example: `"category_id": 81` where the last category is 80
    """
    for ordinal, key in document.columns.classless:
        text = f"category_id {brief(key)}; expected the id of a category"
        yield Fault(document.at(ordinal, "category_id"), text)


@rule("REF106")
def image_missing(survey: Survey) -> Faults:
    """An image that the annotations name is not there.

    Why: training stops at it, often after hours.
    Fix: bring the image, or remove its annotations. `--images-dir` says where the images are.
    Example: `"file_name": "0017.jpg"` and no such file
    """
    missing = [row.path for row in survey.images if row.path not in survey.files]
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
def duplicate_file_name(document: CocoDocument) -> Faults:
    """Two images of a document have one file name.

    Why: each has a part of the labels, and training sees the file twice, each time half labelled.
    Fix: join their annotations under one id.
    Example: two entries of `images` with `"file_name": "a.jpg"`
    """
    first: dict[str, int] = {}
    for entry in document.images:
        if entry.file_name is None:
            continue
        if entry.file_name in first:
            text = f"{entry.file_name!r} once more (as images[{first[entry.file_name]}])"
            yield Fault(document.at_image(entry, "file_name"), f"{text}; expected each file once")
        first.setdefault(entry.file_name, entry.ordinal)


@rule("REF110", "warning")
def colliding_names(survey: Survey) -> Faults:
    """Two images have names that some file systems or formats cannot tell apart.

    Why: copied to Windows or macOS, one replaces the other; VOC and Cityscapes know names without suffix
    only, so that `a.jpg` and `a.png` share their labels.
    Fix: rename one.
    Example: `IMG_1.jpg` and `img_1.jpg`; `a.jpg` and `a.png`
    """
    told: set[str] = set()
    for what, key in _WAYS:
        groups: dict[str, list[str]] = defaultdict(list)
        for row in survey.images:
            groups[key(row.path)].append(row.path)
        for first, *others in groups.values():
            for path in others:
                if path not in told:
                    told.add(path)
                    yield Fault(Location(path, image=path), f"differs from {first!r} by {what} only")


_WAYS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("case", str.casefold),
    ("its Unicode form", lambda path: unicodedata.normalize("NFC", path)),
    ("its suffix", lambda path: splitext(path)[0]),
)


@rule("REF111", "warning")
def annotation_id_zero(document: CocoDocument) -> Faults:
    """An annotation has the id 0.

    Why: COCOeval takes a match with id 0 for no match: the object counts as missed, whatever is predicted.
    Fix: number the annotations from 1.
    Example: `"annotations": [{"id": 0, ...}]`
    """
    for ordinal in document.columns.zero:
        yield Fault(
            document.at(ordinal, "id"), "id 0; expected ids from 1, for COCOeval takes 0 for unmatched"
        )


@rule("REF112", "info")
def no_images_there(survey: Survey) -> Faults:
    """None of the images is there.

    Why: nothing that needs an image file was checked.
    Fix: say with `--images-dir` where they are.
    Example: a JSON file alone
    """
    if survey.images and not survey.files:
        yield Fault(Location(str(survey.root)), f"none of {len(survey.images)} image files is there")
