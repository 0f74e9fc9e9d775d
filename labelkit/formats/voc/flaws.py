"""What is wrong with an annotation's elements, one by one: the reader stops at the first, rules tell all.

What counts as wrong is what the reader refuses (it is asked where there is doubt), and what it does without
but other tools do not. Source of the elements: FORMATS 2.3.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from labelkit.errors import RecordError
from labelkit.formats._corners import box_from_texts, decimal_of
from labelkit.formats._files import brief
from labelkit.formats._raw import Kind
from labelkit.formats._xml import Element
from labelkit.formats.voc.annotation import children, corner_texts, side
from labelkit.formats.voc.corners import CORNERS

SIDES = ("width", "height")
_ONCE = ("folder", "filename", "source", "size", "segmented")  # in <annotation>
_ONCE_IN_OBJECT = ("name", "pose", "truncated", "occluded", "difficult", "bndbox")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", re.IGNORECASE)


class Flaw(NamedTuple):
    """A flaw of an element. path: as ``object[2]/bndbox/xmin``; element: itself, or where it is missing."""

    kind: Kind
    path: str
    element: Element
    message: str


def flaws_of(root: Element, known: Collection[str]) -> Iterator[Flaw]:
    """The flaws of an annotation, in the order of its elements. known: the classes that there are."""
    yield from _twice(root, "", _ONCE)
    yield from _size_flaws(root)
    for number, element in enumerate(children(root, "object"), 1):
        path = f"object[{number}]"
        yield from _object_flaws(element, path, known)


def _size_flaws(root: Element) -> Iterator[Flaw]:
    size = root.find("size")
    if size is None:
        yield Flaw("missing for evaluation", "size", root, "no <size>; expected the image's")
        return
    yield from _twice(size, "size", SIDES)
    for tag in SIDES:
        path, child = f"size/{tag}", size.find(tag)
        text = child.text.strip() if child else ""
        if child is None or not text:
            yield Flaw("missing for evaluation", path, child or size, f"no {tag}; expected pixels")
            continue
        try:
            pixels = side(size, tag, "")
        except RecordError:
            pixels = None
        if pixels is None:
            message = f"{tag} {brief(text)}; expected a whole number of pixels above 0"
            yield Flaw("type", path, child, message)


def _object_flaws(element: Element, path: str, known: Collection[str]) -> Iterator[Flaw]:
    yield from _twice(element, path, _ONCE_IN_OBJECT)
    name = element.word("name")
    if not name:
        yield Flaw("missing", f"{path}/name", element.find("name") or element, "no class; expected a <name>")
    elif name not in known:
        message = f"class {brief(name)}; expected one of labelmap.txt, or without it of VOC's 20"
        yield Flaw("unknown category", f"{path}/name", element.find("name") or element, message)
    yield from _box_flaws(element, path)
    for number, part in enumerate(children(element, "part"), 1):
        inside = f"{path}/part[{number}]"
        yield from _twice(part, inside, ("name", "bndbox"))
        if not part.word("name"):
            yield Flaw("missing", f"{inside}/name", part.find("name") or part, "no name; expected a <name>")
        yield from _box_flaws(part, inside)


def _box_flaws(element: Element, path: str) -> Iterator[Flaw]:
    box, path = element.find("bndbox"), f"{path}/bndbox"
    if box is None:
        yield Flaw("missing", path, element, "no <bndbox>; expected one with xmin, ymin, xmax and ymax")
        return
    yield from _twice(box, path, CORNERS)
    texts, sound = corner_texts(box), True
    for tag, text in zip(CORNERS, texts, strict=True):
        flaw = _corner_flaw(text)
        if flaw is not None:
            sound = False
            yield Flaw(flaw[0], f"{path}/{tag}", box.find(tag) or box, f"{flaw[1]}; expected a number")
    if sound:
        try:
            box_from_texts(texts, 1)
        except ValueError as error:
            yield Flaw("type", path, box, f"{error}; expected numbers of pixels")


def _corner_flaw(text: str) -> tuple[Kind, str] | None:
    if not text:
        return "missing", "no number"
    if _NOT_FINITE.fullmatch(text):
        return "not finite", text
    try:
        decimal_of(text)
    except ValueError:
        return "type", brief(text)
    return None


def _twice(parent: Element, path: str, tags: Sequence[str]) -> Iterator[Flaw]:
    """Elements that can stand once only, and stand again."""
    seen: set[str] = set()
    for child in parent.children:
        if child.tag in seen and child.tag in tags:
            place = f"{path}/{child.tag}" if path else child.tag
            yield Flaw("repeated key", place, child, f"<{child.tag}> once more; expected it once")
        seen.add(child.tag)
