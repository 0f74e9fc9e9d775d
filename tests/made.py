"""Records that hypothesis makes: whatever the model can say, at the size of a stamp."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from labelkit.geometry import rle
from labelkit.model import (
    BoundingBox,
    Box,
    Category,
    Cell,
    Header,
    Image,
    ImageLabel,
    Instance,
    InstanceMap,
    Layer,
    Layers,
    Mask,
    Part,
    Polygons,
    Provenance,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pixels import rle_mask

# Names of the closed tables, names of nobody, a space, a letter beyond ASCII; nothing in alphabetical order.
HEADER = Header(
    categories=(
        Category(name="person", supercategory="human", thing=True, colour=(220, 20, 60)),
        Category(name="sky", thing=False),
        Category(name="car"),
        Category(name="traffic light", thing=True),
        Category(name="Äpfel & Birnen"),
        Category(name="bicycle", supercategory="vehicle"),
    )
)
NAMES = [category.name for category in HEADER.categories]

names = st.sampled_from(NAMES)
numbers = st.one_of(
    st.integers(-4, 30).map(float),
    st.integers(-40, 300).map(lambda n: n / 8),
    st.floats(-5, 40, allow_nan=False),
)
maybe = st.sampled_from([None, None, True, False])
scores = st.none() | st.floats(0, 1)
provenances = st.none() | st.just(Provenance(run="r1", model="maskrcnn", score=0.5, status="pending"))
boxes = st.builds(Box, numbers, numbers, numbers, numbers)


@st.composite
def masks(draw: st.DrawFn, height: int, width: int) -> Mask:
    """Polygons with and without holes, and RLEs of noise and of blobs."""
    kind = draw(st.sampled_from(["polygons", "holes", "noise", "block", "compressed"]))
    if kind in ("polygons", "holes"):
        parts = []
        for _ in range(draw(st.integers(1, 2))):
            x, y = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
            w, h = draw(st.integers(1, width - x)), draw(st.integers(1, height - y))
            half = draw(st.sampled_from([0.0, 0.5]))
            ring = [x, y, x + w, y, x + w - half, y + h, x + half, y + h]
            rings = [[float(number) for number in ring]]
            if kind == "holes" and w > 2 and h > 2:
                rings.append([x + 1.0, y + 1.0, x + w - 1.0, y + 1.0, x + w - 1.0, y + h - 1.0])
            parts.append(rings)
        return Mask.of(Polygons(parts))
    pixels = np.zeros((height, width), bool)
    if kind == "noise":
        seed = draw(st.integers(0, 2**16))
        pixels = np.random.default_rng(seed).random((height, width)) < draw(st.sampled_from([0.1, 0.5, 1.0]))
    else:
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        pixels[y : y + draw(st.integers(1, height)), x : x + draw(st.integers(1, width))] = True
    if not pixels.any():
        pixels[0, 0] = True
    runs = rle.encode_mask(pixels)
    if kind == "noise":
        return Mask.of(Rle((height, width), [int(run) for run in runs]))
    return rle_mask(runs, height, width)


@st.composite
def fields(draw: st.DrawFn) -> dict[str, object]:
    """The fields that every object may have."""
    return {
        "category": draw(names),
        "crowd": draw(maybe),
        "difficult": draw(maybe),
        "truncated": draw(maybe),
        "occluded": draw(maybe),
        "pose": draw(st.sampled_from([None, None, "Left", "Unspecified"])),
        "score": draw(scores),
        "attributes": draw(st.none() | st.just({"colour": "red", "n": 2, "deep": [1.5, None]})),
        "parts": draw(st.none() | st.tuples(st.builds(Part, name=st.just("head"), box=boxes))),
        "uid": draw(st.none() | st.uuids().map(str)),
        "provenance": draw(provenances),
    }


@st.composite
def records(draw: st.DrawFn, path: str = "b/ünter 1.jpg") -> Record:
    """One record. Its masks are outlines, RLEs, and cells of a map that objects share."""
    height, width = draw(st.integers(3, 12)), draw(st.integers(3, 12))
    objects: list[BoundingBox | Instance] = []
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            objects.append(BoundingBox(box=draw(boxes), **draw(fields())))
        else:
            box = draw(st.none() | boxes)
            objects.append(Instance(mask=draw(masks(height, width)), box=box, **draw(fields())))
    maps: dict[str, SemanticMap | InstanceMap] = {}
    if draw(st.booleans()):
        cells = draw(st.lists(st.integers(1, 300), min_size=1, max_size=2, unique=True))
        pixels = np.zeros((height, width), np.int32)
        pixels[0, :] = cells[0]
        pixels[-1, 1:] = cells[-1]
        maps["objects"] = InstanceMap(source=layers_of(pixels))
        objects += [Instance(mask=Mask.of(Cell("objects", v)), **draw(fields())) for v in cells]
    if draw(st.booleans()):
        values = {value: draw(names) for value in draw(st.lists(st.integers(1, 40), max_size=3, unique=True))}
        seed = draw(st.integers(0, 2**16))
        ignore = draw(st.sampled_from([None, 99]))
        ground = [0, *values] if ignore is None else [0, ignore, *values]
        pixels = np.random.default_rng(seed).choice(ground, size=(height, width)).astype(np.int32)
        maps["semantic"] = SemanticMap(
            source=layers_of(pixels), classes=values, ignore=ignore, provenance=draw(provenances)
        )
    labelled = draw(st.lists(names, max_size=3, unique=True))
    labels = [
        ImageLabel(
            category=name,
            state=draw(st.sampled_from(["present", "present", "absent", "uncertain"])),
            score=draw(scores),
            provenance=draw(provenances),
        )
        for name in labelled
    ]
    return Record(
        image=Image(path=path, width=width, height=height),
        splits=draw(st.sampled_from([(), ("train",), ("val",), ("train", "val")])),
        labels=tuple(labels),
        objects=tuple(objects),
        maps=maps,
    )


def layers_of(pixels: np.ndarray) -> Layers:
    """An index image as layers."""
    height, width = pixels.shape
    return Layers(
        height=height,
        width=width,
        layers=tuple(
            Layer(value=value, mask=rle_mask(runs, height, width))
            for value, runs in sorted(rle.from_labels(pixels).items())
            if value
        ),
    )


@st.composite
def record_lists(draw: st.DrawFn) -> list[Record]:
    """Two or three records of one data set, not in alphabetical order."""
    paths = ["b/ünter 1.jpg", "a.jpg", "b/0.jpg"][: draw(st.integers(2, 3))]
    return [draw(records(path)) for path in paths]
