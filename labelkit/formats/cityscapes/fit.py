"""Fitting records to Cityscapes: names by its layout, classes by its table, masks as one scene of polygons.

A record that is in one of the states of scene.py is left alone. Any other is built anew as a scene: each
object one polygon, painted back to front; what a semantic map says beyond the objects becomes polygons below
them. Then the PNGs are exactly the rendering of the polygons, as they are in the official data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import msgspec
import numpy as np

from labelkit.findings import Tell
from labelkit.formats import Target
from labelkit.formats.cityscapes.scene import (
    OBJECTS,
    PANOPTIC,
    SEMANTIC,
    Rule,
    cell_values,
    is_painted,
    mapped,
    native_polygon,
    ring_mask,
    ring_points,
    scene_layers,
    state,
)
from labelkit.formats.cityscapes.table import (
    BY_ID,
    BY_NAME,
    CATEGORIES,
    CLASSES,
    IMAGES,
    NAME,
    PER_CLASS,
    UNSPLIT,
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
from labelkit.pixels import Counts, Labels, map_pixels, mask_runs, shape_runs

_FRAME = "000019"  # the labelled frame of each official sequence of thirty
_NAME = re.compile(rf"(?P<city>[^_/]+)_[0-9]{{6}}_[0-9]{{6}}_{IMAGES}\.[A-Za-z]+")


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
    """The nearest record that this format can hold; one that it can hold already is left alone."""
    place = record.image.path
    record = _named(record, ordinal, tell)
    if state(record) is not None:
        return record
    if record.image.width is None or record.image.height is None:
        return _without_size(record, place, tell)
    return _Fitting(record, place, target.options.get("raster", "official"), tell).record()


# --- names -------------------------------------------------------------------------------------------------


def _named(record: Record, ordinal: int, tell: Tell) -> Record:
    path = record.image.path
    split = next((name for name in record.splits if _is_folder(name)), None)
    dropped = [name for name in record.splits if name != split]
    if dropped:
        text = f"an image has one split, a folder; {', '.join(repr(name) for name in dropped)} dropped"
        tell("LOS110", path, text, count=len(dropped))
    place = PurePosixPath(path)
    splits = (split,) if split is not None else ()
    known = native(record.raw).get("path", "")
    if not _is_place(record, split or UNSPLIT):
        new = str(PurePosixPath(known).with_suffix(place.suffix)) if known else ""
        if not _has_place(new, split or UNSPLIT):
            new = _new_place(place, split, ordinal)
        tell("LOS204", path, f"becomes {new}")
        path = new
    if path == record.image.path and splits == record.splits:
        return record
    image = record.image.model_copy(update={"path": path})
    return record.model_copy(update={"image": image, "splits": splits})


def _new_place(place: PurePosixPath, split: str | None, ordinal: int) -> str:
    """A path in the official layout: the city is the last folder, the sequence the place in the data set."""
    city = place.parts[-2] if len(place.parts) > 1 else split or "images"
    city = re.sub(r"[\W_]+", "-", city).strip("-") or "images"
    return f"{split or UNSPLIT}/{city}/{city}_{ordinal:06}_{_FRAME}_{IMAGES}{place.suffix}"


def _is_folder(name: str) -> bool:
    """Whether a split's name can be a folder, and is read back as that split."""
    return bool(re.fullmatch(r"[^./\\:\0][^/\\:\0]*", name)) and name != UNSPLIT


def _is_place(record: Record, folder: str) -> bool:
    """Whether the path has the official layout already, or is one that this format has read."""
    path = record.image.path
    return _has_place(path, folder) and (_is_official(path) or NAME in record.raw)


def _has_place(path: str, folder: str) -> bool:
    parts = path.split("/")
    return len(parts) == 3 and parts[0] == folder and _is_folder(parts[1]) and f"_{IMAGES}." in parts[2]


def _is_official(path: str) -> bool:
    _, city, name = path.split("/")
    match = _NAME.fullmatch(name)
    return match is not None and match["city"] == city


def _without_size(record: Record, place: str, tell: Tell) -> Record:
    for position, _ in enumerate(record.objects, 1):
        tell("LOS101", f"{place}:object {position}", "the image's size is not known, and is needed to paint")
    for name in record.maps:
        tell("LOS103", f"{place}:{name}", "the image's size is not known, and is needed to paint")
    return record.model_copy(update={"objects": (), "maps": {}})


# --- the scene ---------------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """An object on its way into the scene.

    position: its place in the source, for messages. runs: its pixels, before others cover them.
    known: polygons that may be its outline already. ring: the polygon that was chosen.
    """

    item: Instance
    position: int
    runs: Counts
    known: tuple[Mask, ...]
    ring: Mask | None = None


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
        pieces = [*self._below(pieces), *pieces]
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

    def _held(self) -> list[_Piece]:
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

    def _piece(self, item: Object, position: int) -> _Piece | None:
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
        return _Piece(item, position, runs, known)

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

    def _plate(self, item: Instance, position: int, runs: Counts) -> _Piece | None:
        """A license plate: a polygon that is never painted, so that its pixels are the car's."""
        nothing = np.array([int(runs.sum())], dtype=np.int64)
        if native_polygon(item) is not None and not rle.area(runs):
            return _Piece(item, position, nothing, ())
        if not rle.area(runs):
            self._told("LOS101", position, "no pixel to draw a polygon around")
            return None
        text = f"{item.category} is never painted: {rle.area(runs)} pixels are others' or nobody's"
        self._told("LOS202", position, text)
        self._tell_outline(_Piece(item, position, runs, ()))
        points = ring_points(_traced(runs, self.size, self.rule))
        poly = {"label": label_text(item.category, item.crowd), "polygon": points}
        raw = {**item.raw, NAME: {"text": msgspec.json.encode(poly).decode()}}
        return _Piece(item.model_copy(update={"raw": raw}), position, nothing, ())

    # --- their order and their polygons --------------------------------------------------------------------

    def _ordered(self, pieces: list[_Piece]) -> list[_Piece]:
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

    def _outlined(self, pieces: list[_Piece]) -> list[_Piece]:
        """The pieces with polygons that paint their pixels: known ones where these still do, else traced.

        From the top down, for what a polygon shows depends on those above it only.
        """
        wanted = rle.from_labels(
            rle.paint([(k, piece.runs) for k, piece in enumerate(pieces, 1)], *self.size)
        )
        nothing = np.array([self.size[0] * self.size[1]], dtype=np.int64)
        covered = nothing
        outlined: list[_Piece] = []
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

    def _with_ring(self, piece: _Piece, covered: Counts, visible: Counts) -> tuple[_Piece, Counts]:
        """The piece with a polygon, and its pixels; without one where no polygon could leave it hidden."""
        for ring in piece.known:
            runs = shape_runs(ring, *self.size, self.rule)
            if np.array_equal(rle.minus(runs, covered), visible):
                return piece._replace(ring=ring), runs
        if not rle.area(piece.runs):
            self._told("LOS101", piece.position, "it shows no pixel, and its polygon would show some")
            return piece, piece.runs
        ring = _traced(piece.runs, self.size, self.rule)
        self._tell_outline(piece)
        return piece._replace(ring=ring), shape_runs(ring, *self.size, self.rule)

    def _tell_outline(self, piece: _Piece) -> None:
        source = self.source.objects[piece.position - 1]
        if isinstance(source, Instance) and isinstance(source.mask.shape, Polygons):
            self._told("LOS201", piece.position, "the outline was drawn anew around the pixels")
        else:
            self._told("LOS304", piece.position, "the outline was drawn around the pixels")
        parts = len(trace.components(_window(piece.runs, self.size[0])[0]))
        if parts > 1:
            self._told("LOS209", piece.position, f"{parts} parts became one polygon")

    def _tell_pixels(self, piece: _Piece, visible: Counts, shown: Counts) -> None:
        own, seen = rle.area(piece.runs), rle.area(visible)
        if seen < own:
            text = f"{own - seen} of {own} pixels are under other objects (IoU {seen / own:.4f})"
            self._told("LOS112", piece.position, text)
        wrong = rle.area(rle.minus(shown, visible)) + rle.area(rle.minus(visible, shown))
        if wrong:
            both = rle.intersection_area(shown, visible)
            text = f"{wrong} pixels differ, no polygon of the {self.rule} rule has this shape"
            self._told("LOS202", piece.position, f"{text} (IoU {both / (both + wrong):.4f})")

    # --- what the semantic map says beyond the objects -----------------------------------------------------

    def _below(self, pieces: list[_Piece]) -> list[_Piece]:
        """Polygons below the objects for what the semantic map says of pixels that no object has."""
        said = self._said()
        ids = np.array([0, *(BY_NAME[piece.item.category].id for piece in pieces)], dtype=np.int32)
        painted = [(k, p.runs) for k, p in enumerate(pieces, 1) if is_painted(p.item.category)]
        owners = rle.paint(painted, *self.size)
        if said is None:
            self.tell("LOS302", f"{self.path}:{SEMANTIC}", "made from the objects, painted in order")
            return []
        self._tell_conflicts(said, ids[owners], owners)
        derived = []
        free = np.where(owners == 0, said, 0)
        for number in cell_values(free):
            if number:
                derived += self._regions(BY_ID[number].name, free == number)
        return sorted(derived, key=lambda piece: -rle.area(piece.runs)) if self.rule == "pillow" else derived

    def _said(self) -> Labels | None:
        """labelIds as the source's semantic map gives them, 0 where it says nothing; None without a map."""
        maps = {name: item for name, item in self.source.maps.items() if isinstance(item, SemanticMap)}
        chosen = SEMANTIC if SEMANTIC in maps else PANOPTIC if PANOPTIC in maps else None
        for name, item in self.source.maps.items():
            if name != chosen and isinstance(item, SemanticMap):
                self.tell("LOS103", f"{self.path}:{name}", "one semantic map has a place, and another has it")
        if chosen is None:
            return None
        item = maps[chosen]
        place = f"{self.path}:{chosen}"
        if chosen == PANOPTIC:
            self.tell("LOS103", place, "panoptic segments have no place; their classes are kept")
            self.tell("LOS302", f"{self.path}:{SEMANTIC}", "made from the panoptic segments")
        pixels = map_pixels(item)
        if pixels.shape != self.size:
            raise ValueError(
                f"map {chosen!r} has {pixels.shape[1]} x {pixels.shape[0]} pixels, the image has not"
            )
        counts = cell_values(pixels)
        if item.ignore is not None and item.ignore in counts:
            text = f"{counts[item.ignore]} pixels to be ignored become unlabelled"
            self.tell("LOS205", place, text)
        table = {}
        for value, name in item.classes.items():
            if value == item.ignore or value not in counts:
                continue
            if name in BY_NAME and is_painted(name):
                table[value] = BY_NAME[name].id
            else:
                text = "is never painted" if name in BY_NAME else "is not in the table of Cityscapes"
                self.tell("LOS104", place, f"class {name!r} {text}: {counts[value]} pixels become unlabelled")
        return mapped(pixels, table)

    def _tell_conflicts(self, said: Labels, painted: Labels, owners: Labels) -> None:
        place = f"{self.path}:{SEMANTIC}"
        against = int(np.count_nonzero((owners > 0) & (said != 0) & (said != painted)))
        if against:
            text = f"{against} pixels have another class than the object that owns them; the object's counts"
            self.tell("LOS112", place, text)
        added = int(np.count_nonzero((said == 0) & (painted != 0)))
        if added:
            self.tell(
                "LOS302", place, f"{added} unlabelled pixels have the class of the object that owns them"
            )

    def _regions(self, name: str, where: Any) -> list[_Piece]:
        """A polygon for every connected region of a class."""
        crowd = True if BY_NAME[name].has_instances else None
        empty = Mask.of(Cell(OBJECTS, 0))
        pieces, wrong = [], 0
        for runs in trace.components(where):
            ring = _traced(runs, self.size, self.rule)
            if self.rule == "pillow":
                shown = shape_runs(ring, *self.size, self.rule)
                wrong += rle.area(rle.minus(shown, runs)) + rle.area(rle.minus(runs, shown))
            item = Instance(category=name, crowd=crowd, mask=empty)
            pieces.append(_Piece(item, 0, runs, (), ring))
        text = f"{len(pieces)} polygons of {label_text(name, crowd)!r} drawn around its pixels"
        self.tell("LOS304", f"{self.path}:{SEMANTIC}", text, count=len(pieces))
        if wrong:
            text = f"{wrong} pixels of {name!r} differ; polygons of the {self.rule} rule have no holes"
            self.tell("LOS202", f"{self.path}:{SEMANTIC}", text)
        return pieces


def _raw_of_scene(raw: dict[str, Any]) -> dict[str, Any]:
    """Native text of a record that has become a scene: without its polygons it would not be one."""
    own = native(raw)
    if not own or "polygons" in own.get("files", ()):
        return raw
    return {**raw, NAME: {key: value for key, value in own.items() if key != "files"}}


def _window(runs: Counts, height: int) -> tuple[rle.Mask, int, int]:
    """The pixels of a mask within its extent, and the x and y of that."""
    x, y, w, h = rle.extent(runs, height)
    edges = np.cumsum(rle.canonical(runs))[:-1] - x * height
    columns = rle.decode_mask(rle.from_edges(edges, w * height), height, w)
    return columns[y : y + h], x, y


def _traced(runs: Counts, size: tuple[int, int], rule: Rule) -> Mask:
    """One polygon that a rule paints to these pixels: exactly (official), or nearly (pillow)."""
    window, x, y = _window(runs, size[0])
    draw = trace.official_polygon_of if rule == "official" else trace.pillow_polygon_of
    points = draw(window)
    # An x of -1 is outside every window and must stay outside the image (see official_polygon_of).
    return ring_mask([(px + x if px >= 0 else px, py + y) for px, py in points.tolist()])
