"""CNV1xx: numbers that mean something else than the format says, by the evidence of the whole data set.

One object cannot show it: a box in normalised units is a tiny box, and could be one. Hundreds cannot all be.
What such a set has wrong value by value is left out (``supersedes``): it is one defect, with one cause.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from labelkit.findings import Location
from labelkit.formats.voc.raw_set import VocSet
from labelkit.geometry.rings import Floats
from labelkit.rules import Fault, Faults, rule
from labelkit.rules.boxes import sane_boxes
from labelkit.survey import Survey

_OF_BOXES = ("GEO102", "GEO103", "GEO111", "GEO114", "GEO116", "GEO117", "GEO118", "GEO120", "GEO121")
_NEARLY_ALL = 0.95
_ROUNDING = 1.0  # pixels


@rule("CNV101", supersedes=_OF_BOXES)
def boxes_are_corners(survey: Survey, *, fewest: int = 5) -> Faults:
    """The boxes are written as two corners (x, y, x, y), where the format has a corner and a size.

    Why: every box is too large, the more so the further right and down it stands; training learns it.
    Fix: subtract x from the third number and y from the fourth, in all of them.
    Example: `"bbox": [600, 400, 630, 440]` for an object of 30 x 40 pixels, in an image of 640 x 480
    Option: fewest, the number of boxes that must leave their images by it.
    """
    box, size = _stated(survey)
    x, y, w, h = box.T
    width, height = size.T
    fits = (w > x) & (h > y) & (w <= width + _ROUNDING) & (h <= height + _ROUNDING) & (x >= -_ROUNDING)
    fits &= y >= -_ROUNDING
    leaves = fits & ((x + w > width + _ROUNDING) | (y + h > height + _ROUNDING))
    # Of boxes spread over an image, more than half leave it when they are read in this way.
    if leaves.sum() >= fewest and fits.mean() >= _NEARLY_ALL and leaves.mean() >= 0.25:
        text = f"{fits.sum()} of {len(box)} boxes fit their images as corners (x, y, x, y)"
        text += f", {leaves.sum()} leave them as x, y, width, height"
        yield Fault(Location(survey.root.name), f"{text}; expected a corner and a size")


@rule("CNV102", supersedes=(*_OF_BOXES, "GEO112"))
def boxes_are_normalised(survey: Survey, *, fewest: int = 5) -> Faults:
    """The boxes are written as parts of the image (0 to 1), where the format has pixels.

    Why: all objects are one pixel in the top left corner. YOLO's files are like that, and their boxes start
    from the centre.
    Fix: multiply x and width by the width of the image, y and height by its height.
    Example: `"bbox": [0.25, 0.5, 0.1, 0.2]`
    Option: fewest, the number of boxes that must be so small.
    """
    box, size = _stated(survey)
    is_inside = np.all((box >= 0) & (box <= 1), axis=1) & np.all(size > 1, axis=1)
    small = is_inside & np.any(box % 1 != 0, axis=1)
    if small.sum() >= fewest and is_inside.mean() >= _NEARLY_ALL:
        text = f"{is_inside.sum()} of {len(box)} boxes have no number above 1"
        yield Fault(Location(survey.root.name), f"{text}; expected pixels, as in x=120, not x=0.25")


def _stated(survey: Survey) -> tuple[Floats, Floats]:
    """(N, 4) the boxes that are stated, and (N, 2) the sizes of their images; only where both are known."""
    box, size = sane_boxes(survey.table), survey.table.size
    known = ~np.isnan(box).any(axis=1) & ~np.isnan(size).any(axis=1)
    return box[known], size[known]


@rule("CNV103", "warning")
def zero_based_voc(whole: VocSet) -> Faults:
    """The boxes of a VOC data set start to count at 0, all of them or some.

    Why: VOC counts from 1, so that official tools and detectron2 subtract 1 from every corner, and all boxes
    shift by a pixel. Where some count from 0 and others from 1, no tool reads all of them right.
    Fix: add 1 to xmin and ymin, and to xmax and ymax if the tool took the last pixel as inside; where both
    are mixed, find out first which tool made which file. `--voc-base` says what is right, and silences this.
    Example: `<xmin>0</xmin>`, which no official file has
    """
    if whole.reader.base != "auto" or whole.reader.facts.base != 0:
        return
    said = whole.annotations.values()
    zeros = [item.zero for item in said if item.zero is not None]
    if not zeros:
        return
    full = next((item.full for item in said if item.zero is None and item.full is not None), None)
    ones = sum(item.one for item in said)
    text = f"a corner at 0, as in {len(zeros)} of {len(said)} files; expected corners from 1"
    if full is not None:
        text += f"; but {full} reaches from 1 to the end of its image, or beyond it: both are mixed"
    elif ones > len(zeros):
        text += f"; but {ones} files have a corner at 1 and none at 0: both seem to be mixed"
    yield Fault(zeros[0], text)


@rule("CNV104")
def crowd_on_everything(survey: Survey, *, fewest: int = 10, share: float = 0.9) -> Faults:
    """Nearly every object is marked as a crowd.

    Why: COCO's evaluation counts crowds neither as found nor as missed, and training leaves them out: nothing
    is left to learn from. CVAT exports every mask as a crowd.
    Fix: write 0 for `iscrowd`, but for what are many objects in one.
    Example: `"iscrowd": 1` on each of 5,000 annotations
    Options: fewest, the number of crowds; share, the part of all objects. Official COCO has 1 in 100.
    """
    crowds, objects = int(survey.table.crowd.sum()), len(survey.table)
    if crowds >= fewest and crowds >= share * objects:
        text = f"{crowds} of {objects} objects are crowds; expected few, as in COCO's own 1 of 100"
        yield Fault(Location(survey.root.name), text)


@rule("CNV105", supersedes=("GEO107", "GEO108", "GEO111", "GEO112", "GEO119", "GEO121"))
def polygons_in_other_units(survey: Survey, *, fewest: int = 5) -> Faults:
    """The polygons are in other units than the pixels of the image: parts of it, or another size of it.

    Why: masks lie where nothing is. It comes from outlines that were traced on a smaller label map, or
    normalised, and never scaled back.
    Fix: scale them to the image.
    Example: `"segmentation": [[0.1, 0.2, 0.3, 0.2, 0.3, 0.4]]` beside `"bbox": [64, 96, 128, 96]`
    Option: fewest, the number of polygons that must be so. Of large sets, a sample is looked at.
    """
    table = survey.table
    known = ~np.isnan(_extents(survey)).any(axis=1)
    extent, box, size = _extents(survey)[known], sane_boxes(table)[known], table.size[known]
    for count, text in (_normalised(extent, size), _scaled(extent, box), _too_large(extent, box, size)):
        if count >= fewest:
            where = Location(survey.root.name)
            yield Fault(where, f"{count} of {len(extent)} polygons {text}; expected pixels of the image")
            return


def _extents(survey: Survey) -> Floats:
    extent = survey.table.extent
    return np.full((len(survey.table), 4), np.nan) if extent is None else extent


def _normalised(extent: Floats, size: Floats) -> tuple[int, str]:
    """How many outlines are within (0, 0, 1, 1), if nearly all are."""
    ends = extent[:, :2] + extent[:, 2:]
    inside = (ends <= 1).all(axis=1) & (extent[:, :2] >= 0).all(axis=1) & (size > 1).all(axis=1)
    return _if_most(inside, _NEARLY_ALL), "have no coordinate above 1"


def _scaled(extent: Floats, box: Floats) -> tuple[int, str]:
    """How many outlines are their boxes times one number, if nearly all are, and it is not 1."""
    ends = [each[:, :2] + each[:, 2:] for each in (extent, box)]
    usable = (extent[:, 2:] > 1).all(axis=1) & (box[:, 2:] > 1).all(axis=1)
    if not usable.any():
        return 0, ""
    ratio = ends[0][usable] / ends[1][usable]
    scale = np.median(ratio, axis=0)
    sides = extent[usable, 2:] / box[usable, 2:]
    same = (np.abs(ratio / scale - 1) < 0.05).all(axis=1) & (np.abs(sides / scale - 1) < 0.15).all(axis=1)
    text = f"are {scale[0]:.3g} times as far right and {scale[1]:.3g} times as far down as their boxes"
    return (_if_most(same, 0.9) if (np.abs(scale - 1) > 0.1).any() else 0), text


def _too_large(extent: Floats, box: Floats, size: Floats) -> tuple[int, str]:
    """How many outlines without a box leave their images by a twentieth or more, if many do."""
    ends = extent[:, :2] + extent[:, 2:]
    leaves = (ends > 1.05 * size).any(axis=1) & np.isnan(box).any(axis=1)
    return _if_most(leaves, 0.25), "leave their images"


def _if_most(marks: ArrayLike, share: float) -> int:
    """The number of marks where they are that part of all, else 0."""
    number, of = int(np.count_nonzero(marks)), int(np.size(marks))
    return number if of and number >= share * of else 0
