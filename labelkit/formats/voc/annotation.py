"""The annotation XML of one image: what it says, and how to write it.

Boxes are ``xmin, ymin, xmax, ymax``. In base 1, the official one, pixels count from 1 and both ends are
inside: x = xmin − 1, w = xmax − xmin + 1. In base 0, which many tools write, they are continuous corners:
x = xmin, w = xmax − xmin. Both are computed in decimals, from the text and into the text, so that every
float64 comes back as itself. Flags are true only if their text is ``1``, as in the devkit's VOCreadrecxml.
Sources: FORMATS 0 and 2.3; tests/test_voc.py checks the arithmetic on generated numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException
from math import isfinite
from pathlib import PurePosixPath
from typing import Any, Literal

from labelkit.errors import RecordError
from labelkit.formats.voc.element import (
    Edit,
    Element,
    appended,
    apply,
    escaped,
    leaf,
    parse,
    removed,
    replaced,
    reseated,
    space_before,
    span,
)
from labelkit.model import Box, Image, Object, Part, Record

Base = Literal[0, 1]
Texts = tuple[str, str, str, str]
CORNERS = ("xmin", "ymin", "xmax", "ymax")
FLAGS = ("truncated", "occluded", "difficult")

# Sums of two float64 reach from 1e308 down to 5e-324, with 17 digits each: 650 digits hold them exactly.
_EXACT = Context(prec=1100)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[0-9]{1,12}")


# --- numbers ----------------------------------------------------------------------------------------------


def box_from_texts(texts: Texts, base: Base) -> Box:
    """The box that four corners mean. Raises ValueError where one is no finite number."""
    if all(_INTEGER.fullmatch(text) for text in texts):
        left, top, right, bottom = (int(text) for text in texts)
        x, y = left - base, top - base
        return Box(float(x), float(y), float(right - x), float(bottom - y))
    xmin, ymin, xmax, ymax = (_decimal(text) for text in texts)
    try:
        dx, dy = _EXACT.subtract(xmin, Decimal(base)), _EXACT.subtract(ymin, Decimal(base))
        numbers = (dx, dy, _EXACT.subtract(xmax, dx), _EXACT.subtract(ymax, dy))
        box = Box(*(float(number) for number in numbers))
    except (DecimalException, OverflowError):
        raise ValueError(f"corners {', '.join(texts)}, which are too large") from None
    if not all(isfinite(number) for number in box):
        raise ValueError(f"corners {', '.join(texts)}, which are too large")
    return box


def box_texts(box: Box, base: Base) -> Texts:
    """The four corners that mean a box, as plain decimals that give it back bit by bit."""
    if all(number.is_integer() and abs(number) < 1e12 for number in box):
        x, y, w, h = (int(number) for number in box)
        return str(x + base), str(y + base), str(x + w), str(y + h)
    x_, y_, w_, h_ = (Decimal(repr(number)) for number in box)
    corners = (
        _EXACT.add(x_, Decimal(base)),
        _EXACT.add(y_, Decimal(base)),
        _EXACT.add(x_, w_),
        _EXACT.add(y_, h_),
    )
    xmin, ymin, xmax, ymax = (_plain(number) for number in corners)
    return xmin, ymin, xmax, ymax


def _decimal(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} where a number was expected")
    try:
        return Decimal(text)
    except DecimalException:  # an exponent beyond all bounds
        raise ValueError(f"{text!r}, which is too large") from None


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


# --- reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SaidPart:
    """A part as the XML has it."""

    element: Element
    name: str
    box: Box


@dataclass(frozen=True, slots=True)
class SaidObject:
    """An object as the XML has it."""

    element: Element
    category: str
    box: Box
    pose: str | None
    truncated: bool | None
    occluded: bool | None
    difficult: bool | None
    parts: tuple[SaidPart, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """An annotation as the XML has it. width, height: None where missing or 0."""

    root: Element
    width: int | None
    height: int | None
    suffix: str | None
    objects: tuple[SaidObject, ...]


def read_annotation(root: Element, base: Base, place: str) -> Said:
    """What an annotation says. Raises RecordError that names the object and the element."""
    if root.tag != "annotation":
        raise RecordError(place, f"<{root.tag}>", "<annotation> as the root of a VOC annotation")
    size = root.find("size")
    return Said(
        root=root,
        width=_side(size, "width", place),
        height=_side(size, "height", place),
        suffix=suffix_of(root.value("filename")),
        objects=tuple(
            _read_object(element, base, f"{place}:object {position}")
            for position, element in enumerate(_children(root, "object"), 1)
        ),
    )


def suffix_of(filename: str | None) -> str | None:
    """The suffix of a <filename>, or None where there is none. Some tools write names of another system."""
    if filename is None:
        return None
    return PurePosixPath(filename.strip().replace("\\", "/")).suffix or None


def _children(parent: Element, tag: str) -> list[Element]:
    return [child for child in parent.children if child.tag == tag]


def _side(size: Element | None, tag: str, place: str) -> int | None:
    text = (size.value(tag) or "").strip() if size is not None else ""
    if not text:
        return None
    try:
        number = _decimal(text)
        if number != number.to_integral_value() or not 0 <= number < 1 << 31:
            raise ValueError(f"{text!r}")
    except ValueError:
        raise RecordError(f"{place}:size/{tag}", repr(text), "a whole number of pixels") from None
    return int(number) or None


def _read_object(element: Element, base: Base, place: str) -> SaidObject:
    category = (element.value("name") or "").strip()
    if not category:
        raise RecordError(f"{place}:name", "no class", "an object with a <name>")
    pose = element.find("pose")
    truncated, occluded, difficult = (_flag(element.value(tag)) for tag in FLAGS)
    return SaidObject(
        element=element,
        category=category,
        box=_read_box(element, base, f"{place} ({category})"),
        pose=None if pose is None else pose.text,
        truncated=truncated,
        occluded=occluded,
        difficult=difficult,
        parts=tuple(
            _read_part(child, base, f"{place} ({category}):part {position}")
            for position, child in enumerate(_children(element, "part"), 1)
        ),
    )


def _read_part(element: Element, base: Base, place: str) -> SaidPart:
    name = (element.value("name") or "").strip()
    if not name:
        raise RecordError(f"{place}:name", "no name", "a part with a <name>")
    return SaidPart(element, name, _read_box(element, base, f"{place} ({name})"))


def _read_box(element: Element, base: Base, place: str) -> Box:
    corners = element.find("bndbox")
    if corners is None:
        raise RecordError(place, "no <bndbox>", "a <bndbox> with xmin, ymin, xmax and ymax")
    try:
        return box_from_texts(corner_texts(corners), base)
    except ValueError as error:
        raise RecordError(f"{place}:bndbox", str(error), "four finite numbers") from None


def corner_texts(bndbox: Element) -> Texts:
    """The four corners, trimmed, '' where one is missing."""
    texts = {child.tag: child.text for child in reversed(bndbox.children)}
    xmin, ymin, xmax, ymax = (texts.get(tag, "").strip() for tag in CORNERS)
    return xmin, ymin, xmax, ymax


def _flag(text: str | None) -> bool | None:
    return None if text is None else text.strip() == "1"


# --- what a set says about its base -----------------------------------------------------------------------


@dataclass(slots=True)
class BaseEvidence:
    """Whether boxes speak for a base: a 0 for base 0; else an end at the image's edge for base 1."""

    boxes: bool = False
    zero: bool = False
    edge: bool = False

    def add(self, texts: Texts, width: float | None, height: float | None) -> None:
        """Count the corners of one object's box."""
        try:
            left, top, right, bottom = (float(text) for text in texts)
        except ValueError:  # the box is reported when it is read
            return
        self.boxes = True
        self.zero = self.zero or 0 <= left < 1 or 0 <= top < 1
        self.edge = self.edge or right == width or bottom == height

    def join(self, other: BaseEvidence) -> None:
        """Take over what was counted elsewhere."""
        self.boxes |= other.boxes
        self.zero |= other.zero
        self.edge |= other.edge

    @property
    def base(self) -> Base:
        """The base that is spoken for, or the official one."""
        return 0 if self.zero else 1

    @property
    def assumed(self) -> bool:
        """Whether there are boxes, and nothing speaks for a base."""
        return self.boxes and not self.zero and not self.edge


def survey(root: Element, names: set[str], evidence: BaseEvidence) -> None:
    """Take from an annotation what the header needs: class names, and what speaks for a base."""
    size = root.find("size")
    width = _float(size.value("width")) if size else None
    height = _float(size.value("height")) if size else None
    for element in root.children:
        if element.tag != "object":
            continue
        name = (element.value("name") or "").strip()
        if name:
            names.add(name)
        corners = element.find("bndbox")
        if corners is not None:
            evidence.add(corner_texts(corners), width, height)


def _float(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


# --- writing ----------------------------------------------------------------------------------------------


def annotation_bytes(record: Record, native: str | None, base: Base, folder: str) -> bytes:
    """The annotation of a fitted record: the native text where it says so, else with just the differences."""
    if native is not None:
        data = native.encode("utf-8", "surrogatepass")
        try:
            said = read_annotation(parse(data), base, "")
            if _says(said, record):
                return data
            if said.root.children:
                return _patched(data, said, record, base)
        except (ValueError, RecordError):  # a carrier may say anything
            pass
    return _new_annotation(record, base, folder).encode()


def _says(said: Said, record: Record) -> bool:
    return (
        (said.width, said.height) == (record.image.width, record.image.height)
        and _suffix_says(said, record.image)
        and len(said.objects) == len(record.objects)
        and all(
            _index(item.raw) == position and _object_says(old, item)
            for position, (old, item) in enumerate(zip(said.objects, record.objects, strict=True))
        )
    )


def _suffix_says(said: Said, image: Image) -> bool:
    return (said.suffix or ".jpg") == PurePosixPath(image.path).suffix


def _index(raw: dict[str, object]) -> int | None:
    """Which of the native objects (or parts) this one was, from 0."""
    own = raw.get("voc")
    index = own.get("index") if isinstance(own, dict) else None
    return index if isinstance(index, int) and index >= 0 else None


def _object_says(old: SaidObject, item: Object) -> bool:
    return (
        old.category == item.category
        and old.box == item.box
        and old.pose == item.pose
        and old.truncated == item.truncated
        and old.occluded == item.occluded
        and old.difficult == item.difficult
        and _parts_say(old.parts, item.parts)
    )


def _parts_say(old: tuple[SaidPart, ...], parts: tuple[Part, ...] | None) -> bool:
    parts = parts or ()
    return len(old) == len(parts) and all(
        before.name == part.name and before.box == part.box for before, part in zip(old, parts, strict=True)
    )


def _patched(data: bytes, said: Said, record: Record, base: Base) -> bytes:
    root = said.root
    gap = space_before(data, root.children[0]) if root.children else b"\n\t"
    edits = list(_patched_head(data, said, record, gap))
    texts = []
    for item in record.objects:
        index = _index(item.raw)
        if index is not None and index < len(said.objects):
            texts.append(_patched_object(data, said.objects[index], item, base))
        else:
            texts.append(_indented(_object_lines(item, base), gap))
    edits += reseated(data, root, [item.element for item in said.objects], texts, gap)
    return apply(data, edits)


def _patched_head(data: bytes, said: Said, record: Record, gap: bytes) -> Iterator[Edit]:
    if not _suffix_says(said, record.image):
        name = PurePosixPath(record.image.path).name
        element = said.root.find("filename")
        if element is None:
            yield appended(data, said.root, gap + leaf("filename", name).encode())
        else:
            yield replaced(data, element, name)
    size = said.root.find("size")
    sides = [("width", said.width, record.image.width), ("height", said.height, record.image.height)]
    if size is None or not size.children:
        lines = _size_lines(record.image)
        if size is not None and lines:
            start, _, _, end = span(data, size)
            yield start, end, _indented(lines, gap)
        elif lines:
            yield appended(data, said.root, gap + _indented(lines, gap))
        return
    for tag, before, now in sides:
        element = size.find(tag)
        if before == now:
            continue
        if element is None:
            yield appended(data, size, space_before(data, size.children[0]) + leaf(tag, str(now)).encode())
        else:
            yield replaced(data, element, str(now or 0))


def _patched_object(data: bytes, old: SaidObject, item: Object, base: Base) -> bytes:
    start, _, _, end = span(data, old.element)
    if _object_says(old, item):
        return data[start:end]
    edits: list[Edit] = []
    if old.category != item.category:
        edits += _renamed(data, old.element, item.category)
    if item.box is not None and old.box != item.box:
        edits += _moved(data, old.element, item.box, base)
    edits += _patched_leaf(data, old.element, "pose", old.pose, item.pose)
    for tag in FLAGS:
        before, now = getattr(old, tag), getattr(item, tag)
        edits += _patched_leaf(data, old.element, tag, _flag_text(before), _flag_text(now))
    if not _parts_say(old.parts, item.parts):
        edits += _patched_parts(data, old, item.parts or (), base)
    return apply(data, edits, start, end)


def _renamed(data: bytes, element: Element, name: str) -> list[Edit]:
    child = element.find("name")
    return [replaced(data, child, name)] if child else []


def _moved(data: bytes, element: Element, box: Box, base: Base) -> list[Edit]:
    corners = element.find("bndbox")
    if corners is None:
        return []
    edits = []
    for tag, before, now in zip(CORNERS, corner_texts(corners), box_texts(box, base), strict=True):
        child = corners.find(tag)
        if child is not None and _decimal(before) != _decimal(now):
            edits.append(replaced(data, child, now))
    return edits


def _flag_text(flag: bool | None) -> str | None:
    return None if flag is None else str(int(flag))


def _patched_leaf(data: bytes, parent: Element, tag: str, before: str | None, now: str | None) -> list[Edit]:
    if before == now:
        return []
    child, corners = parent.find(tag), parent.find("bndbox")
    if now is None:
        return [removed(data, child)] if child else []
    if child is not None:
        return [replaced(data, child, now)]
    if corners is None:
        return []
    text = leaf(tag, now).encode() + space_before(data, corners)
    return [(corners.start, corners.start, text)]


def _patched_parts(data: bytes, old: SaidObject, parts: tuple[Part, ...], base: Base) -> list[Edit]:
    gap = space_before(data, old.element.children[0])
    texts = []
    for part in parts:
        index = _index(part.raw)
        if index is not None and index < len(old.parts):
            before = old.parts[index]
            start, _, _, end = span(data, before.element)
            edits = _renamed(data, before.element, part.name) if before.name != part.name else []
            edits += _moved(data, before.element, part.box, base) if before.box != part.box else []
            texts.append(apply(data, edits, start, end))
        else:
            texts.append(_indented(_part_lines(part, base), gap))
    return reseated(data, old.element, [item.element for item in old.parts], texts, gap)


def _indented(lines: list[str], gap: bytes) -> bytes:
    """Lines as they follow one another at the place of a gap; their own tabs stay."""
    return (
        gap.join(line.encode() for line in lines)
        if b"\n" in gap
        else "".join(line.lstrip("\t") for line in lines).encode()
    )


# --- new XML: tabs, no declaration, no attributes, no self-closed tags, for the devkit's reader knows none


def _new_annotation(record: Record, base: Base, folder: str) -> str:
    path = record.image.path
    lines = [leaf("folder", folder), leaf("filename", PurePosixPath(path).name)]
    lines += _size_lines(record.image)
    lines.append(leaf("segmented", str(int(bool(record.maps)))))
    for item in record.objects:
        lines += _object_lines(item, base)
    return "<annotation>\n" + "".join(f"\t{line}\n" for line in lines) + "</annotation>\n"


def _size_lines(image: Image) -> list[str]:
    """Width and height where known. The depth is not: the model does not say how many channels there are."""
    sides = [("width", image.width), ("height", image.height)]
    known = [f"\t{leaf(tag, str(side))}" for tag, side in sides if side is not None]
    return ["<size>", *known, "</size>"] if known else []


def _object_lines(item: Object, base: Base) -> list[str]:
    lines = ["<object>", "\t" + leaf("name", item.category)]
    if item.pose is not None:
        lines.append("\t" + leaf("pose", item.pose))
    for tag in FLAGS:
        text = _flag_text(getattr(item, tag))
        if text is not None:
            lines.append("\t" + leaf(tag, text))
    if item.box is None:
        raise ValueError("an object without a box was not fitted to VOC")
    lines += ["\t" + line for line in _box_lines(item.box, base)]
    for part in item.parts or ():
        lines += ["\t" + line for line in _part_lines(part, base)]
    return [*lines, "</object>"]


def _part_lines(part: Part, base: Base) -> list[str]:
    box = ["\t" + line for line in _box_lines(part.box, base)]
    return ["<part>", f"\t<name>{escaped(part.name)}</name>", *box, "</part>"]


def _box_lines(box: Box, base: Base) -> list[str]:
    corners = zip(CORNERS, box_texts(box, base), strict=True)
    return ["<bndbox>", *("\t" + leaf(tag, text) for tag, text in corners), "</bndbox>"]


def extras(value: Any) -> list[str]:
    """Actions, points and the sets of two tasks in what VOC said of a record (see ``Format.extras``)."""
    xml, sets = (value.get("xml"), value.get("sets")) if isinstance(value, dict) else (None, None)
    text, lists = (xml if isinstance(xml, str) else ""), (sets if isinstance(sets, dict) else {})
    kinds = {"actions": "<actions>" in text, "points": "<point>" in text}
    for task in ("Layout", "Action"):
        kinds[f"{task} sets"] = any(str(name).startswith(f"{task}/") for name in lists)
    return [kind for kind, there in kinds.items() if there]
