"""Fitting pixels to Pascal VOC: one class map, and one map of owners.

Objects own pixels by their number in the XML, one owner a pixel, at most 254 owners; classes by their number
in the class list. Where masks overlap, crowds lie at the bottom and smaller objects on top. The object PNG
never stands without the class PNG, so the latter is derived where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelkit.findings import Tell
from labelkit.formats import Target
from labelkit.formats.voc.maps import values_of
from labelkit.formats.voc.names import MOST, VOID
from labelkit.geometry import rle
from labelkit.model import (
    BoundingBox,
    Box,
    Cell,
    Header,
    InstanceMap,
    Mask,
    Object,
    PixelMap,
    Polygons,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pixels import Counts, Labels, layers_showing, map_pixels, mask_runs, value_counts


@dataclass
class _Scene:
    """What is made of a record's pixels, while it is being made.

    origins: the number of each object in the record. crowds, runs: by position in objects, runs of instances.
    """

    record: Record
    index: dict[str, int]
    tell: Tell
    height: int
    width: int
    objects: list[Object]
    origins: list[int]
    crowds: set[int]
    runs: dict[int, Counts]

    def place(self, position: int) -> str:
        return f"{self.record.image.path}:object {self.origins[position]}"

    @property
    def map_place(self) -> str:
        return f"{self.record.image.path}:map"

    def paint_order(self) -> list[int]:
        """The instances as they are painted: crowds first, then from large to small, then as they stand."""
        return sorted(self.runs, key=lambda k: (k not in self.crowds, -rle.area(self.runs[k]), k))


def fit_pixels(record: Record, crowds: set[int], target: Target, tell: Tell) -> dict[str, Any]:
    """The objects and the maps of a fitted record, as far as they change."""
    index = {category.name: number for number, category in enumerate(target.header.categories, 1)}
    stuff = _stuff(target.header)
    semantic = record.maps.get("semantic")
    kept = semantic if isinstance(semantic, SemanticMap) and _is_semantic(semantic, index) else None
    if _is_settled(record, stuff, semantic_settled=kept is not None):
        return {}
    scene = _scene(record, index, crowds, tell)
    _tell_dropped_maps(scene)
    new_semantic = kept or _semantic_of(scene, stuff)
    over = max(new_semantic.classes, default=0) > MOST if new_semantic else False
    if over:
        tell(
            "LOS103", f"{scene.map_place} semantic", f"it has classes beyond number {MOST}, the last of a PNG"
        )
        new_semantic = None
    _drop_objects(scene, stuff)
    _derive_boxes(scene)
    _limit(scene, can_hold=not over)
    owners = _owners(scene, new_semantic)
    maps: dict[str, PixelMap] = {}
    if new_semantic is not None:
        maps["semantic"] = new_semantic
    if owners is not None:
        maps["objects"] = owners
    return {"objects": tuple(scene.objects), "maps": maps}


def _stuff(header: Header) -> frozenset[str]:
    own = header.raw.get("voc")
    names = own.get("stuff") if isinstance(own, dict) else None
    return (
        frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()
    )


def _is_settled(record: Record, stuff: frozenset[str], *, semantic_settled: bool) -> bool:
    """Whether a record's pixels are as VOC has them, so that nothing is to be done."""
    if not record.maps.keys() <= {"semantic", "objects"} or (
        "semantic" in record.maps and not semantic_settled
    ):
        return False
    if any(item.category in stuff for item in record.objects):
        return False
    owned = {number for number, item in enumerate(record.objects, 1) if item.kind == "instance"}
    if "objects" not in record.maps:
        return not owned
    if "semantic" not in record.maps or any(item.box is None for item in record.objects):
        return False
    return _is_owners(record.maps["objects"], record.objects)


def _is_owners(owners: PixelMap, objects: Sequence[Object]) -> bool:
    """Whether an object map is as VOC has it: value k is object k, just where that is an instance."""
    if not isinstance(owners, InstanceMap) or owners.ignore not in (None, VOID):
        return False
    owned = {number for number, item in enumerate(objects, 1) if item.kind == "instance"}
    for number in owned:
        item = objects[number - 1]
        if item.kind == "instance" and item.mask.shape != Cell("objects", number):
            return False
    values = values_of(owners)
    if max(values, default=0) > VOID or (VOID in values and owners.ignore is None):
        return False
    return {value for value in values if 0 < value <= min(len(objects), MOST)} == owned


def _is_semantic(semantic: SemanticMap, index: dict[str, int]) -> bool:
    """Whether the class map is as VOC has it: each value is the number of its class."""
    if semantic.ignore not in (None, VOID):
        return False
    if any(index.get(name) != value or value > MOST for value, name in semantic.classes.items()):
        return False
    said = {0, *semantic.classes} | ({VOID} if semantic.ignore is not None else set())
    return values_of(semantic) <= said


def _scene(record: Record, index: dict[str, int], crowds: set[int], tell: Tell) -> _Scene:
    runs = {
        k: mask_runs(record, item.mask) for k, item in enumerate(record.objects) if item.kind == "instance"
    }
    height, width = _size(record)
    return _Scene(
        record=record,
        index=index,
        tell=tell,
        height=height,
        width=width,
        objects=list(record.objects),
        origins=list(range(1, len(record.objects) + 1)),
        crowds=crowds,
        runs=runs,
    )


def _size(record: Record) -> tuple[int, int]:
    """Height and width of a record with pixels; its image need not say them."""
    if record.image.width is not None and record.image.height is not None:
        return record.image.height, record.image.width
    for found in record.maps.values():
        height, width = map_pixels(found).shape
        return height, width
    sizes = (item.mask.shape for item in record.objects if item.kind == "instance")
    return next((shape.size for shape in sizes if isinstance(shape, Rle)), (0, 0))


def _tell_dropped_maps(scene: _Scene) -> None:
    maps = scene.record.maps
    for name in maps:
        if name == "panoptic":
            kept = "the class map is kept" if "semantic" in maps else "their classes are kept"
            scene.tell("LOS103", f"{scene.map_place} panoptic", f"VOC has no segments; {kept}")
        elif name not in ("semantic", "objects"):
            scene.tell("LOS103", f"{scene.map_place} {name}", "VOC has class and object maps only")


# --- the class map ----------------------------------------------------------------------------------------


def _semantic_of(scene: _Scene, stuff: frozenset[str]) -> SemanticMap | None:
    """The class map: the record's own, or that of its panoptic segments, or one of its objects."""
    own, panoptic = scene.record.maps.get("semantic"), scene.record.maps.get("panoptic")
    if isinstance(own, SemanticMap):
        return _renumbered(scene, own, f"{scene.map_place} semantic")
    if isinstance(panoptic, SemanticMap):
        scene.tell("LOS302", f"{scene.map_place} semantic", "made from the panoptic segments")
        return _renumbered(scene, panoptic, f"{scene.map_place} panoptic")
    if not scene.runs:
        return None
    scene.tell("LOS302", f"{scene.map_place} semantic", "made from the objects, without void")
    order = sorted(scene.paint_order(), key=lambda k: scene.objects[k].category not in stuff)
    numbers = [(scene.index.get(scene.objects[k].category, 0), scene.runs[k]) for k in order]
    return _class_map(scene, rle.paint(numbers, scene.height, scene.width), ignore=None)


def _renumbered(scene: _Scene, item: SemanticMap, place: str) -> SemanticMap:
    """The same classes under VOC's numbers; what says nothing becomes background."""
    pixels = map_pixels(item)
    _check_size(scene, pixels)
    values = np.unique(pixels)
    numbers = np.zeros(len(values), dtype=np.int32)
    for position, value in enumerate(values.tolist()):
        if value == item.ignore:
            numbers[position] = -1
        elif value in item.classes:
            name = item.classes[value]
            if name not in scene.index:
                scene.tell("LOS104", place, f"the pixels of class {name!r}, which is not in the class list")
            numbers[position] = scene.index.get(name, 0)
    return _class_map(scene, numbers[np.searchsorted(values, pixels)], ignore=item.ignore)


def _class_map(scene: _Scene, numbers: Labels, ignore: int | None) -> SemanticMap:
    """A class map of class numbers, −1 for void."""
    names = {number: name for name, number in scene.index.items()}
    beyond = value_counts(numbers).keys() if len(names) > MOST else ()
    classes = {number: name for number, name in names.items() if number <= MOST or number in beyond}
    return SemanticMap(
        source=layers_showing(np.where(numbers < 0, np.int32(VOID), numbers)),
        classes=classes,
        ignore=None if ignore is None else VOID,
    )


def _check_size(scene: _Scene, pixels: Labels) -> None:
    if pixels.shape != (scene.height, scene.width):
        found, wanted = f"{pixels.shape[1]} x {pixels.shape[0]}", f"{scene.width} x {scene.height}"
        raise ValueError(f"a map of {found} pixels, the image has {wanted}")


# --- objects ----------------------------------------------------------------------------------------------


def _drop_objects(scene: _Scene, stuff: frozenset[str]) -> None:
    """Leave out objects of stuff classes, and instances that are nowhere."""
    kept: list[int] = []
    for position, item in enumerate(scene.objects):
        if item.category in stuff:
            scene.tell(
                "LOS101", scene.place(position), f"{item.category!r} is stuff, which VOC has in its class map"
            )
        elif item.kind == "instance" and item.box is None and not rle.area(scene.runs[position]):
            scene.tell("LOS101", scene.place(position), f"{item.category!r} has neither a pixel nor a box")
        else:
            kept.append(position)
    scene.objects = [scene.objects[old] for old in kept]
    scene.origins = [scene.origins[old] for old in kept]
    scene.crowds = {new for new, old in enumerate(kept) if old in scene.crowds}
    scene.runs = {new: scene.runs[old] for new, old in enumerate(kept) if old in scene.runs}


def _derive_boxes(scene: _Scene) -> None:
    for position, item in enumerate(scene.objects):
        if item.kind == "instance" and item.box is None:
            x, y, w, h = rle.extent(scene.runs[position], scene.height)
            box = Box(float(x), float(y), float(w), float(h))
            scene.tell("LOS301", scene.place(position), f"box {x}, {y}, {w}, {h} from its pixels")
            scene.objects[position] = item.model_copy(update={"box": box})


def _limit(scene: _Scene, *, can_hold: bool) -> None:
    """Take the masks of objects that cannot own pixels: without any, beyond 254, or without a class map."""
    for position in sorted(scene.runs):
        if not can_hold:
            reason = "the class map could not be kept, and the object map does not stand alone"
        elif position >= MOST:
            reason = f"object {position + 1}; VOC's PNG ends at {MOST}"
        elif not rle.area(scene.runs[position]):
            reason = "its mask has no pixels"
        else:
            continue
        scene.tell("LOS107", scene.place(position), reason)
        _free(scene, position)


def _free(scene: _Scene, position: int) -> None:
    """Make an instance a box."""
    item = scene.objects[position]
    fields = {name: getattr(item, name) for name in BoundingBox.model_fields if name != "kind"}
    scene.objects[position] = BoundingBox.model_construct(kind="box", **fields)
    del scene.runs[position]


def _owners(scene: _Scene, semantic: SemanticMap | None) -> InstanceMap | None:
    """The object map; the record's own where it is right. Objects that it hides become boxes."""
    own = scene.record.maps.get("objects")
    if own is not None and semantic is not None and _is_owners(own, scene.objects):
        return own if isinstance(own, InstanceMap) else None
    if not scene.runs or semantic is None:
        _tell_unowned(scene, own)
        return None
    layers = [(position + 1, scene.runs[position]) for position in scene.paint_order()]
    pixels = rle.paint(layers, scene.height, scene.width)
    visible = rle.from_labels(pixels)
    for position in sorted(scene.runs):
        _own(scene, position, rle.area(visible[position + 1]) if position + 1 in visible else 0)
    void = semantic.ignore is not None and VOID in values_of(semantic)
    if void:
        covered = pixels == 0
        pixels[covered & (map_pixels(semantic) == VOID)] = VOID
    return InstanceMap(source=layers_showing(pixels), ignore=VOID if void else None)


def _own(scene: _Scene, position: int, left: int) -> None:
    """Make an instance the owner of the pixels that are left to it."""
    item, area = scene.objects[position], rle.area(scene.runs[position])
    if left < area:
        message = (
            f"{area - left} of {area} pixels belong to objects on top; IoU of what remains {left / area:.4f}"
        )
        scene.tell("LOS112", scene.place(position), message)
    if not left:
        scene.tell("LOS107", scene.place(position), "it is hidden by objects on top")
        _free(scene, position)
    elif item.kind == "instance":
        if isinstance(item.mask.shape, Polygons):
            scene.tell("LOS201", scene.place(position), "its outline becomes pixels")
        mask = Mask.of(Cell("objects", position + 1))
        scene.objects[position] = item.model_copy(update={"mask": mask})


def _tell_unowned(scene: _Scene, own: PixelMap | None) -> None:
    if own is not None and values_of(own) - {0, own.ignore}:
        scene.tell("LOS103", f"{scene.map_place} objects", "no object that VOC holds owns its pixels")
