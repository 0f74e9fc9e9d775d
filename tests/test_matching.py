"""A model's labels beside a human's: every verdict, and that what is there stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import layers_of, records

from labelkit.geometry import rle
from labelkit.matching import AGREE, CLASH, LOW, NEW, OTHER, WAITING, match_labels, match_maps, match_objects
from labelkit.model import BoundingBox, Box, Header, Image, ImageLabel, Instance, Object, Record, SemanticMap
from labelkit.pixels import map_pixels, rle_mask
from labelkit.prelabels import Making, confidence_text, confidences, is_labelled, make_labels, with_classes
from labelkit.thresholds import Thresholds
from labelkit.visible import same

SIZE = 100


def box(category: str, x: float, y: float, w: float, h: float, **rest: Any) -> BoundingBox:
    return BoundingBox(category=category, box=Box(x, y, w, h), **rest)


def record(*objects: Object, **rest: Any) -> Record:
    return Record(image=Image(path="a.jpg", width=SIZE, height=SIZE), objects=objects, **rest)


@pytest.mark.parametrize(
    ("there", "guess", "verdict"),
    [
        (box("dog", 0, 0, 10, 10), box("dog", 0, 0, 10, 10), AGREE),
        (box("dog", 0, 0, 10, 10), box("dog", 0, 0, 10, 5), AGREE),  # an IoU of exactly a half
        (box("dog", 0, 0, 10, 10), box("cat", 0, 0, 10, 10), CLASH),
        (box("dog", 0, 0, 10, 10), box("dog", 0, 0, 10, 4), LOW),
        (box("dog", 0, 0, 100, 100, crowd=True), box("dog", 90, 90, 20, 10), AGREE),
    ],
)
def test_one_thing_that_both_have_seen(there: BoundingBox, guess: BoundingBox, verdict: str) -> None:
    triage = match_objects(record(there), record(guess))
    assert (+triage.counts, triage.new) == ({verdict: 1}, ())


@pytest.mark.parametrize(
    ("there", "guess"),
    [
        (box("dog", 0, 0, 10, 10), box("dog", 50, 50, 10, 10)),
        (box("dog", 0, 0, 10, 10), box("cat", 0, 0, 10, 4)),  # near, and of another class: another thing
        (box("dog", 0, 0, 10, 10), box("dog", 0, 0, 10, 0.9)),
    ],
)
def test_two_things(there: BoundingBox, guess: BoundingBox) -> None:
    triage = match_objects(record(there), record(guess))
    assert (+triage.counts, triage.new) == ({OTHER: 1, NEW: 1}, (0,))


def test_a_crowd_hides_what_is_in_it_of_its_class_only() -> None:
    crowd = box("dog", 0, 0, 50, 50, crowd=True)
    guesses = [box("dog", 10, 10, 5, 5), box("cat", 10, 10, 5, 5), box("dog", 45, 45, 20, 20)]
    triage = match_objects(record(crowd), record(*guesses))
    assert (+triage.counts, triage.new) == ({AGREE: 1, NEW: 2}, (1, 2))


def test_one_label_answers_one_guess_the_most_alike() -> None:
    there = box("dog", 0, 0, 10, 10)
    triage = match_objects(record(there), record(box("dog", 0, 0, 10, 8), box("dog", 0, 0, 10, 10)))
    assert (+triage.counts, triage.new) == ({AGREE: 1, NEW: 1}, (0,))


def test_a_pair_of_one_class_goes_before_a_closer_one_of_two() -> None:
    there = [box("dog", 0, 0, 10, 10), box("cat", 0, 0, 10, 9)]
    triage = match_objects(record(*there), record(box("cat", 0, 0, 10, 10)))
    assert +triage.counts == {AGREE: 1, OTHER: 1}


def test_instances_are_compared_by_their_pixels() -> None:
    def instance(left: bool) -> Instance:
        pixels = np.zeros((SIZE, SIZE), bool)
        pixels[:, :50] = left
        pixels[:, 50:] = not left
        pixels[0] = pixels[-1] = True  # the boxes are equal
        return Instance(category="dog", mask=rle_mask(rle.encode_mask(pixels), SIZE, SIZE))

    assert +match_objects(record(instance(True)), record(instance(True))).counts == {AGREE: 1}
    assert +match_objects(record(instance(True)), record(instance(False))).counts == {OTHER: 1, NEW: 1}
    assert +match_objects(record(box("dog", 0, 0, SIZE, SIZE)), record(instance(True))).counts == {AGREE: 1}


@given(there=records(), guessed=records())
def test_every_label_and_every_guess_is_in_one_verdict(there: Record, guessed: Record) -> None:
    there = there.model_copy(
        update={"objects": tuple(item.model_copy(update={"crowd": None}) for item in there.objects)}
    )
    counts = match_objects(there, guessed).counts
    both = counts[AGREE] + counts[CLASH] + counts[LOW]
    assert both + counts[NEW] == len(guessed.objects)
    assert both + counts[OTHER] + counts[WAITING] == len(there.objects)


def test_labels_of_one_class_an_image_and_of_several() -> None:
    def said(*names: str, state: Any = "present") -> list[ImageLabel]:
        return [ImageLabel(category=name, state=state) for name in names]

    for there, guess, several, counts, new in (
        ([], ["dog"], False, {NEW: 1}, (0,)),
        (["dog"], ["dog"], False, {AGREE: 1}, ()),
        (["cat"], ["dog"], False, {CLASH: 1, OTHER: 1}, ()),
        (["cat"], ["dog", "cat"], True, {NEW: 1, AGREE: 1}, (0,)),
        (["cat", "owl"], ["dog"], True, {NEW: 1, OTHER: 2}, (0,)),
    ):
        triage = match_labels(said(*there), said(*guess), multi_label=several)
        assert (+triage.counts, triage.new) == (counts, new)
    no_cat = match_labels(said("cat", state="absent"), said("dog"), multi_label=False)
    assert (+no_cat.counts, no_cat.new) == ({NEW: 1}, (0,))
    absent = match_labels(said("dog", state="absent"), said("dog"), multi_label=True)
    assert (+absent.counts, absent.new) == ({CLASH: 1}, ())


def semantic(rows: list[list[int]], classes: dict[int, str], ignore: int | None = None) -> SemanticMap:
    return SemanticMap(source=layers_of(np.array(rows, np.int32)), classes=classes, ignore=ignore)


def test_maps_are_compared_pixel_by_pixel() -> None:
    there = semantic([[1, 1, 2, 0, 9, 0]], {1: "sky", 2: "road"}, ignore=9)
    guess = semantic([[5, 6, 6, 6, 6, 0]], {5: "sky", 6: "road"})
    assert +match_maps(there, guess).counts == {AGREE: 2, CLASH: 1, NEW: 2}
    assert +match_maps(guess, there).counts == {AGREE: 2, CLASH: 1, OTHER: 2}


# --- making labels -----------------------------------------------------------------------------------------


def making(task: str, default: float = 0.5, **rest: Any) -> Making:
    classes = rest.pop("classes", {})
    return Making("run1", "net:v1", task, Thresholds(default, classes), **rest)


def test_a_guess_gets_a_name_of_the_set_a_uid_and_its_maker() -> None:
    guess = record(box("dog", 1, 2, 3, 4, score=0.75))
    made = make_labels(record(), guess, "", making("detection", names={"dog": "Hund"}))
    (item,) = made.record.objects
    assert (item.category, item.box, item.score) == ("Hund", (1, 2, 3, 4), 0.75)
    assert item.provenance is not None
    assert item.provenance.model_dump() == {
        "run": "run1", "model": "net:v1", "score": 0.75, "status": "pending",
    }  # fmt: skip
    again = make_labels(record(), guess, "", making("detection"))
    assert again.record.objects[0].uid == item.uid
    other = make_labels(record(), guess, "", Making("run2", "net:v1", "detection", Thresholds(0.5)))
    assert other.record.objects[0].uid != item.uid


def test_a_uid_does_not_depend_on_the_threshold() -> None:
    guess = record(*(box("dog", 20 * k, 0, 9, 9, score=0.9 - k / 10) for k in range(4)))
    many = make_labels(record(), guess, "", making("detection", 0.0)).record.objects
    few = make_labels(record(), guess, "", making("detection", 0.75)).record.objects
    assert [item.uid for item in few] == [item.uid for item in many][:2]
    assert len({item.uid for item in many}) == 4


def test_a_score_at_the_threshold_is_a_label_and_each_class_has_its_own() -> None:
    guess = record(box("dog", 0, 0, 9, 9, score=0.5), box("cat", 20, 0, 9, 9, score=0.5))
    made = make_labels(record(), guess, "", making("detection", classes={"cat": 0.51}))
    assert [item.category for item in made.record.objects] == ["dog"]


def test_localization_gives_the_best_box_and_none_beside_a_humans() -> None:
    guess = record(box("dog", 0, 0, 9, 9, score=0.9), box("dog", 40, 0, 9, 9, score=0.8))
    assert len(make_labels(record(), guess, "", making("localization")).record.objects) == 1
    human = record(box("dog", 70, 70, 9, 9))
    made = make_labels(human, guess, "", making("localization"))
    assert made.record == human and made.written == 0


@given(there=records(), data=st.data())
def test_what_is_there_is_never_touched(there: Record, data: st.DataObject) -> None:
    guessed = data.draw(records(there.image.path))
    guessed = guessed.model_copy(update={"image": there.image, "maps": {}})
    kept = tuple(item for item in guessed.objects if item.kind == "box")
    for task in ("detection", "localization", "classification"):
        made = make_labels(there, guessed.model_copy(update={"objects": kept}), "", making(task, 0.0)).record
        assert made.objects[: len(there.objects)] == there.objects
        assert made.labels[: len(there.labels)] == there.labels
        assert made.maps == there.maps and made.splits == there.splits and made.raw == there.raw


def test_a_map_says_where_it_is_not_sure() -> None:
    guess = record(maps={"semantic": semantic([[1, 2], [1, 0]], {1: "sky", 2: "road"})})
    confidence = np.array([[128, 127], [255, 0]], np.uint8)
    made = make_labels(record(), guess, confidence_text(confidence), making("semantic"))
    item = made.record.maps["semantic"]
    assert isinstance(item, SemanticMap) and item.ignore == 255
    assert map_pixels(item).tolist() == [[1, 255], [1, 255]]
    assert item.provenance is not None and item.provenance.score == pytest.approx(
        (128 + 127 + 255) / 4 / 256, abs=1e-6
    )
    assert made.triage == {NEW: 2} and made.uncertainty == pytest.approx(1 - item.provenance.score, abs=1e-6)


def test_pixels_have_the_threshold_of_their_class() -> None:
    guess = record(maps={"semantic": semantic([[1, 2, 2]], {1: "sky", 2: "road"})})
    text = confidence_text(np.array([[100, 100, 200]], np.uint8))
    made = make_labels(record(), guess, text, making("semantic", 0.0, classes={"road": 0.5}))
    assert map_pixels(made.record.maps["semantic"]).tolist() == [[1, 255, 2]]


def test_a_sure_pixel_is_sure_at_every_threshold() -> None:
    guess = record(maps={"semantic": semantic([[1, 2]], {1: "sky", 2: "road"})})
    text = confidence_text(np.array([[255, 254]], np.uint8))
    made = make_labels(record(), guess, text, making("semantic", 1.0))
    assert map_pixels(made.record.maps["semantic"]).tolist() == [[1, 255]]


@pytest.mark.parametrize("name", ["semantic", "panoptic"])
def test_a_humans_map_stays_and_is_replaced_where_that_is_said(name: str) -> None:
    human = record(maps={name: semantic([[1, 1]], {1: "sky"})})
    guess = record(maps={"semantic": semantic([[2, 2]], {2: "road"})})
    text = confidence_text(np.full((1, 2), 255, np.uint8))
    assert is_labelled(human, "semantic") and not is_labelled(guess, "detection")
    made = make_labels(human, guess, text, making("semantic"))
    assert same(made.record, human) and made.triage == {CLASH: 2, AGREE: 0, NEW: 0, OTHER: 0}
    replaced = make_labels(human, guess, text, making("semantic", existing="replace"))
    assert list(replaced.record.maps) == ["semantic"] and replaced.replaced == 1


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_confidence_comes_back(height: int, width: int, seed: int) -> None:
    said = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    assert np.array_equal(confidences(confidence_text(said)), said)


def test_classes_that_a_model_can_say_come_behind_those_of_the_set() -> None:
    header = with_classes(Header(), (None, "dog", None, "cat"), {"dog": "Hund"}, "detection")
    assert [(category.name, category.thing) for category in header.categories] == [
        ("Hund", True),
        ("cat", True),
    ]
    again = with_classes(header, (None, "cat", "owl"), {}, "semantic")
    assert [category.name for category in again.categories] == ["Hund", "cat", "owl"]


@pytest.mark.parametrize(
    ("scores", "uncertainty"), [([], 0.0), ([0.5], 1.0), ([1.0, 0.9], 0.2), ([0.06, 0.99], 0.12)]
)
def test_an_image_is_as_uncertain_as_its_least_certain_box(scores: list[float], uncertainty: float) -> None:
    guess = record(*(box("dog", 20 * k, 0, 9, 9, score=score) for k, score in enumerate(scores)))
    assert make_labels(record(), guess, "", making("detection")).uncertainty == pytest.approx(uncertainty)
