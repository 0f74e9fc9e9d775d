"""What holds for rules of boxes, polygons and masks on whatever there is; and what others say of the same."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from made import NAMES, record_lists

from labelkit.changes import Fix, Put, Remove
from labelkit.findings import Location
from labelkit.formats.coco.index import Index
from labelkit.formats.coco.inspect import tables as tables_of
from labelkit.formats.coco.raw_document import CocoDocument
from labelkit.geometry import rle
from labelkit.geometry.boxes import box_iou, polygon_area, polygon_extent
from labelkit.geometry.rings import Rings, clipped, crossings
from labelkit.model import BoundingBox, Box, Image, Instance, Mask, Polygons, Record, Rle
from labelkit.pixels import rle_mask, shape_runs
from labelkit.rules import Fault, Rule, rules
from labelkit.rules.duplicates import copies, near_pairs, pairs_in_reach
from labelkit.rules.masks import specks_of
from labelkit.shapes import shapes_of
from labelkit.table import Table, table_of

OVER_TABLES = {code: rule for code, rule in rules().items() if rule.over is Table}
EXAMPLES = settings(max_examples=60)


def nowhere(record: Record, position: int) -> Location:
    return Location(record.image.path, image=record.image.path, object=position + 1)


def found(rule: Rule, table: Table) -> list[Fault]:
    options = {"target": "voc"} if "target" in rule.options else {}
    return list(rule.check(table, **options))


# --- objects with all that can be wrong with them ----------------------------------------------------------

wild = st.one_of(
    st.integers(-3, 16).map(float),
    st.floats(-5, 20, allow_nan=False),
    st.floats(allow_nan=False, allow_infinity=False),
)
near = st.integers(-2, 14).map(float)
rings = st.lists(near, max_size=14) | st.lists(wild, max_size=10)
ragged = st.lists(rings, max_size=3).map(lambda many: Mask.of(Polygons([[ring] for ring in many])))
holed = st.lists(st.lists(rings, min_size=1, max_size=3), max_size=2).map(lambda m: Mask.of(Polygons(m)))
lists = st.lists(st.integers(-5, 200), max_size=6).map(lambda runs: Mask.of(Rle((10, 12), runs)))
texts = st.sampled_from([b"[]", b"{}", b"7", b'["x"]', b"[[", b'{"counts": "~", "size": [10, 12]}'])
noise = st.lists(st.booleans(), min_size=120, max_size=120).map(
    lambda bits: rle_mask(rle.encode_mask(np.array(bits).reshape(10, 12)), 10, 12)
)
boxes = st.builds(Box, wild, wild, wild, wild) | st.builds(Box, near, near, near, near)
masks = st.one_of(ragged, holed, lists, texts.map(Mask), noise)
crowds = st.sampled_from([None, False, True])
objects = st.one_of(
    st.builds(BoundingBox, category=st.sampled_from(NAMES[:2]), box=boxes, crowd=crowds),
    st.builds(Instance, category=st.sampled_from(NAMES[:2]), box=st.none() | boxes, mask=masks, crowd=crowds),
)


@st.composite
def broken_records(draw: st.DrawFn) -> Record:
    size = draw(st.sampled_from([(12, 10), (12, 10), (None, None)]))
    image = Image(path="a.jpg", width=size[0], height=size[1])
    return Record(image=image, objects=tuple(draw(st.lists(objects, max_size=4))))


def tables(records: list[Record]) -> Iterator[Table]:
    """The objects, as they are and with areas stated beside them."""
    table = table_of(records, nowhere)
    yield table
    for area in (-1.0, 0.0, 7.5, 1e300):
        columns = {name: getattr(table, name) for name in table.__dataclass_fields__}
        yield Table(**{**columns, "area": np.full(len(table), area)})


@EXAMPLES
@given(items=record_lists(), others=st.lists(broken_records(), max_size=2))
def test_no_rule_fails_on_anything(items: list[Record], others: list[Record]) -> None:
    for table in tables([*items, *others]):
        for rule in OVER_TABLES.values():
            for fault in found(rule, table):
                assert isinstance(fault.where, int)
                assert 0 <= fault.where < len(table)
                assert fault.message
                assert pickle.loads(pickle.dumps(fault)) == fault


@EXAMPLES
@given(record=broken_records(), items=record_lists())
def test_what_is_found_in_an_image_does_not_depend_on_the_others(record: Record, items: list[Record]) -> None:
    alone, among = table_of([record], nowhere), table_of([items[0], record, items[1]], nowhere)
    before = len(items[0].objects)
    for rule in OVER_TABLES.values():
        here = [(each.where, each.message) for each in found(rule, alone)]
        there = [(each.where - before, each.message) for each in found(rule, among)]
        assert [each for each in there if 0 <= each[0] < len(alone)] == here


def test_an_area_that_two_formulas_agree_on_is_told_once() -> None:
    square = Mask.of(Polygons([[[1.0, 1, 9, 1, 9, 9, 1, 9]]]))
    item = Instance(category="car", mask=square)
    record = Record(image=Image(path="a.jpg", width=12, height=10), objects=(item,))
    messages = [fault.message for table in tables([record]) for fault in found(rules()["GEO112"], table)]
    expected = "expected 64 (of its polygon)"
    assert messages == [f"area 0; {expected}", f"area 7.5; {expected}", f"area 1e+300; {expected}"]


def test_a_rule_takes_the_place_of_rules_that_there_are() -> None:
    superseded = {code: rule.supersedes for code, rule in rules().items() if rule.supersedes}
    assert {"CNV101", "CNV102", "CNV105"} <= superseded.keys()
    for code, others in superseded.items():
        assert set(others) <= rules().keys() - {code}


def mended(record: Record, position: int, fix: Fix) -> Record:
    items = list(record.objects)
    if isinstance(fix.change, Remove):
        del items[position]
    else:
        assert isinstance(fix.change, Put)
        item = items[position]
        if item.kind == "box" and fix.change.field == "mask":
            raise AssertionError("a mask for an object that has none")
        items[position] = item.model_copy(update={fix.change.field: fix.change.value})
    return record.model_copy(update={"objects": tuple(items)})


@settings(max_examples=200)
@given(record=broken_records())
def test_a_fix_mends_what_it_is_for_and_breaks_nothing_else(record: Record) -> None:
    table = table_of([record], nowhere)
    for code, rule in OVER_TABLES.items():
        faults = found(rule, table)
        for fault in faults:
            if fault.fix is None or (isinstance(fault.fix.change, Put) and fault.fix.change.field == "area"):
                continue
            assert isinstance(fault.where, int)
            after = mended(record, fault.where, fault.fix)
            left = found(rule, table_of([after], nowhere))
            if isinstance(fault.fix.change, Put):
                assert not [each for each in left if each.where == fault.where], (code, fault, left)
                Record.model_validate(after.model_dump())


@EXAMPLES
@given(record=broken_records())
def test_fixing_one_after_the_other_comes_to_an_end(record: Record) -> None:
    for _ in range(30):
        table = table_of([record], nowhere)
        fixes = [
            (fault.where, fault.fix)
            for rule in OVER_TABLES.values()
            for fault in found(rule, table)
            if fault.fix is not None
        ]
        if not fixes:
            return
        record = mended(record, *fixes[-1])
    raise AssertionError(f"still {fixes}")


@EXAMPLES
@given(ring=st.lists(near, min_size=6, max_size=16).filter(lambda r: len(r) % 2 == 0))
def test_leaving_out_repeated_points_changes_no_pixel(ring: list[float]) -> None:
    doubled = [number for k in range(0, len(ring), 2) for number in ring[k : k + 2] * (1 + k % 3)]
    item = Instance(category="car", mask=Mask.of(Polygons([[doubled]])))
    record = Record(image=Image(path="a.jpg", width=12, height=10), objects=(item,))
    for fault in found(rules()["GEO109"], table_of([record], nowhere)):
        assert fault.fix is not None
        assert fault.fix.is_safe
        assert isinstance(fault.fix.change, Put)
        before, after = (shape_runs(mask, 10, 12) for mask in (item.mask, fault.fix.change.value))
        assert np.array_equal(rle.canonical(before), rle.canonical(after))


# --- what others say ---------------------------------------------------------------------------------------

usual = st.lists(near, min_size=6, max_size=16).filter(lambda ring: len(ring) % 2 == 0)


@EXAMPLES
@given(many=st.lists(st.lists(usual, min_size=1, max_size=3), max_size=5))
def test_columns_of_rings_say_what_each_ring_says(many: list[list[list[float]]]) -> None:
    shapes = shapes_of([Mask.of(Polygons([[ring] for ring in each])) for each in many])
    assert shapes.extent.tolist() == [list(polygon_extent(each)) for each in many]
    assert shapes.area == pytest.approx([sum(polygon_area(ring) for ring in each) for each in many])
    simple = [shapely.LinearRing(np.reshape(ring, (-1, 2))).is_simple for each in many for ring in each]
    crossed = {each.ring for each in crossings(shapes.rings)}
    assert [number not in crossed for number in range(len(simple))] == simple


@EXAMPLES
@given(masks=st.lists(masks, max_size=6))
def test_every_mask_is_of_one_kind(masks: list[Mask]) -> None:
    shapes = shapes_of(masks)
    kinds = [set(shapes.row.tolist()), set(shapes.blank), {*shapes.rles}, {*shapes.cells}, {*shapes.broken}]
    assert sorted(row for kind in kinds for row in kind) == list(range(len(masks)))
    assert shapes.has_mask.all()


def test_a_bow_tie_swallows_its_smaller_lobe() -> None:
    points = np.array([[0, 0], [12, 12], [12, 0], [0, 12], [-4, 6]], dtype=float)
    (crossing,) = crossings(Rings(points, np.array([0, 5])))
    assert (crossing.x, crossing.y) == (6, 6)
    assert crossing.swallowed == pytest.approx(36)  # the right lobe; the left one has 60
    assert crossing.covered == pytest.approx(96)


@EXAMPLES
@given(
    many=st.lists(st.tuples(st.integers(0, 2), near, near, near, near), max_size=14),
    limit=st.sampled_from([0.3, 0.5, 0.9, 1.0]),
)
def test_near_pairs_are_all_whose_overlap_is_enough(many: list[Any], limit: float) -> None:
    many.sort(key=lambda row: row[0])
    image = np.array([row[0] for row in many], dtype=np.int64)
    places = np.array([row[1:] for row in many]).reshape(-1, 4)
    places[:, 2:] = np.where(places[:, 2:] < -1, np.nan, places[:, 2:])
    one, other, overlap = near_pairs(image, places, limit)
    iou = box_iou(np.nan_to_num(places), np.nan_to_num(places))
    wanted = [
        (a, b)
        for a in range(len(many))
        for b in range(a + 1, len(many))
        if image[a] == image[b] and (places[[a, b], 2:] > 0).all() and iou[a, b] >= limit
    ]
    assert sorted(zip(one.tolist(), other.tolist(), strict=True)) == wanted
    assert overlap == pytest.approx([iou[a, b] for a, b in zip(one, other, strict=True)])


def test_pairs_in_reach_are_compared_across_a_crowd_of_things() -> None:
    image = np.repeat([0, 1], 2000)
    start = np.column_stack([np.tile(np.arange(2000.0)[::-1], 2), np.zeros(4000)])
    chunks = list(pairs_in_reach(image, start, np.full((4000, 2), 900.0)))
    assert len(chunks) == 3  # a crowd is looked at piece by piece
    one, other = (np.concatenate(column) for column in zip(*chunks, strict=True))
    steps = start[other, 0] - start[one, 0]
    assert (image[one] == image[other]).all()
    assert (steps.min(), steps.max(), len(one)) == (1, 900, 2 * sum(2000 - k for k in range(1, 901)))


def flooded(shape: rle.Mask) -> list[set[tuple[int, int]]]:
    """The parts of a mask, pixels that touch at a corner included, one pixel after the other."""
    left = set(zip(*map(np.ndarray.tolist, np.nonzero(shape)), strict=True))
    parts = []
    while left:
        part, todo = set(), [left.pop()]
        while todo:
            y, x = todo.pop()
            part.add((y, x))
            beside = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= beside
            todo += beside
        parts.append(part)
    return parts


@EXAMPLES
@given(seed=st.integers(0, 10_000), dense=st.sampled_from([0.15, 0.3, 0.4]))
def test_specks_are_the_small_parts_beside_a_large_one(seed: int, dense: float) -> None:
    shape = np.random.default_rng(seed).random((10, 12)) < dense
    item = Instance(category="car", mask=rle_mask(rle.encode_mask(shape), 10, 12))
    record = Record(image=Image(path="a.jpg", width=12, height=10), objects=(item,))
    parts = flooded(shape)
    small = [part for part in parts if len(part) < 3]
    specks = specks_of(table_of([record], nowhere), 0, smallest=3, times=4)
    if not small or max(map(len, parts)) < 12:
        assert specks is None
        return
    assert specks is not None
    assert (specks.number, specks.largest) == (len(small), max(map(len, parts)))
    kept = rle.decode_mask(specks.rest, 10, 12)
    assert set(zip(*map(np.ndarray.tolist, np.nonzero(kept)), strict=True)) == set().union(
        *(part for part in parts if len(part) >= 3)
    )
    corners = [tuple(map(min, zip(*part, strict=True))) for part in small]
    assert (specks.y, specks.x) in corners


@EXAMPLES
@given(seed=st.integers(0, 10_000), dense=st.sampled_from([0.05, 0.2, 0.5, 0.9]), limit=st.integers(1, 5))
def test_a_part_of_few_pixels_has_a_short_run_apart(seed: int, dense: float, limit: int) -> None:
    blocks = np.random.default_rng(seed).random((5, 6)) < dense
    shape = np.kron(blocks, np.ones((1 + seed % 3, 1 + seed % 2), dtype=bool))
    counts = rle.encode_mask(shape)
    if any(len(part) < limit for part in flooded(shape)):
        assert rle.has_short_run_apart(counts, shape.shape[0], limit)
    if not shape.any() or limit == 1:
        assert not rle.has_short_run_apart(counts, shape.shape[0], limit)


def test_a_smooth_mask_has_no_short_run_apart() -> None:
    y, x = np.mgrid[:60, :80]
    shape = (x - 40) ** 2 + (y - 30) ** 2 < 400
    assert not rle.has_short_run_apart(rle.encode_mask(shape), 60, 4)
    shape[0, 0] = shape[59, 1] = True  # one above and one below the ends of neighbouring columns
    assert rle.has_short_run_apart(rle.encode_mask(shape), 60, 4)


def test_official_boxes_and_areas_are_those_of_the_columns(corpus: Path) -> None:
    path = corpus / "coco-val2014-100" / "instances_val2014_100.json"
    polygons, shapeless = 0, 0
    for table in tables_of(CocoDocument(Index(path), path.parent)):
        whole = table.shapes.is_whole
        polygons, shapeless = polygons + int(whole.sum()), shapeless + int((~whole).sum())
        assert np.abs(table.shapes.extent - table.box)[whole].max() < 0.0051
        assert table.shapes.area[whole] == pytest.approx(table.area[whole], rel=1e-9)
    assert (polygons, shapeless) == (830, 9)


@EXAMPLES
@given(ring=usual)
def test_a_clipped_polygon_is_what_shapely_sees_of_it(ring: list[float]) -> None:
    whole = shapely.make_valid(shapely.Polygon(np.reshape(ring, (-1, 2))))
    seen = shapely.intersection(whole, shapely.box(0, 0, 12, 10)).area
    parts = clipped([ring], 12, 10)
    assert sum(polygon_area(rings[0]) - sum(map(polygon_area, rings[1:])) for rings in parts) == (
        pytest.approx(seen)
    )
    numbers = np.array([number for part in parts for each in part for number in each]).reshape(-1, 2)
    assert ((numbers >= 0) & (numbers <= [12, 10])).all()


def test_a_copy_of_a_copy_is_a_copy_of_the_first() -> None:
    item = BoundingBox(category="car", box=Box(1, 1, 5, 5))
    other = BoundingBox(category="person", box=Box(1, 1, 5, 5))
    items = (item, other, item, item, other)
    record = Record(image=Image(path="a.jpg", width=12, height=10), objects=items)
    assert copies(table_of([record, record], nowhere)) == {2: 0, 3: 0, 4: 1, 7: 5, 8: 5, 9: 6}
