"""Reading one frame: its polygons, its PNGs, and what to believe where the two disagree.

Polygons and instanceIds values pair by the official numbering. Where they agree the scene is kept as
polygons. Where not, and the PNGs are the truth, an object that has a number owns the pixels of its value; a
pixel with a class id belongs to the topmost polygon (group or stuff) of that class that covers it, else to
nobody; values of instances without a polygon become objects of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import ValidationError

from labelkit.errors import RecordError
from labelkit.findings import Finding
from labelkit.formats._files import OutsideLinkError
from labelkit.formats.cityscapes.document import Document
from labelkit.formats.cityscapes.files import FrameFiles
from labelkit.formats.cityscapes.layout import Folder, Frame
from labelkit.formats.cityscapes.owners import as_rle_layers, owners_of, strays_of
from labelkit.formats.cityscapes.pngs import (
    OF_CLASSES,
    OF_IDS,
    OF_OBJECTS,
    TRAIN_KINDS,
    classes_of,
    contradictions,
    first_of,
    has_alpha,
    ignored,
    is_object_value,
    label_of,
    shown_as,
)
from labelkit.formats.cityscapes.scene import (
    OBJECTS,
    SEMANTIC,
    Poly,
    Rule,
    is_painted,
    layers_digest,
    mapped,
    mixed_base,
    ring_mask,
    scene_layers,
    scene_values,
)
from labelkit.formats.cityscapes.table import (
    BY_NAME,
    CLASSES,
    IMAGES,
    NAME,
    PER_CLASS,
    UNSPLIT,
    class_ids,
    class_of,
    nearest_labels,
    parse_label,
)
from labelkit.model import (
    Cell,
    Image,
    Instance,
    InstanceMap,
    Layers,
    Mask,
    PixelMap,
    Record,
    SemanticMap,
)
from labelkit.pixels import Labels, value_counts

Truth: TypeAlias = Literal["png", "polygons"]
_NO_CELL = Mask.of(Cell(OBJECTS, 0))  # until an object's place in the list is known
_MANY = 5  # values that disagree in one image; more are summed up


def plain_name(frame: Frame) -> str:
    """The path of a frame's image as the official tools have it."""
    return f"{frame.split}/{frame.city}/{frame.core}_{IMAGES}.png"


def image_name(folder: Folder, frame: Frame) -> str:
    """The path of a frame's image, which ends as the image does that is there."""
    name = plain_name(frame)
    try:
        file = folder.image(name)
    except OutsideLinkError as link:  # for its suffix any link is followed: nothing is copied
        file = link.path
    return name if file is None else Path(name).with_suffix(file.suffix).as_posix()


class FrameReader:
    """What is known of one frame while it is read; ``found`` collects the findings about it."""

    def __init__(
        self, folder: Folder, truth: Truth, raster: Rule, frame: Frame, found: list[Finding]
    ) -> None:
        self.folder = folder
        self.truth: Truth = truth
        self.raster: Rule = raster
        self.frame = frame
        self.files = FrameFiles(folder, frame)
        self.found = found
        self.name = image_name(folder, frame)
        self.layers: dict[Rule, Layers] = {}  # the polygons as they were painted, by rule

    def record(self) -> Record:
        """The frame's record. Raises LabelkitError or ValueError, with the place, where it has none."""
        document = (
            Document(self.files.file("polygons"), self.files.place("polygons"))
            if self.files.has("polygons")
            else None
        )
        pngs = {kind: self.files.png(kind) for kind in self._read_kinds()}
        size = self.files.size(document, pngs)
        if document is not None and size is not None:
            objects, maps = self._with_polygons(document, pngs, size)
        else:
            objects, maps = self._only_pngs(pngs)
        own: dict[str, Any] = {
            "type": self.folder.type,
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

    def _read_kinds(self) -> list[str]:
        """The PNGs that are read: beside polygons those of ids, else one of classes and one of objects."""
        there = self.frame.kinds
        if "polygons" in there:
            return [kind for kind in OF_IDS if kind in there]
        read = (first_of(OF_CLASSES, there), first_of(OF_OBJECTS, there))
        return [kind for kind in dict.fromkeys(read) if kind is not None]

    def _tell(self, code: str, what: str, message: str, count: int = 1) -> None:
        self.found.append(Finding(code, f"{self.name}{what}", message, count=count))

    # --- only PNGs -----------------------------------------------------------------------------------------

    def _only_pngs(self, pngs: dict[str, Labels]) -> tuple[list[Instance], dict[str, PixelMap]]:
        maps: dict[str, PixelMap] = {}
        objects: list[Instance] = []
        kind = first_of(OF_OBJECTS, pngs)
        if kind is not None:
            values = [value for value in value_counts(pngs[kind]) if is_object_value(kind, value)]
            objects = [_from_value(kind, value, Mask.of(Cell(OBJECTS, value))) for value in values]
            maps[OBJECTS] = InstanceMap(source=self.files.source(kind), raw={NAME: {"values": values}})
        if pngs:
            maps[SEMANTIC] = self._semantic_png(pngs)
        return objects, maps

    def _semantic_png(self, pngs: dict[str, Labels]) -> SemanticMap:
        kind = first_of(OF_CLASSES, pngs)
        assert kind is not None
        own: dict[str, Any] = {"from": kind}
        values = list(value_counts(pngs[kind]))
        if kind in OF_OBJECTS:
            own["values"] = values
        classes = classes_of(kind, values)
        if kind in (*TRAIN_KINDS, "color") and self.files.has("color"):
            own["alpha"] = has_alpha(self.files.file("color"))
        if kind in TRAIN_KINDS and self.files.has("color"):
            ids = mapped(pngs[kind], {value: BY_NAME[name].id for value, name in classes.items()})
            own["strays"] = self._beyond_train_ids(ids, kind)
        return SemanticMap(
            source=self.files.source(kind), classes=classes, ignore=ignored(kind), raw={NAME: own}
        )

    def _beyond_train_ids(self, ids: Labels, kind: str) -> list[list[Any]]:
        """What the colours say beyond train ids: not read, but kept for the colour file."""
        colours = self.files.png("color")
        if differ := contradictions(ids, colours):
            self._tell("ODD008", ":color", f"color and {kind} differ in {differ} pixels; {kind} won")
        return strays_of(shown_as("color", ids), colours)

    # --- polygons ------------------------------------------------------------------------------------------

    def _with_polygons(
        self, document: Document, pngs: dict[str, Labels], size: tuple[int, int]
    ) -> tuple[list[Instance], dict[str, PixelMap]]:
        objects = [
            _in_cell(self._object(poly, text, position), k)
            for k, (position, poly, text) in enumerate(document.polys, 1)
        ]
        rings = [
            ring_mask(poly.polygon) if is_painted(item.category) else None
            for item, (_, poly, _) in zip(objects, document.polys, strict=True)
        ]
        scene = self._scene(objects, rings, size, self.raster)
        others = {} if pngs else self._others()
        if not pngs and not others:
            return objects, scene
        scene, values = self._agreeing(scene, objects, rings, size, pngs or others)
        self._tell_others(values, others)
        shown = pngs.get("instanceIds")
        is_png_truth = self.truth == "png"
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
        place = f"{self.files.place('polygons')}:objects[{position}]"
        if parsed is None:
            raise RecordError(place, f"label {poly.label!r}", nearest_labels(poly.label), code="REF105")
        number = len(poly.polygon)
        if number < 3:
            self._tell("ODD003", f":object {position + 1}", f"{number} points; a polygon needs 3")
        own = {"text": text, "index": position}
        return Instance(category=parsed[0], crowd=parsed[1] or None, mask=_NO_CELL, raw={NAME: own})

    def _scene(
        self, objects: list[Instance], rings: Sequence[Mask | None], size: tuple[int, int], rule: Rule
    ) -> dict[str, PixelMap]:
        painted, classes = scene_layers([item.category for item in objects], rings, size, rule)
        self.layers[rule] = painted
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
        """The scene by the rule that was asked for, or by the other one if only that gives the PNGs.

        Where polygons are the truth no PNG says how they are to be painted.
        """
        values = self._values(scene, objects)
        if self.truth == "png" and not _agrees(values, pngs):
            other: Rule = "pillow" if self.raster == "official" else "official"
            there = self._scene(objects, rings, size, other)
            painted = self._values(there, objects)
            if _agrees(painted, pngs):
                self._tell("NOTE01", "", f"the PNGs were painted by the {other} rule, so this one is used")
                return there, painted
        return scene, values

    def _others(self) -> dict[str, Labels]:
        """The PNGs of train ids and colours beside polygons, as far as they can be compared with these."""
        others = {}
        for kind in self.frame.kinds:
            if kind in (*TRAIN_KINDS, "color"):
                try:
                    others[kind] = self.files.png(kind)
                except RecordError as error:
                    text = f"{kind} cannot be compared with the polygons, which won: {error.found}"
                    self._tell("ODD008", f":{kind}", text)
        return others

    def _tell_others(self, values: Labels, others: dict[str, Labels]) -> None:
        for kind, pixels in others.items():
            if differ := int(np.count_nonzero(pixels != shown_as(kind, values))):
                text = f"{kind} and the polygons, which say more, differ in {differ} pixels; the polygons won"
                self._tell("ODD008", f":{kind}", text)

    def _values(self, scene: dict[str, PixelMap], objects: list[Instance]) -> Labels:
        return scene_values(Record(image=Image(path=self.name), objects=tuple(objects), maps=scene))

    def _tell_values(self, scene: Labels, shown: Labels, objects: list[Instance]) -> None:
        differ = scene != shown
        ours, theirs = value_counts(scene[differ]), value_counts(shown[differ])
        values = sorted({*ours, *theirs} - {0}) or [0]
        winner = "the PNG" if self.truth == "png" else "the polygons"
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
        owners, added = owners_of(record, values, shown)
        for value in added:
            number = int(np.count_nonzero(shown == value))
            self._tell("ODD011", f":value {value}", f"{number} pixels of instanceIds, and no polygon")
        kept = [*objects, *(_from_value("instanceIds", v, _NO_CELL, {"value": v}) for v in added)]
        everything = [_in_cell(item, k) for k, item in enumerate(kept, 1)]
        layers = as_rle_layers(owners)
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
        own["strays"] = strays_of(mixed_base(plain, layers), shown)
        maps[OBJECTS] = InstanceMap(source=layers, raw={NAME: own})
        return everything, maps


def _agrees(values: Labels, pngs: dict[str, Labels]) -> bool:
    kind = first_of(("instanceIds", "labelIds", "instanceTrainIds", "labelTrainIds", "color"), pngs)
    return kind is not None and bool(np.array_equal(shown_as(kind, values), pngs[kind]))


def _from_value(kind: str, value: int, mask: Mask, own: dict[str, Any] | None = None) -> Instance:
    """An object that only a PNG tells of: an instance, or a crowd if the value is that of a class."""
    label = label_of(kind, value)
    assert label is not None
    crowd = True if value < PER_CLASS else None
    return Instance(category=label.name, crowd=crowd, mask=mask, raw={NAME: own} if own else {})


def _in_cell(item: Instance, value: int) -> Instance:
    return item.model_copy(update={"mask": Mask.of(Cell(OBJECTS, value))})


def first_line(error: Exception) -> str:
    """Why a frame cannot be a record, as one line."""
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        return f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
