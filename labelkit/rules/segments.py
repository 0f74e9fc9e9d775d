"""MSK119 and MSK122 to MSK124: segments of panoptic PNGs, and layers of stuff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from labelkit.formats.coco.panoptic import IDS
from labelkit.formats.coco.raw_panoptic import PanopticImage, RawSegment, StuffImage
from labelkit.geometry import rle
from labelkit.map_files import MapFile
from labelkit.pixels import packed_colours
from labelkit.rules import Fault, Faults, rule
from labelkit.rules._words import bracketed, few

_SHOWN = 3  # values that a message names


class Shown(NamedTuple):
    """What a PNG shows of a segment. box: x, y, w, h of its pixels."""

    area: int
    box: tuple[float, float, float, float]


@rule("MSK119")
def panoptic_segments_disagree(image: PanopticImage) -> Faults:
    """The segments that a panoptic annotation lists are not those that its PNG shows.

    Why: panopticapi stops at the first such image ("segment with ID ... is presented in PNG and not presented
    in JSON"), or evaluates with areas that nobody sees.
    Fix: make segments_info again from the PNG: id = R + 256 G + 65536 B, area the number of pixels, bbox
    their extent; id 0 is what belongs to no segment.
    Example: a segment of `"area": 3528` with 3,530 pixels; an id of the PNG without an entry
    """
    first: dict[int, int] = {}
    for position, segment in enumerate(image.segments):
        if segment.id is None:
            continue  # another rule's
        if not 0 < segment.id < IDS:
            text = f"id {segment.id}; expected ids from 1 to {IDS - 1}, for 0 belongs to no segment"
            yield Fault(segment.at, text)
        elif segment.id in first:
            text = f"id {segment.id} once more (as segments_info[{first[segment.id]}])"
            yield Fault(segment.at, f"{text}; expected ids once each")
        first.setdefault(segment.id, position)
    shown = _shown(image.png) if image.png is not None else None
    if image.png is not None and shown is not None and image.has_sound_ids:
        yield from _beside_png(image, image.png.name, shown)


def _beside_png(image: PanopticImage, name: str, shown: Mapping[int, Shown]) -> Iterator[Fault]:
    ids = {segment.id for segment in image.segments}
    extra = {value: there for value, there in shown.items() if value not in ids}
    for segment in image.segments:
        there = shown.get(segment.id or 0)
        if there is None:
            known = next(
                (v for v, each in extra.items() if (each.area, each.box) == (segment.area, segment.box)), None
            )
            text = f"id {segment.id} has no pixel in {name}"
            if known is not None:
                del extra[known]
                text += f", where id {known} is at its place"
            yield Fault(segment.at, f"{text}; expected the id of its pixels")
        elif differences := _differences(segment, there):
            yield Fault(segment.at, f"{differences}, by the pixels in {name}")
    if extra:
        named = few([f"{value} ({there.area} pixels)" for value, there in extra.items()], _SHOWN)
        text = f"{name} has ids that no segment has: {named}"
        yield Fault(image.at, f"{text}; expected an entry of segments_info for each")


def _differences(segment: RawSegment, there: Shown) -> str:
    found, expected = [], []
    if segment.area is not None and segment.area != there.area:
        found.append(f"area {segment.area:g}")
        expected.append(f"area {there.area}")
    if segment.box is not None and segment.box != there.box:
        found.append(f"bbox {bracketed(segment.box)}")
        expected.append(f"bbox {bracketed(there.box)}")
    return f"{' and '.join(found)}; expected {' and '.join(expected)}" if found else ""


def _shown(png: MapFile) -> dict[int, Shown] | None:
    """What a PNG shows, but for 0; None where it cannot be read as one, which other rules tell."""
    try:
        stored = png.stored
    except ValueError:
        return None
    if stored.ndim != 3 or stored.shape[2] < 3:
        return None
    height, width = stored.shape[:2]
    values, order, counts = np.unique(packed_colours(stored), return_inverse=True, return_counts=True)
    places = order.reshape(height, width)
    in_row = np.zeros((len(values), height), dtype=np.bool_)
    in_column = np.zeros((len(values), width), dtype=np.bool_)
    in_row[places, np.arange(height)[:, None]] = True
    in_column[places, np.arange(width)[None, :]] = True
    x, y = in_column.argmax(axis=1), in_row.argmax(axis=1)
    w = width - in_column[:, ::-1].argmax(axis=1) - x
    h = height - in_row[:, ::-1].argmax(axis=1) - y
    boxes = np.stack([x, y, w, h], axis=1).astype(np.float64).tolist()
    return {
        value: Shown(count, (box[0], box[1], box[2], box[3]))
        for value, count, box in zip(values.tolist(), counts.tolist(), boxes, strict=True)
        if value
    }


@rule("MSK122", "warning")
def stuff_segment_twice(image: PanopticImage) -> Faults:
    """A panoptic annotation has two segments of one stuff class.

    Why: stuff is what has no instances: evaluation matches one segment, and counts the other as missed.
    Fix: join them under one id.
    Example: two segments of `sky` in one image
    """
    first: dict[str, int] = {}
    for position, segment in enumerate(image.segments):
        if segment.kind is None or segment.kind.is_thing is not False:
            continue
        name = segment.kind.name
        if name in first:
            text = f"{name!r} once more (as segments_info[{first[name]}])"
            yield Fault(segment.at, f"{text}; expected one segment of a stuff class")
        first.setdefault(name, position)


@rule("MSK123", "warning")
def stuff_overlap(image: StuffImage) -> Faults:
    """Two layers of stuff of one image claim the same pixels.

    Why: a pixel is of one stuff class; which of the two a tool takes depends on the order of the layers.
    Fix: take the pixels out of one of them.
    Example: an RLE of `grass` that reaches into that of `sky`
    """
    known = [(position, each) for position, each in enumerate(image.runs) if each is not None]
    if not known or sum(rle.area(each) for _, each in known) == rle.area(
        rle.union([each for _, each in known])
    ):
        return
    for number, (position, each) in enumerate(known):
        for before, other in known[:number]:
            pixels = rle.intersection_area(each, other)
            if pixels:
                text = f"{pixels} pixels that {image.at[before].element} has too; expected one layer a pixel"
                yield Fault(image.at[position], text)


@rule("MSK124", "info")
def thing_as_stuff(image: StuffImage) -> Faults:
    """A layer of stuff is of a category that is a thing.

    Why: things are told apart one by one; tools for stuff leave them out, or map them to "other".
    Fix: move it to the instances, or correct its category. A document of which more than a tenth is things
    was made of whole semantic maps, and is left alone.
    Example: a `person` in `stuff_val2017.json`
    """
    for position, name in image.things.items():
        text = f"category {name!r} is a thing; expected one with `isthing` 0"
        yield Fault(image.at[position], text)
