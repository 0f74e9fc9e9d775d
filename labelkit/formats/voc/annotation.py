"""The annotation XML of one image: what it says (``annotate`` writes it).

Flags are true only if their text is ``1``, as in the devkit's VOCreadrecxml. Source: FORMATS 2.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from labelkit.errors import RecordError
from labelkit.formats._corners import Base, Texts, box_from_texts, decimal_of
from labelkit.formats._xml import Element
from labelkit.formats.voc.corners import CORNERS, BaseEvidence
from labelkit.model import Box

FLAGS = ("truncated", "occluded", "difficult")


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
        expected = "<annotation> as the root of a VOC annotation"
        raise RecordError(place, f"<{root.tag}>", expected, code="STR101")
    size = root.find("size")
    return Said(
        root=root,
        width=side(size, "width", place),
        height=side(size, "height", place),
        suffix=suffix_of(root.value("filename")),
        objects=tuple(
            read_object(element, base, f"{place}:object {position}")
            for position, element in enumerate(children(root, "object"), 1)
        ),
    )


def suffix_of(filename: str | None) -> str | None:
    """The suffix of a <filename>, or None where there is none. Some tools write names of another system."""
    if filename is None:
        return None
    return PurePosixPath(filename.strip().replace("\\", "/")).suffix or None


def children(parent: Element, tag: str) -> list[Element]:
    """The children of that name."""
    return [child for child in parent.children if child.tag == tag]


def side(size: Element | None, tag: str, place: str) -> int | None:
    """A side of the image, None where missing or 0. Raises RecordError: it is no number of pixels."""
    text = size.word(tag) if size is not None else ""
    if not text:
        return None
    try:
        number = decimal_of(text)
        if number != number.to_integral_value() or not 0 <= number < 1 << 31:
            raise ValueError(f"{text!r}")
    except ValueError:
        expected = "a whole number of pixels"
        raise RecordError(f"{place}:size/{tag}", repr(text), expected, code="STR105") from None
    return int(number) or None


def read_object(element: Element, base: Base, place: str) -> SaidObject:
    """What an object's element says. Raises RecordError that names the element."""
    category = element.word("name")
    if not category:
        raise RecordError(f"{place}:name", "no class", "an object with a <name>", code="STR104")
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
            for position, child in enumerate(children(element, "part"), 1)
        ),
    )


def _read_part(element: Element, base: Base, place: str) -> SaidPart:
    name = element.word("name")
    if not name:
        raise RecordError(f"{place}:name", "no name", "a part with a <name>", code="STR104")
    return SaidPart(element, name, _read_box(element, base, f"{place} ({name})"))


def _read_box(element: Element, base: Base, place: str) -> Box:
    corners = element.find("bndbox")
    if corners is None:
        expected = "a <bndbox> with xmin, ymin, xmax and ymax"
        raise RecordError(place, "no <bndbox>", expected, code="STR104")
    try:
        return box_from_texts(corner_texts(corners), base)
    except ValueError as error:
        expected = "four finite numbers"
        raise RecordError(f"{place}:bndbox", str(error), expected, code="STR105") from None


def corner_texts(bndbox: Element) -> Texts:
    """The four corners, trimmed, '' where one is missing."""
    texts = {child.tag: child.text for child in reversed(bndbox.children)}
    xmin, ymin, xmax, ymax = (texts.get(tag, "").strip() for tag in CORNERS)
    return xmin, ymin, xmax, ymax


def _flag(text: str | None) -> bool | None:
    return None if text is None else text.strip() == "1"


# --- what the header needs, and what no type of the model holds ---------------------------------------------


def survey(root: Element, names: set[str], evidence: BaseEvidence) -> None:
    """Take from an annotation what the header needs: class names, and what speaks for a base."""
    size = root.find("size")
    width = float_of(size.value("width")) if size else None
    height = float_of(size.value("height")) if size else None
    for element in children(root, "object"):
        name = element.word("name")
        if name:
            names.add(name)
        corners = element.find("bndbox")
        if corners is not None:
            evidence.add(corner_texts(corners), width, height)


def float_of(text: str | None) -> float | None:
    """A text as a number, whatever it is a number of; None where it is none."""
    try:
        return float(text or "")
    except ValueError:
        return None


def extras(value: Any) -> list[str]:
    """Actions, points and the sets of two tasks in what VOC said of a record (see ``Format.extras``)."""
    xml, sets = (value.get("xml"), value.get("sets")) if isinstance(value, dict) else (None, None)
    text, lists = (xml if isinstance(xml, str) else ""), (sets if isinstance(sets, dict) else {})
    kinds = {"actions": "<actions>" in text, "points": "<point>" in text}
    for task in ("Layout", "Action"):
        kinds[f"{task} sets"] = any(str(name).startswith(f"{task}/") for name in lists)
    return [kind for kind, there in kinds.items() if there]
