"""Pictures of findings: the image, small, with the object drawn on it, as inline SVG in pixels of the image.

A small box is shown with what is around it, cut out of the image; of a box outside the image both are shown.
Images are decoded as they are stored (EXIF does not turn them) and never trusted: whatever is wrong with one,
its frame is drawn without it.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from labelkit.findings import Location
from labelkit.outputs.page import text
from labelkit.photos import as_jpeg, eight_bit
from labelkit.pixels import refuse_huge
from labelkit.survey import Survey

PER_RULE = 12
MOST = 200
MOST_BYTES = 6_000_000  # of pictures in a page
_SHOWN = 240  # pixels of the page that a picture takes
_SIDE = 400  # pixels of the picture itself, for dense screens
_SMALL = 6  # a box this many times smaller than its image is shown with what is around it
_FAR = 2  # how many sizes of the image beyond its edges are shown, at most


class Frame(NamedTuple):
    """A rectangle in pixels of the image."""

    x: float
    y: float
    w: float
    h: float


@dataclass
class Shots:
    """Draws findings of one data set, as long as there is room in the page."""

    survey: Survey
    drawn: int = 0
    size: int = 0
    _sizes: dict[str, Frame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.survey.images:
            if row.width and row.height:
                self._sizes[row.path] = Frame(0, 0, row.width, row.height)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another picture."""
        return self.drawn >= MOST or self.size >= MOST_BYTES

    def of(self, at: Location | None) -> str:
        """A finding's picture as HTML; nothing where there is neither an image nor a box to be drawn."""
        if at is None or at.image is None or self.is_full:
            return ""
        facts = self.survey.files.get(at.image)
        stored = Frame(0, 0, facts.width, facts.height) if facts and facts.width and facts.height else None
        stated = self._sizes.get(at.image, stored)
        if stated is None or stated.w > 1e6 or stated.h > 1e6:
            return ""
        box, rings = _box(at), _rings(at)
        other = at.other if at.other is not None and at.other.image == at.image else None
        second, more = (_box(other), _rings(other)) if other is not None else (None, [])
        seen = _extent([each for each in (box, second) if each], rings + more)
        view = _view(stated, stored, seen)
        photo = _photo(facts.path, stored, view) if facts and facts.path and stored else ""
        if not photo and seen is None:
            return ""
        notes = _notes(view, stated, seen, is_shown=bool(photo))
        notes += ["dashed: the other object"] if second or more else []
        marks = _marks(box, rings) + _marks(second, more, is_other=True)
        made = _drawing(_said(at.image, stated, box), view, stated, photo + marks, notes)
        self.drawn += 1
        self.size += len(made)
        return made


def _box(at: Location) -> Frame | None:
    return Frame(*at.box) if at.box is not None and all(map(math.isfinite, at.box)) else None


def _rings(at: Location) -> list[tuple[float, ...]]:
    return [ring for ring in at.outline if len(ring) > 1]


def _extent(boxes: list[Frame], rings: list[tuple[float, ...]]) -> Frame | None:
    """The frame of all that is drawn; None where there is nothing."""
    xs = [x for ring in rings for x in ring[0::2]] + [x for box in boxes for x in (box.x, box.x + box.w)]
    ys = [y for ring in rings for y in ring[1::2]] + [y for box in boxes for y in (box.y, box.y + box.h)]
    return Frame(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)) if xs else None


def _view(stated: Frame, stored: Frame | None, seen: Frame | None) -> Frame:
    """What is to be shown: the image with all that is drawn, or the surroundings of something small in it."""
    stored = stored or stated
    whole = Frame(0, 0, max(stated.w, stored.w), max(stated.h, stored.h))
    if seen is None:
        return whole
    x0, y0, x1, y1 = seen.x, seen.y, seen.x + seen.w, seen.y + seen.h
    longer = max(x1 - x0, y1 - y0, 8)
    inside = x0 >= whole.x and y0 >= whole.y and x1 <= whole.x + whole.w and y1 <= whole.y + whole.h
    if inside and longer * _SMALL < max(whole.w, whole.h):
        w, h = (min(longer * _SMALL / 1.5, size) for size in (whole.w, whole.h))
        x, y = ((x0 + x1 - w) / 2, (y0 + y1 - h) / 2)
        return Frame(min(max(x, 0), whole.w - w), min(max(y, 0), whole.h - h), w, h)
    if inside:
        return whole
    far_x, far_y = _FAR * whole.w, _FAR * whole.h
    left, top = max(min(x0, 0), -far_x), max(min(y0, 0), -far_y)
    right, bottom = min(max(x1, whole.w), whole.w + far_x), min(max(y1, whole.h), whole.h + far_y)
    margin = 0.03 * max(right - left, bottom - top)
    return Frame(left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin)


def _marks(box: Frame | None, rings: list[tuple[float, ...]], *, is_other: bool = False) -> str:
    """The outline and the box, each with a dark edge, so that it is seen on any image.

    is_other: of a second object, whose lines are dashed and do not hide those of the first.
    """
    kind, paths = " other" if is_other else "", []
    if rings:
        path = "".join(
            f"M{' '.join(f'{number:g}' for number in ring[: len(ring) // 2 * 2])}z" for ring in rings
        )
        paths += [f'<path class="halo{kind}" d="{path}"/>', f'<path class="shape{kind}" d="{path}"/>']
    if box is not None:
        path = f"M{box.x:g} {box.y:g}h{box.w:g}v{box.h:g}h{-box.w:g}z"
        paths += [f'<path class="halo{kind}" d="{path}"/>', f'<path class="mark{kind}" d="{path}"/>']
    return "".join(paths)


def _said(image: str, stated: Frame, box: Frame | None) -> str:
    said = f"{image}, {stated.w:g} × {stated.h:g} pixels"
    return said if box is None else f"{said}, box {', '.join(f'{number:g}' for number in box)}"


def _notes(view: Frame, stated: Frame, seen: Frame | None, *, is_shown: bool) -> list[str]:
    """What the picture does not show."""
    notes = []
    if view.x > 0 or view.y > 0 or view.w < stated.w or view.h < stated.h:
        notes.append(f"a part of {stated.w:g} × {stated.h:g}")
    if not is_shown:
        notes.append("the image is not shown")
    if seen and (
        seen.x < view.x
        or seen.y < view.y
        or seen.x + seen.w > view.x + view.w
        or seen.y + seen.h > view.y + view.h
    ):
        notes.append("the object goes beyond it")
    return notes


def _drawing(said: str, view: Frame, stated: Frame, inside: str, notes: list[str]) -> str:
    scale = _SHOWN / max(view.w, view.h)
    shape = (
        f'viewBox="{view.x:g} {view.y:g} {view.w:g} {view.h:g}" '
        f'width="{max(view.w * scale, 24):.0f}" height="{max(view.h * scale, 24):.0f}"'
    )
    frame = f'<rect class="frame" width="{stated.w:g}" height="{stated.h:g}"/>'
    note = f'<p class="note">{text("; ".join(notes))}</p>' if notes else ""
    svg = f'<svg role="img" aria-label="{text(said)}" {shape}>{frame}{inside}</svg>'
    return f'<div class="shot">{svg}{note}</div>'


# --- the image ---------------------------------------------------------------------------------------------


def _photo(path: Path, stored: Frame, view: Frame) -> str:
    """The part of an image that is in view, as an SVG image; nothing where it cannot be decoded."""
    left, top = max(math.floor(view.x), 0), max(math.floor(view.y), 0)
    right = min(math.ceil(view.x + view.w), int(stored.w))
    bottom = min(math.ceil(view.y + view.h), int(stored.h))
    if right <= left or bottom <= top:
        return ""
    try:
        data = _jpeg(path, (left, top, right, bottom))
    except Exception:  # decoders raise anything on a broken file
        return ""
    place = f'x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"'
    return f'<image {place} preserveAspectRatio="none" href="{data}"/>'


def _jpeg(path: Path, region: tuple[int, int, int, int]) -> str:
    """A region of an image in pixels, made small, as a URL. Raises anything where the image is broken."""
    from PIL import Image

    left, top, right, bottom = region
    scale = min(_SIDE / max(right - left, bottom - top), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            width, height = image.size
            refuse_huge(height, width)
            image.draft("RGB", (math.ceil(width * scale), math.ceil(height * scale)))  # JPEGs, faster
            across, down = image.width / width, image.height / height
            box = (left * across, top * down, right * across, bottom * down)
            size = max(round((right - left) * scale), 1), max(round((bottom - top) * scale), 1)
            small = eight_bit(image).resize(size, Image.Resampling.BILINEAR, box)
        return as_jpeg(small)
