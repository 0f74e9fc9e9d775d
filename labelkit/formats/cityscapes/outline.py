"""From pixels to the polygon that a rule paints back to them, or to several where one is not enough."""

from __future__ import annotations

from typing import NamedTuple

from labelkit.formats.cityscapes.scene import Rule, ring_mask
from labelkit.geometry import raster, rle, trace
from labelkit.model import Instance, Mask
from labelkit.pixels import Counts


class Piece(NamedTuple):
    """An object on its way into the scene.

    position: its place in the source, for messages. runs: its pixels, before others cover them.
    known: polygons that may be its outline already. ring: the polygon that was chosen.
    """

    item: Instance
    position: int
    runs: Counts
    known: tuple[Mask, ...]
    ring: Mask | None = None


def regions(where: rle.Mask, rule: Rule) -> list[Counts]:
    """The connected parts of a mask that one polygon each can be drawn around.

    By the official rule one polygon joins pixels that touch at a corner; by Pillow's it paints others there.
    """
    if rule == "official":
        return trace.components(where)
    height, width = where.shape
    parts = []
    for rings in trace.outlines(where):
        # COCO's fill paints exactly what lies between pixel edges.
        outer, *holes = [raster.coco_polygons([ring.ravel().tolist()], height, width) for ring in rings]
        parts.append(rle.minus(outer, rle.union(holes)) if holes else outer)
    return parts


def traced(runs: Counts, size: tuple[int, int], rule: Rule) -> Mask:
    """One polygon that a rule paints to these pixels: exactly (official), or nearly (pillow).

    Args: size: height, width of the image.
    """
    shape, x, y = rle.window(runs, size[0])
    draw = trace.official_polygon_of if rule == "official" else trace.pillow_polygon_of
    points = draw(shape)
    # An x of -1 is outside every window and must stay outside the image (see official_polygon_of).
    return ring_mask([(px + x if px >= 0 else px, py + y) for px, py in points.tolist()])
