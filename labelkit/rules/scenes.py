"""MSK115 to MSK117, MSK121 and CNV106: the files of a scene that are made from one another.

Polygons are painted into ids, ids are counted into instances and translated to train ids and colours. What
one file says another must not contradict.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelkit.findings import Location
from labelkit.formats.cityscapes.compare import Comparison, compare, contradictions, said
from labelkit.formats.cityscapes.raw_frame import CityscapesFrame, CityscapesSet
from labelkit.formats.cityscapes.swapped import swapped
from labelkit.rules import Fault, Faults, rule
from labelkit.rules._words import few

_SHOWN = 3  # classes and objects that a message names


@rule("MSK115")
def label_instance_disagree(frame: CityscapesFrame) -> Faults:
    """Two PNGs of one image say different classes of one pixel.

    Why: semantic and instance models learn different things from one image, and evaluation of one contradicts
    the other. labelIds is instanceIds // 1000 (or the value itself below 1000), and train ids and colours
    follow from the label table.
    Fix: paint the PNGs again from one source (csCreateTrainIdLabelImgs, json2labelImg, json2instanceImg).
    Example: pixels that are `truck` in labelIds and `car 26003` in instanceIds
    """
    for item in contradictions(frame):
        total, (x, y) = int(np.count_nonzero(item.where)), _first(item.where)
        pairs = [
            f"{said(item.kind, one)} where {item.other} says {said(item.kind, other)} ({count})"
            for one, other, count in item.pairs
        ]
        text = f"{total} pixels contradict {item.other}, first at x={x}, y={y}: {few(pairs, _SHOWN)}"
        where = _at(frame, item.kind, item.where)
        yield Fault(where, f"{text}; expected {_derived(item.kind, item.other)}")


def _derived(kind: str, other: str) -> str:
    if {kind, other} == {"labelIds", "instanceIds"}:
        return "labelIds = instanceIds // 1000, or the value itself below 1000"
    return f"the {kind} of {other} by the label table"


@rule("MSK116", "warning")
def polygon_png_disagree(frame: CityscapesFrame) -> Faults:
    """A PNG shows something else than the polygons of its image, painted in their order.

    Why: who trains on the PNGs and who trains on the polygons learn different objects; one of the two was
    changed and the other was not.
    Fix: find out which is right; paint the PNGs again, or draw the polygons anew.
    Example: a polygon that was moved after `_instanceIds.png` had been painted
    """
    item = compare(frame)
    if item is None or not item.where.any():
        return
    total, (x, y) = int(np.count_nonzero(item.where)), _first(item.where)
    share = 100 * total / item.where.size
    there = said(item.kind, int(item.shown[y, x]))
    owner = int(item.scene.owners[y, x])
    objects = item.concerned()
    named = [f"{_object(frame, k)} ({count} pixels)" for k, count in objects]
    painted = _object(frame, owner - 1) if owner else "nothing"
    text = f"{total} pixels ({share:.2g} %) differ from the polygons, first at x={x}, y={y}: {there} where"
    text += f" {painted} is painted; concerned: {few(named, _SHOWN)}"
    number = objects[0][0] + 1 if objects else None
    where = _at(frame, item.kind, item.where, number=number)
    yield Fault(where, f"{text}; expected what the {item.scene.rule} rule paints")


@rule("MSK117")
def instance_numbering(frame: CityscapesFrame) -> Faults:
    """An object has another number in instanceIds than its place among the polygons gives it.

    Why: the number is all that ties the pixels to their polygon: tools that count as the official ones do put
    the wrong outline, class or track to it. Objects of a class are counted from 0 in the order of the file,
    hidden ones included, so that gaps are normal; groups and classes without instances have no number.
    Fix: paint instanceIds again from the polygons (json2instanceImg). Split an image with more than 1000
    objects of a class.
    Example: the second car as `26002`; a road as `7001`; `26007` where six cars are drawn
    """
    for overflow in frame.overflowing:
        assert frame.polygons is not None  # which the object is of
        text = f"the 1001st {overflow.category}, whose number is one of the next class; expected 1000 at most"
        yield Fault(frame.polygons.at(overflow, "label"), text)
    for kind in ("instanceIds", "instanceTrainIds"):
        wrong = frame.without_instances(kind)
        if wrong:
            value, count = next(iter(wrong.items()))
            name = said(kind, value // 1000)
            text = f"value {value} ({count} pixels) numbers {name}, which has no instances"
            more = f" ({len(wrong) - 1} more such values)" if len(wrong) > 1 else ""
            yield Fault(frame.at(kind, f"value {value}"), f"{text}{more}; expected {value // 1000}")
    item = compare(frame)
    if item is not None and (item.renumbered or item.unowned):
        yield _misnumbered(frame, item)


def _misnumbered(frame: CityscapesFrame, item: Comparison) -> Fault:
    """One finding of all numbers of a frame: one hidden polygon that was not counted moves all after it."""
    place = {value: k for k, value in enumerate(item.scene.numbers)}
    parts, expected = [], "the numbers of the polygons by class, in the order of the file"
    if item.renumbered:
        named = [
            f"{_object(frame, place[value])} has {there} and not {value}"
            for value, there in item.renumbered.items()
        ]
        parts.append(few(named, _SHOWN))
    if item.unowned:
        named = [f"{value} ({count} pixels)" for value, count in item.unowned.items()]
        parts.append(f"no polygon has the value {few(named, _SHOWN)}")
    value = next(iter(item.renumbered.values()), None) or next(iter(item.unowned))
    first = next(iter(item.renumbered), None)
    number = place[first] + 1 if first is not None else None
    where = _at(frame, item.kind, item.shown == value, f"value {value}", number)
    return Fault(where, f"{'; '.join(parts)}; expected {expected}")


@rule("MSK121", "info")
def painted_by_other_rule(frame: CityscapesFrame) -> Faults:
    """The PNGs were painted from the polygons by today's Pillow, whose fill is not that of the official PNGs.

    Why: borders differ by a pixel here and there; the official evaluation gives such a rendering a mIoU of
    0.975 against the official one. Pillow changed its fill in 2.5.0, and the scripts paint as it does.
    Fix: none is needed if all of the data was painted so; `labelkit convert` paints by the official rule.
    Example: `_labelIds.png` made by json2labelImg under Pillow 12
    """
    item = compare(frame)
    if item is not None and item.scene.rule != frame.raster:
        share = 100 * item.borders / item.where.size
        painter = "today's Pillow" if item.scene.rule == "pillow" else "the official rule"
        text = f"painted by {painter}: {item.borders} pixels ({share:.2g} %) on borders differ"
        yield Fault(frame.at(item.kind), f"{text}; expected the {frame.raster} rule")


# --- the whole set -----------------------------------------------------------------------------------------


@rule("CNV106", supersedes=("MSK112", "MSK115", "MSK116", "MSK117"))
def train_ids_as_label_ids(data: CityscapesSet) -> Faults:
    """The labelIds PNGs hold train ids, or the labelTrainIds PNGs hold label ids.

    Why: every class is taken for another one: train id 13 is `car`, and label id 13 is `fence`.
    Fix: rename the files, or make them again with csCreateTrainIdLabelImgs.
    Example: `_labelIds.png` with the values 0 to 18 and 255
    """
    for kind, holds in (("labelIds", "train ids"), ("labelTrainIds", "label ids")):
        swap = swapped(data, kind)
        if swap is not None:
            text = f"all {swap.files} {kind} PNGs hold {holds}: {swap.evidence}"
            yield Fault(Location(swap.first), f"{text}; expected {_meant(kind)}")


def _meant(kind: str) -> str:
    return "label ids, 0 to 33" if kind == "labelIds" else "train ids, 0 to 18, and 255"


# --- words -------------------------------------------------------------------------------------------------


def _first(where: NDArray[np.bool_]) -> tuple[int, int]:
    """x and y of the first pixel, row by row."""
    y, x = divmod(int(np.argmax(where)), where.shape[1])
    return x, y


def _at(
    frame: CityscapesFrame,
    kind: str,
    where: NDArray[np.bool_],
    element: str | None = None,
    number: int | None = None,
) -> Location:
    """A PNG, with the extent of the pixels that are spoken of."""
    columns, rows = np.flatnonzero(where.any(axis=0)), np.flatnonzero(where.any(axis=1))
    x, y = float(columns[0]), float(rows[0])
    box = (x, y, float(columns[-1]) + 1 - x, float(rows[-1]) + 1 - y)
    return frame.at(kind, element, number=number, box=box)


def _object(frame: CityscapesFrame, position: int) -> str:
    """A polygon that is not deleted, by its position among these."""
    assert frame.polygons is not None  # whose objects were painted
    item = frame.polygons.kept[position]
    return f"objects[{item.ordinal}] ({item.label})"
