"""Label types made from others, when a user asks for them by name (``--derive``).

Going down (boxes and labels from instances) forgets; going up (instances from a map) invents. Both are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from labelkit.findings import Tell
from labelkit.geometry import rle
from labelkit.geometry.boxes import polygon_extent
from labelkit.geometry.trace import components
from labelkit.model import (
    BoundingBox,
    Box,
    Cell,
    Header,
    ImageLabel,
    Instance,
    Layer,
    Layers,
    Polygons,
    Record,
    SemanticMap,
)
from labelkit.pixels import Counts, cell_runs, map_pixels, mask_runs, rle_mask

DERIVABLE = ("labels", "boxes", "semantic", "instances")


def derive(record: Record, wanted: Iterable[str], header: Header, tell: Tell) -> Record:
    """The record with the label types that were asked for by name, made from those it has.

    ``instances`` are made from the segments of a panoptic map, else from the connected pixels (8 neighbours)
    of a semantic map, and only in records without instances: they are invented, and said to be.
    """
    steps: dict[str, Callable[[Record, Header, Tell], Record]] = {
        "instances": _derive_instances,
        "boxes": _derive_boxes,
        "semantic": _derive_semantic,
        "labels": _derive_labels,
    }
    for name, step in steps.items():
        if name in wanted:
            record = step(record, header, tell)
    return record


_COMMON = BoundingBox.model_fields.keys() - {"kind", "box"}


def as_box(record: Record, item: Instance) -> BoundingBox | None:
    """An instance as the box it states, else the box of its pixels; None where it covers none."""
    box = item.box or mask_box(record, item)
    if box is None:
        return None
    fields = {name: value for name, value in item.__dict__.items() if name in _COMMON}
    return BoundingBox.trusted({**fields, "box": box})


def mask_box(record: Record, item: Instance) -> Box | None:
    """The extent of a polygon's vertices or of an RLE's pixels; None where there are none.

    Raises ValueError where the mask is malformed, or its map is not there.
    """
    shape = item.mask.shape
    if isinstance(shape, Polygons):
        rings = [ring for rings in shape.parts for ring in rings if len(ring) > 1]
        return Box(*polygon_extent(rings)) if rings else None
    runs = mask_runs(record, item.mask)
    height = map_pixels(record.maps[shape.map]).shape[0] if isinstance(shape, Cell) else shape.size[0]
    x, y, w, h = rle.extent(runs, height)
    return Box(float(x), float(y), float(w), float(h)) if w and h else None


def _derive_instances(record: Record, header: Header, tell: Tell) -> Record:
    item = record.maps.get("panoptic") or record.maps.get("semantic")
    if not isinstance(item, SemanticMap) or any(known.kind == "instance" for known in record.objects):
        return record
    height, width = map_pixels(item).shape
    segments = "panoptic" in record.maps
    made = [
        Instance(category=item.classes[value], mask=rle_mask(runs, height, width))
        for value, whole in sorted(cell_runs(item).items())
        if value in item.classes
        for runs in ([whole] if segments else components(rle.decode_mask(whole, height, width)))
    ]
    if made:
        code = "LOS307" if segments else "LOS306"
        tell(code, record.image.path, f"{len(made)} instances made from the map", count=len(made))
    return record.model_copy(update={"objects": (*record.objects, *made)})


def _derive_boxes(record: Record, header: Header, tell: Tell) -> Record:
    objects = [
        item.model_copy(update={"box": mask_box(record, item)})
        if item.kind == "instance" and item.box is None
        else item
        for item in record.objects
    ]
    count = sum(new.box != old.box for new, old in zip(objects, record.objects, strict=True))
    if count:
        tell("LOS307", record.image.path, f"{count} boxes made from pixels", count=count)
    return record.model_copy(update={"objects": tuple(objects)})


def _derive_labels(record: Record, header: Header, tell: Tell) -> Record:
    said = {label.category for label in record.labels}
    names = dict.fromkeys(item.category for item in record.objects if item.category not in said)
    if names:
        tell("LOS307", record.image.path, f"{len(names)} labels made from objects", count=len(names))
    made = tuple(ImageLabel(category=name) for name in names)
    return record.model_copy(update={"labels": (*record.labels, *made)})


def _derive_semantic(record: Record, header: Header, tell: Tell) -> Record:
    """Classes of the objects' pixels: crowds at the bottom, then larger first, smaller on top."""
    instances = [item for item in record.objects if item.kind == "instance"]
    width, height = record.image.width, record.image.height
    if "semantic" in record.maps or not instances or width is None or height is None:
        return record
    runs: list[tuple[Instance, Counts]] = [(item, mask_runs(record, item.mask)) for item in instances]
    runs.sort(key=lambda pair: (not pair[0].crowd, -rle.area(pair[1])))
    values = {category.name: value for value, category in enumerate(header.categories, 1)}
    layers = tuple(
        Layer(value=values[item.category], mask=rle_mask(counts, height, width)) for item, counts in runs
    )
    used = {values[item.category]: item.category for item in instances}
    tell("LOS307", record.image.path, "a semantic map made from instances")
    made = SemanticMap(source=Layers(height=height, width=width, layers=layers), classes=used)
    return record.model_copy(update={"maps": {**record.maps, "semantic": made}})
