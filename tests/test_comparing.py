"""What compare tells is what was done: known edits, told again; thresholds and pixels, counted by hand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import HEADER, layers_of, record_lists
from test_laws import folder, write_jsonl

from labelkit import compare
from labelkit.comparing.comparison import Comparison, Maps
from labelkit.comparing.counts import Counting, Counts
from labelkit.comparing.outcomes import Outcome, Verdict, outcomes
from labelkit.comparing.precision import Scores
from labelkit.errors import UsageError
from labelkit.geometry import rle
from labelkit.model import (
    BoundingBox,
    Box,
    Cell,
    Image,
    ImageLabel,
    Instance,
    Mask,
    Object,
    Polygons,
    Provenance,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.outputs.compare_json import as_json
from labelkit.pixels import rle_mask

MADE = Provenance(run="r1", model="m", score=0.5)
KEPT = MADE.model_copy(update={"status": "accepted"})
NAMES = ["person", "car", "bicycle"]
SIDE = 40  # of the cell that each object has for itself
CELLS = 8  # in a row; there are as many rows, of which edits use the lower half for what moves far


def image(path: str = "b/1.jpg") -> Image:
    return Image(path=path, width=SIDE * CELLS, height=SIDE * CELLS)


def box(cell: int, dx: float = 0, dy: float = 0) -> Box:
    """A box of 20 x 20 pixels in a cell."""
    return Box(SIDE * (cell % CELLS) + 10.25 + dx, SIDE * (cell // CELLS) + 10.25 + dy, 20.0, 20.0)


def thing(kind: str, place: Box, category: str, **fields: Any) -> Object:
    """An object of a kind in a place."""
    if kind == "box":
        return BoundingBox(box=place, category=category, **fields)
    x, y, w, h = place
    ring = [x, y, x + w, y, x + w, y + h, x, y + h]
    if kind == "polygon":
        return Instance(mask=Mask.of(Polygons([[ring]])), category=category, **fields)
    pixels = np.zeros((SIDE * CELLS, SIDE * CELLS), bool)
    pixels[round(y) : round(y + h), round(x) : round(x + w)] = True
    return Instance(mask=rle_mask(rle.encode_mask(pixels), *pixels.shape), category=category, **fields)


def predicted(cell: int, score: float | None = 0.5, category: str = "person", **fields: Any) -> BoundingBox:
    made = Provenance(run="r1", model="m", score=score)
    return BoundingBox(box=box(cell), category=category, provenance=made, **fields)


def record(*objects: Object, path: str = "b/1.jpg", **fields: Any) -> Record:
    return Record(image=image(path), objects=objects, **fields)


def compared(before: Sequence[Record], after: Sequence[Record], **options: Any) -> Comparison:
    with folder() as root:
        old = write_jsonl(root / "before", HEADER, list(before))
        new = write_jsonl(root / "after", HEADER, list(after))
        return compare(old, new, **options)


def told(
    before: Record, after: Record, tolerance: float = 1.0
) -> list[tuple[Verdict, str | None, str | None]]:
    return [(each.verdict, each.was, each.now) for each in outcomes(before, after, tolerance)]


# --- the law -----------------------------------------------------------------------------------------------

EDITS = ("keep", "nudge", "move", "far", "relabel", "relabel and move", "delete", "reject")


@st.composite
def reviews(draw: st.DrawFn) -> tuple[Record, Record, Counter[tuple[Any, ...]]]:
    """A record, the record after a review, and what the reviewer did."""
    before: list[Object] = []
    after: list[Object] = []
    done: Counter[tuple[Any, ...]] = Counter()
    for cell in range(draw(st.integers(0, 6))):
        kind, is_prediction = draw(st.sampled_from(["box", "polygon", "rle"])), draw(st.booleans())
        made = MADE if is_prediction else None
        uid = draw(st.sampled_from([f"u{cell}", None]))
        was = draw(st.sampled_from(NAMES))
        old = thing(kind, box(cell), was, provenance=made, uid=uid)
        before.append(old)
        edit = draw(st.sampled_from(EDITS))
        # What has lost its uid is found by where it is; a tool may lose the provenance, too.
        uid = uid if edit == "far" else draw(st.sampled_from([uid, None]))
        kept = draw(st.sampled_from([made and KEPT, None]))
        now, target, dx, dy = was, cell, 0.0, 0.0
        if edit == "nudge" and kind != "rle":
            dx, dy = draw(st.floats(-0.9, 0.9)), draw(st.floats(-0.9, 0.9))
        if edit == "far" and uid is not None:
            target = cell + CELLS * (CELLS // 2)
        if edit in ("move", "relabel and move"):
            dx, dy = draw(st.sampled_from([1.0, 2.0, -3.0])), draw(st.sampled_from([0.0, 2.0]))
        if edit in ("relabel", "relabel and move"):
            now = NAMES[NAMES.index(was) - 1]
        moved = edit in ("move", "relabel and move") or (edit == "far" and uid is not None)
        gone = edit == "delete" or (edit == "reject" and is_prediction)
        done[_outcome(was, None if gone else now, is_prediction, moved and not gone)] += 1
        if edit == "reject" and is_prediction:
            kept = MADE.model_copy(update={"status": "rejected"})
        if edit != "delete":
            after.append(thing(kind, box(target, dx, dy), now, provenance=kept, uid=uid))
    for cell in range(6, 6 + draw(st.integers(0, 2))):
        name = draw(st.sampled_from(NAMES))
        after.append(thing("box", box(cell), name, uid=draw(st.sampled_from([f"new{cell}", None]))))
        done["added", None, name, False, False] += 1
    return record(*before), record(*draw(st.permutations(after))), done


def _outcome(was: str, now: str | None, is_prediction: bool, moved: bool) -> tuple[Any, ...]:
    if now is None:
        return ("deleted", was, None, is_prediction, False)
    if not is_prediction:
        return ("changed" if moved or was != now else "unchanged", was, now, False, moved)
    verdict = "relabelled" if was != now else "moved" if moved else "accepted"
    return (verdict, was, now, True, moved)


@given(review=reviews())
@settings(max_examples=300)
def test_what_was_done_is_what_is_told(
    review: tuple[Record, Record, Counter[tuple[Any, ...]]],
) -> None:
    before, after, done = review
    found = [
        (each.verdict, each.was, each.now, each.is_prediction, each.iou is not None)
        for each in outcomes(before, after, 1.0)
    ]
    assert Counter(found) == done


@given(review=st.lists(reviews(), min_size=1, max_size=3))
@settings(max_examples=30)
def test_the_counts_are_those_of_what_was_done(
    review: list[tuple[Record, Record, Counter[tuple[Any, ...]]]],
) -> None:
    paths = [f"{k}.jpg" for k in range(len(review))]
    before = [r.model_copy(update={"image": image(p)}) for p, (r, _, _) in zip(paths, review, strict=True)]
    after = [r.model_copy(update={"image": image(p)}) for p, (_, r, _) in zip(paths, review, strict=True)]
    done = sum((each for _, _, each in review), Counter[tuple[Any, ...]]())
    counted = compared(before, after[::-1])
    assert (counted.images, list(counted.errors)) == (len(review), [])
    for name in NAMES:
        counts = counted.objects.classes.get(name, Counts())
        for verdict in ("accepted", "moved", "relabelled", "deleted"):
            expected = sum(n for key, n in done.items() if key[0] == verdict and key[1] == name and key[3])
            assert getattr(counts, verdict) == expected
        assert counts.predicted == counts.accepted + counts.moved + counts.relabelled + counts.deleted
        assert counts.human_deleted == done["deleted", name, None, False, False]
        assert counts.added == done["added", None, name, False, False]
        assert counts.gained == sum(n for key, n in done.items() if key[0] == "relabelled" and key[2] == name)


def seen(items: list[Record]) -> list[Record]:
    """Those that were reviewed, as far as statuses tell."""

    def statuses(item: Record) -> set[str]:
        maps = [each for each in item.maps.values() if isinstance(each, SemanticMap)]
        made = (each.provenance for each in (*item.objects, *item.labels, *maps))
        return {each.status for each in made if each is not None}

    if not any(statuses(item) - {"pending"} for item in items):
        return items
    return [item for item in items if statuses(item) != {"pending"}]


@given(items=record_lists())
@settings(max_examples=60)
def test_a_set_and_itself_is_accepted_and_unchanged(items: list[Record]) -> None:
    done = compared(items, items)
    items = seen(items)
    assert (done.images, list(done.errors), list(done.relabelled)) == (len(items), [], [])
    for table in (done.objects, done.labels):
        total = table.total
        assert total == Counts(
            predicted=total.predicted, accepted=total.predicted, right=total.predicted,
            human=total.human, unchanged=total.human,
        )  # fmt: skip
    assert done.objects.total.predicted + done.objects.total.human == sum(len(r.objects) for r in items)
    assert done.labels.total.predicted + done.labels.total.human == sum(len(r.labels) for r in items)
    assert done.maps == Maps(accepted=done.maps.accepted, unchanged_human=done.maps.unchanged_human)
    assert done.agreement.changed == 0


@given(review=reviews())
@settings(max_examples=50)
def test_the_other_way_round_what_was_added_is_deleted(
    review: tuple[Record, Record, Counter[tuple[Any, ...]]],
) -> None:
    before, after, _ = review
    gone = [each for each in outcomes(before, after, 1.0) if each.now is None]
    added = [each for each in outcomes(after, before, 1.0) if each.was is None]
    rejected = [item for item in after.objects if item.provenance and item.provenance.status == "rejected"]
    assert len(added) == len(gone) - len(rejected)


# --- which is which, and what has moved --------------------------------------------------------------------


def test_one_uid_is_one_object_whatever_else_changed() -> None:
    before = record(predicted(0, uid="a"), predicted(1, uid="b", category="car"))
    swapped = record(predicted(1, uid="a", category="car"), predicted(0, uid="b"))
    assert told(before, swapped) == [("relabelled", "person", "car"), ("relabelled", "car", "person")]


def test_of_a_uid_that_is_there_twice_the_first_one_counts() -> None:
    before = record(predicted(0, uid="a"))
    after = record(predicted(9, uid="a"), predicted(0, uid="a"))
    assert told(before, after) == [("moved", "person", "person"), ("added", None, "person")]
    twice = record(predicted(0, uid="a"), predicted(9, uid="a"))
    assert told(twice, before) == [("accepted", "person", "person"), ("deleted", "person", None)]


def test_what_was_rejected_is_neither_there_nor_added() -> None:
    rejected = predicted(0).model_copy(update={"provenance": MADE.model_copy(update={"status": "rejected"})})
    assert told(record(predicted(0)), record(rejected)) == [("deleted", "person", None)]
    assert told(record(), record(rejected)) == []


@pytest.mark.parametrize(
    ("off", "tolerance", "verdict"),
    [
        (0.0, 1.0, "accepted"),
        (0.99, 1.0, "accepted"),
        (1.0, 1.0, "moved"),
        (1.0 - 1e-9, 1.0, "moved"),
        (0.004, 0.01, "accepted"),
        (0.004, 0.0, "moved"),
        (1e-9, 0.0, "accepted"),
        (2.0, 3.0, "accepted"),
    ],
)
def test_a_box_has_moved_where_an_edge_is_off_by_the_tolerance(
    off: float, tolerance: float, verdict: str
) -> None:
    now = predicted(0).model_copy(update={"box": box(0, dx=off)})
    assert told(record(predicted(0)), record(now), tolerance)[0][0] == verdict
    x, y, w, h = box(0)
    wider = predicted(0).model_copy(update={"box": Box(x, y, w, h + off)})
    assert told(record(predicted(0)), record(wider), tolerance)[0][0] == verdict


def test_edges_are_compared_and_not_sizes() -> None:
    x, y, w, h = box(0)
    larger = predicted(0).model_copy(update={"box": Box(x - 0.9, y - 0.9, w + 1.8, h + 1.8)})
    assert told(record(predicted(0)), record(larger)) == [("accepted", "person", "person")]


def test_corners_cut_to_whole_pixels_are_accepted() -> None:
    x, y, w, h = 10.93, 20.51, 30.2, 40.99
    cut = Box(int(x), int(y), int(x + w) - int(x), int(y + h) - int(y))
    now = predicted(0).model_copy(update={"box": cut})
    assert told(record(predicted(0).model_copy(update={"box": Box(x, y, w, h)})), record(now)) == [
        ("accepted", "person", "person")
    ]


def test_what_is_smaller_than_the_rounding_is_found_again() -> None:
    small = predicted(0).model_copy(update={"box": Box(10.9, 10.9, 1.5, 1.5)})
    cut = predicted(0).model_copy(update={"box": Box(10, 10, 2, 2), "provenance": None})
    assert told(record(small), record(cut)) == [("accepted", "person", "person")]


def test_the_iou_is_that_of_the_boxes() -> None:
    now = predicted(0).model_copy(update={"box": box(0, dx=10.0)})
    (found,) = outcomes(record(predicted(0, uid="a")), record(now.model_copy(update={"uid": "a"})), 1.0)
    assert found.iou == pytest.approx(10 / 30)
    assert (found.is_right(0.3), found.is_right(0.5)) == (True, False)


def test_an_outline_that_became_pixels_has_not_moved() -> None:
    outline = thing("polygon", Box(10, 10, 20, 20), "car", provenance=MADE)
    pixels = thing("rle", Box(10, 10, 20, 20), "car")
    assert told(record(outline), record(pixels)) == [("accepted", "car", "car")]


def test_a_rounded_outline_has_not_moved_though_pixels_differ() -> None:
    ring = [10.304, 10.296, 40.497, 12.4971, 25.5049, 38.502]
    before = Instance(mask=Mask.of(Polygons([[ring]])), category="car", provenance=MADE)
    after = before.model_copy(update={"mask": Mask.of(Polygons([[[round(n, 0) for n in ring]]]))})
    assert told(record(before), record(after)) == [("accepted", "car", "car")]
    assert told(record(before), record(after), 0.1) == [("moved", "car", "car")]


def test_the_iou_of_masks_is_that_of_their_pixels() -> None:
    before = thing("rle", Box(10, 10, 20, 20), "car", provenance=MADE)
    after = thing("rle", Box(10, 10, 20, 15), "car")
    (found,) = outcomes(record(before), record(after), 1.0)
    assert (found.verdict, found.iou) == ("moved", pytest.approx(15 / 20))


def test_pixels_decide_where_both_have_them_and_the_box_where_one_has_not() -> None:
    before = thing("rle", Box(10, 10, 20, 20), "car", provenance=MADE, box=Box(9, 9, 23, 24))
    extent = thing("rle", Box(10, 10, 20, 20), "car")
    boxed = BoundingBox(box=Box(9, 9, 23, 24), category="car")
    assert told(record(before), record(extent)) == [("accepted", "car", "car")]
    assert told(record(before), record(boxed)) == [("accepted", "car", "car")]
    assert told(record(boxed), record(extent))[0][0] == "changed"


def test_a_box_beside_a_mask_counts_where_a_human_drew_it() -> None:
    before = thing("rle", Box(10, 10, 20, 20), "car", provenance=MADE, box=Box(5, 5, 33, 30))
    derived = thing("rle", Box(10, 10, 20, 20), "car", box=Box(10, 10, 19, 19))
    drawn = thing("rle", Box(10, 10, 20, 20), "car", box=Box(5, 5, 33, 60))
    assert told(record(before), record(derived)) == [("accepted", "car", "car")]
    (found,) = outcomes(record(before), record(drawn), 1.0)
    assert (found.verdict, found.iou) == ("moved", pytest.approx(0.5))


def test_an_image_of_two_sizes_is_an_error_and_not_counted() -> None:
    other = record(predicted(0)).model_copy(update={"image": Image(path="b/1.jpg", width=9, height=9)})
    done = compared([record(predicted(0))], [other])
    assert [str(error) for error in done.errors] == [
        "b/1.jpg: 320 x 320 pixels before the review, 9 x 9 after it; expected labels that can be compared"
    ]
    assert (done.images, done.objects.total) == (0, Counts())


def test_a_malformed_mask_is_an_error_and_the_others_are_counted() -> None:
    broken = Instance(mask=Mask(b'{"size":[320,320],"counts":[1]}'), category="car", provenance=MADE)
    fine = record(predicted(0), path="fine.jpg")
    lost = broken.model_copy(update={"mask": Mask.of(Cell("objects", 3))})
    for item in (broken, lost):
        for other in (thing("rle", box(0), "car"), BoundingBox(box=box(0), category="car")):
            done = compared([record(item), fine], [record(other), fine])
            assert [error.place for error in done.errors] == ["b/1.jpg"]
            assert (done.images, done.objects.total.accepted) == (1, 1)


def test_a_size_that_only_one_side_says_is_that_of_both() -> None:
    before = thing("polygon", box(0), "car", provenance=MADE)
    after = Record(image=Image(path="b/1.jpg"), objects=(thing("polygon", box(0, dx=4), "car"),))
    ((verdict, _, _),) = told(record(before), after)
    assert verdict == "moved"


# --- images ------------------------------------------------------------------------------------------------


def test_images_that_were_not_reviewed_are_not_deletions() -> None:
    before = [record(predicted(0), path="a.jpg"), record(predicted(0), predicted(1), path="b.jpg")]
    done = compared(before, [record(path="a.jpg"), record(predicted(2), path="new.jpg")])
    assert (done.images, done.not_reviewed, done.only_reviewed) == (1, (1, 2), (1, 1))
    assert done.objects.total == Counts(predicted=1, deleted=1)


def reviewed_as(status: str, *, score: float = 0.5) -> BoundingBox:
    made = MADE.model_copy(update={"status": status, "score": score})
    return predicted(0).model_copy(update={"provenance": made})


@pytest.mark.parametrize("status", ["accepted", "changed", "rejected"])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_where_the_tool_tells_statuses_an_image_that_is_still_pending_was_not_reviewed(
    status: str, suffix: str
) -> None:
    before = [
        record(predicted(0), path="a.jpg"),
        record(predicted(0), predicted(1), path="b.jpg"),
        record(predicted(0), path="c.jpg"),
    ]
    after = [
        record(predicted(0), predicted(1), path=f"b{suffix}"),
        record(path="c.jpg"),
        record(reviewed_as(status), path="a.jpg"),
    ]
    done = compared(before, after)
    assert (done.images, done.not_reviewed, done.only_reviewed) == (2, (1, 2), (0, 0))
    assert (done.objects.total.predicted, done.objects.total.added) == (2, 0)


def test_one_status_of_a_person_makes_an_image_reviewed() -> None:
    before = [record(predicted(0), predicted(1))]
    done = compared(before, [record(reviewed_as("accepted"), predicted(1))])
    assert (done.images, done.not_reviewed, done.objects.total.accepted) == (1, (0, 0), 2)


def test_image_labels_and_maps_tell_statuses_too() -> None:
    waiting = record(predicted(0), path="c.jpg")
    before = record(path="a.jpg", labels=(label("car"),))
    after = record(path="a.jpg", labels=(ImageLabel(category="car", provenance=KEPT),))
    assert compared([before, waiting], [after, waiting]).not_reviewed == (1, 1)
    pixels = np.ones((4, 4), np.int32)
    done = compared([painted(pixels, provenance=MADE), waiting], [painted(pixels, provenance=KEPT), waiting])
    assert (done.images, done.not_reviewed, done.maps.accepted) == (1, (1, 1), 1)


def test_where_all_are_pending_the_tool_tells_no_status_and_all_are_reviewed() -> None:
    before = [record(predicted(0), path="a.jpg"), record(predicted(0), path="b.jpg")]
    done = compared(before, before)
    assert (done.images, done.not_reviewed, done.objects.total.accepted) == (2, (0, 0), 2)


def test_an_image_that_is_pending_on_both_sides_is_no_stranger() -> None:
    before = [record(predicted(0), path="a.jpg"), record(predicted(0), path="x.jpg")]
    after = [record(predicted(0), path="a.jpg"), record(reviewed_as("accepted"), path="y.jpg")]
    done = compared(before, after)
    assert (done.images, done.not_reviewed.images, done.strangers) == (0, 2, None)


def test_without_a_common_image_nothing_is_counted_and_one_of_each_is_named() -> None:
    done = compared([record(predicted(0), path="x/a.jpg")], [record(predicted(0), path="a.jpg")])
    assert (done.images, done.strangers) == (0, ("x/a.jpg", "a.jpg"))
    assert (done.objects.classes, done.objects.bins) == ({}, {})


@pytest.mark.parametrize(("before", "after"), [([], []), ([record(predicted(0))], []), ([], [record()])])
def test_empty_sets_are_compared(before: list[Record], after: list[Record]) -> None:
    done = compared(before, after, precisions=[0.9])
    assert (done.images, done.objects.total, done.strangers) == (0, Counts(), None)
    (pooled,) = done.thresholds
    assert (pooled.score, pooled.predictions) == (None, 0)


def test_a_path_without_its_suffix_is_enough_where_it_is_unique() -> None:
    before = [record(predicted(0), path="a/1.jpg"), record(predicted(0), path="a/2.jpg")]
    after = [record(predicted(0), path="a/2.png"), record(predicted(0), path="a/1.jpg")]
    done = compared(before, after)
    assert (done.images, done.objects.total.accepted) == (2, 2)
    assert [(row[0], row[2], row[3][0].place) for row in done.ledger.rows()] == [("CMP103", 1, "a/2.jpg")]


@pytest.mark.parametrize(
    ("before", "after"), [(["1.jpg", "1.bmp"], ["1.png"]), (["1.jpg"], ["1.png", "1.bmp"])]
)
def test_an_image_that_could_be_two_is_none(before: list[str], after: list[str]) -> None:
    done = compared(
        [record(predicted(0), path=path) for path in before], [record(path=path) for path in after]
    )
    assert (done.images, done.not_reviewed.images, done.only_reviewed.images) == (0, len(before), len(after))
    assert [(row[0], row[2]) for row in done.ledger.rows()] == [("CMP101", len(before))]


def test_an_equal_path_wins_over_an_equal_stem() -> None:
    before = [record(predicted(0), path="1.bmp"), record(predicted(0), path="1.jpg")]
    done = compared(before, [record(predicted(0), path="1.jpg")])
    assert (done.images, done.not_reviewed.images, done.ledger.rows()) == (1, 1, [])


@pytest.mark.parametrize("twice_after", [False, True])
def test_of_an_image_that_is_there_twice_the_first_counts(twice_after: bool) -> None:
    twice, once = [record(predicted(0)), record()], [record(predicted(0))]
    done = compared(once, twice) if twice_after else compared(twice, once)
    assert (done.images, done.objects.total.accepted, done.not_reviewed.images) == (1, 1, 0)
    assert [(row[0], row[2]) for row in done.ledger.rows()] == [("CMP102", 1)]


# --- image labels ------------------------------------------------------------------------------------------


def label(category: str, state: Any = "present", *, by_human: bool = False, **fields: Any) -> ImageLabel:
    return ImageLabel(category=category, state=state, provenance=None if by_human else MADE, **fields)


def labelled(*labels: ImageLabel) -> Record:
    return Record(image=image(), labels=labels)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([label("car")], [label("car")], [("accepted", "car", "car")]),
        ([label("car")], [label("person")], [("relabelled", "car", "person")]),
        ([label("car")], [], [("deleted", "car", None)]),
        ([label("car")], [label("car", "absent")], [("deleted", "car", None)]),
        ([label("car")], [label("car", "uncertain")], [("restated", "car", "car")]),
        ([label("car", "absent")], [label("car")], [("restated", "car", "car")]),
        ([], [label("car", by_human=True)], [("added", None, "car")]),
        ([], [label("car", "absent")], []),
        ([label("car", by_human=True)], [label("car")], [("unchanged", "car", "car")]),
        ([label("car", by_human=True)], [label("person")], [("changed", "car", "person")]),
        ([label("car", by_human=True)], [], [("deleted", "car", None)]),
        (
            [label("car"), label("person")],
            [label("bicycle"), label("person")],
            [("deleted", "car", None), ("accepted", "person", "person"), ("added", None, "bicycle")],
        ),
        (
            [label("car"), label("person", "absent")],
            [label("bicycle"), label("car", "absent"), label("person", "absent")],
            [("relabelled", "car", "bicycle"), ("accepted", "person", "person")],
        ),
        (
            [label("car"), label("person", "absent")],
            [label("person")],
            [("deleted", "car", None), ("restated", "person", "person")],
        ),
        ([label("car"), label("car")], [label("car")], [("accepted", "car", "car")]),
    ],
)
def test_image_labels(before: list[ImageLabel], after: list[ImageLabel], expected: Any) -> None:
    assert told(labelled(*before), labelled(*after)) == expected


def test_a_rejected_label_is_deleted() -> None:
    rejected = label("car").model_copy(update={"provenance": MADE.model_copy(update={"status": "rejected"})})
    assert told(labelled(label("car")), labelled(rejected)) == [("deleted", "car", None)]
    assert told(labelled(label("car")), labelled(rejected, label("person"))) == [
        ("relabelled", "car", "person")
    ]


# --- semantic maps -----------------------------------------------------------------------------------------


def painted(pixels: np.ndarray, name: str = "semantic", **fields: Any) -> Record:
    classes = {1: "person", 2: "car", 3: "bicycle"}
    item = SemanticMap(source=layers_of(pixels), classes=classes, ignore=9, **fields)
    size = Image(path="b/1.jpg", width=pixels.shape[1], height=pixels.shape[0])
    return Record(image=size, maps={name: item})


@given(seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_pixels_are_counted_as_numpy_counts_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    before, after = (random.choice([0, 1, 2, 3, 9], size=(7, 11)).astype(np.int32) for _ in range(2))
    done = compared([painted(before, provenance=MADE)], [painted(after, name="panoptic")]).agreement
    said = {0: None, 1: "person", 2: "car", 3: "bicycle", 9: ""}
    for was in said:
        for now in said:
            expected = int(((before == was) & (after == now)).sum())
            assert done.pixels.get((said[was], said[now]), 0) == expected
    assert done.changed == int((before != after).sum())
    assert done.labelled == int((np.isin(before, [0, 9]) & np.isin(after, [1, 2, 3])).sum())
    seen = np.isin(after, [1, 2, 3])
    ious = []
    for value in (1, 2, 3):
        a, b = (before == value) & seen, (after == value) & seen
        if (a | b).any():
            ious.append((a & b).sum() / (a | b).sum())
    assert done.mean_iou == pytest.approx(np.mean(ious) if ious else None)


def test_maps_are_told_by_who_made_them() -> None:
    pixels = np.ones((4, 4), np.int32)
    other = np.full((4, 4), 2, np.int32)
    rejected = MADE.model_copy(update={"status": "rejected"})
    made, human = painted(pixels, provenance=MADE), painted(pixels)
    empty = Record(image=made.image)
    for before, after, expected in [
        (made, painted(pixels), Maps(accepted=1)),
        (made, painted(other), Maps(changed=1)),
        (made, empty, Maps(deleted=1)),
        (made, painted(pixels, provenance=rejected), Maps(deleted=1)),
        (human, painted(pixels), Maps(unchanged_human=1)),
        (human, painted(other), Maps(changed_human=1)),
        (human, empty, Maps(deleted_human=1)),
        (empty, human, Maps(added=1)),
    ]:
        done = compared([before], [after])
        assert done.maps == expected
        assert bool(done.agreement.pixels) == (expected.accepted + expected.changed > 0)


def test_a_map_that_says_what_the_objects_say_is_neither_added_nor_deleted() -> None:
    item = thing("rle", box(0), "person", provenance=MADE)
    bare = record(item)
    pixels = np.zeros((SIDE * CELLS, SIDE * CELLS), np.int32)
    pixels[10:30, 10:30] = 1
    implied, more = (
        bare.model_copy(update={"maps": painted(each).maps}) for each in (pixels, np.roll(pixels, 1))
    )
    for before, after, expected in [
        (bare, implied, Maps()),
        (implied, bare, Maps()),
        (bare, more, Maps(added=1)),
        (more, bare, Maps(deleted_human=1)),
    ]:
        assert compared([before], [after]).maps == expected


def test_a_predicted_map_that_is_gone_is_deleted_whatever_the_objects_say() -> None:
    item = thing("rle", box(0), "person", provenance=MADE)
    pixels = np.zeros((SIDE * CELLS, SIDE * CELLS), np.int32)
    pixels[10:30, 10:30] = 1
    before = record(item).model_copy(update={"maps": painted(pixels, provenance=MADE).maps})
    assert compared([before], [record(item)]).maps == Maps(deleted=1)


def test_maps_of_two_sizes_are_an_error() -> None:
    before, after = painted(np.ones((4, 4), np.int32)), painted(np.ones((2, 8), np.int32))
    done = compared([before], [after.model_copy(update={"image": before.image})])
    assert "a map of 4 x 4 pixels before the review, of 8 x 2 pixels after it" in str(done.errors[0])


# --- scores ------------------------------------------------------------------------------------------------


@st.composite
def scored(draw: st.DrawFn) -> list[Outcome]:
    """Outcomes of predictions with scores of which many are equal, some out of range, some missing."""
    scores = st.none() | st.sampled_from([0.0, 0.1, 0.3, 0.30000000000000004, 0.5, 0.9, 1.0, 1.5, -2.0])
    found = []
    for _ in range(draw(st.integers(0, 12))):
        was = draw(st.sampled_from(NAMES))
        verdict = draw(st.sampled_from(["accepted", "moved", "relabelled", "deleted", "added", "unchanged"]))
        score = draw(scores)
        iou = draw(st.sampled_from([0.2, 0.5, 0.8])) if verdict == "moved" else None
        now = {"deleted": None, "relabelled": NAMES[NAMES.index(was) - 1]}.get(verdict, was)
        if verdict == "added":
            found.append(Outcome("objects", "added", None, was, is_prediction=False))
        elif verdict == "unchanged":
            found.append(Outcome("objects", "unchanged", was, was, is_prediction=False, score=score))
        else:
            found.append(Outcome("objects", verdict, was, now, True, score, iou))  # type: ignore[arg-type]
    return found


@given(found=scored(), wanted=st.sampled_from([0.1, 0.5, 2 / 3, 0.9, 1.0]))
@settings(max_examples=300)
def test_thresholds_are_those_of_counting_by_hand(found: list[Outcome], wanted: float) -> None:
    scores = Scores(0.5)
    for each in found:
        scores.add(each)
    for threshold in scores.thresholds(wanted, NAMES):
        name = threshold.category
        mine = [
            (each.score, each.verdict == "accepted" or (each.verdict == "moved" and (each.iou or 0) >= 0.5))
            for each in found
            if each.is_prediction and each.score is not None and name in (None, each.was)
        ]
        there = sum(
            each.now is not None and each.verdict != "unchanged" and name in (None, each.now)
            for each in found
        )
        candidates = []
        for t in sorted({score for score, _ in mine if 0 <= score <= 1}):
            kept = [right for score, right in mine if score >= t]
            if sum(kept) / len(kept) >= wanted:
                candidates.append((t, sum(kept) / len(kept), sum(kept) / there if there else None, len(kept)))
        assert threshold.predictions == len(mine)
        if candidates:
            found_ = (threshold.score, threshold.precision, threshold.recall, threshold.kept)
            assert found_ == candidates[0]
        else:
            assert threshold.score is None
            assert threshold.precision is None or threshold.precision < wanted


@given(found=scored(), width=st.sampled_from([0.1, 0.25, 0.3, 1.0, 0.001]))
def test_bins_hold_every_prediction_once_and_where_its_score_is(found: list[Outcome], width: float) -> None:
    counting = Counting(bins=width, min_iou=0.5)
    for each in found:
        counting.add(each)
    table = counting.table("objects", NAMES)
    predictions = [each for each in found if each.is_prediction]
    assert sum(each.counts.predicted for each in table.all_bins()) == len(predictions)
    for each in table.all_bins():
        if each.low is not None and each.high is not None:
            inside = [p.score for p in predictions if p.score is not None and each.low <= p.score + 1e-8]
            inside = [score for score in inside if score + 1e-8 < each.high or score == each.high == 1]
            assert each.counts.predicted == len(inside)


def test_a_score_at_an_edge_is_in_the_bin_that_begins_there() -> None:
    done = compared(*[[record(*(predicted(k, score=k / 10) for k in range(8)))]] * 2)
    assert [(each.low, each.counts.predicted) for each in done.objects.all_bins()] == [
        (k / 10, 1) for k in range(8)
    ]


def test_classes_with_few_predictions_follow_the_rest() -> None:
    people = [predicted(k, score=0.9 - k / 10) for k in range(4)]
    before = record(*people, predicted(9, 0.05, "car"), predicted(10, 0.3, "bicycle"))
    after = record(*before.objects[:2], *before.objects[4:5])
    done = compared([before], [after], precisions=[1.0], min_predictions=2)
    assert done.proposed().classes == {"person": 0.8}
    assert done.proposed().default == 0.8
    assert [(each.category, each.score) for each in done.thresholds] == [
        (None, 0.8), ("person", 0.8), ("car", 0.05), ("bicycle", None),
    ]  # fmt: skip
    alone = compared([before], [after], precisions=[1.0], min_predictions=1).proposed()
    assert alone.classes == {"person": 0.8, "car": 0.05, "bicycle": 1.0}


def test_thresholds_need_one_precision_and_a_scored_prediction() -> None:
    item = record(predicted(0))
    with pytest.raises(UsageError, match="--thresholds-out: 0 --precision; expected one of it"):
        compared([item], [item]).proposed()
    with pytest.raises(UsageError, match="no prediction in a reviewed image has a score"):
        compared([record(predicted(0, None))], [item], precisions=[0.9]).proposed()


@pytest.mark.parametrize(
    "options",
    [
        {"bins": 0.0}, {"bins": 1.5}, {"bins": float("nan")}, {"min_iou": -0.1}, {"min_iou": float("nan")},
        {"tolerance": -1.0}, {"tolerance": float("inf")}, {"precisions": [0.0]}, {"precisions": [90.0]},
        {"precisions": [float("nan")]}, {"min_predictions": 0},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--"):
        compared([], [], **options)


def test_what_another_run_predicted_is_added_and_told() -> None:
    done = compared([record(predicted(0))], [record(predicted(0), predicted(1))])
    assert (done.objects.total.added, done.objects.total.added_predicted) == (1, 1)
    assert [(row[0], row[2]) for row in done.ledger.rows()] == [("CMP104", 1)]


def test_hostile_names_are_compared_as_they_are() -> None:
    path = "\u202eevil\x1b[31m/ü\n1.jpg"
    done = compared([record(predicted(0), path=path)], [record(predicted(0), path=path)])
    assert done.objects.total.accepted == 1
    json.dumps(as_json(done))


def test_no_temporary_file_is_left_also_where_comparing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (write_jsonl(tmp_path / name, HEADER, [record(predicted(0))]) for name in "ab")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    def stop(done: int, total: int | None) -> None:
        assert list(scratch.iterdir())
        raise KeyboardInterrupt

    compare(one, two)
    with pytest.raises(KeyboardInterrupt):
        compare(one, two, progress=stop)
    assert list(scratch.iterdir()) == []


def test_an_rle_without_compression_is_the_same_pixels() -> None:
    runs = [1000, 20, 101380]
    before = Instance(mask=Mask.of(Rle((320, 320), runs)), category="car", provenance=MADE)
    after = Instance(mask=rle_mask(np.array(runs), 320, 320), category="car")
    assert told(record(before), record(after)) == [("accepted", "car", "car")]
