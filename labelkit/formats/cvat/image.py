"""What an ``<image>`` element says: objects, labels and maps, each with the element that it stands in.

Polylines, points, ellipses, cuboids and skeletons are no labels of the model: they stay in the native text.
A turned box is read as the polygon of its four corners. ``occluded="0"`` is what CVAT writes where nobody
said anything, and says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from labelkit.errors import RecordError
from labelkit.findings import Location
from labelkit.formats._files import brief, safe_path
from labelkit.formats._xml import Element, line_of
from labelkit.formats.cvat.attributes import pairs_of, read_attributes
from labelkit.formats.cvat.shapes import (
    SHAPES,
    ShapeError,
    read_box,
    read_mask,
    read_polygon,
    rotation_of,
    turned,
    wanted,
)
from labelkit.model import (
    BoundingBox,
    ImageLabel,
    Instance,
    Layer,
    Layers,
    Mask,
    Object,
    Provenance,
    SemanticMap,
)

NAME = "cvat"
NO_SUBSET = "default"  # what CVAT calls the subset of a task that is in none
KINDS = {
    "polyline": "polylines",
    "points": "points",
    "ellipse": "ellipses",
    "cuboid": "cuboids",
    "skeleton": "skeletons",
}
_EXTRA = re.compile(f"<({'|'.join(KINDS)})[\\s>/]")
_SIDE = re.compile(r"0*[1-9][0-9]{0,9}")


class SaidObject(NamedTuple):
    """An object and its element. path: which of the image's it is, as ``box 3``.

    turned: by how many degrees the box was that became a polygon.
    """

    element: Element
    path: str
    item: Object
    turned: float = 0


class SaidLabel(NamedTuple):
    """An image label and its element."""

    element: Element
    item: ImageLabel


class Piece(NamedTuple):
    """A piece of a map. map: which. z: its place among the others. source: who made it."""

    element: Element
    map: str
    z: int
    category: str
    mask: Mask
    source: Provenance | None


@dataclass(frozen=True)
class Said:
    """What an image element says."""

    root: Element
    path: str
    width: int | None
    height: int | None
    splits: tuple[str, ...]
    objects: list[SaidObject] = field(default_factory=list)
    labels: list[SaidLabel] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)


class Place(NamedTuple):
    """Where an image element stands.

    file: as messages name it. name: relative to the data set. line, start: of its first byte, from 1 and
    from 0. data: its bytes.
    """

    file: str
    name: str
    line: int
    start: int
    data: bytes

    def at(self, element: Element, path: str, image: str | None) -> Location:
        """Where one of its elements stands. path: which it is."""
        line = self.line + line_of(self.data, element.start) - 1
        return Location(self.name, line, self.start + element.start, path, image)

    def error(self, element: Element, inside: str, image: str | None, flaw: ShapeError) -> RecordError:
        """A flaw of an element. inside: which of the image's it is. image: its name, if it has one."""
        at = self.at(element, f"{inside} {flaw.attribute}".strip(), image)
        shown = f"{self.file}:{at.line}: image {brief(image)}" if image else f"{self.file}:{at.line}: image"
        return RecordError(f"{shown} {at.element}", flaw.found, flaw.expected, code=flaw.code, at=at)

    def repeated(self, path: str) -> RecordError:
        """An image whose path an image before it has."""
        at = Location(self.name, self.line, self.start, "name", path)
        shown = f"{self.file}:{self.line}: image {brief(path)} name"
        found = "an image of this name stands before it"
        return RecordError(shown, found, "each name once", code="REF109", at=at)


Tell = Callable[[RecordError], None]


def stop(error: RecordError) -> None:
    """What a reader does with the first flaw."""
    raise error


def read_image(root: Element, place: Place, known: Collection[str] | None, tell: Tell = stop) -> Said:
    """What an image element says.

    known: the classes that are declared; None if any will do. tell: takes every value that no record can
    hold, and what has it is left out.

    Raises RecordError: what tell raises, and where the image has no name that can be its path.
    """
    name = root.attributes.get("name")
    try:
        path = _path(wanted(root.attributes, "name", "the image's file"))
    except ShapeError as flaw:
        raise place.error(root, "", name, flaw) from None
    width, height = (_told_side(root, side, place, tell) for side in ("width", "height"))
    said = Said(root, path, width, height, _splits(root))
    counts: dict[str, int] = {}
    for element in root.children:
        number = counts[element.tag] = counts.get(element.tag, 0) + 1
        inside = f"{element.tag} {number}"
        try:
            _read_child(element, inside, said, known)
        except ShapeError as flaw:
            tell(place.error(element, inside, name, flaw))
    return said


def _path(name: str) -> str:
    try:
        return safe_path(name)
    except ValueError as error:
        raise ShapeError("name", str(error), "a path inside the data set", "STR108") from None


def _told_side(root: Element, name: str, place: Place, tell: Tell) -> int | None:
    try:
        return _side(root, name)
    except ShapeError as flaw:
        tell(place.error(root, "", root.attributes.get("name"), flaw))
        return None


def _side(root: Element, name: str) -> int | None:
    text = root.attributes.get(name, "").strip()
    if not text:
        return None
    if not _SIDE.fullmatch(text):
        raise ShapeError(name, brief(text), "a whole number of pixels above 0")
    return int(text)


def _splits(root: Element) -> tuple[str, ...]:
    """The subset of an image, unless it is the one of images that are in none."""
    subset = root.attributes.get("subset", "")
    return (subset,) if subset not in ("", NO_SUBSET) else ()


def _read_child(element: Element, path: str, said: Said, known: Collection[str] | None) -> None:
    if element.tag == "tag":
        said.labels.append(SaidLabel(element, _label(element, known, len(said.labels))))
        return
    if element.tag not in SHAPES:
        return
    category = _category(element, known)
    attributes = read_attributes(pairs_of(element), can_be_map=element.tag != "box")
    if (element.tag == "mask" or attributes.map is not None) and _is_told(said):
        return
    if attributes.map is not None:
        if said.width is None or said.height is None:
            raise ShapeError("map", "a map of an image of unknown size", "its width and height", "STR104")
        mask = _mask(element, said)
        said.pieces.append(
            Piece(element, attributes.map, _z_order(element), category, mask, attributes.provenance)
        )
        return
    fields = attributes.fields() | {"category": category, "occluded": _occluded(element)}
    fields["raw"] = {NAME: {"index": len(said.objects)}}
    said.objects.append(_object(element, path, said, fields))


def _is_told(said: Said) -> bool:
    """Whether the image's size is not known because it is no size, which was told."""
    sides = (("width", said.width), ("height", said.height))
    return any(number is None and said.root.attributes.get(name, "").strip() for name, number in sides)


def _object(element: Element, path: str, said: Said, fields: dict[str, Any]) -> SaidObject:
    if element.tag != "box":
        return SaidObject(element, path, Instance(mask=_mask(element, said), **fields))
    box, angle = read_box(element.attributes), rotation_of(element.attributes)
    if angle % 360:
        return SaidObject(element, path, Instance(mask=turned(box, angle), **fields), angle)
    return SaidObject(element, path, BoundingBox(box=box, **fields))


def _mask(element: Element, said: Said) -> Mask:
    if element.tag == "polygon":
        return read_polygon(element.attributes)
    return read_mask(element.attributes, said.width, said.height)


def _category(element: Element, known: Collection[str] | None) -> str:
    name = wanted(element.attributes, "label", "the name of a label")
    if not name:
        raise ShapeError("label", "an empty name", "the name of a label", "STR104")
    if known is not None and name not in known:
        raise ShapeError("label", f"unknown label {brief(name)}", "one of the labels in <meta>", "REF105")
    return name


def _occluded(element: Element) -> bool | None:
    text = element.attributes.get("occluded", "0").strip()
    if text not in ("0", "1"):
        raise ShapeError("occluded", brief(text), "0 or 1")
    return True if text == "1" else None


def _z_order(element: Element) -> int:
    text = element.attributes.get("z_order", "0").strip()
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise ShapeError("z_order", brief(text), "a whole number")
    return int(text)


def _label(element: Element, known: Collection[str] | None, index: int) -> ImageLabel:
    category = _category(element, known)
    said = read_attributes(pairs_of(element))
    raw = {NAME: {"index": index}}
    return ImageLabel(category=category, score=said.score, provenance=said.provenance, raw=raw)


def maps_of(said: Said, order: Sequence[str]) -> dict[str, SemanticMap]:
    """The maps of an image. order: all labels, by which the values of a semantic map are numbered."""
    maps: dict[str, SemanticMap] = {}
    if said.width is None or said.height is None:
        return maps  # it has no pieces of maps either
    numbers = {category: number for number, category in enumerate(order, 1)}
    for name in dict.fromkeys(piece.map for piece in said.pieces):
        pieces = sorted((piece for piece in said.pieces if piece.map == name), key=lambda piece: piece.z)
        values = [
            numbers[piece.category] if name == "semantic" else number
            for number, piece in enumerate(pieces, 1)
        ]
        layers = tuple(Layer(value=v, mask=piece.mask) for v, piece in zip(values, pieces, strict=True))
        maps[name] = SemanticMap(
            source=Layers(height=said.height, width=said.width, layers=layers),
            classes={v: piece.category for v, piece in zip(values, pieces, strict=True)},
            provenance=next((piece.source for piece in pieces if piece.source), None),
        )
    return maps


def extras(value: Any) -> list[str]:
    """Shapes of other kinds in what CVAT said of a record (see ``Format.extras``)."""
    text = value.get("xml") if isinstance(value, dict) else None
    found = set(_EXTRA.findall(text)) if isinstance(text, str) else set()
    return [kind for tag, kind in KINDS.items() if tag in found]
