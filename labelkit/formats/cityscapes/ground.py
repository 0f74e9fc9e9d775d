"""What lies below the objects: polygons for what a semantic map says of pixels that no object has."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelkit.findings import Tell
from labelkit.formats.cityscapes.outline import Piece, regions, traced
from labelkit.formats.cityscapes.scene import (
    OBJECTS,
    PANOPTIC,
    SEMANTIC,
    Rule,
    is_painted,
    mapped,
)
from labelkit.formats.cityscapes.table import BY_ID, BY_NAME, label_text
from labelkit.geometry import rle
from labelkit.model import Cell, Instance, Mask, Record, SemanticMap
from labelkit.pixels import Labels, map_pixels, shape_runs, value_counts


class Ground:
    """The ground of one record's scene. path: the image as the source names it; size: height, width."""

    def __init__(self, source: Record, path: str, size: tuple[int, int], rule: Rule, tell: Tell) -> None:
        self.source = source
        self.path = path
        self.size = size
        self.rule: Rule = rule
        self.tell = tell

    def below(self, pieces: list[Piece]) -> list[Piece]:
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
        for number in value_counts(free):
            if number:
                derived += self._regions(BY_ID[number].name, free == number)
        return derived if self.rule == "official" else self._nested(derived, free, owners)

    def _nested(self, derived: list[Piece], wanted: Labels, owners: Labels) -> list[Piece]:
        """Polygons by Pillow's rule in paint order; what they show wrongly in the end is told.

        One may cover more than its pixels. What it encloses is smaller, and so is painted over it.
        """
        ordered = sorted(derived, key=lambda piece: -rle.area(piece.runs))
        painted = [(BY_NAME[piece.item.category].id, piece.runs) for piece in ordered]
        shown = rle.paint(painted, *self.size)
        wrong = int(np.count_nonzero((shown != wanted) & (owners == 0)))
        if wrong:
            text = f"{wrong} pixels differ, for no polygon of the {self.rule} rule has their region's shape"
            self.tell("LOS202", f"{self.path}:{SEMANTIC}", text)
        return ordered

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
        counts = value_counts(pixels)
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

    def _regions(self, name: str, where: Any) -> list[Piece]:
        """A polygon for every connected region of a class."""
        crowd = True if BY_NAME[name].has_instances else None
        empty = Mask.of(Cell(OBJECTS, 0))
        pieces = []
        for runs in regions(where, self.rule):
            ring = traced(runs, self.size, self.rule)
            if self.rule == "pillow":
                runs = shape_runs(ring, *self.size, self.rule)
            item = Instance(category=name, crowd=crowd, mask=empty)
            pieces.append(Piece(item, 0, runs, (), ring))
        text = f"{len(pieces)} polygons of {label_text(name, crowd)!r} drawn around its pixels"
        self.tell("LOS304", f"{self.path}:{SEMANTIC}", text, count=len(pieces))
        return pieces
