"""STR1xx: files that are not what they should be.

What a reader cannot read at all it says with its error, and with the error's code which rule names it.
"""

from __future__ import annotations

from collections import Counter

from labelkit.changes import Edit, Fix, known
from labelkit.errors import FormatError, LabelkitError, RecordError
from labelkit.findings import Location
from labelkit.formats._files import brief
from labelkit.formats._raw import Kind, RawDocument
from labelkit.formats._xml import Element, replaced
from labelkit.formats.voc.annotation import FLAGS, children
from labelkit.formats.voc.raw_annotation import VocAnnotation
from labelkit.rules import Fault, Faults, rule


def fault_of(error: LabelkitError) -> Fault:
    """A reader's error as a fault."""
    message = f"{error.found}; expected {error.expected}" if error.expected else error.found
    return Fault(error.at or Location(error.place), message)


def coded(error: LabelkitError, code: str) -> Faults:
    """A reader's error that has the code of a rule."""
    if error.code == code:
        yield fault_of(error)


def _told(document: RawDocument, kind: Kind) -> Faults:
    for where, message, fix in document.told(kind):
        yield Fault(where, message, fix=fix)


@rule("STR101")
def unreadable_file(error: LabelkitError) -> Faults:
    """A data set, or one of its files, cannot be read as what it claims to be.

    Why: nothing in it can be checked or used; tools crash on it, or read a part of it and say nothing.
    Fix: the message says what was expected and where.
    Example: a JSON file that ends in the middle of an annotation; XML whose tags do not close
    """
    if error.code == "STR101" or (isinstance(error, FormatError) and not error.code):
        yield fault_of(error)


@rule("STR102")
def duplicate_key(document: RawDocument) -> Faults:
    """An object has a key twice, or an element that can stand once only.

    Why: nearly every reader keeps the last of the two values and says nothing; some keep the first.
    Fix: find out which value is meant, and remove the other.
    Example: `{"id": 7, "bbox": [1, 2, 3, 4], "bbox": [5, 6, 7, 8]}`; an `<object>` with two `<bndbox>`
    """
    yield from _told(document, "repeated key")


@rule("STR103")
def not_finite_number(found: LabelkitError | RawDocument) -> Faults:
    """A number is NaN or infinite.

    Why: JSON does not know such numbers, so that half of all tools refuse the file; the others carry the NaN
    into the loss. It mostly comes from pandas or numpy writing an empty value.
    Fix: find out what the number should have been; remove the annotation if nobody knows.
    Example: `"bbox": [10, 20, NaN, 15]`; `<xmin>nan</xmin>`
    """
    if isinstance(found, RawDocument):
        yield from _told(found, "not finite")
    else:
        yield from coded(found, "STR103")


@rule("STR104")
def missing_key(document: RawDocument) -> Faults:
    """An image, annotation or category lacks a key or an element without which it means nothing.

    Why: tools crash on it with a KeyError, or leave it out and say nothing.
    Fix: add it, or remove the entry.
    Example: an annotation without `image_id`; an `<object>` without `<bndbox>`
    """
    yield from _told(document, "missing")


@rule("STR105", fixes="both")
def wrong_type(document: RawDocument) -> Faults:
    """A value has a type that the format does not know for it.

    Why: one tool converts it, the next compares "7" with 7 and finds no image, or takes true for a crowd.
    Fix: write ids, sizes and `iscrowd` as whole numbers, boxes as four numbers.
    Example: `"image_id": "7"`, `"iscrowd": true`, `"bbox": [1, 2, 3]`; `<xmin>left</xmin>`
    """
    yield from _told(document, "type")


@rule("STR106")
def wrong_layout(error: LabelkitError) -> Faults:
    """Folders or files that belong together are not as the format has them.

    Why: tools look for each file at its place; what is elsewhere, alone or twice they cannot read.
    Fix: the message says what belongs there.
    Example: a PNG in `SegmentationObject/` and none of that name in `SegmentationClass/`
    """
    yield from coded(error, "STR106")


@rule("STR107")
def dtd_or_entities(error: LabelkitError) -> Faults:
    """An XML file has a DTD, or an entity that is not XML's own.

    Why: entities can read other files, or grow to gigabytes; tools that care refuse them, the others obey.
    Fix: remove the `<!DOCTYPE …>`, and write the text that an entity stands for.
    Example: `<!DOCTYPE annotation [<!ENTITY who SYSTEM "file:///etc/passwd">]>`
    """
    yield from coded(error, "STR107")


@rule("STR109", "warning", fixes="safe")
def byte_order_mark(document: RawDocument) -> Faults:
    """A JSON file starts with a byte order mark.

    Why: the JSON standard forbids it, and Python's `json` refuses a file that was opened as UTF-8.
    Fix: save the file as UTF-8 without the mark.
    Example: the bytes EF BB BF before the first brace
    """
    yield from _told(document, "byte order mark")


@rule("STR108")
def path_outside(error: LabelkitError) -> Faults:
    """A file name leaves the folder of the data set.

    Why: on another machine the file is not there, or another one is; a converter may copy or overwrite
    files that are none of its business.
    Fix: move the file into the data set, and name it relative to the image folder.
    Example: `"file_name": "../../private/a.jpg"`
    """
    yield from coded(error, "STR108")


@rule("STR110")
def unreadable_record(error: RecordError) -> Faults:
    """The annotation of one image cannot be read or represented; the others can.

    Why: no tool can use it as it is, and those that do not stop read something else than what was meant.
    Fix: the message says what was expected and where.
    Example: a class list of VOC that says 7 of an image; a record of jsonl without `image`
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
    yield from coded(error, "STR111")


@rule("STR112", "warning", fixes="both")
def missing_evaluation_key(document: RawDocument) -> Faults:
    """A key is missing that reading does without, and evaluation or common tools do not.

    Why: pycocotools' COCOeval ends with a KeyError on it, after the training; loaders of VOC scale boxes by a
    size that is not there.
    Fix: write `area` (pixels of the mask, or of the box), `iscrowd` (0), `bbox`; an image's width and height.
    Example: an annotation without `iscrowd`; VOC XML without `<size>`
    """
    yield from _told(document, "missing for evaluation")


@rule("STR113", "warning", fixes="both")
def voc_flag(annotation: VocAnnotation) -> Faults:
    """A flag of an object is neither 0 nor 1.

    Why: the development kit takes `1` for true and all else for false, `True` and `1.0` too; other tools take
    them for true, or crash. Space around it is no defect.
    Fix: write 1 or 0. What means no is safely written as 0; what means yes becomes true for tools that took
    it for false, and that is not safe.
    Example: `<difficult>True</difficult>`; `<truncated/>`
    """
    for number, element in enumerate(annotation.objects, 1):
        for flag in FLAGS:
            child = element.find(flag)
            text = "0" if child is None else child.text.strip()
            if child is None or text in ("0", "1"):
                continue
            where = annotation.at(f"object[{number}]/{flag}", child)
            message = f"{brief(text) if text else 'nothing'} in <{flag}>; expected 0 or 1"
            yield Fault(where, message, fix=_flag_fix(annotation, child, text))


_YES = ("true", "yes", "y", "t", "on")
_NO = ("", "false", "no", "n", "f", "off", "none")


def _flag_fix(annotation: VocAnnotation, element: Element, text: str) -> Fix | None:
    """How to write a flag: as what nobody can doubt that it means."""
    try:
        means = {0.0: "0", 1.0: "1"}.get(float(text))
    except ValueError:
        word = text.lower()
        means = "1" if word in _YES else "0" if word in _NO else None
    if means is None:
        return None
    edit = Edit(annotation.path, *replaced(annotation.data, element, means))
    return Fix(f"write {means}", known(edit), is_safe=means == "0")


_PARTS = {"head": 1, "hand": 2, "foot": 2}  # of a person, and how many (FORMATS 2.3)


@rule("STR114", "info")
def voc_parts(annotation: VocAnnotation) -> Faults:
    """An object has parts that its class does not have, or more of them than it can have.

    Why: the official layout task knows a person's head, two hands and two feet; evaluation skips the others.
    Fix: remove the surplus, or name it in `labelmap.txt` (`name:r,g,b:parts:actions`).
    Example: a person with two heads; a dog with a head, where no labelmap.txt says that dogs have one
    """
    for number, element in enumerate(annotation.objects, 1):
        category = element.word("name")
        own = (annotation.parts or {}).get(category, frozenset())
        seen: Counter[str] = Counter()
        for position, part in enumerate(children(element, "part"), 1):
            name = part.word("name")
            seen[name] += 1
            most = _PARTS.get(name, 0) if category == "person" else 0
            if name and name not in own and seen[name] > most:
                found = f"part {brief(name)} no. {seen[name]} of a {category or 'nameless object'}"
                where = annotation.at(f"object[{number}]/part[{position}]", part)
                yield Fault(where, f"{found}; expected at most {most}")
