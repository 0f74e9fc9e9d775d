"""A record drawn on its photograph: areas, masks, boxes, words, and below the image what the colours mean.

A small image is drawn larger, each of its pixels a square of pixels, so that words can be read on it. Lines
and letters grow with the image. An area is drawn where no object of its class is, which says the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelkit.drawing.colours import BLACK, IGNORED, Colour, ink_on
from labelkit.drawing.letters import written
from labelkit.drawing.paint import (
    DASHED,
    DOTTED,
    SOLID,
    Mask,
    Pixels,
    blend,
    edge,
    hatch,
    paste,
    rectangle,
)
from labelkit.drawing.scene import Area, Scene, Shown, Thing
from labelkit.elide import elided
from labelkit.geometry import rle
from labelkit.model import Box

FILL = 0.4  # of a mask's or an area's colour in the image
HATCH = 0.75  # of grey in the stripes of what is ignored
_READABLE = 480  # pixels of the longer side, from which on an image is drawn at its own size
_PAPER: Colour = (246, 247, 248)
_PAGE: Colour = (190, 194, 198)  # in the place of an image that cannot be read
_MOST_ENTRIES = 40  # of classes below the image
_MEANING = {
    SOLID: "solid: stated, accepted or changed by a person",
    DASHED: "dashed: predicted, not yet reviewed",
    DOTTED: "dotted: rejected",
}


def enlargement(width: int, height: int) -> int:
    """How many pixels wide a pixel of an image is drawn."""
    return max(math.ceil(_READABLE / max(width, height)), 1)


@dataclass(frozen=True)
class _Scale:
    """Measures of a picture in its pixels. times: its enlargement. line: of an edge. letters: their size."""

    times: int
    line: int
    letters: int

    @classmethod
    def of(cls, width: int, height: int) -> _Scale:
        times = enlargement(width, height)
        side = times * math.sqrt(width * height)
        return cls(times, max(round(side / 280), 1), max(round(side / 48), 11))


def picture(scene: Scene, photo: Pixels | None, colours: Mapping[str, Colour]) -> Pixels:
    """A scene on its photograph (height, width, 3), or on grey where there is none: (h, w, 3)."""
    scale = _Scale.of(scene.width, scene.height)
    image = _blank(scene) if photo is None else photo
    image = np.repeat(np.repeat(image, scale.times, axis=0), scale.times, axis=1)
    for area in scene.areas:
        _draw_area(image, area, scene, colours, scale)
    for thing in scene.things:
        _draw_mask(image, thing, scene.height, colours, scale)
    for thing in scene.things:
        _draw_box(image, thing, colours, scale)
    _write_names(image, scene, colours, scale)
    return _with_legend(image, _legend(scene, colours, scale, is_missing=photo is None), scale)


def _blank(scene: Scene) -> Pixels:
    return np.full((scene.height, scene.width, 3), _PAGE, dtype=np.uint8)


def _enlarged(mask: Mask, times: int) -> Mask:
    return np.repeat(np.repeat(mask, times, axis=0), times, axis=1)


def _draw_area(image: Pixels, area: Area, scene: Scene, colours: Mapping[str, Colour], scale: _Scale) -> None:
    runs = area.runs
    if area.shown is not None:
        same = [each.runs for each in scene.things if each.shown.category == area.shown.category]
        masks = [each for each in same if each is not None]
        runs = rle.minus(runs, rle.union(masks)) if masks else runs
    mask = _enlarged(rle.decode_mask(runs, scene.height, scene.width), scale.times)
    if area.shown is None:
        hatch(image, mask, IGNORED, HATCH, line=2 * scale.line)
    else:
        blend(image, mask, colours[area.shown.category], FILL)


def _draw_mask(
    image: Pixels, thing: Thing, height: int, colours: Mapping[str, Colour], scale: _Scale
) -> None:
    if thing.runs is None or not rle.area(thing.runs):
        return
    window, x, y = rle.window(thing.runs, height)
    mask, colour = _enlarged(window, scale.times), colours[thing.shown.category]
    place = {"x": x * scale.times, "y": y * scale.times}
    blend(image, mask, colour, FILL, **place)
    edge(image, mask, colour, thing.shown.style, line=scale.line, **place)


def _draw_box(image: Pixels, thing: Thing, colours: Mapping[str, Colour], scale: _Scale) -> None:
    if thing.box is None:
        return
    line = scale.line if thing.runs is None else max(scale.line // 2, 1)
    box = Box(*(number * scale.times for number in thing.box))
    rectangle(image, box, colours[thing.shown.category], thing.shown.style, line=line)


# --- names -------------------------------------------------------------------------------------------------

_Place = tuple[int, int, int, int]  # left, top, right, bottom


def _write_names(image: Pixels, scene: Scene, colours: Mapping[str, Colour], scale: _Scale) -> None:
    """Each object's words at a corner of it, where they hide no other words if there is such a place."""
    taken: list[_Place] = []
    for thing in scene.things:
        tag = _tag(thing.shown, colours, scale.letters)
        spots = _spots(thing.extent(scene.height), scale.times, tag.shape[1], tag.shape[0], image)
        spot = next((each for each in spots if not any(_overlap(each, one) for one in taken)), spots[0])
        paste(image, tag, x=spot[0], y=spot[1])
        taken.append(spot)


def _tag(shown: Shown, colours: Mapping[str, Colour], size: int) -> Pixels:
    ground = colours[shown.category]
    return written(shown.line, size=size, ink=ink_on(ground), ground=ground)


def _spots(extent: Box, times: int, width: int, height: int, image: Pixels) -> Sequence[_Place]:
    """Where words may stand: above an object, in its upper corner, below it; always inside the image.

    width, height: of the words.
    """
    left = _within(extent.x * times, image.shape[1])
    top, bottom = (_within(y * times, image.shape[0]) for y in (extent.y, extent.y + extent.h))
    made = []
    for y in (top - height, top, bottom, bottom - height):
        x, y = _within(left, image.shape[1] - width), _within(y, image.shape[0] - height)
        made.append((x, y, x + width, y + height))
    return made


def _within(place: float, most: int) -> int:
    return math.floor(max(min(place, most), 0))


def _overlap(a: _Place, b: _Place) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# --- the legend --------------------------------------------------------------------------------------------


def _legend(
    scene: Scene, colours: Mapping[str, Colour], scale: _Scale, *, is_missing: bool
) -> list[list[Pixels]]:
    """Lines of pieces: the image's labels, its classes with their numbers, what the lines mean."""
    size = scale.letters
    labels = [_chip(label, colours, scale) for label in scene.labels]
    counts = Counter(thing.shown.category for thing in scene.things)
    counts.update({area.shown.category: 0 for area in scene.areas if area.shown})
    entries = []
    for name, count in counts.most_common(_MOST_ENTRIES):
        tag = written(" ", size=size, ink=BLACK, ground=colours[name])
        words = _plain(f"{elided(name)} {count}" if count else elided(name), size)
        entries.append(np.concatenate((tag, words), axis=1))
    if len(counts) > _MOST_ENTRIES:
        entries.append(_plain(f"and {len(counts) - _MOST_ENTRIES} more classes", size))
    lead = [_plain("image:", size)] if labels else []
    notes = [_plain(words, size) for words in _notes(scene, is_missing=is_missing)]
    return [line for line in ([*lead, *labels], entries, notes) if line]


def _chip(label: Shown, colours: Mapping[str, Colour], scale: _Scale) -> Pixels:
    """A label of the whole image; its edge says what an object's line does, but a solid one needs none."""
    tag = _tag(label, colours, scale.letters)
    if label.style != SOLID:
        whole = Box(0, 0, tag.shape[1], tag.shape[0])
        rectangle(tag, whole, ink_on(colours[label.category]), label.style, line=max(scale.line // 2, 1))
    return tag


def _notes(scene: Scene, *, is_missing: bool) -> list[str]:
    """What the lines and stripes in the picture mean, where there are others than solid lines."""
    styles = {shown.style for shown in (*scene.labels, *(thing.shown for thing in scene.things))}
    notes = [words for style, words in _MEANING.items() if style in styles] if styles != {SOLID} else []
    notes += ["grey stripes: ignored"] if any(area.shown is None for area in scene.areas) else []
    return notes + (["the image cannot be shown"] if is_missing else [])


def _plain(words: str, size: int) -> Pixels:
    return written(words, size=size, ink=BLACK, ground=_PAPER)


def _with_legend(image: Pixels, lines: list[list[Pixels]], scale: _Scale) -> Pixels:
    """The image with lines of pieces below it, broken where they are wider than it is."""
    gap, step = scale.letters // 2, lines[0][0].shape[0] + scale.letters // 3 if lines else 0
    width = max(image.shape[1], 18 * scale.letters)
    places: list[tuple[Pixels, int, int]] = []
    y = gap
    for line in lines:
        x = gap
        for piece in line:
            if x > gap and x + piece.shape[1] > width - gap:
                x, y = gap, y + step
            places.append((piece, x, y))
            x += piece.shape[1] + gap
        y += step
    paper = np.full((image.shape[0] + (y if lines else 0), width, 3), _PAPER, dtype=np.uint8)
    paste(paper, image, x=0, y=0)
    for piece, x, y in places:
        paste(paper, piece, x=x, y=image.shape[0] + y)
    return paper
