"""The class table of Cityscapes, what a label's text means, and the official numbering of instances.

Source: cityscapesscripts/helpers/labels.py and preparation/json2instanceImg.py (2.3.0); FORMATS 3.3, 3.4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from labelkit.model import Category
from labelkit.pixels import Labels

NAME = "cityscapes"  # the key in every raw
TYPES = ("gtFine", "gtCoarse")
ALL_FILES = ("polygons", "color", "labelIds", "instanceIds", "labelTrainIds", "instanceTrainIds")
SUFFIX = {kind: ".json" if kind == "polygons" else ".png" for kind in ALL_FILES}
GROUP = "group"
IMAGES = "leftImg8bit"
UNSPLIT = "unsplit"  # the folder of images that have no split
PER_CLASS = 1000  # a pixel value is class id x 1000 + number; below 1000 it is the class id alone
IGNORED_TRAIN_ID = 255
_TABLED = 1 << 16  # values of a 16-bit PNG


class Label(NamedTuple):
    """A row of the official table, in its order of columns."""

    name: str
    id: int
    train_id: int
    category: str
    category_id: int
    has_instances: bool
    ignore_in_eval: bool
    colour: tuple[int, int, int]


TABLE: tuple[Label, ...] = (
    Label("unlabeled", 0, 255, "void", 0, False, True, (0, 0, 0)),
    Label("ego vehicle", 1, 255, "void", 0, False, True, (0, 0, 0)),
    Label("rectification border", 2, 255, "void", 0, False, True, (0, 0, 0)),
    Label("out of roi", 3, 255, "void", 0, False, True, (0, 0, 0)),
    Label("static", 4, 255, "void", 0, False, True, (0, 0, 0)),
    Label("dynamic", 5, 255, "void", 0, False, True, (111, 74, 0)),
    Label("ground", 6, 255, "void", 0, False, True, (81, 0, 81)),
    Label("road", 7, 0, "flat", 1, False, False, (128, 64, 128)),
    Label("sidewalk", 8, 1, "flat", 1, False, False, (244, 35, 232)),
    Label("parking", 9, 255, "flat", 1, False, True, (250, 170, 160)),
    Label("rail track", 10, 255, "flat", 1, False, True, (230, 150, 140)),
    Label("building", 11, 2, "construction", 2, False, False, (70, 70, 70)),
    Label("wall", 12, 3, "construction", 2, False, False, (102, 102, 156)),
    Label("fence", 13, 4, "construction", 2, False, False, (190, 153, 153)),
    Label("guard rail", 14, 255, "construction", 2, False, True, (180, 165, 180)),
    Label("bridge", 15, 255, "construction", 2, False, True, (150, 100, 100)),
    Label("tunnel", 16, 255, "construction", 2, False, True, (150, 120, 90)),
    Label("pole", 17, 5, "object", 3, False, False, (153, 153, 153)),
    Label("polegroup", 18, 255, "object", 3, False, True, (153, 153, 153)),
    Label("traffic light", 19, 6, "object", 3, False, False, (250, 170, 30)),
    Label("traffic sign", 20, 7, "object", 3, False, False, (220, 220, 0)),
    Label("vegetation", 21, 8, "nature", 4, False, False, (107, 142, 35)),
    Label("terrain", 22, 9, "nature", 4, False, False, (152, 251, 152)),
    Label("sky", 23, 10, "sky", 5, False, False, (70, 130, 180)),
    Label("person", 24, 11, "human", 6, True, False, (220, 20, 60)),
    Label("rider", 25, 12, "human", 6, True, False, (255, 0, 0)),
    Label("car", 26, 13, "vehicle", 7, True, False, (0, 0, 142)),
    Label("truck", 27, 14, "vehicle", 7, True, False, (0, 0, 70)),
    Label("bus", 28, 15, "vehicle", 7, True, False, (0, 60, 100)),
    Label("caravan", 29, 255, "vehicle", 7, True, True, (0, 0, 90)),
    Label("trailer", 30, 255, "vehicle", 7, True, True, (0, 0, 110)),
    Label("train", 31, 16, "vehicle", 7, True, False, (0, 80, 100)),
    Label("motorcycle", 32, 17, "vehicle", 7, True, False, (0, 0, 230)),
    Label("bicycle", 33, 18, "vehicle", 7, True, False, (119, 11, 32)),
    Label("license plate", -1, -1, "vehicle", 7, False, True, (0, 0, 142)),
)

BY_NAME = {label.name: label for label in TABLE}
BY_ID = {label.id: label for label in TABLE}

# What the values of labelIds mean. 0, "unlabeled", says nothing of a pixel.
CLASSES: dict[int, str] = {label.id: label.name for label in TABLE if label.id > 0}

CATEGORIES = tuple(
    Category(name=label.name, supercategory=label.category, thing=label.has_instances, colour=label.colour)
    for label in TABLE
)


def parse_label(text: str) -> tuple[str, bool] | None:
    """The class that a label's text names, and whether it names a group; None where it names nothing.

    Membership comes first: ``polegroup`` is a class of its own.
    """
    if text in BY_NAME:
        return text, False
    name = text.removesuffix(GROUP)
    return (name, True) if name != text and name in BY_NAME else None


def label_text(category: str, crowd: bool | None) -> str:
    """The text of a label; the opposite of parse_label for every class but a crowd of poles."""
    return category + GROUP if crowd else category


def can_be_crowd(category: str) -> bool:
    """Whether ``<category>group`` names a crowd of this class."""
    return category + GROUP not in BY_NAME


def nearest_labels(text: str) -> str:
    """Labels that look like a text, for messages."""
    close = get_close_matches(text, [*BY_NAME, *(name + GROUP for name in BY_NAME)], n=3)
    return " or ".join(repr(name) for name in close) or "a label of the official table"


def official_values(labels: Iterable[tuple[str, bool | None]]) -> list[int]:
    """The instanceIds value of each polygon that is not deleted, from classes and crowds in file order.

    A class that has instances is counted, hidden polygons included; a group has the class id. Below 0
    means not painted. A number of 1000 or more would run into the next class; callers keep it out.
    """
    seen: Counter[str] = Counter()
    values = []
    for name, crowd in labels:
        label = BY_NAME[name]
        if label.has_instances and not crowd:
            values.append(label.id * PER_CLASS + seen[name])
            seen[name] += 1
        else:
            values.append(label.id)
    return values


def class_of(value: int) -> Label | None:
    """The class that an instanceIds value speaks of, or None where there is none such."""
    if value < PER_CLASS:
        return BY_ID.get(value) if value >= 0 else None
    label = BY_ID.get(value // PER_CLASS)
    return label if label is not None and label.has_instances else None


def class_ids(values: Labels) -> Labels:
    """labelIds from instanceIds."""
    if _is_tabled(values):
        return _class_table()[values]
    return _class_ids(values)


def _class_ids(values: Labels) -> Labels:
    return np.where(values < PER_CLASS, values, values // PER_CLASS).astype(np.int32)


def _is_tabled(values: Labels) -> bool:
    """Whether all values are such as a 16-bit PNG has: then a table has what is to be computed of each."""
    return bool(values.size) and int(values.min()) >= 0 and int(values.max()) < _TABLED


@cache
def _class_table() -> Labels:
    return _class_ids(np.arange(_TABLED, dtype=np.int32))


@cache
def train_ids() -> NDArray[np.uint8]:
    """Train id by id."""
    return np.array([BY_ID[number].train_id for number in range(len(CLASSES) + 1)], dtype=np.uint8)


@cache
def colours() -> NDArray[np.uint8]:
    """Red, green, blue, 255 by id."""
    return np.array([(*BY_ID[number].colour, 255) for number in range(len(CLASSES) + 1)], dtype=np.uint8)


def coloured(ids: Labels) -> NDArray[np.uint8]:
    """(h, w, 4) the colours of (h, w) ids."""
    packed = colours().view(np.uint32).ravel()  # one number a colour: a third of the time of four
    return np.ascontiguousarray(packed[ids]).view(np.uint8).reshape(*ids.shape, 4)


def instance_train_ids(values: Labels) -> NDArray[np.uint16]:
    """instanceTrainIds from instanceIds; 255 is never multiplied (json2instanceImg).

    Raises IndexError: a value of no class.
    """
    ids = class_ids(values)
    if _is_tabled(values) and int(ids.max()) <= len(CLASSES):
        return _instance_train_table()[values]
    return _instance_train_ids(values, ids)


def _instance_train_ids(values: Labels, ids: Labels) -> NDArray[np.uint16]:
    train = train_ids()[ids].astype(np.uint16)
    numbered = (values >= PER_CLASS) & (train != IGNORED_TRAIN_ID)
    return np.where(numbered, train * PER_CLASS + values % PER_CLASS, train).astype(np.uint16)


@cache
def _instance_train_table() -> NDArray[np.uint16]:
    """By value; where it is of no class, that of the last class, which nobody asks for."""
    values = np.arange(_TABLED, dtype=np.int32)
    return _instance_train_ids(values, np.minimum(_class_ids(values), len(CLASSES)))


_Value = Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)]  # of a 16-bit PNG


class _Native(msgspec.Struct):
    """Every key that this format puts into raw.

    Of a record: its type, path and files, deleted polygons (position, text), ``top``, the rest of the JSON.
    Of an object: its text and position in the document, or the value that only instanceIds has. Of a map:
    where it is from, the values that it had, whether its colours have alpha, what one of its files shows
    beyond it (strays), and (state ``mixed``) what tells whether it is unchanged.
    """

    type: Literal["gtFine", "gtCoarse"] = "gtFine"
    path: str = ""
    files: list[str] = []
    deleted: list[tuple[int, str]] = []
    top: str = ""
    text: str = ""
    index: int = 0
    value: _Value = 0
    origin: str = msgspec.field(name="from", default="")
    alpha: bool = True
    values: list[int] = []
    objects: int = 0
    polygons: int = 0
    digest: str = ""
    strays: list[tuple[_Value, _Value, str]] = []


def native(raw: dict[str, Any]) -> dict[str, Any]:
    """What this format has put into raw; empty if it is something else (a carrier can be edited)."""
    own = raw.get(NAME)
    try:
        msgspec.convert(own, _Native)
    except msgspec.ValidationError:
        return {}
    assert isinstance(own, dict)
    return own
