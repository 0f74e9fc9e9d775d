"""One image of a gallery: its photograph, small, and each label on it as a shape of its own, as inline SVG.

The script finds a label by what it says of itself: ``data-k`` is the number of its class, ``data-s`` its
score where it has one, ``data-o`` marks an object, whose words are above all shapes, in the same order;
``data-m`` is the name of an area's map.
Coordinates are pixels of the image; outlines are simplified to what can be seen at the size of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from shapely import LinearRing

from labelkit.drawing.scene import Scene, Shown, Thing
from labelkit.model import Box
from labelkit.outline import edges
from labelkit.outputs.page import kinds, name, plural, text
from labelkit.photos import Photo, as_jpeg, reduced, resized
from labelkit.pixels import Counts

SIDE = 640  # pixels of the longer side of a photograph in the page, at most
_SEEN = 0.7  # of such a pixel; an outline is no farther from the exact one
_FAULTS = 4  # lines of them below an image
_TURN = 0.6  # of the width, from where on words go to the left
_STRIPES = 48  # of what is ignored, along the longer side

Ring = NDArray[np.float64]


@dataclass(frozen=True)
class Card:
    """An image of a gallery. classes: how many labels of each. labels: those of the whole image.

    low, high: of its scores. styles: of lines.
    """

    html: str
    classes: Mapping[str, int] = field(default_factory=dict)
    objects: int = 0
    labels: int = 0
    maps: int = 0
    low: float | None = None
    high: float | None = None
    unscored: bool = False
    styles: frozenset[str] = frozenset()
    has_ignored: bool = False


def card(scene: Scene, path: str, photo: Photo | None, numbers: Mapping[str, int], *, id: str) -> Card:
    """The card of an image. numbers: of the classes. id: unlike that of every other card."""
    inside = [_ground(scene, photo)]
    is_ignoring = any(area.shown is None for area in scene.areas)
    if is_ignoring:
        inside.append(_stripes(scene, id))
    for area in scene.areas:
        paths = "".join(_path(part, scene, "fill") for part in _traced(area.runs, scene))
        if area.shown is None:
            inside.append(f'<g class="ignored" fill="url(#{id})">{paths}<title>ignored</title></g>')
        else:
            inside.append(_group(area.shown, "area", paths, numbers, more=f' data-m="{text(area.map)}"'))
    inside += [_thing(thing, scene, numbers) for thing in scene.things]
    inside += [_words(thing, scene, numbers) for thing in scene.things]
    shown = [*scene.labels, *(thing.shown for thing in scene.things)]
    shown += [area.shown for area in scene.areas if area.shown is not None]
    scores = [each.score for each in shown if each.score is not None]
    classes: dict[str, int] = {}
    for each in shown:
        classes[each.category] = classes.get(each.category, 0) + 1
    return Card(
        html=_figure(scene, path, "".join(inside), numbers, is_missing=photo is None),
        classes=classes,
        objects=len(scene.things),
        labels=len(scene.labels),
        maps=scene.maps,
        low=min(scores, default=None),
        high=max(scores, default=None),
        unscored=len(scores) < len(shown),
        styles=frozenset(each.style for each in shown),
        has_ignored=is_ignoring,
    )


def _figure(scene: Scene, path: str, inside: str, numbers: Mapping[str, int], *, is_missing: bool) -> str:
    counted = kinds(len(scene.things), len(scene.labels), scene.maps)
    said = f"{path}, {scene.width} × {scene.height} pixels, {counted}"
    width, height = reduced((scene.width, scene.height), _scale(scene))
    size = f'viewBox="0 0 {scene.width} {scene.height}" width="{width}" height="{height}"'
    chips = "".join(_chip(label, numbers) for label in scene.labels)
    chips = f'<p class="chips">{chips}</p>' if chips else ""
    lost = [*(["the image cannot be shown"] if is_missing else []), *scene.faults]
    if len(lost) > _FAULTS:
        lost = [*lost[:_FAULTS], f"and {plural(len(lost) - _FAULTS, 'more fault')}"]
    notes = "".join(f'<p class="lost">{text(each)}</p>' for each in lost)
    return (
        f'<li class="item" data-item data-name="{text(path)}"><figure>'
        f'<button type="button" class="open" aria-label="{text(said)}"><svg {size}>{inside}</svg></button>'
        f"<figcaption>{name(path)}<span data-count></span></figcaption>"
        f"{chips}{notes}</figure></li>\n"
    )


def _chip(label: Shown, numbers: Mapping[str, int]) -> str:
    """A label of the whole image."""
    return f'<span class="chip {_marks(label, numbers)} title="{_title(label)}">{text(label.line)}</span>'


def _title(shown: Shown) -> str:
    """All that is known of a label, a line each; the script takes it apart again."""
    return "\n".join(map(text, shown.details))


def _marks(shown: Shown, numbers: Mapping[str, int]) -> str:
    """The rest of a class attribute, and the data that the script looks for."""
    number = numbers[shown.category]
    score = "" if shown.score is None else f' data-s="{shown.score!r}"'
    return f'k{number} {shown.style}" data-k="{number}"{score}'


# --- shapes ------------------------------------------------------------------------------------------------


def _thing(thing: Thing, scene: Scene, numbers: Mapping[str, int]) -> str:
    paths = ""
    if thing.runs is not None:
        parts = [[np.reshape(ring, (-1, 2)) for ring in part] for part in thing.outline]
        paths += "".join(_path(part, scene, "fill") for part in parts or _traced(thing.runs, scene))
    if thing.box is not None:
        frame = _frame(thing.box)
        kinds = ("halo", "box") if thing.runs is None else ("box thin",)
        paths += "".join(_path([frame], scene, kind) for kind in kinds)
    return _group(thing.shown, "thing", paths, numbers, more=" data-o")


def _words(thing: Thing, scene: Scene, numbers: Mapping[str, int]) -> str:
    """An object's words in its upper left corner, or in the right one where they would leave the image."""
    extent = thing.extent(scene.height)
    is_end = extent.x > _TURN * scene.width
    x = min(max(extent.x + extent.w if is_end else extent.x, 0), scene.width)
    y = min(max(extent.y, 0), scene.height)
    digits, end = _digits(scene), " end" if is_end else ""
    marks = thing.shown.marks
    more = f'<tspan class="marks"> · {text(" · ".join(marks))}</tspan>' if marks else ""
    kind = f'class="k{numbers[thing.shown.category]}{end}"'
    return f'<text {kind} x="{x:.{digits}f}" y="{y:.{digits}f}">{text(thing.shown.words)}{more}</text>'


def _group(shown: Shown, kind: str, inside: str, numbers: Mapping[str, int], *, more: str = "") -> str:
    return f'<g class="{kind} {_marks(shown, numbers)}{more}><title>{_title(shown)}</title>{inside}</g>'


def _frame(box: Box) -> Ring:
    """The corners of a box."""
    x, right = sorted((box.x, box.x + box.w))
    y, bottom = sorted((box.y, box.y + box.h))
    return np.array([(x, y), (right, y), (right, bottom), (x, bottom)])


def _path(rings: list[Ring], scene: Scene, kind: str) -> str:
    """Rings that are filled even-odd. Points far outside the image are moved to where they do no harm."""
    far, digits = 2 * max(scene.width, scene.height), _digits(scene)
    lines = []
    for ring in rings:
        points = _simplified(np.clip(ring, -far, far), scene)
        numbers = " ".join(f"{number:.{digits}f}" for number in points.ravel())
        lines.append(f"M{numbers}z")
    return f'<path class="{kind}" d="{"".join(lines)}"/>'


def _simplified(ring: Ring, scene: Scene) -> Ring:
    """A ring with fewer points, none of which anyone would see. Source: Douglas and Peucker."""
    if len(ring) <= 4:
        return ring
    made: Ring = np.asarray(LinearRing(ring).simplify(_SEEN / _scale(scene)).coords)[:-1]
    return made


def _traced(runs: Counts, scene: Scene) -> list[list[Ring]]:
    """The edges of pixels, part by part; of an image that is shown reduced, of reduced ones."""
    limit = np.array([scene.width, scene.height], dtype=np.float64)
    parts = edges(runs, scene.height, step=max(round(1 / _scale(scene)), 1))
    return [[np.minimum(ring, limit) for ring in part] for part in parts]


def _scale(scene: Scene) -> float:
    """Pixels of the page's photograph in one of the image; small images are looked at enlarged."""
    return SIDE / max(scene.width, scene.height)


def _digits(scene: Scene) -> int:
    return 0 if _scale(scene) < 0.2 else 1 if _scale(scene) < 4 else 2


# --- the photograph ----------------------------------------------------------------------------------------


def _ground(scene: Scene, photo: Photo | None) -> str:
    size = f'width="{scene.width}" height="{scene.height}"'
    if photo is None:
        return f'<rect class="ground" {size}/>'
    side = max(scene.width, scene.height)
    pixels = resized(photo.pixels, reduced((scene.width, scene.height), min(SIDE / side, 1)))
    data = as_jpeg(Image.fromarray(pixels))
    return f'<image {size} preserveAspectRatio="none" href="{data}"/>'


def _stripes(scene: Scene, id: str) -> str:
    step = max(scene.width, scene.height) / _STRIPES
    return (
        f'<pattern id="{id}" width="{step:.4g}" height="{step:.4g}" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><rect width="{step / 2:.4g}" height="{step:.4g}"/></pattern>'
    )
