"""The five kinds of PNG: what a value of each says, and which of them are read where several are there.

* labelIds says every class; instanceIds says them too, and numbers objects.
* labelTrainIds and instanceTrainIds say the 19 classes that models are trained on. 255 is every other class,
  which training leaves out: these pixels are to be ignored. Caravans and trailers are among them, and so are
  never objects there.
* color says a class where only one label has that colour and is ever painted. Black is five labels that mean
  nothing, and one grey is ``pole`` and ``polegroup``: neither says a class. A value here is the first id that
  has the colour.

Source: json2labelImg.py and json2instanceImg.py of cityscapesScripts 2.3.0; FORMATS 3.3, 3.4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from labelkit.formats.cityscapes.table import (
    BY_ID,
    CLASSES,
    IGNORED_TRAIN_ID,
    PER_CLASS,
    TABLE,
    Label,
    class_ids,
    class_of,
    instance_train_ids,
    train_ids,
)
from labelkit.model import Png
from labelkit.pixels import Labels, decoding

# The first that is there is read: what is certain comes before what says more. A colour tells more classes
# apart than a train id does, but some colours are shared.
OF_CLASSES = ("labelIds", "instanceIds", "labelTrainIds", "instanceTrainIds", "color")
OF_OBJECTS = ("instanceIds", "instanceTrainIds")
OF_IDS = ("labelIds", "instanceIds")
TRAIN_KINDS = ("labelTrainIds", "instanceTrainIds")

BY_TRAIN_ID: dict[int, Label] = {
    label.train_id: label for label in TABLE if 0 <= label.train_id < IGNORED_TRAIN_ID
}
_PAINTED = [BY_ID[number] for number in range(len(CLASSES) + 1)]  # by id; a license plate is never painted
COLOURS = tuple(label.colour for label in _PAINTED)
_SHARED = {colour for colour, times in Counter(COLOURS).items() if times > 1}

_CLASSES: dict[str, dict[int, str]] = {
    "labelIds": CLASSES,
    "labelTrainIds": {number: label.name for number, label in sorted(BY_TRAIN_ID.items())},
    "color": {label.id: label.name for label in _PAINTED if label.colour not in _SHARED},
}
_EXPECTED = {
    "labelIds": "ids 0 to 33",
    "instanceIds": "a class id, or id x 1000 + number of a class with instances",
    "labelTrainIds": "train ids 0 to 18, or 255",
    "instanceTrainIds": "255, a train id, or train id x 1000 + number of a class with instances",
    "color": "the colours of the label table",
}


def first_of(kinds: Iterable[str], there: Collection[str]) -> str | None:
    """The kind that is read of those that are there, or None."""
    return next((kind for kind in kinds if kind in there), None)


def label_of(kind: str, value: int) -> Label | None:
    """The label that a value of instanceIds or instanceTrainIds speaks of, or None where it is none."""
    if kind == "instanceIds":
        return class_of(value)
    if value < PER_CLASS:
        return BY_TRAIN_ID.get(value)
    label = BY_TRAIN_ID.get(value // PER_CLASS)
    return label if label is not None and label.has_instances else None


def is_object_value(kind: str, value: int) -> bool:
    """Whether a value is an object where there are no polygons: an instance, or a crowd."""
    label = label_of(kind, value)
    return label is not None and label.has_instances


def classes_of(kind: str, values: Iterable[int]) -> dict[int, str]:
    """What values of a file mean as a semantic map; of a file that numbers objects only those that occur."""
    if kind in _CLASSES:
        return _CLASSES[kind]
    found = {value: label_of(kind, value) for value in values}
    return {value: label.name for value, label in found.items() if label is not None and label.id > 0}


def ignored(kind: str) -> int | None:
    """The value of pixels that are to be ignored."""
    return IGNORED_TRAIN_ID if kind in TRAIN_KINDS else None


def is_known(kind: str, value: int) -> bool:
    """Whether a value can be in such a file."""
    if kind in OF_OBJECTS:
        return label_of(kind, value) is not None or value == ignored(kind)
    if kind == "color":
        return 0 <= value < len(COLOURS)
    return value in _CLASSES[kind] or value == (0 if kind == "labelIds" else IGNORED_TRAIN_ID)


def expected(kind: str) -> str:
    """What a file may have, for messages."""
    return _EXPECTED[kind]


def shown_as(kind: str, values: Labels) -> Labels:
    """The values that a file has where instanceIds has these."""
    if kind == "instanceIds":
        return values
    if kind == "instanceTrainIds":
        return instance_train_ids(values).astype(np.int32)
    ids = class_ids(values)
    if kind == "labelIds":
        return ids
    table = train_ids() if kind == "labelTrainIds" else np.array([COLOURS.index(x) for x in COLOURS])
    return table[ids].astype(np.int32)


def contradictions(ids: Labels, colours: Labels) -> int:
    """In how many pixels a colour is none that the train id of a class id can have.

    Args: ids: class ids, 0 where the train id is 255. colours: values of a colour file.
    """
    train = train_ids()
    is_shared = np.array([colour in _SHARED for colour in COLOURS])
    possible = (train[ids] == train[colours]) | ((ids == 0) & is_shared[colours])
    return int(np.count_nonzero(~possible))


def png_of(kind: str, file: Path) -> Png:
    """A file as the source of a map."""
    path = str(file.absolute())
    return Png(path=path, encoding="colours", colours=COLOURS) if kind == "color" else Png(path=path)


def kind_of(source: Png) -> str | None:
    """Which kind of file a source is, by name and encoding; None for any other."""
    kind = Path(source.path).stem.rpartition("_")[2]
    known = kind in OF_CLASSES and png_of(kind, Path(source.path)) == source
    return kind if known else None


def has_alpha(file: Path) -> bool:
    """Whether a colour PNG has a fourth channel, as the official ones do."""
    from PIL import Image

    with decoding("no readable PNG"), Image.open(file) as image:
        return image.mode == "RGBA"


def as_instance_ids(kind: str, values: Labels) -> Labels:
    """instanceIds from the values of a file that numbers objects; 0 for pixels to be ignored."""
    if kind == "instanceIds":
        return values
    table = np.zeros(IGNORED_TRAIN_ID + 1, dtype=np.int32)
    table[list(BY_TRAIN_ID)] = [label.id for label in BY_TRAIN_ID.values()]
    ids = table[np.where(values < PER_CLASS, values, values // PER_CLASS)]
    numbered = ids * PER_CLASS + values % PER_CLASS
    return np.where(values < PER_CLASS, ids, numbered).astype(np.int32)
