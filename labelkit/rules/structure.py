"""STR1xx: files that are not what they should be.

What a reader cannot read at all it says with its error, and with the error's code which rule names it.
"""

from __future__ import annotations

from labelkit.errors import FormatError, LabelkitError, RecordError
from labelkit.findings import Location
from labelkit.formats.coco.raw_document import CocoDocument
from labelkit.rules import Fault, Faults, rule


def fault_of(error: LabelkitError) -> Fault:
    """A reader's error as a fault: its place is a file and, after a colon, the element in it."""
    message = f"{error.found}; expected {error.expected}" if error.expected else error.found
    return Fault(Location(error.place), message)


@rule("STR101")
def unreadable_file(error: FormatError) -> Faults:
    """A data set, or one of its files, cannot be read as what it claims to be.

    Why: nothing in it can be checked or used; tools crash on it, or read a part of it and say nothing.
    Fix: the message says what was expected and where.
    Example: a JSON file that ends in the middle of an annotation
    """
    if not error.code:
        yield fault_of(error)


@rule("STR102")
def duplicate_key(document: CocoDocument) -> Faults:
    """An object has a key twice.

    Why: nearly every reader keeps the last of the two values and says nothing; some keep the first.
    Fix: find out which value is meant, and remove the other.
    Example: `{"id": 7, "bbox": [1, 2, 3, 4], "bbox": [5, 6, 7, 8]}`
    """
    for place, key in document.repeated_keys():
        yield Fault(place, f"the key {key!r} twice; expected keys once each")


@rule("STR103")
def not_finite_number(error: LabelkitError) -> Faults:
    """A number is NaN or infinite.

    Why: JSON does not know such numbers, so that half of all tools refuse the file; the others carry the NaN
    into the loss. It mostly comes from pandas or numpy writing an empty value.
    Fix: find out what the number should have been; remove the annotation if nobody knows.
    Example: `"bbox": [10, 20, NaN, 15]`
    """
    if error.code == "STR103":
        yield fault_of(error)


@rule("STR104")
def missing_key(document: CocoDocument) -> Faults:
    """An image, annotation or category lacks a key without which it means nothing.

    Why: tools crash on it with a KeyError, or leave it out and say nothing.
    Fix: add the key, or remove the entry.
    Example: an annotation without `image_id`
    """
    yield from _flaws(document, "missing")


@rule("STR105")
def wrong_type(document: CocoDocument) -> Faults:
    """A value has a type that the format does not know for it.

    Why: one tool converts it, the next compares "7" with 7 and finds no image, or takes true for a crowd.
    Fix: write ids, sizes and `iscrowd` as whole numbers, boxes as four numbers.
    Example: `"image_id": "7"`, `"iscrowd": true`, `"bbox": [1, 2, 3]`
    """
    yield from _flaws(document, "type")


@rule("STR109", "warning")
def byte_order_mark(document: CocoDocument) -> Faults:
    """A JSON file starts with a byte order mark.

    Why: the JSON standard forbids it, and Python's `json` refuses a file that was opened as UTF-8.
    Fix: save the file as UTF-8 without the mark.
    Example: the bytes EF BB BF before the first brace
    """
    if document.starts_with_bom:
        yield Fault(Location(document.name, offset=0), "a byte order mark; expected none")


@rule("STR108")
def path_outside(error: RecordError) -> Faults:
    """A file name leaves the folder of the data set.

    Why: on another machine the file is not there, or another one is; a converter may copy or overwrite
    files that are none of its business.
    Fix: move the file into the data set, and name it relative to the image folder.
    Example: `"file_name": "../../private/a.jpg"`
    """
    if error.code == "STR108":
        yield fault_of(error)


@rule("STR110")
def unreadable_record(error: RecordError) -> Faults:
    """The annotation of one image cannot be read or represented; the others can.

    Why: no tool can use it as it is, and those that do not stop read something else than what was meant.
    Fix: the message says what was expected and where.
    Example: a VOC file whose `<bndbox>` has no `<xmax>`
    """
    if not error.code:
        yield fault_of(error)


@rule("STR111")
def not_utf8(error: LabelkitError) -> Faults:
    """A file is not UTF-8.

    Why: JSON is UTF-8 by its standard; names come out wrong, or tools refuse the file.
    Fix: convert it (`iconv -f latin1 -t utf8`), after finding out what it is.
    Example: an `é` as the single byte E9
    """
    if error.code == "STR111":
        yield fault_of(error)


@rule("STR112", "warning")
def missing_evaluation_key(document: CocoDocument) -> Faults:
    """A key is missing that training does without and COCO's evaluation does not.

    Why: pycocotools' COCOeval ends with a KeyError on it, after the training.
    Fix: write `area` (pixels of the mask, or of the box), `iscrowd` (0), `bbox`; an image's width and height.
    Example: an annotation without `iscrowd`
    """
    yield from _flaws(document, "missing for evaluation")


def _flaws(document: CocoDocument, kind: str) -> Faults:
    for name, ordinal, flaw in document.flaws:
        if flaw.kind == kind:
            yield Fault(document.at_flaw(name, ordinal, flaw), flaw.message)
