"""Reading one frame: its polygons, its PNGs, and what to believe where the two disagree.

Polygons and instanceIds values pair by the official numbering. Where they agree the scene is kept as
polygons. Where not, and the PNGs are the truth, an object that has a number owns the pixels of its value; a
pixel with a class id belongs to the topmost polygon (group or stuff) of that class that covers it, else to
nobody; values of instances without a polygon become objects of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from labelkit.errors import RecordError
from labelkit.findings import Finding
from labelkit.formats._files import decode_json, inside, read_bytes
from labelkit.formats.cityscapes.scene import (
    OBJECTS,
    SEMANTIC,
    Poly,
    Rule,
    cell_values,
    is_object_value,
    is_painted,
    layers_digest,
    mixed_base,
    object_values,
    ring_mask,
    scene_layers,
    scene_values,
    value_classes,
)
from labelkit.formats.cityscapes.table import (
    CLASSES,
    IMAGES,
    NAME,
    PER_CLASS,
    SUFFIX,
    UNSPLIT,
    class_ids,
    class_of,
    nearest_labels,
    parse_label,
)
from labelkit.geometry import rle
from labelkit.model import (
    Cell,
    Image,
    Instance,
    InstanceMap,
    Layer,
    Layers,
    Mask,
    PixelMap,
    Png,
    Record,
    SemanticMap,
)
from labelkit.pixels import Labels, image_size, layer_runs, refuse_huge, rle_mask, source_pixels

if TYPE_CHECKING:
    from labelkit.formats.cityscapes.read import CityscapesReader

_NO_CELL = Mask.of(Cell(OBJECTS, 0))  # until an object's place in the list is known
_MANY = 5  # values that disagree in one image; more are summed up


class Frame(NamedTuple):
    """The files of one image. core: ``<city>_<sequence>_<frame>``; kinds: which files there are."""

    split: str
    city: str
    core: str
    kinds: tuple[str, ...]


class FrameReader:
    """What is known of one frame while it is read; ``found`` collects the findings about it."""

    def __init__(self, reader: CityscapesReader, frame: Frame, found: list[Finding]) -> None:
        self.reader = reader
        self.frame = frame
        self.found = found
        self.name = f"{frame.split}/{frame.city}/{frame.core}_{IMAGES}.png"

    def record(self) -> Record:
        """The frame's record. Raises LabelkitError or ValueError, with the place, where it has none."""
        self._find_image()
        document = (
            _Document(self._file("polygons"), self._place("polygons")) if self._has("polygons") else None
        )
        pngs = {kind: self._png(kind) for kind in ("labelIds", "instanceIds") if self._has(kind)}
        size = self._size(document, pngs)
        if document is not None and size is not None:
            objects, maps = self._with_polygons(document, pngs, size)
        else:
            objects, maps = self._only_pngs(pngs)
        own: dict[str, Any] = {
            "type": self.reader.type,
            "path": self.name,  # a carrier brings the source's path back, and the next writing needs this one
            "files": list(self.frame.kinds),
        }
        if document is not None:
            own |= {"top": document.top, "deleted": document.deleted}
        height, width = size or (None, None)
        return Record(
            image=Image(path=self.name, width=width, height=height),
            splits=() if self.frame.split == UNSPLIT else (self.frame.split,),
            objects=tuple(objects),
            maps=maps,
            raw={NAME: own},
        )

    # --- files ---------------------------------------------------------------------------------------------

    def _has(self, kind: str) -> bool:
        return kind in self.frame.kinds

    def _place(self, kind: str) -> str:
        frame, suffix = self.frame, SUFFIX[kind]
        kind_of = self.reader.type
        return f"{kind_of}/{frame.split}/{frame.city}/{frame.core}_{kind_of}_{kind}{suffix}"

    def _file(self, kind: str) -> Path:
        relative = self._place(kind).partition("/")[2]
        try:
            file = inside(self.reader.folder, relative)
        except ValueError as error:
            raise RecordError(self._place(kind), str(error)) from None
        if file is None:
            raise RecordError(self._place(kind), "the file is gone, or is no file", "a readable file")
        return file

    def _tell(self, code: str, what: str, message: str, count: int = 1) -> None:
        self.found.append(Finding(code, f"{self.name}{what}", message, count=count))

    def _find_image(self) -> None:
        """Let the record's path end as the image does that is there."""
        file = self.reader.image_file(Record(image=Image(path=self.name)))
        if file is not None:
            self.name = Path(self.name).with_suffix(file.suffix).as_posix()

    def _png(self, kind: str) -> Labels:
        """The values of a PNG. Raises RecordError where it is none, or has values that mean nothing."""
        place, file = self._place(kind), self._file(kind)
        try:
            pixels = source_pixels(Png(path=str(file.absolute())))
        except ValueError as error:
            raise RecordError(place, str(error), "a gray PNG with one whole number a pixel") from None
        counts = cell_values(pixels)
        strange = [v for v in counts if not _is_known(kind, v)]
        if strange:
            raise RecordError(
                place,
                f"value {strange[0]} ({counts[strange[0]]} pixels) is in no row of the label table",
                "ids 0 to 33"
                if kind == "labelIds"
                else "a class id, or id x 1000 + number of a class with instances",
                f"{len(strange)} such values" if len(strange) > 1 else "",
            )
        return pixels

    def _size(self, document: _Document | None, pngs: dict[str, Labels]) -> tuple[int, int] | None:
        """Height and width, which all files must share; None where a document without objects has none."""
        sizes = {kind: pixels.shape for kind, pixels in pngs.items()}
        if document is not None and (document.size is not None or document.polys):
            sizes = {"polygons": document.size or (0, 0), **sizes}
        for kind in self.frame.kinds:
            if kind not in sizes and kind != "polygons" and (document is None or document.size):
                width, height = self._stated_size(kind)
                sizes[kind] = (height, width)
        if not sizes:
            return None
        first = next(iter(sizes))
        height, width = (int(number) for number in sizes[first])
        if not height or not width:
            raise RecordError(
                self._place(first), f"the size {width} x {height}", "a width and a height of 1 or more"
            )
        for kind, other in sizes.items():
            if other != sizes[first]:
                raise RecordError(
                    self._place(kind),
                    f"{other[1]} x {other[0]} pixels",
                    f"{width} x {height} as in {self._place(first)}",
                )
        return height, width

    def _stated_size(self, kind: str) -> tuple[int, int]:
        try:
            return image_size(self._file(kind))
        except ValueError as error:
            raise RecordError(self._place(kind), str(error), "a PNG") from None

    # --- only PNGs -----------------------------------------------------------------------------------------

    def _only_pngs(self, pngs: dict[str, Labels]) -> tuple[list[Instance], dict[str, PixelMap]]:
        lost = [kind for kind in self.frame.kinds if kind != "polygons"] if not pngs else []
        if lost:
            raise RecordError(
                self._place(lost[0]),
                f"only {' and '.join(lost)}, which cannot be read back: classes share colours and train ids",
                "polygons, labelIds or instanceIds",
                "bring one of them, or leave the frame out with --on-error skip",
            )
        maps: dict[str, PixelMap] = {}
        objects: list[Instance] = []
        if "instanceIds" in pngs:
            found = cell_values(pngs["instanceIds"])
            values = [value for value in found if is_object_value(value)]
            objects = [_from_value(value, Mask.of(Cell(OBJECTS, value))) for value in values]
            maps[OBJECTS] = InstanceMap(source=self._source("instanceIds"), raw={NAME: {"values": values}})
        if pngs:
            maps[SEMANTIC] = self._semantic_png(pngs)
        return objects, maps

    def _source(self, kind: str) -> Png:
        return Png(path=str(self._file(kind).absolute()))

    def _semantic_png(self, pngs: dict[str, Labels]) -> SemanticMap:
        if "labelIds" in pngs:
            return SemanticMap(
                source=self._source("labelIds"), classes=CLASSES, raw={NAME: {"from": "labelIds"}}
            )
        values = list(cell_values(pngs["instanceIds"]))
        return SemanticMap(
            source=self._source("instanceIds"),
            classes=value_classes(values),
            raw={NAME: {"from": "instanceIds", "values": values}},
        )

    # --- polygons ------------------------------------------------------------------------------------------

    def _with_polygons(
        self, document: _Document, pngs: dict[str, Labels], size: tuple[int, int]
    ) -> tuple[list[Instance], dict[str, PixelMap]]:
        objects = [
            _in_cell(self._object(poly, text, position), k)
            for k, (position, poly, text) in enumerate(document.polys, 1)
        ]
        rings = [
            ring_mask(poly.polygon) if is_painted(item.category) else None
            for item, (_, poly, _) in zip(objects, document.polys, strict=True)
        ]
        scene = self._scene(objects, rings, size, self.reader.raster)
        if not pngs:
            return objects, scene
        scene, values = self._agreeing(scene, objects, rings, size, pngs)
        shown = pngs.get("instanceIds")
        is_png_truth = self.reader.truth == "png"
        if shown is not None and not np.array_equal(values, shown):
            self._tell_values(values, shown, objects)
            if is_png_truth:
                return self._by_png(scene, objects, values, pngs)
        labels = pngs.get("labelIds")
        if labels is not None:
            differ = int(np.count_nonzero(labels != class_ids(values)))
            if differ:
                winner = "labelIds" if is_png_truth else "the polygons"
                text = f"labelIds and the polygons differ in {differ} pixels; {winner} won"
                self._tell("ODD008", ":labelIds", text)
            if is_png_truth or not differ:
                scene[SEMANTIC] = self._semantic_png(pngs)
        return objects, scene

    def _object(self, poly: Poly, text: str, position: int) -> Instance:
        parsed = parse_label(poly.label)
        place = f"{self._place('polygons')}:objects[{position}]"
        if parsed is None:
            raise RecordError(place, f"label {poly.label!r}", nearest_labels(poly.label))
        number = len(poly.polygon)
        if number < 3:
            self._tell("ODD003", f":object {position + 1}", f"{number} points; a polygon needs 3")
        own = {"text": text, "index": position}
        return Instance(category=parsed[0], crowd=parsed[1] or None, mask=_NO_CELL, raw={NAME: own})

    def _scene(
        self, objects: list[Instance], rings: Sequence[Mask | None], size: tuple[int, int], rule: Rule
    ) -> dict[str, PixelMap]:
        painted, classes = scene_layers([item.category for item in objects], rings, size, rule)
        return {
            OBJECTS: InstanceMap(source=painted),
            SEMANTIC: SemanticMap(source=classes, classes=CLASSES),
        }

    def _agreeing(
        self,
        scene: dict[str, PixelMap],
        objects: list[Instance],
        rings: Sequence[Mask | None],
        size: tuple[int, int],
        pngs: dict[str, Labels],
    ) -> tuple[dict[str, PixelMap], Labels]:
        """The scene by the rule that was asked for, or by the other one if only that gives the PNGs."""
        values = self._values(scene, objects)
        if not _agrees(values, pngs):
            other: Rule = "pillow" if self.reader.raster == "official" else "official"
            there = self._scene(objects, rings, size, other)
            painted = self._values(there, objects)
            if _agrees(painted, pngs):
                self._tell("NOTE01", "", f"the PNGs were painted by the {other} rule, so this one is used")
                return there, painted
        return scene, values

    def _values(self, scene: dict[str, PixelMap], objects: list[Instance]) -> Labels:
        return scene_values(Record(image=Image(path=self.name), objects=tuple(objects), maps=scene))

    def _tell_values(self, scene: Labels, shown: Labels, objects: list[Instance]) -> None:
        differ = scene != shown
        ours, theirs = cell_values(scene[differ]), cell_values(shown[differ])
        values = sorted({*ours, *theirs} - {0}) or [0]
        winner = "the PNG" if self.reader.truth == "png" else "the polygons"
        if len(values) > _MANY:
            text = (
                f"{len(values)} values of instanceIds differ from the polygons, in {int(differ.sum())} pixels"
            )
            self._tell("ODD008", "", f"{text}; {winner} won", len(values))
            return
        for value in values:
            label = class_of(value)
            text = f"polygons paint {ours.get(value, 0)} pixels that instanceIds gives to others"
            text += f", and not {theirs.get(value, 0)} that it has; {winner} won"
            self._tell("ODD008", f":{label.name if label else ''} {value}", text)

    def _by_png(
        self,
        scene: dict[str, PixelMap],
        objects: list[Instance],
        values: Labels,
        pngs: dict[str, Labels],
    ) -> tuple[list[Instance], dict[str, PixelMap]]:
        shown = pngs["instanceIds"]
        record = Record(image=Image(path=self.name), objects=tuple(objects), maps=scene)
        owners, added = _owners(record, values, shown)
        for value in added:
            number = int(np.count_nonzero(shown == value))
            self._tell("ODD011", f":value {value}", f"{number} pixels of instanceIds, and no polygon")
        kept = [*objects, *(_from_value(v, _NO_CELL, {"value": v}) for v in added)]
        everything = [_in_cell(item, k) for k, item in enumerate(kept, 1)]
        layers = _as_rle_layers(owners)
        own: dict[str, Any] = {
            "objects": len(everything),
            "polygons": len(objects),
            "digest": layers_digest(layers),
        }
        semantic = self._semantic_png(pngs)
        if "labelIds" in pngs:
            differ = int(np.count_nonzero(pngs["labelIds"] != class_ids(shown)))
            if differ:
                text = (
                    f"labelIds and instanceIds differ in {differ} pixels; labelIds won for the semantic map"
                )
                self._tell("ODD008", ":labelIds", text)
        maps: dict[str, PixelMap] = {OBJECTS: InstanceMap(source=layers), SEMANTIC: semantic}
        plain = Record(image=Image(path=self.name), objects=tuple(everything), maps=maps)
        own["strays"] = _strays(mixed_base(plain, layers), shown)
        maps[OBJECTS] = InstanceMap(source=layers, raw={NAME: own})
        return everything, maps


def _is_known(kind: str, value: int) -> bool:
    return (value == 0 or value in CLASSES) if kind == "labelIds" else class_of(value) is not None


def _agrees(values: Labels, pngs: dict[str, Labels]) -> bool:
    if "instanceIds" in pngs:
        return bool(np.array_equal(values, pngs["instanceIds"]))
    return bool(np.array_equal(class_ids(values), pngs["labelIds"]))


def _from_value(value: int, mask: Mask, own: dict[str, Any] | None = None) -> Instance:
    """An object that only instanceIds tells of: an instance, or a crowd if the value is a class id."""
    label = class_of(value)
    assert label is not None
    crowd = True if value < PER_CLASS else None
    return Instance(category=label.name, crowd=crowd, mask=mask, raw={NAME: own} if own else {})


def _in_cell(item: Instance, value: int) -> Instance:
    return item.model_copy(update={"mask": Mask.of(Cell(OBJECTS, value))})


def _owners(record: Record, scene: Labels, shown: Labels) -> tuple[Labels, list[int]]:
    """Which object owns each pixel of instanceIds, and the values that no polygon speaks for."""
    numbers = object_values(record.objects)
    added = [v for v in cell_values(shown) if is_object_value(v) and v not in numbers]
    by_value = {v: k for k, v in enumerate(numbers, 1) if v >= PER_CLASS}
    by_value |= {v: len(record.objects) + k for k, v in enumerate(added, 1)}
    table = np.zeros(1 << 16, dtype=np.int32)
    table[list(by_value)] = list(by_value.values())
    layers = record.maps[OBJECTS].source
    assert isinstance(layers, Layers)
    owners: Labels = np.where(scene == shown, source_pixels(layers), table[shown])
    left = (owners == 0) & (scene != shown)
    for value in cell_values(shown[left]):
        same_class = [layer for layer in layers.layers if numbers[layer.value - 1] == value]
        if value < PER_CLASS and same_class:
            runs = [(layer.value, layer_runs(layer, layers)) for layer in same_class]
            over = rle.paint(runs, *shown.shape)
            owners = np.where(left & (shown == value), over, owners)
    return owners.astype(np.int32), added


def _as_rle_layers(owners: Labels) -> Layers:
    height, width = owners.shape
    cells = rle.from_labels(owners)
    layers = tuple(
        Layer(value=k, mask=rle_mask(runs, height, width)) for k, runs in sorted(cells.items()) if k
    )
    return Layers(height=height, width=width, layers=layers)


def _strays(base: Labels, shown: Labels) -> list[list[Any]]:
    """Where instanceIds differs from what objects and classes give: [value given, value shown, runs]."""
    both = np.where(base == shown, -1, base.astype(np.int64) * (1 << 16) + shown)
    return [
        [code >> 16, code & 0xFFFF, rle.encode_text(runs)]
        for code, runs in rle.from_labels(both).items()
        if code >= 0
    ]


class _Document:
    """A polygons.json: its size, its polygons with their native text, and the rest of it."""

    def __init__(self, file: Path, place: str) -> None:
        data = read_bytes(file)
        try:
            data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise RecordError(f"{place}:byte {error.start}", "not UTF-8", "UTF-8 text") from None
        keys = decode_json(data, place, dict[str, msgspec.Raw])
        for key in ("imgHeight", "imgWidth", "objects"):
            if key not in keys:
                raise RecordError(place, f"no key {key!r}", "imgHeight, imgWidth and objects")
        self.size = self._size(keys, place)
        polys = decode_json(bytes(keys["objects"]), f"{place}:objects", list[Poly])
        texts = decode_json(bytes(keys["objects"]), f"{place}:objects", list[msgspec.Raw])
        compact = [msgspec.json.format(bytes(text), indent=-1).decode() for text in texts]
        numbered = list(zip(range(len(polys)), polys, compact, strict=True))
        self.polys = [entry for entry in numbered if not entry[1].deleted]
        self.deleted = [[position, text] for position, poly, text in numbered if poly.deleted]
        rest = {key: msgspec.Raw(b"[]") if key == "objects" else value for key, value in keys.items()}
        self.top = msgspec.json.format(msgspec.json.encode(rest), indent=-1).decode()

    @staticmethod
    def _size(keys: dict[str, msgspec.Raw], place: str) -> tuple[int, int] | None:
        """Height and width; None for 0 x 0, which is how the official tools write an unknown size."""
        height, width = (
            decode_json(bytes(keys[key]), f"{place}:{key}", int) for key in ("imgHeight", "imgWidth")
        )
        if height == 0 == width:
            return None
        if height < 1 or width < 1:
            raise RecordError(place, f"the size {width} x {height}", "a width and a height of 1 or more")
        try:
            refuse_huge(height, width)
        except ValueError as error:
            raise RecordError(place, str(error), "the size of an image") from None
        return height, width
