"""A polygons.json for rules: everything in it that can be judged, however broken its neighbours are.

The reader stops at what no record can hold; here each value is judged by itself, and every one has its place.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from labelkit.errors import FormatError
from labelkit.findings import Location
from labelkit.formats._files import BOM, brief, read_bytes
from labelkit.formats._json import address, is_number, json_fault, refusal_of, repeated_keys
from labelkit.formats._raw import Kind, RawDocument, Told, unmarked
from labelkit.formats.cityscapes.scene import Number, Poly
from labelkit.formats.cityscapes.table import nearest_labels, parse_label
from labelkit.pixels import refuse_huge

_COLON = re.compile(rb'"\s*:')
_BYTE = re.compile(r" \(byte (\d+)\)$")
_SIDES = ("imgHeight", "imgWidth")


@dataclass(frozen=True, eq=False)
class RawObject:
    """An entry of objects, as far as it can be read.

    ordinal: its place in the list. label: None where it is no text. points: None where they are none.
    """

    ordinal: int
    raw: msgspec.Raw
    label: str | None
    points: Sequence[tuple[Number, Number]] | None
    is_deleted: bool

    @property
    def category(self) -> str | None:
        """The class that the label names, or None."""
        parsed = parse_label(self.label) if self.label is not None else None
        return parsed[0] if parsed else None

    @property
    def is_group(self) -> bool:
        """Whether the label names a group."""
        parsed = parse_label(self.label) if self.label is not None else None
        return parsed is not None and parsed[1]

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """The extent of the polygon: x, y, w, h."""
        if not self.points:
            return None
        x, y = ([float(point[axis]) for point in self.points] for axis in (0, 1))
        return min(x), min(y), max(x) - min(x), max(y) - min(y)


class RawPolygons(RawDocument):
    """A polygons.json. path: the file. name: its path as places name it. image: the path of its image.

    size: height and width; None where the file does not say them. flaws: what is not as it should be.
    Raises FormatError where the file is no JSON object at all.
    """

    def __init__(self, file: Path, name: str, image: str) -> None:
        self.path = file
        self.name = name
        self.image = image
        data = read_bytes(file)
        self.starts_with_bom = data.startswith(BOM)
        self.data = data.removeprefix(BOM)
        self._top = self._decoded()
        self.flaws: list[tuple[Kind, Told]] = []
        self.size = self._size()
        self.objects = self._objects()

    @property
    def kept(self) -> list[RawObject]:
        """The objects that are not deleted."""
        return [item for item in self.objects if not item.is_deleted]

    def _decoded(self) -> dict[str, msgspec.Raw]:
        try:
            self.data.decode()
        except UnicodeDecodeError as error:
            raise self._refused(error.start, "not UTF-8", "UTF-8 text", code="STR111") from None
        try:
            return msgspec.json.decode(self.data, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> FormatError:
        if refusal := refusal_of(self.data, error):
            start, *words, code = refusal
            return self._refused(start, *words, code=code)
        text = json_fault(error)
        match = _BYTE.search(text)
        found = text[: match.start()] if match else text
        return self._refused(int(match[1]) if match else 0, found, "imgHeight, imgWidth and objects")

    def _refused(self, start: int, *words: str, code: str = "") -> FormatError:
        byte, line = self._byte(start), self._line(start)
        at = Location(self.name, line=line, offset=byte, image=self.image)
        return FormatError(f"{self.name}:byte {byte}", *words, code=code, at=at)

    def told(self, kind: Kind) -> Iterator[Told]:
        """The flaws of one kind; keys that stand twice are looked for only when someone asks."""
        if kind == "repeated key":
            for place, key in self._repeated_keys():
                yield Told(place, f"the key {key!r} twice; expected keys once each")
        elif kind == "byte order mark" and self.starts_with_bom:
            where = Location(self.name, offset=0, image=self.image)
            yield Told(where, "a byte order mark; expected none", unmarked(self.path))
        yield from (told for other, told in self.flaws if other == kind)

    # --- values ------------------------------------------------------------------------------------------

    def _size(self) -> tuple[int, int] | None:
        """The size. 0 x 0 is how the official tools write an unknown one: it fits a file without objects."""
        sides = []
        for key in _SIDES:
            if key not in self._top:
                self._flaw("missing", key, None, f"no {key!r}")
                continue
            value = _value(self._top[key])
            if type(value) is int and value >= 0:
                sides.append(value)
            else:
                self._flaw("type", key, self._top[key], _side(key, value))
        if len(sides) < len(_SIDES):
            return None
        height, width = sides
        if not height and not width and _value(self._top.get("objects", msgspec.Raw(b"0"))) == []:
            return None
        for key, side in zip(_SIDES, sides, strict=True):
            if not side:
                self._flaw("type", key, self._top[key], _side(key, side))
        try:
            refuse_huge(height, width)
        except ValueError as error:
            key = "imgHeight" if height > width else "imgWidth"
            self._flaw("type", key, self._top[key], f"{error}; expected the size of an image")
            return None
        return (height, width) if height and width else None

    def _objects(self) -> list[RawObject]:
        if "objects" not in self._top:
            self._flaw("missing", "objects", None, "no 'objects'")
            return []
        try:
            entries = msgspec.json.decode(self._top["objects"], type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            text = f"objects {_shown(self._top['objects'])}; expected a list"
            self._flaw("type", "objects", self._top["objects"], text)
            return []
        return [item for n, raw in enumerate(entries) if (item := self._object(n, raw)) is not None]

    def _object(self, ordinal: int, raw: msgspec.Raw) -> RawObject | None:
        where = f"objects[{ordinal}]"
        try:
            poly = msgspec.json.decode(raw, type=Poly)
            if not all(map(is_number, chain.from_iterable(poly.polygon))):
                raise msgspec.DecodeError("a number that no coordinate can be")
            points: Sequence[tuple[Number, Number]] | None = poly.polygon
            label: str | None = poly.label
            is_deleted = bool(poly.deleted)
        except (msgspec.DecodeError, RecursionError):
            try:
                keys = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            except (msgspec.DecodeError, RecursionError):
                self._flaw("type", where, raw, f"{_shown(raw)}; expected an object")
                return None
            is_deleted = "deleted" in keys and bool(_value(keys["deleted"]))
            label, points = self._label(where, raw, keys), self._points(where, raw, keys)
        item = RawObject(ordinal, raw, label, points, is_deleted)
        if label is not None and not is_deleted and item.category is None:
            value = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])["label"]
            text = f"label {brief(label)}; expected {nearest_labels(label)}"
            self._flaw("unknown category", f"{where}.label", value, text)
        return item

    def _label(self, where: str, raw: msgspec.Raw, keys: dict[str, msgspec.Raw]) -> str | None:
        if "label" not in keys:
            self._flaw("missing", f"{where}.label", raw, "no 'label'")
            return None
        label = _value(keys["label"])
        if isinstance(label, str):
            return label
        text = f"label {_shown(keys['label'])}; expected a label of the official table"
        self._flaw("type", f"{where}.label", keys["label"], text)
        return None

    def _points(
        self, where: str, raw: msgspec.Raw, keys: dict[str, msgspec.Raw]
    ) -> list[tuple[Number, Number]] | None:
        if "polygon" not in keys:
            self._flaw("missing", f"{where}.polygon", raw, "no 'polygon'")
            return None
        whole = keys["polygon"]
        try:
            entries = msgspec.json.decode(whole, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            text = f"polygon {_shown(whole)}; expected a list of points"
            self._flaw("type", f"{where}.polygon", whole, text)
            return None
        points = []
        for number, entry in enumerate(entries):
            point = _value(entry)
            if isinstance(point, list) and len(point) == 2 and all(map(is_number, point)):
                points.append((point[0], point[1]))
                continue
            text = f"the point {_shown(entry)}; expected two numbers: x, y"
            self._flaw("type", f"{where}.polygon[{number}]", entry, text)
        return points if len(points) == len(entries) else None

    def _flaw(self, kind: Kind, element: str, raw: msgspec.Raw | None, message: str) -> None:
        self.flaws.append((kind, Told(self._at(element, raw), message)))

    # --- places ------------------------------------------------------------------------------------------

    def at(self, item: RawObject, key: str = "polygon", *, number: int | None = None) -> Location:
        """Where a key of an object stands. number: the object's position in the image, from 1."""
        value = item.raw
        if key:
            value = msgspec.json.decode(item.raw, type=dict[str, msgspec.Raw]).get(key, item.raw)
        where = f"objects[{item.ordinal}]" + (f".{key}" if key else "")
        return self._at(where, value, number=number, box=item.box)

    def span(self, raw: msgspec.Raw) -> tuple[int, int]:
        """The bytes of the file (start, stop) in which a value of it stands."""
        start = self._byte(address(raw) - address(self.data))
        return start, start + len(raw)

    def _at(
        self,
        element: str,
        raw: msgspec.Raw | None,
        *,
        number: int | None = None,
        box: tuple[float, float, float, float] | None = None,
    ) -> Location:
        start = address(raw) - address(self.data) if raw is not None else -1
        known = 0 <= start < len(self.data)
        return Location(
            self.name,
            line=self._line(start) if known else None,
            offset=self._byte(start) if known else None,
            element=element,
            image=self.image,
            object=number,
            box=box,
        )

    @cached_property
    def _breaks(self) -> list[int]:
        """The bytes that end a line."""
        found: list[int] = np.flatnonzero(np.frombuffer(self.data, dtype=np.uint8) == ord("\n")).tolist()
        return found

    def _line(self, start: int) -> int:
        return bisect_right(self._breaks, start - 1) + 1

    def _byte(self, start: int) -> int:
        return start + len(BOM) * self.starts_with_bom

    def _repeated_keys(self) -> Iterator[tuple[Location, str]]:
        """Every key that stands twice in one object, where it stands; decoders keep the last of the two.

        Counting colons after quotes tells files without such keys from the few that must be looked at.
        """
        objects = [msgspec.json.decode(item.raw, type=dict[str, msgspec.Raw]) for item in self.objects]
        keys = len(self._top) + sum(map(len, objects))
        if len(_COLON.findall(self.data)) == keys:
            return
        for key in repeated_keys(self.data, outermost=True):
            yield self._at(key, self._top[key]), key
        for item, values in zip(self.objects, objects, strict=True):
            for key in repeated_keys(bytes(item.raw)):
                yield self._at(f"objects[{item.ordinal}].{key}", values.get(key, item.raw)), key


def _side(key: str, value: Any) -> str:
    return f"{key} {brief(value)}; expected a whole number of pixels above 0"


def _value(raw: msgspec.Raw) -> Any:
    """A value, or its text where it is none that Python can hold."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return bytes(raw)


def _shown(raw: msgspec.Raw) -> str:
    """A value as a message shows it: on one line, and cut where it is long."""
    text = " ".join(bytes(raw).decode("utf-8", "replace").split())
    return text if len(text) <= 60 else f"{text[:59]}…"
