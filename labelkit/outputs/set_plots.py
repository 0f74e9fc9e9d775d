"""What a data set shows as a whole, as plots: classes, sizes, objects an image, and where the boxes are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.outputs.page import figures, folded, table
from labelkit.outputs.plots import bars, heat_map, histogram
from labelkit.survey import Survey

_MOST_CLASSES = 16
_ACROSS = 32  # cells of the heat map
_MOST_COLUMNS = 40  # of a histogram of whole numbers


def set_plots(survey: Survey) -> str:
    """The plots of a data set as HTML."""
    rows = survey.table
    objects = Counter(name if name is not None else "(no known class)" for name in rows.category)
    counted, said = (objects, "Objects of each class") if objects else _shown_by_images(survey)
    classes = [(name, float(count)) for name, count in counted.most_common()]
    plots = [bars(classes[:_MOST_CLASSES], title=_title(said, len(classes)))]
    per_image = np.bincount(rows.image, minlength=len(survey.images)) if survey.images else np.zeros(0, int)
    plots.append(_whole_numbers(per_image, "Objects in an image"))
    if not np.isnan(rows.box).all():
        plots += [_sizes(rows.box), heat_map(coverage(survey), title="Where boxes are", unit="boxes")]
    more = ""
    if len(classes) > _MOST_CLASSES:
        more = folded(f"All {len(classes)} classes", table(["class", said.split()[0].lower()], classes))
    return figures(plots) + more


def _title(said: str, count: int) -> str:
    return said if count <= _MOST_CLASSES else f"{said}: the first {_MOST_CLASSES} of {count}"


def _shown_by_images(survey: Survey) -> tuple[Counter[str], str]:
    """The classes of a set without objects: those of its label maps, or else of its image labels."""
    if survey.painted:
        return Counter(survey.painted), "Images that show a class"
    labels = [label for each in survey.labels.values() for label in each if label.state == "present"]
    return Counter(label.category for label in labels), "Images of each class"


def _whole_numbers(values: NDArray[Any], title: str) -> str:
    """A histogram of whole numbers; a column for each, where there is room."""
    if values.size == 0:
        return histogram([], [], title=title)
    step = max(int(np.ceil((values.max() + 1) / _MOST_COLUMNS)), 1)
    edges = np.arange(0, values.max() + step + 1, step)
    return histogram(edges, np.histogram(values, edges)[0], title=title)


def _sizes(box: NDArray[np.float64]) -> str:
    """Sizes of boxes on a logarithmic axis, eight columns for a factor of ten."""
    with np.errstate(over="ignore", invalid="ignore"):
        sides = np.sqrt(np.prod(box[(box[:, 2:] > 0).all(axis=1), 2:], axis=1))
    sides = sides[np.isfinite(sides) & (sides > 0)]
    title, unit = "Sizes of boxes", "square root of the area, in pixels"
    if sides.size == 0:
        return histogram([], [], title=title, unit=unit)
    low, high = np.floor(8 * np.log10(sides.min())), np.floor(8 * np.log10(sides.max())) + 1
    if high - low > 200:  # numbers that no image has
        return histogram([], [], title=title, unit=unit)
    edges = 10 ** (np.arange(low, high + 1) / 8)
    return histogram(edges, np.histogram(sides, edges)[0], title=title, unit=unit, log=True)


def coverage(survey: Survey) -> NDArray[np.float64]:
    """How many boxes lie on each cell of a frame that all images are stretched to."""
    rows = survey.table
    sizes = rows.size
    known = sizes[np.isfinite(sizes).all(axis=1)]
    aspect = float(np.median(known[:, 1] / known[:, 0])) if len(known) else 0.75
    down = int(np.clip(round(_ACROSS * aspect), 8, 64))
    with np.errstate(over="ignore", invalid="ignore"):
        corners = np.column_stack([rows.box[:, :2], rows.box[:, :2] + rows.box[:, 2:]]) / np.tile(sizes, 2)
    corners = corners[np.isfinite(corners).all(axis=1) & (corners[:, 2:] > corners[:, :2]).all(axis=1)]
    corners = corners[(corners[:, 2:] > 0).all(axis=1) & (corners[:, :2] < 1).all(axis=1)]
    corners = np.clip(corners, 0, 1) * [_ACROSS, down, _ACROSS, down]
    first, last = np.floor(corners[:, :2]).astype(int), np.ceil(corners[:, 2:]).astype(int)
    steps = np.zeros((down + 1, _ACROSS + 1))
    for x, y, sign in ((first, first, 1), (last, first, -1), (first, last, -1), (last, last, 1)):
        np.add.at(steps, (y[:, 1], x[:, 0]), sign)
    return steps.cumsum(axis=0).cumsum(axis=1)[:down, :_ACROSS]
