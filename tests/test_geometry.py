"""Geometry against its oracles: pycocotools, the official Cityscapes images, Pillow as installed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from labelkit.geometry import boxes, raster, rle, trace
from labelkit.geometry.rle import Counts, Mask

CORPUS = Path(os.environ.get("LABELKIT_CORPUS") or Path(__file__).parents[2] / "shared" / "corpus")
COCO_RESULTS = "coco-val2014-100/instances_val2014_fakesegm100_results.json"
COCO_TRUTH = "coco-val2014-100/instances_val2014_100.json"
CITYSCAPES = "cityscapes-golden/gtFine/val/testcity"

LABELS = """unlabeled, ego vehicle, rectification border, out of roi, static, dynamic, ground, road, sidewalk,
parking, rail track, building, wall, fence, guard rail, bridge, tunnel, pole, polegroup, traffic light,
traffic sign, vegetation, terrain, sky, person, rider, car, truck, bus, caravan, trailer, train, motorcycle,
bicycle"""
LABEL_IDS = {name.strip(): number for number, name in enumerate(LABELS.split(","))} | {"license plate": -1}
FIRST_WITH_INSTANCES = 24

Fill = Callable[[Any, int, int], Counts]


def corpus(name: str) -> Path:
    path = CORPUS / name
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is missing; set LABELKIT_CORPUS to the folder of the real test data")
        pytest.skip(f"{path} is missing")
    return path


# ---------------------------------------------------------------- masks to try


@st.composite
def drawn_masks(draw: st.DrawFn) -> Mask:
    """Overlapping rectangles set and cleared: parts, holes, parts in holes, strips, masks at the border."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    mask = np.zeros((height, width), dtype=np.bool_)
    for value in draw(st.lists(st.booleans(), max_size=7)):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        mask[top : draw(st.integers(top, height)) + 1, left : draw(st.integers(left, width)) + 1] = value
    return mask


noise = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
masks = drawn_masks() | noise


@st.composite
def mask_lists(draw: st.DrawFn) -> list[Mask]:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))
    return draw(st.lists(hnp.arrays(np.bool_, shape), min_size=1, max_size=5))


def coco_encode(mask: Mask) -> Any:
    return coco.encode(np.asfortranarray(mask, dtype=np.uint8))


def blobs(seed: int, height: int, width: int, number: int) -> Mask:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    mask = np.zeros((height, width), dtype=np.bool_)
    for turn in range(number):
        top, left, radius = rng.integers(0, height), rng.integers(0, width), rng.integers(1, height / 6)
        mask[(y - top) ** 2 + (x - left) ** 2 < radius**2] = turn % 3 != 2
    return mask


# ---------------------------------------------------------------- boxes


box_arrays = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.just(4)),
    elements=st.floats(0, 50, width=32) | st.sampled_from([0.0, 1.0, 10.0]),
)


@given(a=box_arrays, b=box_arrays)
def test_box_iou_is_what_pycocotools_says(a: Any, b: Any) -> None:
    expected = coco.iou(a, b, [0] * len(b))
    assert np.array_equal(boxes.box_iou(a, b), expected)


def test_box_iou_of_a_box_without_area_is_0() -> None:
    assert boxes.box_iou([[3, 3, 0, 0]], [[3, 3, 0, 0], [0, 0, 9, 9]]).tolist() == [[0, 0]]


def test_box_iou_of_no_boxes_has_no_rows() -> None:
    assert boxes.box_iou([], [[0, 0, 1, 1]]).shape == (0, 1)


def test_box_iou_names_the_shape_it_was_given() -> None:
    with pytest.raises(ValueError, match=r"boxes of shape \(1, 3\); expected \(N, 4\): x, y, w, h"):
        boxes.box_iou([[1, 2, 3]], [[0, 0, 1, 1]])


def test_polygon_extent_covers_all_rings() -> None:
    assert boxes.polygon_extent([[1, 2, 3, 4.5, 0.25, 3], [9, 9, 8, 8, 9, 8]]) == (0.25, 2, 8.75, 7)
    assert boxes.polygon_extent([]) == boxes.polygon_extent([[]]) == (0, 0, 0, 0)


def test_polygon_area_does_not_depend_on_direction_or_closing() -> None:
    ring = [0, 0, 4, 0, 4, 3, 0, 3]
    assert boxes.polygon_area(ring) == boxes.polygon_area([*ring, 0, 0]) == 12
    assert boxes.polygon_area([0, 3, 4, 3, 4, 0, 0, 0]) == 12
    assert boxes.polygon_area([0, 0, 4, 4]) == boxes.polygon_area([]) == 0


def test_official_coco_areas_and_boxes_are_those_of_the_polygons() -> None:
    annotations = json.loads(corpus(COCO_TRUTH).read_text())["annotations"]
    polygons = [annotation for annotation in annotations if not annotation["iscrowd"]]
    assert len(polygons) > 800
    for annotation in polygons:
        rings = annotation["segmentation"]
        assert math.isclose(sum(map(boxes.polygon_area, rings)), annotation["area"], rel_tol=1e-6)
        assert boxes.polygon_extent(rings) == pytest.approx(annotation["bbox"], abs=0.0051)


# ---------------------------------------------------------------- run lengths


@given(mask=masks)
def test_a_mask_encodes_as_in_pycocotools_and_comes_back(mask: Mask) -> None:
    height, width = mask.shape
    counts, expected = rle.encode_mask(mask), coco_encode(mask)
    assert rle.encode_text(counts) == expected["counts"].decode()
    assert np.array_equal(rle.decode_text(expected["counts"]), counts)
    assert np.array_equal(rle.decode_mask(counts, height, width), mask)
    assert np.array_equal(rle.canonical(counts), counts)
    assert rle.area(counts) == coco.area(expected) == mask.sum()
    assert rle.extent(counts, height) == tuple(coco.toBbox(expected))


def test_official_rle_strings_come_back_letter_for_letter() -> None:
    results = json.loads(corpus(COCO_RESULTS).read_text())
    assert len(results) == 734
    for result in results:
        height, width = result["segmentation"]["size"]
        text = result["segmentation"]["counts"]
        counts = rle.decode_text(text)
        rle.check(counts, height, width)
        assert rle.encode_text(counts) == text
        assert np.array_equal(rle.canonical(counts), counts)
        assert rle.area(counts) == coco.area(result["segmentation"])
        assert rle.extent(counts, height) == tuple(coco.toBbox(result["segmentation"]))


@given(counts=st.lists(st.integers(0, 2**45) | st.integers(0, 70), max_size=12))
def test_any_runs_survive_the_text_however_long(counts: list[int]) -> None:
    array = np.array(counts, dtype=np.int64)
    assert rle.decode_text(rle.encode_text(array)).tolist() == counts


@given(text=st.text(st.characters(max_codepoint=0x2FF), max_size=12) | st.binary(max_size=12))
def test_any_text_either_decodes_or_says_which_character_is_wrong(text: str | bytes) -> None:
    try:
        counts = rle.decode_text(text)
    except ValueError as error:
        assert "character" in str(error) and "expected" in str(error)
    else:
        assert counts.dtype == np.int64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<0 1", "' ' at character 2; expected one of '0' to 'o'"),
        ("<é", "'é' at character 1; expected one of '0' to 'o'"),
        (b"<\xff", "'ÿ' at character 1; expected one of '0' to 'o'"),
        ("<Q", "the text ends inside a number after character 1; expected more"),
        ("<" + "o" * 12 + "0", "a number of 13 characters at character 1; expected at most 12"),
    ],
)
def test_garbage_text_is_named(text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        rle.decode_text(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([5, 6], "runs add up to 11, size 3 x 4 has 12 pixels"),
        ([], "runs add up to 0, size 3 x 4 has 12 pixels"),
        ([14, -2], "run 1 is -2; a run has 0 pixels or more"),
        ([2**62, 2**62, 2**62, 2**62, 12], f"runs add up to {2**64 + 12}, size 3 x 4 has 12 pixels"),
    ],
)
def test_runs_that_are_no_mask_of_the_size_are_named(counts: list[int], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        rle.check(np.array(counts, dtype=np.int64), 3, 4)
    assert str(caught.value) == message
    with pytest.raises(ValueError):
        rle.decode_mask(np.array(counts, dtype=np.int64), 3, 4)


@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=14))
def test_canonical_keeps_the_mask_and_only_a_leading_zero(counts: list[int]) -> None:
    array = np.array(counts, dtype=np.int64)
    short = rle.canonical(array)
    total = sum(counts)
    assert np.array_equal(rle.decode_mask(short, total, 1), rle.decode_mask(array, total, 1))
    assert total == 0 or short[1:].all()
    assert rle.extent(short, total) == rle.extent(array, total)
    assert array.tolist() == counts


def test_the_shortest_texts_are_those_of_the_format() -> None:
    assert rle.encode_text(rle.encode_mask(np.zeros((3, 4), dtype=np.bool_))) == "<"
    assert rle.encode_text(rle.encode_mask(np.ones((3, 4), dtype=np.bool_))) == "0<"


@given(layers=mask_lists())
def test_set_algebra_on_runs_is_that_on_pixels(layers: list[Mask]) -> None:
    counts = [rle.encode_mask(mask) for mask in layers]
    a, b = layers[0], layers[-1]
    assert np.array_equal(rle.union(counts), rle.encode_mask(np.any(layers, axis=0)))
    merged = coco.merge([coco_encode(mask) for mask in layers])
    assert rle.encode_text(rle.union(counts)) == merged["counts"].decode()
    assert np.array_equal(rle.minus(counts[0], counts[-1]), rle.encode_mask(a & ~b))
    assert rle.intersection_area(counts[0], counts[-1]) == (a & b).sum()


def test_masks_of_two_sizes_or_none_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match=r"masks of \[6, 8\] pixels; expected one size"):
        rle.union([np.array([6]), np.array([8])])
    with pytest.raises(ValueError, match="no masks; expected one or more"):
        rle.union([])


@given(labels=hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 4)))
def test_labels_split_into_one_mask_a_value_and_paint_back(labels: NDArray[np.uint16]) -> None:
    found = rle.from_labels(labels)
    assert list(found) == np.unique(labels).tolist()
    for value, counts in found.items():
        assert np.array_equal(counts, rle.encode_mask(labels == value))
    assert np.array_equal(rle.paint(list(found.items()), *labels.shape, background=-1), labels)


@given(layers=mask_lists())
def test_later_layers_are_painted_over_earlier_ones(layers: list[Mask]) -> None:
    expected = np.full(layers[0].shape, 9)
    for value, mask in enumerate(layers):
        expected[mask] = value
    counts = [(value, rle.encode_mask(mask)) for value, mask in enumerate(layers)]
    image = rle.paint(counts, *layers[0].shape, background=9)
    assert image.dtype == np.int32 and np.array_equal(image, expected)


def test_a_layer_of_another_size_is_named() -> None:
    with pytest.raises(ValueError, match=r"layer 1: runs add up to 5, size 2 x 3 has 6 pixels"):
        rle.paint([(1, np.array([6])), (2, np.array([5]))], 2, 3)


# ---------------------------------------------------------------- rasterisers


points_in_and_out = hnp.arrays(
    np.int64, st.tuples(st.integers(0, 9), st.just(2)), elements=st.integers(-6, 30)
)
wild_points = st.lists(
    st.tuples(*[st.floats(-20, 40) | st.sampled_from([0.0, 1e9, -1e9, 1e300, 5.0])] * 2), max_size=8
)
sizes = st.tuples(st.integers(0, 24), st.integers(0, 24))


def official_pixels(points: list[list[int]], height: int, width: int) -> Mask:
    """The official rule once more, pixel by pixel and row by row, after PIL 1.1.7."""
    mask = np.zeros((height, width), dtype=np.bool_)
    edges = list(zip(points, points[1:] + points[:1], strict=True))
    for row in range(height):
        y = np.float32(row + 0.5)
        found = []
        for (x0, y0), (x1, y1) in edges:
            if y0 != y1 and min(y0, y1) <= y <= max(y0, y1):
                slope = np.float32(x1 - x0) / np.float32(y1 - y0)
                found.append(float((y - np.float32(y0)) * slope + np.float32(x0)))
        found.sort()
        for left, right in zip(found[0::2], found[1::2], strict=True):
            first, last = math.ceil(left - 0.5), math.floor(right + 0.5)
            mask[row, max(first, 0) : max(last + 1, 0)] = True
    return mask


@given(points=points_in_and_out, size=sizes)
def test_the_official_fill_is_the_rule_row_by_row(points: NDArray[np.int64], size: tuple[int, int]) -> None:
    expected = rle.encode_mask(official_pixels(points.tolist(), *size))
    assert np.array_equal(raster.official_polygon(points, *size), expected)


@given(points=points_in_and_out, size=sizes)
def test_the_pillow_fill_is_that_of_the_installed_pillow(
    points: NDArray[np.int64], size: tuple[int, int]
) -> None:
    from PIL import ImageDraw

    image = Image.new("L", (size[1], size[0]))
    if len(points) > 1 and size[0] * size[1]:
        ImageDraw.Draw(image).polygon([(x, y) for x, y in points.tolist()], fill=1)
    expected = rle.encode_mask(np.asarray(image).reshape(size) != 0)
    assert np.array_equal(raster.pillow_polygon(points, *size), expected)


@given(points=wild_points, size=sizes)
@settings(max_examples=60)
def test_no_polygon_is_too_wild_to_fill(points: list[tuple[float, float]], size: tuple[int, int]) -> None:
    ring = [number for point in points for number in point]
    for counts in (
        raster.official_polygon(points, *size),
        raster.pillow_polygon(points, *size),
        raster.coco_polygons([ring], *size),
    ):
        rle.check(counts, *size)


@pytest.mark.parametrize("fill", [raster.official_polygon, raster.pillow_polygon])
def test_a_coordinate_that_is_no_number_or_no_pair_is_named(fill: Fill) -> None:
    with pytest.raises(ValueError, match="coordinate 3 is nan; expected a finite number"):
        fill([[0, 0], [1, math.nan]], 4, 4)
    with pytest.raises(ValueError, match=r"points of shape \(1, 3\); expected \(N, 2\): x, y"):
        fill([[0, 0, 0]], 4, 4)


rings = st.lists(
    st.lists(st.floats(-5, 30).map(lambda x: round(x, 2)), min_size=6, max_size=16), min_size=1, max_size=3
)


@given(some=rings, size=st.tuples(st.integers(1, 24), st.integers(1, 24)))
def test_coco_rings_fill_as_in_pycocotools(some: list[list[float]], size: tuple[int, int]) -> None:
    expected = coco.merge(coco.frPyObjects(some, *size))
    counts = raster.coco_polygons(some, *size)
    assert np.array_equal(counts, rle.canonical(rle.decode_text(expected["counts"])))
    assert rle.area(counts) == coco.area(expected)


def test_rings_too_short_for_a_polygon_cover_no_pixel() -> None:
    for short in ([], [[]], [[1, 1]], [[0, 0, 3, 3]], [[0, 0, 3, 3], [1, 1]]):
        assert raster.coco_polygons(short, 3, 4).tolist() == [12]


# ---------------------------------------------------------------- Cityscapes, for real


def golden() -> list[str]:
    return [f"testcity_{number:06}_000019_gtFine" for number in range(10)]


def painted(objects: list[dict[str, Any]], *, instances: bool) -> Iterator[tuple[int, list[list[float]]]]:
    """What the official scripts paint: a value and a polygon, in order."""
    seen: Counter[str] = Counter()
    for one in objects:
        if one.get("deleted"):
            continue
        is_group = one["label"] not in LABEL_IDS
        label = one["label"].removesuffix("group") if is_group else one["label"]
        value = LABEL_IDS[label]
        if instances and value >= FIRST_WITH_INSTANCES and not is_group:
            value, seen[label] = value * 1000 + seen[label], seen[label] + 1
        if value >= 0:
            yield value, one["polygon"]


def rendered(annotation: dict[str, Any], fill: Fill, *, instances: bool) -> NDArray[np.int32]:
    height, width = annotation["imgHeight"], annotation["imgWidth"]
    layers = [
        (value, fill(polygon, height, width))
        for value, polygon in painted(annotation["objects"], instances=instances)
    ]
    return rle.paint(layers, height, width)


@pytest.mark.parametrize("stem", golden())
def test_golden_polygons_render_to_the_official_images_bit_for_bit(stem: str) -> None:
    folder = corpus(CITYSCAPES)
    annotation = json.loads((folder / f"{stem}_polygons.json").read_text())
    for kind, instances in (("labelIds", False), ("instanceIds", True)):
        with Image.open(folder / f"{stem}_{kind}.png") as image:
            expected = np.asarray(image)
        assert np.array_equal(rendered(annotation, raster.official_polygon, instances=instances), expected)


@pytest.mark.parametrize("stem", golden())
def test_golden_polygons_render_as_the_official_scripts_do_today(stem: str) -> None:
    annotation_module = pytest.importorskip("cityscapesscripts.helpers.annotation")
    label_module = pytest.importorskip("cityscapesscripts.preparation.json2labelImg")
    instance_module = pytest.importorskip("cityscapesscripts.preparation.json2instanceImg")
    path = corpus(CITYSCAPES) / f"{stem}_polygons.json"
    official = annotation_module.Annotation()
    official.fromJsonFile(str(path))
    annotation = json.loads(path.read_text())
    labels = np.asarray(label_module.createLabelImage(official, "ids"))
    instances = np.asarray(instance_module.createInstanceImage(official, "ids"))
    assert np.array_equal(rendered(annotation, raster.pillow_polygon, instances=False), labels)
    assert np.array_equal(rendered(annotation, raster.pillow_polygon, instances=True), instances)


def test_every_golden_instance_image_traces_and_paints_back() -> None:
    for stem in golden()[:4]:
        with Image.open(corpus(CITYSCAPES) / f"{stem}_instanceIds.png") as image:
            labels = np.asarray(image)
        height, width = labels.shape
        for counts in rle.from_labels(labels).values():
            polygon = trace.official_polygon_of(rle.decode_mask(counts, height, width))
            assert np.array_equal(raster.official_polygon(polygon, height, width), counts)


# ---------------------------------------------------------------- tracing


def doubled_area(ring: NDArray[np.int64]) -> int:
    """Above 0 where the ring goes clockwise on the screen."""
    points = ring.tolist()
    pairs = zip(points, points[1:] + points[:1], strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)


def turns(ring: NDArray[np.int64]) -> bool:
    """Whether a closed ring turns by a right angle at every point."""
    step = np.roll(ring, -1, axis=0) - ring
    is_level = step[:, 1] == 0
    return bool(((step != 0).sum(axis=1) == 1).all() and (is_level != np.roll(is_level, 1)).all())


@given(mask=masks)
def test_outlines_filled_even_odd_give_the_mask_back(mask: Mask) -> None:
    crossings = np.zeros(mask.shape, dtype=np.int64)
    for part in trace.outlines(mask):
        for ring in part:
            filled = raster.coco_polygons([ring.ravel().tolist()], *mask.shape)
            crossings += rle.decode_mask(filled, *mask.shape)
    assert np.array_equal(crossings % 2 == 1, mask)


@given(mask=masks)
def test_outlines_are_ordered_and_turn_at_every_point(mask: Mask) -> None:
    parts = trace.outlines(mask)
    tops = [tuple(part[0][0].tolist()[::-1]) for part in parts]
    assert tops == sorted(tops)
    for part in parts:
        assert doubled_area(part[0]) > 0
        assert all(doubled_area(hole) < 0 for hole in part[1:])
        assert all(turns(ring) for ring in part)
        assert all(ring[0].tolist() == min(ring.tolist(), key=lambda p: (p[1], p[0])) for ring in part)
    assert sum(doubled_area(ring) for part in parts for ring in part) == 2 * mask.sum()


def test_a_ring_of_pixels_is_one_part_with_one_hole() -> None:
    mask = np.ones((3, 3), dtype=np.bool_)
    mask[1, 1] = False
    ((exterior, hole),) = trace.outlines(mask)
    assert exterior.tolist() == [[0, 0], [3, 0], [3, 3], [0, 3]]
    assert hole.tolist() == [[1, 1], [1, 2], [2, 2], [2, 1]]


def test_pixels_that_touch_at_a_corner_are_two_outlines_and_one_component() -> None:
    mask = np.eye(2, dtype=np.bool_)
    assert [len(part) for part in trace.outlines(mask)] == [1, 1]
    assert [counts.tolist() for counts in trace.components(mask)] == [[0, 1, 2, 1]]


@given(mask=masks)
@settings(max_examples=400)
def test_one_polygon_paints_any_mask_back_under_the_official_rule(mask: Mask) -> None:
    height, width = mask.shape
    polygon = trace.official_polygon_of(mask)
    assert np.array_equal(raster.official_polygon(polygon, height, width), rle.encode_mask(mask))
    assert (len(polygon) == 0) == (not mask.any())
    if len(polygon):
        assert len(polygon) > 2
        assert polygon.min() >= -1 and (polygon.max(axis=0) <= (width - 1, height)).all()
        assert (polygon[:, 0] == -1).any() == rows_apart(mask)


def rows_apart(mask: Mask) -> bool:
    """Whether an empty row lies between two rows that are not."""
    rows = np.flatnonzero(mask.any(axis=1))
    return bool((np.diff(rows) > 1).any())


@pytest.mark.parametrize("seed", range(4))
def test_one_polygon_paints_large_blobs_and_noise_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for mask in (blobs(seed, 200, 300, 25), rng.random((120, 90)) < 0.2 + 0.2 * seed):
        counts = rle.encode_mask(mask)
        assert np.array_equal(raster.official_polygon(trace.official_polygon_of(mask), *mask.shape), counts)
        assert np.array_equal(rle.union(trace.components(mask)), counts)


def test_a_thousand_parts_beside_each_other_do_not_exhaust_the_stack() -> None:
    mask = np.zeros((3, 4000), dtype=np.bool_)
    mask[1, ::2] = True
    polygon = trace.official_polygon_of(mask)
    assert np.array_equal(raster.official_polygon(polygon, 3, 4000), rle.encode_mask(mask))


@given(mask=masks)
def test_pillow_paints_a_single_part_without_holes_back(mask: Mask) -> None:
    parts = trace.outlines(mask)
    polygon = trace.pillow_polygon_of(mask)
    assert (len(polygon) == 0) == (not parts)
    if len(parts) == 1:
        assert np.array_equal(raster.pillow_polygon(polygon, *mask.shape), rle.encode_mask(mask))


@given(mask=masks)
def test_components_are_disjoint_whole_and_apart(mask: Mask) -> None:
    height, width = mask.shape
    parts = [rle.decode_mask(counts, height, width) for counts in trace.components(mask)]
    assert np.array_equal(sum(part.astype(int) for part in parts) if parts else mask * 0, mask)
    firsts = [int(part.argmax()) for part in parts]
    assert firsts == sorted(firsts)
    for part in parts:
        framed = np.pad(part, 1)
        near = np.any([np.roll(framed, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
        assert np.array_equal(near[1:-1, 1:-1] & mask, part)
        assert reached(part).all()


def reached(part: Mask) -> NDArray[np.bool_]:
    """For every set pixel, whether a flood from the first one comes there."""
    height, width = part.shape
    start = divmod(int(part.argmax()), width)
    todo, seen = [start], {start}
    while todo:
        y, x = todo.pop()
        for near in ((y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
            if near not in seen and 0 <= near[0] < height and 0 <= near[1] < width and part[near]:
                seen.add(near)
                todo.append(near)
    return np.array([tuple(place) in seen for place in np.argwhere(part).tolist()])


# ---------------------------------------------------------------- the package


def test_importing_the_geometry_does_not_load_pycocotools_or_pillow() -> None:
    code = (
        "import sys, labelkit.geometry.trace, labelkit.geometry.boxes; "
        "print({'pycocotools', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@given(mask=masks)
def test_no_function_changes_what_it_is_given(mask: Mask) -> None:
    before = mask.copy()
    trace.outlines(mask), trace.official_polygon_of(mask), trace.components(mask)
    counts = rle.encode_mask(mask)
    kept = counts.copy()
    rle.encode_text(counts), rle.canonical(counts), rle.minus(counts, counts)
    assert np.array_equal(mask, before) and np.array_equal(counts, kept)


@given(
    shapes=st.lists(
        st.lists(st.lists(st.floats(-9, 40), min_size=4, max_size=14), max_size=3), min_size=1, max_size=6
    ),
    height=st.integers(0, 20),
    width=st.integers(1, 20),
)
def test_areas_of_many_shapes_are_those_of_their_runs(
    shapes: list[list[list[float]]], height: int, width: int
) -> None:
    even = [[ring[: len(ring) // 2 * 2] for ring in shape] for shape in shapes]
    found = raster.coco_areas(even, height, width)
    assert found.tolist() == [rle.area(raster.coco_polygons(shape, height, width)) for shape in even]


def test_areas_are_counted_of_any_number_of_shapes() -> None:
    shapes = [[[0.0, 0.0, k % 7 + 1.0, 0.0, k % 7 + 1.0, 2.0, 0.0, 2.0]] for k in range(600)]
    assert raster.coco_areas(shapes, 9, 9).tolist() == [2.0 * (k % 7 + 1) for k in range(600)]


def test_the_area_of_a_shape_that_is_not_finite_is_none() -> None:
    square = [1.0, 1.0, 4.0, 1.0, 4.0, 4.0, 1.0, 4.0]
    found = raster.coco_areas([[square], [[*square[:-1], float("inf")]], [square, square]], 9, 9)
    assert found[[0, 2]].tolist() == [9, 9]
    assert np.isnan(found[1])
