"""The carrier's alignment and merging, value by value: what is shown unchanged returns, an edit wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from made import layers_of

from labelkit.align import align
from labelkit.carrier import Carrier, CarrierWriter
from labelkit.findings import Finding
from labelkit.geometry import rle
from labelkit.loss import Fitted
from labelkit.merge_maps import differences, merge_map
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
    Mask,
    Object,
    Polygons,
    Record,
    SemanticMap,
)
from labelkit.pixels import map_pixels, mask_runs
from labelkit.visible import same, visible

SIZE = 8
LOSS = [Finding("LOS105", "a.jpg", "a score has no place")]


# --- alignment ---------------------------------------------------------------------------------------------


def thing(category: str, box: tuple[float, ...] | None = None, **values: Any) -> dict[str, Any]:
    return {"category": category, **({"box": list(box)} if box else {}), **values}


CAT, DOG = thing("cat", (0, 0, 10, 10)), thing("dog", (50, 50, 10, 10))


def test_equal_objects_align_in_any_order() -> None:
    assert align([CAT, DOG], [DOG, CAT]) == {0: 1, 1: 0}


def test_duplicates_align_one_to_one_in_order() -> None:
    assert align([CAT, CAT, DOG], [CAT, DOG, CAT]) == {0: 0, 2: 1, 1: 2}


def test_one_of_two_duplicates_deleted_leaves_one() -> None:
    assert align([CAT, CAT], [CAT]) == {0: 0}


def test_a_moved_and_a_relabelled_object_align_by_overlap() -> None:
    moved = thing("cat", (1, 1, 10, 10))
    assert align([CAT, DOG], [moved, thing("cow", (50, 50, 10, 10))]) == {0: 0, 1: 1}


def test_overlap_of_the_same_class_comes_before_a_better_one_of_another() -> None:
    then = [thing("cat", (0, 0, 10, 10)), thing("dog", (2, 0, 10, 10))]
    assert align(then, [thing("cat", (2, 0, 10, 10.5))]) == {0: 0}


def test_a_new_object_far_away_is_nobody() -> None:
    assert align([CAT], [thing("cat", (100, 100, 10, 10))]) == {}


def test_a_uid_finds_its_object_wherever_it_went() -> None:
    then = [thing("cat", (0, 0, 10, 10), uid="u"), thing("cat", (90, 90, 10, 10))]
    assert align(then, [thing("dog", (90, 91, 10, 10), uid="u")]) == {0: 0}


def test_the_same_pixels_find_an_object_whose_box_went_far_away() -> None:
    then = [thing("cat", (0, 0, 10, 10), mask="pixels:a"), thing("cat", (60, 0, 9, 9), mask="pixels:b")]
    now = [thing("cat", (30, 30, 9, 9), mask="pixels:a"), thing("cow", (0, 50, 9, 9), mask="pixels:b")]
    assert align(then, now) == {0: 0, 1: 1}


def test_a_box_that_stayed_says_more_than_pixels_that_slipped() -> None:
    then = [thing("cat", (0, 0, 10, 10), mask="pixels:a"), thing("cat", (60, 0, 9, 9), mask="pixels:b")]
    assert align(then, [thing("cat", (60, 0, 9, 9), mask="pixels:a")]) == {0: 1}


def test_pixels_that_two_objects_have_find_neither() -> None:
    then = [thing("cat", (0, 0, 9, 9), mask="pixels:a"), thing("cat", (60, 0, 9, 9), mask="pixels:a")]
    assert align(then, [thing("cat", (0, 50, 9, 9), mask="pixels:a")]) == {}


# --- merging -----------------------------------------------------------------------------------------------


def box(category: str, x: float, **values: Any) -> BoundingBox:
    return BoundingBox(category=category, box=Box(x, 1, 10, 10), **values)


def record(*objects: Object, path: str = "a.jpg", **values: Any) -> Record:
    return Record(image=Image(path=path, width=SIZE, height=SIZE), objects=objects, **values)


def restored(
    tmp: Path,
    source: Record,
    shown: Record,
    now: Record,
    origins: tuple[int | None, ...] | None = None,
) -> Record:
    """What the carrier makes of ``now``, where the target showed ``shown`` of ``source``."""
    places = origins if origins is not None else tuple(range(len(shown.objects)))
    writer = CarrierWriter(tmp / "labelkit.jsonl", Header(), Header())
    writer.write(0, writer.lines(source, Fitted(shown, LOSS, places)))
    writer.finish()
    return Carrier(tmp / "labelkit.jsonl").restore(now)


SCORED = box("cat", 0, score=0.5, attributes={"fur": "long"}, raw={"mine": {"id": 7}})
OTHER = box("dog", 50, score=0.25, raw={"mine": {"id": 8}})
SOURCE = record(SCORED, OTHER)
SHOWN = record(box("cat", 0), box("dog", 50))


def test_what_is_shown_unchanged_returns_whole(tmp_path: Path) -> None:
    assert restored(tmp_path, SOURCE, SHOWN, SHOWN) == SOURCE


def test_a_moved_object_keeps_its_identity_and_its_new_place(tmp_path: Path) -> None:
    back = restored(tmp_path, SOURCE, SHOWN, record(box("cat", 2), box("dog", 50)))
    assert back.objects == (SCORED.model_copy(update={"box": Box(2, 1, 10, 10)}), OTHER)


def test_a_relabelled_object_keeps_its_identity_and_its_new_class(tmp_path: Path) -> None:
    back = restored(tmp_path, SOURCE, SHOWN, record(box("cow", 0), box("dog", 50)))
    assert back.objects == (SCORED.model_copy(update={"category": "cow"}), OTHER)


def test_a_deleted_object_stays_away(tmp_path: Path) -> None:
    assert restored(tmp_path, SOURCE, SHOWN, record(box("dog", 50))).objects == (OTHER,)


def test_an_added_object_comes_last_and_gets_nothing_of_another(tmp_path: Path) -> None:
    new = box("cat", 200)
    back = restored(tmp_path, SOURCE, SHOWN, record(new, box("cat", 0), box("dog", 50)))
    assert back.objects == (SCORED, OTHER, new)


def test_a_new_order_wins(tmp_path: Path) -> None:
    back = restored(tmp_path, SOURCE, SHOWN, record(box("dog", 50), box("cat", 0)))
    assert back.objects == (OTHER, SCORED)


def test_a_duplicated_object_is_itself_and_a_new_one(tmp_path: Path) -> None:
    back = restored(tmp_path, SOURCE, SHOWN, record(box("cat", 0), box("cat", 0), box("dog", 50)))
    assert back.objects == (SCORED, OTHER, box("cat", 0))


def test_a_hidden_object_returns_to_its_place(tmp_path: Path) -> None:
    shown = record(box("dog", 50))
    assert restored(tmp_path, SOURCE, shown, shown, (1,)) == SOURCE
    moved = restored(tmp_path, SOURCE, shown, record(box("dog", 51)), (1,))
    assert moved.objects == (SCORED, OTHER.model_copy(update={"box": Box(51, 1, 10, 10)}))


def test_a_derived_object_is_not_the_sources_unless_it_was_edited(tmp_path: Path) -> None:
    shown = record(box("cat", 0), box("dog", 50), box("cow", 100))
    origins = (0, 1, None)
    assert restored(tmp_path, SOURCE, shown, shown, origins) == SOURCE
    edited = record(box("cat", 0), box("dog", 50), box("cow", 101))
    assert restored(tmp_path, SOURCE, shown, edited, origins).objects == (SCORED, OTHER, box("cow", 101))


def test_splits_return_unless_they_were_edited(tmp_path: Path) -> None:
    source = record(SCORED, splits=("b", "a"))
    shown = record(box("cat", 0), splits=("a",))
    assert restored(tmp_path, source, shown, shown).splits == ("b", "a")
    now = record(box("cat", 0), splits=("test",))
    assert restored(tmp_path, source, shown, now).splits == ("test",)


# --- labels ------------------------------------------------------------------------------------------------

SUN = ImageLabel(category="sun", score=0.5, raw={"mine": 1})
RAIN = ImageLabel(category="rain", state="absent", raw={"mine": 2})


def labelled(*labels: ImageLabel) -> Record:
    return record(labels=labels)


def test_a_hidden_label_returns_beside_an_added_one(tmp_path: Path) -> None:
    snow = ImageLabel(category="snow")
    back = restored(tmp_path, labelled(SUN, RAIN), labelled(), labelled(snow))
    assert {label.category for label in back.labels} == {"snow", "sun", "rain"}
    assert SUN in back.labels
    assert RAIN in back.labels


def test_a_removed_label_stays_away(tmp_path: Path) -> None:
    shown = labelled(ImageLabel(category="sun"))
    assert restored(tmp_path, labelled(SUN, RAIN), shown, labelled()).labels == (RAIN,)


def test_a_label_with_a_new_state_is_still_that_label(tmp_path: Path) -> None:
    shown = labelled(ImageLabel(category="sun"))
    now = labelled(ImageLabel(category="sun", state="absent"))
    (label,) = restored(tmp_path, labelled(SUN), shown, now).labels
    assert (label.state, label.score, label.raw) == ("absent", None, SUN.raw)


def test_a_hidden_label_that_is_said_now_is_the_sources(tmp_path: Path) -> None:
    now = labelled(ImageLabel(category="sun"))
    assert restored(tmp_path, labelled(SUN), labelled(), now).labels == (SUN,)


# --- masks and maps ----------------------------------------------------------------------------------------


def owners(*places: tuple[int, int]) -> InstanceMap:
    """Two rows for each of the objects 1, 2, …, from a row on."""
    pixels = np.zeros((SIZE, SIZE), np.int32)
    for value, row in places:
        pixels[row : row + 2] = value
    return InstanceMap(source=layers_of(pixels))


def cell(category: str, value: int, **values: Any) -> Instance:
    return Instance(category=category, mask=Mask.of(Cell("objects", value)), **values)


def test_pixels_that_were_edited_leave_the_sources_map(tmp_path: Path) -> None:
    source = record(cell("cat", 1, score=0.5), cell("dog", 2), maps={"objects": owners((1, 0), (2, 4))})
    shown = record(cell("cat", 1), cell("dog", 2), maps={"objects": owners((1, 0), (2, 4))})
    pixels = map_pixels(shown.maps["objects"]).copy()
    pixels[0, 0] = 0
    edited = InstanceMap(source=layers_of(pixels))
    now = record(cell("cat", 1), cell("dog", 2), maps={"objects": edited})
    back = restored(tmp_path, source, shown, now)
    assert visible(back)["objects"][0] == {**visible(now)["objects"][0], "score": 0.5}
    assert visible(back)["objects"][1] == visible(source)["objects"][1]
    assert 1 not in map_pixels(back.maps["objects"])


def test_a_deleted_object_takes_its_pixels_out_of_the_map(tmp_path: Path) -> None:
    source = record(cell("cat", 1, score=0.5), cell("dog", 2), maps={"objects": owners((1, 0), (2, 4))})
    shown = record(cell("cat", 1), cell("dog", 2), maps={"objects": owners((1, 0), (2, 4))})
    back = restored(tmp_path, source, shown, record(cell("cat", 1), maps={"objects": owners((1, 0))}))
    assert back.objects == source.objects[:1]
    assert set(np.unique(map_pixels(back.maps["objects"])).tolist()) == {0, 1}


def test_an_outline_returns_only_where_its_pixels_are_unchanged(tmp_path: Path) -> None:
    ring = Mask.of(Polygons([[[1.0, 1.0, 5.0, 1.0, 5.0, 4.5, 1.0, 4.0]]]))
    source = record(Instance(category="cat", mask=ring, box=Box(1, 1, 4, 3.5), score=0.5))
    pixels = rle.decode_mask(mask_runs(source, ring), SIZE, SIZE).astype(np.int32)
    shown = record(cell("cat", 1), maps={"objects": InstanceMap(source=layers_of(pixels))})
    assert restored(tmp_path, source, shown, shown) == source
    pixels[1, 1] = 0
    now = record(cell("cat", 1), maps={"objects": InstanceMap(source=layers_of(pixels))})
    (item,) = restored(tmp_path, source, shown, now).objects
    assert item.score == 0.5
    assert item.kind == "instance"
    assert rle.area(mask_runs(now, item.mask)) == pixels.sum()


def classes(pixels: np.ndarray, names: dict[int, str], ignore: int | None = None) -> SemanticMap:
    return SemanticMap(source=layers_of(pixels.astype(np.int32)), classes=names, ignore=ignore)


def stripes(*values: int) -> np.ndarray:
    return np.repeat(np.array(values), SIZE).reshape(len(values), SIZE)


FULL = stripes(1, 1, 2, 2, 3, 3, 9, 0)  # road, sky, grass, to be ignored
POOR = stripes(5, 5, 4, 4, 0, 0, 0, 0)  # a table without grass, and nothing to ignore
OWN = classes(FULL, {1: "road", 2: "sky", 3: "grass"}, ignore=9)


def test_an_edited_pixel_wins_and_all_others_return(tmp_path: Path) -> None:
    table = {5: "road", 4: "sky", 7: "car"}
    shown = record(maps={"semantic": classes(POOR, table)})
    edited = POOR.copy()
    edited[0, 0], edited[4, 4], edited[6, 0] = 4, 7, 5
    now = record(maps={"semantic": classes(edited, table)})
    back = restored(tmp_path, record(maps={"semantic": OWN}), shown, now).maps["semantic"]
    assert isinstance(back, SemanticMap)
    (car,) = [value for value, name in back.classes.items() if name == "car"]
    wanted = FULL.copy()
    wanted[0, 0], wanted[4, 4], wanted[6, 0] = 2, car, 1
    assert np.array_equal(map_pixels(back), wanted)
    assert back.ignore == 9


def test_layers_of_classes_without_an_edit_stay_as_they_are() -> None:
    table = {1: "road", 2: "sky", 3: "grass"}
    edited = FULL.copy()
    edited[0] = 0
    back = merge_map(OWN, [], classes(edited, table, ignore=9))
    old, new = {k.value: k for k in OWN.source.layers}, {k.value: k for k in back.source.layers}  # type: ignore[union-attr]
    assert list(old) == list(new)
    assert [value for value in old if old[value] != new[value]] == [1]


def test_a_class_that_is_gone_keeps_an_empty_layer_and_its_place() -> None:
    edited = np.where(FULL == 2, 0, FULL)
    back = merge_map(OWN, [], classes(edited, {1: "road", 2: "sky", 3: "grass"}, ignore=9))
    assert [layer.value for layer in back.source.layers] == [1, 2, 3, 9]  # type: ignore[union-attr]
    assert np.array_equal(map_pixels(back), edited)


def test_painted_layers_that_cover_each_other_show_what_is_wanted() -> None:
    whole = layers_of(np.full((SIZE, SIZE), 1, np.int32))
    top = layers_of(np.where(FULL > 3, 0, FULL)).layers
    source = whole.model_copy(update={"layers": (*whole.layers, *top[1:])})
    below = SemanticMap(source=source, classes={1: "road", 2: "sky", 3: "grass"})
    edited = np.where(map_pixels(below) == 2, 0, map_pixels(below))
    back = merge_map(below, [], classes(edited, below.classes))
    assert np.array_equal(map_pixels(back), edited)


def test_maps_of_another_size_are_the_edits() -> None:
    now = classes(stripes(1, 1), {1: "road"})
    assert merge_map(OWN, differences(OWN, now), now) is now


def test_differences_are_where_two_maps_say_something_else() -> None:
    shown = classes(POOR, {5: "road", 4: "sky"})
    assert [said for said, _ in differences(OWN, shown)] == [None]
    assert differences(OWN, OWN) == []


# --- records and headers -----------------------------------------------------------------------------------


def write(tmp: Path, *pairs: tuple[Record, Record]) -> Carrier:
    writer = CarrierWriter(tmp / "labelkit.jsonl", Header(), Header())
    fitted = ((a, Fitted(b, LOSS, tuple(range(len(b.objects))))) for a, b in pairs)
    writer.write(0, [line for a, b in fitted for line in writer.lines(a, b)])
    writer.finish()
    return Carrier(tmp / "labelkit.jsonl")


def test_a_renamed_image_is_found_by_what_it_shows(tmp_path: Path) -> None:
    carrier = write(
        tmp_path, (SOURCE, SHOWN), (record(OTHER, path="b.jpg"), record(box("dog", 50), path="b.jpg"))
    )
    back = carrier.restore(SHOWN.model_copy(update={"image": Image(path="new.jpg", width=8, height=8)}))
    assert back.objects == SOURCE.objects
    assert back.image.path == "new.jpg"


def test_a_renamed_image_that_looks_like_two_is_neither(tmp_path: Path) -> None:
    twin = record(*SOURCE.objects, path="b.jpg"), record(*SHOWN.objects, path="b.jpg")
    carrier = write(tmp_path, (SOURCE, SHOWN), twin)
    new = SHOWN.model_copy(update={"image": Image(path="new.jpg", width=8, height=8)})
    assert carrier.restore(new) == new


def test_an_unknown_record_stays_as_it_is(tmp_path: Path) -> None:
    new = record(box("cat", 3), path="new.jpg")
    assert write(tmp_path, (SOURCE, SHOWN)).restore(new) == new


def test_a_suffix_that_a_format_does_not_know_returns(tmp_path: Path) -> None:
    now = SHOWN.model_copy(update={"image": Image(path="a.png", width=8, height=8)})
    assert same(write(tmp_path, (SOURCE, SHOWN)).restore(now), SOURCE)


def test_a_carrier_without_differences_of_maps_can_be_read(tmp_path: Path) -> None:
    carrier = write(tmp_path, (SOURCE, SHOWN))
    line = msgspec.json.decode(carrier.path.read_bytes().splitlines()[1])
    assert "maps" not in line
    assert carrier.restore(SHOWN) == SOURCE


def header_of(tmp: Path, source: Header, shown: Header, now: Header, used: set[str]) -> list[Category]:
    writer = CarrierWriter(tmp / "labelkit.jsonl", source, shown)
    writer.write(0, writer.lines(SOURCE, Fitted(SHOWN, LOSS, (0, 1))))
    writer.finish()
    return list(Carrier(tmp / "labelkit.jsonl").header(now, lambda: used).categories)


RICH, PLAIN = Category(name="cat", supercategory="animal", raw={"mine": 3}), Category(name="cat")


def test_a_category_returns_with_what_was_not_shown(tmp_path: Path) -> None:
    plain = Header(categories=(PLAIN,))
    assert header_of(tmp_path, Header(categories=(RICH,)), plain, plain, set()) == [RICH]


def test_a_category_that_the_target_has_no_place_for_returns(tmp_path: Path) -> None:
    assert header_of(tmp_path, Header(categories=(RICH,)), Header(), Header(), set()) == [RICH]


def test_an_added_category_comes_last_and_a_removed_one_stays_away(tmp_path: Path) -> None:
    shown, now = Header(categories=(PLAIN,)), Header(categories=(Category(name="cow"),))
    assert header_of(tmp_path, Header(categories=(RICH,)), shown, now, set()) == [Category(name="cow")]


def test_a_category_of_a_closed_table_returns_only_if_it_is_used(tmp_path: Path) -> None:
    shown = Header(categories=(PLAIN, Category(name="road")))
    source = Header(categories=(RICH,))
    assert header_of(tmp_path, source, shown, shown, set()) == [RICH]
    assert header_of(tmp_path, source, shown, shown, {"road"}) == [RICH, Category(name="road")]


def test_an_edited_category_wins(tmp_path: Path) -> None:
    edited = Category(name="cat", colour=(1, 2, 3))
    found = header_of(
        tmp_path, Header(categories=(RICH,)), Header(categories=(PLAIN,)), Header(categories=(edited,)), set()
    )
    assert found[0].colour == (1, 2, 3)
    assert found[0].supercategory == "animal"  # it was not shown, and so cannot have been edited
    assert found[0].raw == RICH.raw
