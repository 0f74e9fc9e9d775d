"""Which attributes labels declare, for CVAT drops what its labels do not.

When somebody relabels an object, CVAT drops what the new label does not declare. So labelkit's own attributes
that any element has are declared by every label, and those of the user by the labels of what has them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

from labelkit.formats.cvat.attributes import MAPS, NAMES, STATUSES
from labelkit.model import Record, SemanticMap

_OBJECT = ""  # stands among the maps for what is a piece of none


class Attribute(NamedTuple):
    """An attribute as a label declares it. default: what CVAT gives to what lacks it; "" says nothing."""

    name: str
    input_type: str = "text"
    default: str = ""
    values: tuple[str, ...] = ("",)


# A list to choose from: a word that is none of these would be no status.
_STATUS = Attribute("status", input_type="select", values=("", *STATUSES))


class Declared(msgspec.Struct):
    """What labels must declare for what is written. The inner dicts are sets in order.

    own: attributes of the user, by label. shared: labelkit's own. maps: by label the maps that its shapes are
    pieces of; "" is among them where one is an object.
    """

    own: dict[str, dict[str, None]] = {}
    shared: dict[str, None] = {}
    maps: dict[str, dict[str, None]] = {}

    def add(self, label: str, names: Iterable[str], users: Collection[str]) -> None:
        """Attributes of an element. users: those among them that are the user's whatever they are called."""
        for name in names:
            is_shared = name in NAMES and name not in users
            (self.shared if is_shared else self.own.setdefault(label, {})).setdefault(name)

    def see(self, record: Record) -> None:
        """What the shapes of a fitted record are."""
        for each in record.objects:
            self.maps.setdefault(each.category, {}).setdefault(_OBJECT)
        for name, item in record.maps.items():
            for category in item.classes.values() if isinstance(item, SemanticMap) else ():
                self.maps.setdefault(category, {}).setdefault(name)

    def merge(self, other: Declared) -> None:
        """What another part of the data set needs."""
        self.shared |= other.shared
        for mine, its in ((self.own, other.own), (self.maps, other.maps)):
            for label, names in its.items():
                mine.setdefault(label, {}).update(names)

    def of(self, label: str) -> list[Attribute]:
        """What a label declares. A user's ``status`` is any text, whatever labelkit's may be."""
        own = self.own.get(label, {})
        shared = [self._shared(name, label) for name in self.shared if name not in own]
        return [*shared, *map(Attribute, own)]

    def _shared(self, name: str, label: str) -> Attribute:
        if name == "status":
            return _STATUS
        return Attribute(name, default=self._map(label)) if name == "map" else Attribute(name)

    def _map(self, label: str) -> str:
        """The map that all shapes of a label are pieces of; of a label without any, all of the data set."""
        every = {name for names in self.maps.values() for name in names}
        used = set(self.maps.get(label, every))
        return next((name for name in MAPS if used == {name}), "")
