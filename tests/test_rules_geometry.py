"""One defect, one finding, at its place, in every format that can have it: boxes, polygons and masks.

Each data set is written by the format's own writer, from records that are right but for one thing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import labelkit
from test_laws import fit_all, write
from test_rules_coco import clean, written

from labelkit.geometry import rle
from labelkit.mending import mend
from labelkit.model import BoundingBox, Box, Image, Instance, Mask, Object, Polygons, Record
from labelkit.pixels import rle_mask
from labelkit.validation import Validation, validate

ASKED = {"select": ["STR", "REF", "GEO", "CNV", "MSK"], "ignore": ["REF112"]}  # there are no images
WIDTH, HEIGHT = 60, 40
SQUARE = [2.0, 3, 12, 3, 12, 13, 2, 13]
BLOCK = (slice(8, 38), slice(28, 58))  # rows and columns: 900 pixels


def outline(*rings: list[float]) -> Mask:
    """A mask of one part a ring."""
    return Mask.of(Polygons([[list(map(float, ring))] for ring in rings]))


def at(*numbers: float) -> Box:
    return Box(*map(float, numbers))


def pixels(*places: tuple[slice | int, slice | int]) -> Mask:
    shape = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for place in places:
        shape[place] = True
    return rle_mask(rle.encode_mask(shape), HEIGHT, WIDTH)


def clean_records() -> list[Record]:
    """Two images: in the first a polygon and an RLE, in the second a box."""
    first = (
        Instance(category="person", box=at(2, 3, 10, 10), mask=outline(SQUARE)),
        Instance(category="car", box=at(28, 8, 30, 30), mask=pixels(BLOCK)),
    )
    size = {"width": WIDTH, "height": HEIGHT}
    return [
        Record(image=Image(path="one.jpg", **size), splits=("train",), objects=first),
        Record(
            image=Image(path="two.jpg", **size),
            splits=("train",),
            objects=(BoundingBox(category="car", box=at(30, 3, 10, 10)),),
        ),
    ]


def checked(name: str, root: Path, records: list[Record], **options: Any) -> Validation:
    """What validating these records finds when they are in that format."""
    header, fitted = fit_all(name, records)
    root.mkdir(exist_ok=True)
    write(name, root / name, header, [each.record for each in fitted])
    if name == "voc":
        options["options"] = {"base": "1"}
    return validate(root / name, format=name, **{**ASKED, **options})


def places(name: str, done: Validation, records: list[Record]) -> list[tuple[str, str, int]]:
    """Code, image and object (from 1) of each finding about an object."""
    found = []
    for finding in done.findings:
        assert finding.at is not None
        image, number = finding.at.image or "", finding.at.object
        if name == "coco":
            ordinal = int((finding.at.element or "").removeprefix("annotations[").split("]")[0])
            before = next(k for k, each in enumerate(records) if each.image.path == image)
            number = ordinal + 1 - sum(len(each.objects) for each in records[:before])
        found.append((finding.code, image, number or 0))
    return found


# --- one object is wrong -----------------------------------------------------------------------------------

Change = Callable[[list[Record]], list[Record]]


def put(record: int, position: int, **fields: Any) -> Change:
    """Other fields of one object."""

    def change(records: list[Record]) -> list[Record]:
        objects = list(records[record].objects)
        objects[position] = objects[position].model_copy(update=fields)
        records[record] = records[record].model_copy(update={"objects": tuple(objects)})
        return records

    return change


def add(record: int, *items: Object) -> Change:
    """More objects."""

    def change(records: list[Record]) -> list[Record]:
        objects = (*records[record].objects, *items)
        records[record] = records[record].model_copy(update={"objects": objects})
        return records

    return change


def only(*items: Object) -> Change:
    """These objects alone in the second image."""

    def change(records: list[Record]) -> list[Record]:
        records[1] = records[1].model_copy(update={"objects": items})
        return records

    return change


def huge(item: Object) -> Change:
    """That object alone in an image of 6000 x 6000."""

    def change(records: list[Record]) -> list[Record]:
        image = Image(path="two.jpg", width=6000, height=6000)
        records[1] = records[1].model_copy(update={"objects": (item,), "image": image})
        return records

    return change


def car(*numbers: float) -> BoundingBox:
    return BoundingBox(category="car", box=at(*numbers))


EVERYWHERE = ("coco", "cvat", "jsonl", "voc", "cityscapes")
BOXES = ("coco", "cvat", "jsonl", "voc")
SHAPES = ("coco", "cvat", "jsonl")
BOTH = ("coco", "jsonl")  # which state a box beside a mask, and outlines of several rings
BOW = [2.0, 3, 12, 13, 12, 3, 2, 13]  # of equal lobes: the shoelace formula makes 0 of it
LOPSIDED = [2.0, 3, 12, 3, 12, 13, 2, 9, 6, 13, 2, 13]
SPECKLED = pixels(BLOCK, (2, 50))

# The change; the code; image and object; words of the message; the formats that can have it.
SEEDS: dict[str, tuple[Change, str, tuple[str, int], str, tuple[str, ...]]] = {
    "absurd box": (put(1, 0, box=at(30, 3, 2e6, 10)), "GEO101", ("two.jpg", 1), "1,000,000 pixels", BOXES),
    "overflowing box": (put(1, 0, box=at(1e308, 3, 1e308, 10)), "GEO101", ("two.jpg", 1), "1e+308", SHAPES),
    "absurd point": (
        put(0, 0, mask=outline([2, 3, 12, 3, 1e300, 13, 2, 13])), "GEO119", ("one.jpg", 1), "out", SHAPES,
    ),
    "flat box": (put(1, 0, box=at(30, 3, 10, 0)), "GEO102", ("two.jpg", 1), "no area", BOXES),
    "negative box": (put(1, 0, box=at(30, 3, -5, 10)), "GEO102", ("two.jpg", 1), "no area", SHAPES),
    "box outside": (put(1, 0, box=at(70, 3, 10, 10)), "GEO103", ("two.jpg", 1), "60 x 40", BOXES),
    "box partly outside": (put(1, 0, box=at(55, 3, 10, 10)), "GEO118", ("two.jpg", 1), "by 5 pix", BOXES),
    "box out on the left": (put(1, 0, box=at(-3, 3, 10, 10)), "GEO118", ("two.jpg", 1), "by 3 pix", BOXES),
    "box rounded out": (put(1, 0, box=at(50, 3, 10.5, 10)), "GEO120", ("two.jpg", 1), "by 0.5", BOXES),
    "needle": (huge(car(10, 10, 5000, 3)), "GEO114", ("two.jpg", 1), "1667 times", BOXES),
    "box twice": (add(1, car(30, 3, 10, 10)), "GEO115", ("two.jpg", 2), "the same class", BOXES),
    "polygon twice": (
        add(0, Instance(category="person", box=at(2, 3, 10, 10), mask=outline(SQUARE))),
        "GEO115", ("one.jpg", 3), "the same class", SHAPES,
    ),
    "polygon twice, no box": (
        only(Instance(category="car", mask=outline(SQUARE)), Instance(category="car", mask=outline(SQUARE))),
        "GEO115", ("two.jpg", 2), "the same class", ("jsonl", "cvat"),
    ),
    "box nearly twice": (add(1, car(30, 3, 10, 10.5)), "GEO116", ("two.jpg", 2), "of 0.95", BOXES),
    "polygon nearly twice": (
        add(0, Instance(category="person", box=at(2, 3, 10, 10), mask=outline([*SQUARE, 2, 8]))),
        "GEO116", ("one.jpg", 3), "of 1.00", SHAPES,
    ),
    "two classes": (
        add(1, BoundingBox(category="person", box=at(30, 3, 10, 10))),
        "GEO117", ("two.jpg", 2), "'person' and 'car'", BOXES,
    ),
    "point": (put(0, 0, mask=outline(SQUARE, [4, 5])), "GEO104", ("one.jpg", 1), "part 2 has 1 p", BOTH),
    "odd": (put(0, 0, mask=outline([*SQUARE, 2])), "GEO105", ("one.jpg", 1), "9 coordinates", BOTH),
    "four": (put(0, 0, mask=outline(SQUARE, [4, 5, 6, 7])), "GEO106", ("one.jpg", 1), "a box", BOTH),
    "line": (
        put(0, 0, mask=outline(SQUARE, [4.1, 5.1, 6.3, 5.1, 5.2, 5.1])), "GEO108", ("one.jpg", 1), "part 2",
        BOTH,
    ),
    "bow tie": (put(0, 0, mask=outline(BOW)), "GEO107", ("one.jpg", 1), "x=7, y=8", SHAPES),
    "point twice": (
        put(0, 0, mask=outline([2, 3, *SQUARE])), "GEO109", ("one.jpg", 1), "x=2, y=3", SHAPES,
    ),
    "hole outside": (
        put(0, 0, mask=Mask.of(Polygons([[SQUARE, [20.0, 20, 25, 20, 25, 25]]]))),
        "GEO110", ("one.jpg", 1), "by 100%", ("jsonl",),
    ),
    "hole half outside": (
        put(0, 0, mask=Mask.of(Polygons([[SQUARE, [10.0, 5, 14, 5, 14, 8, 10, 8]]]))),
        "GEO110", ("one.jpg", 1), "by 50%", ("jsonl",),
    ),
    "polygon outside": (
        put(0, 0, mask=outline([2, 3, 80, 3, 12, 13, 2, 13])), "GEO119", ("one.jpg", 1), "by 20", SHAPES,
    ),
    "box beside its polygon": (
        put(0, 0, box=at(6, 3, 10, 10)), "GEO111", ("one.jpg", 1), "reaches 4 pixels out", BOTH,
    ),
    "box beside its RLE": (
        put(0, 1, box=at(28, 8, 20, 30)), "GEO111", ("one.jpg", 2), "reaches 10 pixels out", BOTH,
    ),
    "box too large": (put(0, 1, box=at(2, 8, 56, 30)), "GEO121", ("one.jpg", 2), "26 pixels larger", BOTH),
    "mask of everything": (
        only(Instance(category="car", box=at(0, 0, 60, 40), mask=pixels((slice(None), slice(None))))),
        "MSK106", ("two.jpg", 1), "all pixels", EVERYWHERE,
    ),
    "polygon of everything": (
        only(Instance(category="car", box=at(0, 0, 60, 40), mask=outline([0, 0, 60, 0, 60, 40, 0, 40]))),
        "MSK106", ("two.jpg", 1), "all pixels", EVERYWHERE,
    ),
    "speck": (
        only(Instance(category="car", box=at(28, 8, 30, 30), mask=SPECKLED)),
        "MSK107", ("two.jpg", 1), "1 speck of fewer than 4 pixels, as at x=50, y=2", EVERYWHERE,
    ),
    "speck of a polygon": (
        only(
            Instance(
                category="car", box=at(28, 8, 30, 30),
                mask=outline([28, 8, 58, 8, 58, 38, 28, 38], [3, 3, 4, 3, 4, 4, 3, 4]),
            )
        ),
        "MSK107", ("two.jpg", 1), "as at x=3, y=3", EVERYWHERE,
    ),
    "mask without pixel": (
        only(Instance(category="car", mask=pixels())), "MSK105", ("two.jpg", 1), "without a pixel",
        ("jsonl", "cvat"),
    ),
    "mask without ring": (
        only(Instance(category="car", mask=Mask(b"[]"))), "MSK105", ("two.jpg", 1), "without a pixel",
        ("jsonl", "cvat"),
    ),
}  # fmt: skip
CASES = [(seed, name) for seed, case in SEEDS.items() for name in case[4]]


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_clean_set_has_no_finding(name: str, tmp_path: Path) -> None:
    assert checked(name, tmp_path, clean_records()).findings == []


@pytest.mark.parametrize(("seed", "name"), CASES)
def test_one_defect_is_one_finding_at_its_place(seed: str, name: str, tmp_path: Path) -> None:
    change, code, place, words, _ = SEEDS[seed]
    records = change(clean_records())
    done = checked(name, tmp_path, records)
    if name == "cityscapes":  # paths are renamed, and only the image is known
        assert [finding.code for finding in done.findings] == [code], done.findings
    else:
        assert places(name, done, records) == [(code, *place)], done.findings
    assert words in done.findings[0].message


# --- what COCO states beside a shape -----------------------------------------------------------------------

TRIANGLE = [[2, 3, 12, 3, 12, 13]]  # half of the box: 50 by the shoelace formula, 45 pixels
Said = dict[str, Any]

# What is done to annotation 0 (a polygon), 1 (an RLE) or 2 (a box); words of the message, if there is one.
AREAS: dict[str, tuple[int, Said, str | None]] = {
    "shoelace": (0, {"segmentation": TRIANGLE, "area": 50}, None),
    "pixels": (0, {"segmentation": TRIANGLE, "area": 45}, None),
    "rounded": (0, {"segmentation": TRIANGLE, "area": 51.4}, None),
    "box beside a polygon": (
        0, {"segmentation": TRIANGLE, "area": 100},
        "area 100, which is width times height of its box; expected 50 (of its polygon) or 45 (pixels",
    ),
    "none of them": (0, {"area": 300}, "area 300; expected 100 (of its polygon)"),
    "zero": (0, {"area": 0}, "area 0; expected 100"),
    "absurd": (0, {"area": 1e300}, "area 1e+300; expected 100"),
    "RLE": (1, {"area": 130}, "area 130; expected 100 (pixels of its mask)"),
    "RLE of a crowd": (1, {"area": 114, "iscrowd": 1, "bbox": [2, 20, 9, 9]}, None),
    "another's RLE of a crowd": (1, {"area": 130, "iscrowd": 1, "bbox": [2, 20, 9, 9]}, "expected 100"),
    "box": (2, {"area": 100}, None),
    "box from first to last pixel": (2, {"area": 121}, None),
    "mask that was left out": (2, {"area": 40.5}, None),
    "more than a box": (2, {"area": 140}, "area 140; expected 100 (of its box)"),
    "zero in a box": (2, {"area": 0}, "area 0; expected 100 (of its box)"),
}  # fmt: skip


@pytest.mark.parametrize("name", AREAS)
def test_an_area_is_that_of_the_shape_by_one_formula_or_another(name: str, tmp_path: Path) -> None:
    number, change, words = AREAS[name]
    said = clean()
    said["annotations"][number].update(change)
    path = written(tmp_path, said)
    after, done = mend(lambda: validate(path, **ASKED, fixes=True), unsafe=False)
    assert after.findings == []
    assert len(done) == (words is not None)
    for mended in done:
        assert (mended.finding.code, mended.finding.at and mended.finding.at.id) == ("GEO112", number + 1)
        assert words in mended.finding.message


def test_a_negative_area_is_mended_by_the_official_formula(tmp_path: Path) -> None:
    said = clean()
    said["annotations"][0].update(segmentation=TRIANGLE, area=-50)
    path = written(tmp_path, said)
    _, done = mend(lambda: validate(path, **ASKED, fixes=True), unsafe=False)
    assert [mended.finding.code for mended in done] == ["GEO113"]
    assert json.loads(path.read_text())["annotations"][0]["area"] == 50


# --- the whole set means something else --------------------------------------------------------------------


def spread(count: int = 16) -> list[Record]:
    """Boxes and polygons all over an image of 640 x 480, one each in every image."""
    draw = np.random.default_rng(5)
    records = []
    for number in range(count):
        x, y = draw.uniform(150, 560), draw.uniform(150, 420)
        w, h = draw.uniform(20, 70), draw.uniform(20, 50)
        ring = [x, y, x + w, y, x + w, y + h, x, y + h]
        item = Instance(category="car", box=at(x, y, w, h), mask=outline(ring))
        image = Image(path=f"{number:02}.jpg", width=640, height=480)
        records.append(Record(image=image, splits=("train",), objects=(item,)))
    return records


def every(change: Callable[[Any], Any]) -> Change:
    """All objects changed in one way."""

    def all_of(records: list[Record]) -> list[Record]:
        return [
            each.model_copy(update={"objects": tuple(change(item) for item in each.objects)})
            for each in records
        ]

    return all_of


def boxed(item: Any, *, ends: bool = False, parts: bool = False, mask: bool = True) -> Any:
    """An object with another box: two corners, or parts of the image."""
    x, y, w, h = item.box
    numbers = (x, y, x + w, y + h) if ends else (x, y, w, h)
    if parts:
        numbers = tuple(number / side for number, side in zip(numbers, (640, 480) * 2, strict=True))
    kept = {"mask": item.mask, "category": item.category, "box": at(*numbers)}
    return Instance(**kept) if mask else BoundingBox(category="car", box=at(*numbers))


def masked(item: Any, scale: float, *, box: bool = True) -> Any:
    """An object whose outline is in other units than its box."""
    ring = [number * scale for number in item.mask.shape.parts[0][0]]
    return item.model_copy(update={"mask": outline(ring), "box": item.box if box else None})


SETS: dict[str, tuple[Callable[[Any], Any], str, str, tuple[str, ...]]] = {
    "corners": (lambda item: boxed(item, ends=True), "CNV101", "16 of 16 boxes fit", BOTH),
    "corners, no masks": (lambda item: boxed(item, ends=True, mask=False), "CNV101", "16 of 16", BOXES),
    "parts of the image": (lambda item: boxed(item, parts=True), "CNV102", "16 of 16 boxes have", BOTH),
    "parts, no masks": (lambda item: boxed(item, parts=True, mask=False), "CNV102", "16 of 16", BOXES),
    "crowds": (lambda item: item.model_copy(update={"crowd": True}), "CNV104", "16 of 16 objects", SHAPES),
    "polygons of a map": (lambda item: masked(item, 0.25), "CNV105", "0.25 times as far right", BOTH),
    "polygons of a larger image": (lambda item: masked(item, 2), "CNV105", "2 times as far right", BOTH),
    "larger, no boxes": (
        lambda item: masked(item, 2, box=False),
        "CNV105",
        "leave their im",
        ("jsonl", "cvat"),
    ),
    "normalised polygons": (lambda item: masked(item, 1 / 640), "CNV105", "no coordinate above 1", SHAPES),
}


@pytest.mark.parametrize(("which", "name"), [(each, name) for each, case in SETS.items() for name in case[3]])
def test_a_wrong_convention_is_one_finding_about_the_whole_set(which: str, name: str, tmp_path: Path) -> None:
    change, code, words, _ = SETS[which]
    (finding,) = checked(name, tmp_path, every(change)(spread())).findings
    assert finding.code == code
    assert words in finding.message


@pytest.mark.parametrize("name", SHAPES)
def test_a_spread_set_is_clean(name: str, tmp_path: Path) -> None:
    assert checked(name, tmp_path, spread()).findings == []


def test_what_follows_from_a_convention_is_counted_and_told_where_that_rule_is_ignored(
    tmp_path: Path,
) -> None:
    records = every(lambda item: boxed(item, ends=True, mask=False))(spread())
    (finding,) = checked("coco", tmp_path / "a", records).findings
    ignored = checked("coco", tmp_path / "b", records, ignore=["REF112", "CNV101"], fixes=True)
    codes = {each.code for each in ignored.findings}
    assert codes == {"GEO118"}
    assert f"{len(ignored.findings)} findings that follow from it (GEO118) are left out" in finding.message
    assert len(ignored.fixes) == len(ignored.findings)


def test_fixes_stay_with_their_findings_where_others_are_left_out(tmp_path: Path) -> None:
    records = every(lambda item: boxed(item, ends=True))(spread())
    twice = [2.0, 3, 2, 3, 12, 3, 12, 13]
    records[9] = records[9].model_copy(
        update={"objects": (*records[9].objects, Instance(category="car", mask=outline(twice)))}
    )
    done = checked("coco", tmp_path, records, fixes=True)
    codes = [finding.code for finding in done.findings]
    assert sorted(codes) == ["CNV101", "GEO109"]
    assert {codes[number]: fix.summary for number, fix in done.fixes.items()} == {
        "GEO109": "leave out the repeated points"
    }


@pytest.mark.parametrize("count", [1, 4])
def test_a_few_boxes_are_no_convention(count: int, tmp_path: Path) -> None:
    records = every(lambda item: boxed(item, ends=True, mask=False))(spread(count))
    assert {each.code for each in checked("jsonl", tmp_path, records).findings} == {"GEO118"}


# --- overlaps and the target -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("target", [None, "coco", "voc", "cityscapes"])
def test_overlaps_are_told_where_the_target_forbids_them(
    name: str, target: str | None, tmp_path: Path
) -> None:
    item = Instance(category="person", box=at(24, 8, 10, 10), mask=outline([24, 8, 34, 8, 34, 18, 24, 18]))
    records = add(0, item)(clean_records())
    done = checked(name, tmp_path, records, target=target)
    if target in ("voc", "cityscapes"):
        assert places(name, done, records) == [("MSK118", "one.jpg", 3)]
        assert f"60 pixels that another object claims too, which {target} cannot" in done.findings[0].message
    else:
        assert done.findings == []


def test_the_target_is_an_option_of_the_command(tmp_path: Path) -> None:
    path = written(tmp_path, clean())
    assert labelkit("validate", path, "--target", "voc").returncode == 0
    wrong = labelkit("validate", path, "--target", "vco")
    assert wrong.returncode == 2
    assert "did you mean voc?" in wrong.stderr


# --- what must not be told ---------------------------------------------------------------------------------

GUESSES = ((10, "car"), (10.2, "car"), (10, "person"))
RIGHT: dict[str, Change] = {
    "closed ring": put(0, 0, mask=outline([*SQUARE, 2, 3])),
    "ring that touches itself": put(0, 0, mask=outline([2, 3, 12, 3, 12, 13, 7, 3, 2, 13])),
    "hair-thin crossing": put(0, 0, mask=outline([2, 3, 12, 3, 12, 13, 2, 13, 2.01, 3.01, 1.99, 3.02])),
    "box of whole numbers": put(0, 0, mask=outline([2.4, 3.4, 11.6, 3.4, 11.6, 12.6, 2.4, 12.6])),
    "box one pixel short": put(0, 1, box=at(28, 8, 29, 29)),
    "box around a void border": put(0, 1, box=at(22, 2, 38, 38)),
    "box to the very edge": put(1, 0, box=at(50, 30, 10, 10)),
    "hole that touches": put(0, 0, mask=Mask.of(Polygons([[SQUARE, [2.0, 3, 6, 3, 6, 8]]]))),
    "small part beside another object": only(
        Instance(category="car", box=at(28, 2, 30, 36), mask=pixels(BLOCK, (2, 50))),
        Instance(category="person", box=at(49, 1, 1, 3), mask=pixels((slice(1, 4), 49))),
    ),
    "two parts of some size": put(
        0, 1, mask=pixels(BLOCK, (slice(0, 3), slice(29, 32))), box=at(28, 0, 30, 38)
    ),
    "two objects side by side": add(1, car(31.5, 3, 10, 10)),
    "two masks in one box": only(
        Instance(category="car", box=at(2, 3, 10, 10), mask=outline([2, 3, 12, 3, 2, 13])),
        Instance(category="car", box=at(2, 3, 10, 10), mask=outline([12, 3, 12, 13, 2, 13])),
    ),
    "predictions of one thing": only(
        *(car(2, 3, 10, h).model_copy(update={"score": 0.5, "category": name}) for h, name in GUESSES)
    ),
    "crowd and one of it": only(car(2, 3, 10, 10).model_copy(update={"crowd": True}), car(2, 3, 10, 10)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("which", RIGHT)
def test_what_is_right_gives_no_finding(which: str, name: str, tmp_path: Path) -> None:
    assert checked(name, tmp_path, RIGHT[which](clean_records())).findings == []
