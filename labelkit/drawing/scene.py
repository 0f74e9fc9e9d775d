"""What of a record is drawn, and in which words: the same for a picture and for a page.

Sizes and places are in pixels of the image. A label that cannot be drawn is a fault, never an error: the rest
of its image is drawn. A line is solid where a person or a file says so, or a reviewer has accepted or changed
what a model said; dashed where nobody has looked yet; dotted where a reviewer has rejected it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from labelkit.drawing.paint import DASHED, DOTTED, SOLID
from labelkit.elide import elided
from labelkit.geometry import rle
from labelkit.model import Box, ImageLabel, Mask, Object, PixelMap, Polygons, Provenance, Record, SemanticMap
from labelkit.pixels import SIDE_LIMIT, Counts, cell_runs, map_pixels, mask_runs, refuse_huge

_FLAGS = ("crowd", "difficult", "truncated", "occluded")
_STYLES = {"pending": DASHED, "rejected": DOTTED}
_FARTHEST = 8000  # pixels that are guessed of a side
_LONGEST = 200  # letters of a line of details
_UNKNOWN = (640, 480)  # width and height of an image of which nobody knows them, nor anything of its labels


@dataclass(frozen=True)
class Shown:
    """A label in words. words, marks: beside it, a long name made short.

    details: all that is known of it, a line each.
    """

    category: str
    words: str
    marks: tuple[str, ...]
    details: tuple[str, ...]
    score: float | None = None
    style: str = SOLID

    @property
    def line(self) -> str:
        """Words and marks."""
        return " · ".join((self.words, *self.marks))


@dataclass(frozen=True)
class Thing:
    """An object. runs: its pixels, column by column. outline: its polygons' parts, where it has such."""

    shown: Shown
    box: Box | None
    runs: Counts | None = None
    outline: tuple[tuple[tuple[float, ...], ...], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing of it to draw."""
        return self.box is None and (self.runs is None or not rle.area(self.runs))

    def extent(self, height: int) -> Box:
        """The box of its pixels where there are some, else its own, turned so that no side is negative.

        height: of the image.
        """
        if self.runs is not None and rle.area(self.runs):
            return Box(*map(float, rle.extent(self.runs, height)))
        assert self.box is not None  # else it were empty
        x, y, w, h = self.box
        return Box(min(x, x + w), min(y, y + h), abs(w), abs(h))


@dataclass(frozen=True)
class Area:
    """The pixels of one class in a map; shown is None of those that are to be ignored, in any map."""

    shown: Shown | None
    runs: Counts
    map: str = ""


@dataclass(frozen=True)
class Scene:
    """All that is drawn of a record. things: the larger first, so that they cover no smaller ones.

    faults: what cannot be drawn, and why. unseen: objects that show nothing.
    """

    width: int
    height: int
    labels: tuple[Shown, ...]
    areas: tuple[Area, ...]
    things: tuple[Thing, ...]
    faults: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def maps(self) -> int:
        """How many maps show a class."""
        return len({area.map for area in self.areas if area.shown is not None})


def scene(
    record: Record,
    photo: tuple[int, int] | None,
    *,
    least: float | None = None,
    has_maps: bool = True,
) -> Scene:
    """What is drawn of a record. photo: width and height of its image file, where that can be read.

    least: the score of what is drawn; what has no score is drawn, too. has_maps: whether label maps are drawn
    as such; the objects whose pixels they hold are drawn in any case.

    Raises ValueError where the record states a size that no image has.
    """
    width, height = _size(record, photo)
    if record.image.width is None or record.image.height is None:
        sized = record.image.model_copy(update={"width": width, "height": height})
        record = record.model_copy(update={"image": sized})
    faults: list[str] = []
    unseen: list[str] = []
    labels = [label for label in map(_label, record.labels) if _is_wanted(label, least)]
    things = [thing for thing in _things(record, faults, unseen) if _is_wanted(thing.shown, least)]
    things.sort(key=lambda thing: -thing.extent(height).w * thing.extent(height).h)
    areas = [area for area in _areas(record, faults) if _is_wanted(area.shown, least)] if has_maps else []
    return Scene(width, height, tuple(labels), tuple(areas), tuple(things), tuple(faults), tuple(unseen))


def _is_wanted(shown: Shown | None, least: float | None) -> bool:
    return least is None or shown is None or shown.score is None or shown.score >= least


def _size(record: Record, photo: tuple[int, int] | None) -> tuple[int, int]:
    """The size that labels are in: the one that the record states, else that of the file, else a guess."""
    width, height = record.image.width, record.image.height
    if width is None or height is None:
        width, height = photo or _guessed(record)
    if width >= SIDE_LIMIT or height >= SIDE_LIMIT:
        raise ValueError(f"an image of {width} x {height} pixels; a side has less than {SIDE_LIMIT}")
    refuse_huge(height, width)
    return width, height


def _guessed(record: Record) -> tuple[int, int]:
    """A size that has room for a map, or else for all boxes."""
    for item in record.maps.values():
        try:
            height, width = map_pixels(item).shape
        except ValueError:
            continue
        return width, height
    boxes = [item.box for item in record.objects if item.box is not None]
    right = max((box.x + box.w for box in boxes), default=_UNKNOWN[0])
    bottom = max((box.y + box.h for box in boxes), default=_UNKNOWN[1])
    return math.ceil(min(max(right, 16), _FARTHEST)), math.ceil(min(max(bottom, 16), _FARTHEST))


# --- objects -----------------------------------------------------------------------------------------------


def _things(record: Record, faults: list[str], unseen: list[str]) -> Iterator[Thing]:
    for position, item in enumerate(record.objects, 1):
        runs = None
        if item.kind == "instance":
            try:
                runs = _runs(record, item.mask)
            except (ValueError, OverflowError) as error:
                faults.append(f"object {position}: its mask cannot be drawn ({error})")
        outline = _outline(item.mask) if item.kind == "instance" and runs is not None else ()
        thing = Thing(_object(item), item.box, runs, outline)
        if not thing.is_empty:
            yield thing
        elif runs is not None:
            unseen.append(f"object {position}")


def _runs(record: Record, mask: Mask) -> Counts:
    """An object's pixels. Raises ValueError where they are not of the image's size."""
    runs = mask_runs(record, mask)
    width, height = record.image.width, record.image.height
    if width is not None and height is not None and int(runs.sum()) != width * height:
        raise ValueError(f"it has {int(runs.sum())} pixels, the image has {width} x {height}")
    return runs


def _outline(mask: Mask) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """The rings of an object's polygons, part by part; nothing of other masks."""
    shape = mask.shape
    if not isinstance(shape, Polygons):
        return ()
    parts = (
        tuple(tuple(ring[: len(ring) // 2 * 2]) for ring in part if len(ring) > 5) for part in shape.parts
    )
    return tuple(part for part in parts if part)


def _object(item: Object) -> Shown:
    flags = [name for name in _FLAGS if getattr(item, name)]
    details = [f"pose: {item.pose}"] if item.pose else []
    details += [f"{key}: {value}" for key, value in (item.attributes or {}).items()]
    details += [f"parts: {', '.join(part.name for part in item.parts)}"] if item.parts else []
    details += [f"uid: {item.uid}"] if item.uid else []
    return _shown(item.category, item.score, item.provenance, flags, details)


def _label(label: ImageLabel) -> Shown:
    marks = [] if label.state == "present" else [str(label.state)]
    return _shown(label.category, label.score, label.provenance, marks, ["label of the image"])


def _shown(
    category: str,
    score: float | None,
    provenance: Provenance | None,
    flags: list[str],
    details: list[str],
) -> Shown:
    """A label in words; the score of a prediction is its provenance's where it has no other."""
    if score is None and provenance is not None:
        score = provenance.score
    name = elided(category)
    words = name if score is None else f"{name} {score:.2f}"
    marks, style = list(flags), SOLID
    lines = [f"score: {score:g}"] if score is not None else []
    lines += [", ".join(flags)] if flags else []
    if provenance is not None:
        lines += [f"status: {provenance.status}", f"model: {provenance.model}", f"run: {provenance.run}"]
        marks += ["rejected"] if provenance.status == "rejected" else []
        style = _STYLES.get(provenance.status, SOLID)
    lines = [line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…" for line in (*lines, *details)]
    return Shown(category, words, tuple(marks), (category, *lines), score, style)


# --- maps --------------------------------------------------------------------------------------------------


def _areas(record: Record, faults: list[str]) -> Iterator[Area]:
    """The areas of all maps; what any of them ignores is one area, and comes first."""
    ignored: list[Counts] = []
    areas: list[Area] = []
    for name, item in record.maps.items():
        try:
            _check_size(record, item)
            if item.ignore is not None and item.ignore in cell_runs(item):
                ignored.append(cell_runs(item)[item.ignore])
            if isinstance(item, SemanticMap):
                areas += _of_classes(name, item)
        except (ValueError, OverflowError) as error:
            faults.append(f"map {name}: it cannot be drawn ({error})")
    if ignored:
        yield Area(None, rle.union(ignored))
    yield from areas


def _check_size(record: Record, item: PixelMap) -> None:
    """Raise ValueError where a map cannot be read or has another size than the image."""
    height, width = map_pixels(item).shape
    if (width, height) != (record.image.width, record.image.height):
        stated = f"{record.image.width} x {record.image.height}"
        raise ValueError(f"{width} x {height} pixels, the image has {stated}")


def _of_classes(map: str, item: SemanticMap) -> Iterator[Area]:
    found: dict[str, list[Counts]] = {}
    for value, runs in cell_runs(item).items():
        if value in item.classes and value != item.ignore:
            found.setdefault(item.classes[value], []).append(runs)
    for name, each in found.items():
        shown = _shown(name, None, item.provenance, [], ["area of a label map"])
        yield Area(shown, rle.union(each), map)
