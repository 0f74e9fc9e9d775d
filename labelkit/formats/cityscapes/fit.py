"""Fitting records to Cityscapes: names by its layout, classes by its table, masks as one scene of polygons.

A record that is in one of the states of scene.py is left alone. Any other is built anew as a scene: each
object one polygon, painted back to front; what a semantic map says beyond the objects becomes polygons below
them. Then the PNGs are exactly the rendering of the polygons, as they are in the official data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from labelkit.findings import Tell
from labelkit.formats import Target
from labelkit.formats.cityscapes.ground import Ground
from labelkit.formats.cityscapes.names import named
from labelkit.formats.cityscapes.outline import Piece, traced
from labelkit.formats.cityscapes.scene import (
    OBJECTS,
    SEMANTIC,
    Rule,
    is_painted,
    native_polygon,
    ring_points,
    scene_layers,
)
from labelkit.formats.cityscapes.states import state
from labelkit.formats.cityscapes.table import (
    BY_NAME,
    CATEGORIES,
    CLASSES,
    NAME,
    PER_CLASS,
    can_be_crowd,
    label_text,
    native,
)
from labelkit.geometry import rle, trace
from labelkit.model import (
    Cell,
    Header,
    Instance,
    InstanceMap,
    Layers,
    Mask,
    Object,
    Polygons,
    Record,
    SemanticMap,
)
from labelkit.pixels import Counts, mask_runs, shape_runs


def adjust_header(header: Header, options: Mapping[str, Any], tell: Tell) -> Header:
    """The header with the official table, whatever the source had."""
    official = {category.name: category for category in CATEGORIES}
    for category in header.categories:
        ours = official.get(category.name)
        if ours is None:
            tell("LOS104", "header", f"class {category.name!r} is not in the table of Cityscapes")
            continue
        for name in ("supercategory", "thing", "colour"):
            value = getattr(category, name)
            if value is not None and value != getattr(ours, name):
                text = f"{name} is {getattr(ours, name)!r} in the table, not {value!r}"
                tell("LOS111", f"category {category.name!r}", text)
    return header.model_copy(update={"categories": CATEGORIES})


def adjust(record: Record, target: Target, ordinal: int, tell: Tell) -> Record:
    """The nearest record that this format can hold; one that it can hold already is left alone.

    But where all files are asked for, PNGs alone are not enough: polygons are drawn around what they show.
    """
    place = record.image.path
    record = named(record, ordinal, tell)
    kind = state(record)
    lacks_polygons = kind == "pixels" and target.options.get("files") == "all"
    if kind is not None and not lacks_polygons:
        return record
    if record.image.width is None or record.image.height is None:
        return _without_size(record, place, tell)
    return _Fitting(record, place, target.options.get("raster", "official"), tell).record()


def _without_size(record: Record, place: str, tell: Tell) -> Record:
    for position, _ in enumerate(record.objects, 1):
        tell("LOS101", f"{place}:object {position}", "the image's size is not known, and is needed to paint")
    for name in record.maps:
        tell("LOS103", f"{place}:{name}", "the image's size is not known, and is needed to paint")
    return record.model_copy(update={"objects": (), "maps": {}})


# --- the scene ---------------------------------------------------------------------------------------------


class _Fitting:
    """One record being built as a scene."""

    def __init__(self, record: Record, place: str, rule: Rule, tell: Tell) -> None:
        self.source = record
        self.rule: Rule = rule
        self.tell = tell
        self.path = place  # as the source names it
        assert record.image.width is not None and record.image.height is not None
        self.size = (record.image.height, record.image.width)

    def record(self) -> Record:
        """The record as a scene, with everything told that this changed."""
        pieces = self._ordered(self._held())
        pieces = self._outlined(pieces)
        ground = Ground(self.source, self.path, self.size, self.rule, self.tell)
        pieces = [*ground.below(pieces), *pieces]
        objects, rings = [], []
        for number, piece in enumerate(pieces, 1):
            cell = Mask.of(Cell(OBJECTS, number))
            objects.append(piece.item.model_copy(update={"mask": cell}))
            rings.append(piece.ring if is_painted(piece.item.category) else None)
        painted, classes = scene_layers([item.category for item in objects], rings, self.size, self.rule)
        maps = {
            OBJECTS: InstanceMap(source=painted),
            SEMANTIC: SemanticMap(source=classes, classes=CLASSES),
        }
        update = {"objects": tuple(objects), "maps": maps, "raw": _raw_of_scene(self.source.raw)}
        return self.source.model_copy(update=update)

    def _told(self, code: str, position: int, message: str, count: int = 1) -> None:
        self.tell(code, f"{self.path}:object {position}", message, count=count)

    # --- which objects -------------------------------------------------------------------------------------

    def _held(self) -> list[Piece]:
        """The objects that have a place here, with their pixels, in the order of the source."""
        pieces, uncrowded = [], 0
        numbered: dict[str, int] = {}
        for position, item in enumerate(self.source.objects, 1):
            piece = self._piece(item, position)
            if piece is None:
                continue
            uncrowded += item.crowd is False
            if BY_NAME[item.category].has_instances and not item.crowd:
                numbered[item.category] = numbered.get(item.category, 0) + 1
                if numbered[item.category] > PER_CLASS:
                    text = f"an image numbers at most {PER_CLASS} of {item.category!r}"
                    self._told("LOS101", position, text)
                    continue
            pieces.append(piece)
        if uncrowded:
            text = "crowd=false is not said; a label without 'group' is read as that or as nothing"
            self.tell("LOS115", self.path, text, count=uncrowded)
        return pieces

    def _piece(self, item: Object, position: int) -> Piece | None:
        if item.category not in BY_NAME:
            self._told("LOS104", position, f"class {item.category!r} is not in the table of Cityscapes")
            return None
        if not isinstance(item, Instance):
            self._told("LOS101", position, "a box has no place; only pixels have")
            return None
        runs = mask_runs(self.source, item.mask)
        if int(runs.sum()) != self.size[0] * self.size[1]:
            raise ValueError(f"object {position}: a mask of another size than the image's")
        item = self._plain(item, position)
        known = self._known_rings(item)
        if not is_painted(item.category):
            return self._plate(item, position, runs)
        if not rle.area(runs) and not known:
            self._told("LOS101", position, "no pixel to draw a polygon around")
            return None
        return Piece(item, position, runs, known)

    def _plain(self, item: Instance, position: int) -> Instance:
        """The object without what no polygon says."""
        update: dict[str, Any] = {}
        if item.box is not None:
            self._told("LOS109", position, "the box has no place beside the pixels")
            update["box"] = None
        if item.crowd is False:
            update["crowd"] = None
        elif item.crowd and not can_be_crowd(item.category):
            text = f"crowd has no place: {label_text(item.category, item.crowd)!r} is another class"
            self._told("LOS105", position, text)
            update["crowd"] = None
        own = native(item.raw)
        if "value" in own:  # a number that no polygon gave; now there is a polygon, and it is counted
            update["raw"] = {**item.raw, NAME: {key: own[key] for key in own if key != "value"}}
        return item.model_copy(update=update) if update else item

    def _known_rings(self, item: Instance) -> tuple[Mask, ...]:
        """Polygons that the object came with: its native one, and the layer that it is a cell of."""
        known = []
        if (ring := native_polygon(item)) is not None:
            known.append(ring)
        shape = item.mask.shape
        if isinstance(shape, Cell):
            source = self.source.maps[shape.map].source
            if isinstance(source, Layers) and source.rule == self.rule:
                layers = [layer.mask for layer in source.layers if layer.value == shape.value]
                known += [mask for mask in layers if isinstance(mask.shape, Polygons)]
        return tuple(known)

    def _plate(self, item: Instance, position: int, runs: Counts) -> Piece | None:
        """A license plate: a polygon that is never painted, so that its pixels are the car's."""
        nothing = np.array([int(runs.sum())], dtype=np.int64)
        if native_polygon(item) is not None and not rle.area(runs):
            return Piece(item, position, nothing, ())
        if not rle.area(runs):
            self._told("LOS101", position, "no pixel to draw a polygon around")
            return None
        text = f"{item.category} is never painted: {rle.area(runs)} pixels are others' or nobody's"
        self._told("LOS202", position, text)
        self._tell_outline(Piece(item, position, runs, ()))
        points = ring_points(traced(runs, self.size, self.rule))
        poly = {"label": label_text(item.category, item.crowd), "polygon": points}
        raw = {**item.raw, NAME: {"text": msgspec.json.encode(poly).decode()}}
        return Piece(item.model_copy(update={"raw": raw}), position, nothing, ())

    # --- their order and their polygons --------------------------------------------------------------------

    def _ordered(self, pieces: list[Piece]) -> list[Piece]:
        """Paint order: as it was if nothing overlaps, else crowds first and smaller ones on top."""
        if not pieces or sum(rle.area(p.runs) for p in pieces) == rle.area(
            rle.union([p.runs for p in pieces])
        ):
            return pieces
        ordered = sorted(pieces, key=lambda piece: (not piece.item.crowd, -rle.area(piece.runs)))
        moved = sum(a is not b for a, b in zip(pieces, ordered, strict=True))
        if moved:
            self.tell(
                "LOS206",
                self.path,
                "masks overlap; crowds are painted first, smaller ones later",
                count=moved,
            )
        return ordered

    def _outlined(self, pieces: list[Piece]) -> list[Piece]:
        """The pieces with polygons that paint their pixels: known ones where these still do, else traced.

        From the top down, for what a polygon shows depends on those above it only.
        """
        wanted = rle.from_labels(
            rle.paint([(k, piece.runs) for k, piece in enumerate(pieces, 1)], *self.size)
        )
        nothing = np.array([self.size[0] * self.size[1]], dtype=np.int64)
        covered = nothing
        outlined: list[Piece] = []
        for number, piece in reversed(list(enumerate(pieces, 1))):
            if not is_painted(piece.item.category):
                outlined.append(piece)
                continue
            visible = wanted.get(number, nothing)
            piece, runs = self._with_ring(piece, covered, visible)
            if piece.ring is not None:
                self._tell_pixels(piece, visible, rle.minus(runs, covered))
                covered = rle.union([covered, runs])
                outlined.append(piece._replace(runs=runs))
        return outlined[::-1]

    def _with_ring(self, piece: Piece, covered: Counts, visible: Counts) -> tuple[Piece, Counts]:
        """The piece with a polygon, and its pixels; without one where no polygon could leave it hidden."""
        for ring in piece.known:
            runs = shape_runs(ring, *self.size, self.rule)
            if np.array_equal(rle.minus(runs, covered), visible):
                return piece._replace(ring=ring), runs
        if not rle.area(piece.runs):
            self._told("LOS101", piece.position, "it shows no pixel, and its polygon would show some")
            return piece, piece.runs
        ring = traced(piece.runs, self.size, self.rule)
        self._tell_outline(piece)
        return piece._replace(ring=ring), shape_runs(ring, *self.size, self.rule)

    def _tell_outline(self, piece: Piece) -> None:
        source = self.source.objects[piece.position - 1]
        if isinstance(source, Instance) and isinstance(source.mask.shape, Polygons):
            self._told("LOS201", piece.position, "the outline was drawn anew around the pixels")
        else:
            self._told("LOS304", piece.position, "the outline was drawn around the pixels")
        parts = len(trace.components(rle.window(piece.runs, self.size[0])[0]))
        if parts > 1:
            self._told("LOS209", piece.position, f"{parts} parts became one polygon")

    def _tell_pixels(self, piece: Piece, visible: Counts, shown: Counts) -> None:
        own, seen = rle.area(piece.runs), rle.area(visible)
        if seen < own:
            text = f"{own - seen} of {own} pixels are under other objects (IoU {seen / own:.4f})"
            self._told("LOS112", piece.position, text)
        wrong = rle.area(rle.minus(shown, visible)) + rle.area(rle.minus(visible, shown))
        if wrong:
            both = rle.intersection_area(shown, visible)
            text = f"{wrong} pixels differ, no polygon of the {self.rule} rule has this shape"
            self._told("LOS202", piece.position, f"{text} (IoU {both / (both + wrong):.4f})")


def _raw_of_scene(raw: dict[str, Any]) -> dict[str, Any]:
    """Native text of a record that has become a scene: without its polygons it would not be one."""
    own = native(raw)
    if not own or "polygons" in own.get("files", ()):
        return raw
    return {**raw, NAME: {key: value for key, value in own.items() if key != "files"}}
