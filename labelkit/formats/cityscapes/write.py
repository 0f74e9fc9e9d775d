"""Writing Cityscapes: polygons.json as the official tool lays it out, and the PNGs that belong to it.

A record that was read from this format gets the files that it had, any other all six. A map that still is
its native file is copied; everything else is painted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from labelkit.errors import DestinationError
from labelkit.formats.cityscapes.pngs import (
    COLOURS,
    OF_OBJECTS,
    TRAIN_KINDS,
    as_instance_ids,
    first_of,
    kind_of,
    shown_as,
)
from labelkit.formats.cityscapes.scene import (
    OBJECTS,
    SEMANTIC,
    mixed_base,
    native_poly,
    ring_mask,
    ring_points,
    scene_values,
    semantic_ids,
)
from labelkit.formats.cityscapes.states import is_scene_semantic, state
from labelkit.formats.cityscapes.table import (
    ALL_FILES,
    IMAGES,
    SUFFIX,
    TYPES,
    class_ids,
    coloured,
    instance_train_ids,
    label_text,
    native,
    train_ids,
)
from labelkit.geometry import rle
from labelkit.map_png import save_map
from labelkit.model import Layers, Mask, Object, Png, Record
from labelkit.pixels import Labels, source_pixels

Files: TypeAlias = Literal["native", "all"]
_Pixels: TypeAlias = NDArray[Any]
_OF_SEMANTIC = ("labelIds", "color", "labelTrainIds")


class CityscapesWriter:
    """A data set being written. Every record has files of its own; that no two have one is seen at the end.

    A part may be written again over what a lost process left of it: that a file is there says nothing.
    """

    def __init__(self, root: Path, files: Files = "native") -> None:
        self.root = root
        self.files: Files = files
        self.pieces = root / ".pieces"

    def image_path(self, record: Record) -> str | None:
        """The image's place: leftImg8bit/ and its path."""
        return f"{IMAGES}/{record.image.path}"

    def write(self, part: int, records: Iterable[Record]) -> None:
        """Write the files of each record. Raises DestinationError where two records have one name."""
        taken: dict[str, str] = {}
        for record in records:
            _write_record(self.root, record, self.files, taken)
        self.pieces.mkdir(parents=True, exist_ok=True)
        (self.pieces / f"{part:08}").write_bytes(msgspec.json.encode(taken))

    def finish(self) -> None:
        """Make the folder of a data set without records, so that it can still be recognised.

        Raises DestinationError where records of two parts have one name.
        """
        taken: dict[str, str] = {}
        for piece in sorted(self.pieces.iterdir()) if self.pieces.exists() else ():
            for name, path in msgspec.json.decode(piece.read_bytes(), type=dict[str, str]).items():
                _take(self.root, taken, name, path)
        shutil.rmtree(self.pieces, ignore_errors=True)
        if not any((self.root / name).exists() for name in TYPES):
            (self.root / TYPES[0]).mkdir()


def _write_record(root: Path, record: Record, wanted: Files, taken: dict[str, str]) -> None:
    own = native(record.raw)
    kind = own.get("type", TYPES[0])
    there = own.get("files", ALL_FILES) if wanted == "native" else ALL_FILES
    files = [name for name in there if name in ALL_FILES]
    stem = record.image.path.rpartition(f"_{IMAGES}.")[0]
    if record.image.width is None:
        files = ["polygons"]
    painter = _Painter(record)
    for name in files:
        place = f"{kind}/{stem}_{kind}_{name}{SUFFIX[name]}"
        _take(root, taken, place, record.image.path)
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == "polygons":
            target.write_bytes(_polygons_json(record))
        elif (source := _native_file(record, name)) is not None:
            shutil.copyfile(source, target)
        else:
            save_map(_PAINT[name](painter), target)


def _take(root: Path, taken: dict[str, str], place: str, path: str) -> None:
    """Note whose file has a place. Raises DestinationError where another record's has."""
    if place in taken:
        raise DestinationError(
            str(root / place), f"written twice, the second time for {path}", "one image per name"
        )
    taken[place] = path


# --- polygons.json -----------------------------------------------------------------------------------------


def _polygons_json(record: Record) -> bytes:
    texts = msgspec.json.decode(_top(record), type=dict[str, msgspec.Raw])
    objects = [msgspec.Raw(text.encode()) for text in _with_deleted(record)]
    texts["objects"] = msgspec.Raw(msgspec.json.encode(objects))
    return msgspec.json.format(msgspec.json.encode(texts), indent=4) + b"\n"


def _top(record: Record) -> bytes:
    """The document without its objects: native text if it still gives the image's size."""
    size = {"imgHeight": record.image.height or 0, "imgWidth": record.image.width or 0}
    text = native(record.raw).get("top")
    if text and (keys := _object(text)) and {key: keys.get(key) for key in size} == size:
        return str(text).encode()
    return msgspec.json.encode({**size, "objects": []})


def _object(text: str) -> dict[str, Any]:
    """A JSON object; empty where the text is none."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _with_deleted(record: Record) -> Iterator[str]:
    """Native text or new text of every object, with deleted ones at their old places."""
    deleted = [pair for pair in native(record.raw).get("deleted", ()) if _object(pair[1]).get("deleted")]
    rings = _rings(record)
    for number, item in enumerate(record.objects, 1):
        own = native(item.raw)
        while "index" in own and deleted and deleted[0][0] < own["index"]:
            yield deleted.pop(0)[1]
        text = _object_text(item, rings.get(number))
        if text is not None:
            yield text
    yield from (text for _, text in deleted)


def _object_text(item: Object, ring: Mask | None) -> str | None:
    """An object as JSON; None for one that only the PNG has."""
    own = native(item.raw)
    label = label_text(item.category, item.crowd)
    poly = native_poly(item)
    if poly is not None:
        if ring is None or ring.shape == ring_mask(poly.polygon).shape:
            if poly.label == label:
                return str(own["text"])
            ring = ring_mask(poly.polygon)
        keys = msgspec.json.decode(own["text"], type=dict[str, msgspec.Raw])
        keys["label"] = msgspec.Raw(msgspec.json.encode(label))
        keys["polygon"] = msgspec.Raw(msgspec.json.encode(ring_points(ring)))
        return msgspec.json.encode(keys).decode()
    if ring is None:
        return None
    return msgspec.json.encode({"label": label, "polygon": ring_points(ring)}).decode()


def _rings(record: Record) -> dict[int, Mask]:
    """The polygons of a scene by object; none in the other states."""
    item = record.maps.get(OBJECTS)
    if item is None or not isinstance(item.source, Layers) or item.source.rule == "coco":
        return {}
    return {layer.value: layer.mask for layer in item.source.layers}


# --- PNGs --------------------------------------------------------------------------------------------------


def _native_file(record: Record, kind: str) -> Path | None:
    """The file that a map came from, or one made from it, if the map still is that file."""
    # A mixed record is one of which nothing was changed, so that all its files are native.
    of_semantic = kind in _OF_SEMANTIC or state(record) == "mixed"
    item = record.maps.get(SEMANTIC if of_semantic else OBJECTS)
    if item is None or not isinstance(item.source, Png) or kind_of(item.source) is None:
        return None
    file = Path(f"{item.source.path.rpartition('_')[0]}_{kind}.png")
    return file if file.is_file() else None


class _Painter:
    """The PNGs of one record, painted when asked for."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._values: Labels | None = None
        self._ids: Labels | None = None

    def values(self) -> Labels:
        """instanceIds."""
        if self._values is None:
            self._values = _instance_values(self.record)
        return self._values

    def ids(self) -> Labels:
        """labelIds."""
        if self._ids is None:
            self._ids = (
                class_ids(self.values()) if is_scene_semantic(self.record) else semantic_ids(self.record)
            )
        return self._ids

    def colours(self) -> _Pixels:
        """color, with what a native file had beyond the classes."""
        item = self.record.maps[SEMANTIC]
        own = native(item.raw)
        if own.get("from") == "color":
            painted = coloured(source_pixels(item.source))
        elif own.get("from") in TRAIN_KINDS:
            strays = [stray for stray in own.get("strays", ()) if stray[1] < len(COLOURS)]
            painted = coloured(_with_strays(shown_as("color", self.ids()), strays))
        else:
            painted = coloured(self.ids())
        return painted if own.get("alpha", True) else painted[..., :3]


_PAINT: dict[str, Callable[[_Painter], _Pixels]] = {
    "labelIds": lambda painter: painter.ids().astype(np.uint8),
    "color": lambda painter: painter.colours(),
    "labelTrainIds": lambda painter: train_ids()[painter.ids()],
    "instanceIds": lambda painter: painter.values().astype(np.uint16),
    "instanceTrainIds": lambda painter: instance_train_ids(painter.values()),
}


def _instance_values(record: Record) -> Labels:
    item = record.maps.get(OBJECTS)
    if item is None:
        return semantic_ids(record)
    kind = state(record)
    if kind == "pixels":
        numbered = first_of(OF_OBJECTS, native(record.raw)["files"])
        assert numbered is not None
        return as_instance_ids(numbered, source_pixels(item.source))
    if kind == "scene":
        return scene_values(record)
    assert isinstance(item.source, Layers)
    return _with_strays(mixed_base(record, item.source), native(item.raw).get("strays", ()))


def _with_strays(values: Labels, strays: Iterable[tuple[int, int, str]]) -> Labels:
    """Values with what a native file showed instead, where they still are what it was compared with."""
    changed = values.copy()
    for given, shown, runs in strays:
        try:
            where = rle.decode_mask(rle.decode_text(runs), *values.shape)
        except ValueError:  # not what this format has put there
            continue
        changed[where & (values == given)] = shown
    return changed
