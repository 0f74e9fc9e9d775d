"""Defects of Label Studio's tasks: of records as labelkit writes them, and of the text of a list of tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import test_rules_geometry as geometry
import test_rules_survey as survey
from labelstudio_files import CONFIG, annotation, region, task
from seeds import NO_IMAGES, OF_FEW, Make, Seed, after, records
from seeds_everywhere import CLASSES, HEADERS, boxed, labelled, written
from test_rules_geometry import BLOCK, SQUARE, add, at, car, huge, only, outline, pixels, put
from voc_files import photo

from labelkit.model import BoundingBox, Instance, Record

NAME = "labelstudio"
ASIDE = (NO_IMAGES, "CAT107", *OF_FEW)
Change = Callable[[list[Record]], list[Record]]


def seeds() -> Iterator[Seed]:
    """All of them."""
    yield from _of_records()
    yield from _of_sets()
    yield from _of_classes()
    yield from _of_text()
    yield from _of_names()


# --- objects -----------------------------------------------------------------------------------------------


def clean() -> list[Record]:
    """Records as Label Studio can hold them: no box beside pixels."""
    return [
        each.model_copy(update={"objects": tuple(map(_unboxed, each.objects))})
        for each in geometry.clean_records()
    ]


def _unboxed(item: Any) -> Any:
    return item.model_copy(update={"box": None}) if isinstance(item, Instance) else item


def _mask(*parts: Any) -> Instance:
    return Instance(category="car", mask=parts[0])


FIRST, SECOND = "[0].annotations[0].result", "[1].annotations[0].result"

# What is done, the code, and the region of the one finding.
OBJECTS: dict[str, tuple[Change, str, str]] = {
    "absurd box": (put(1, 0, box=at(30, 3, 2e6, 10)), "GEO101", f"{SECOND}[0]"),
    "flat box": (put(1, 0, box=at(30, 3, 10, 0)), "GEO102", f"{SECOND}[0]"),
    "negative box": (put(1, 0, box=at(30, 3, -5, 10)), "GEO102", f"{SECOND}[0]"),
    "box outside": (put(1, 0, box=at(70, 3, 10, 10)), "GEO103", f"{SECOND}[0]"),
    "box partly outside": (put(1, 0, box=at(55, 3, 10, 10)), "GEO118", f"{SECOND}[0]"),
    "box rounded out": (put(1, 0, box=at(50, 3, 10.5, 10)), "GEO120", f"{SECOND}[0]"),
    "needle": (huge(car(10, 10, 5000, 3)), "GEO114", f"{SECOND}[0]"),
    "box twice": (add(1, car(30, 3, 10, 10)), "GEO115", f"{SECOND}[1]"),
    "polygon twice": (
        only(_mask(outline(SQUARE)), _mask(outline(SQUARE))), "GEO115", f"{SECOND}[1]",
    ),
    "box nearly twice": (add(1, car(30, 3, 10, 10.5)), "GEO116", f"{SECOND}[1]"),
    "two classes": (
        add(1, BoundingBox(category="person", box=at(30, 3, 10, 10))), "GEO117", f"{SECOND}[1]",
    ),
    "two points": (only(_mask(outline([4, 5, 6, 7, 8, 8][:2]))), "GEO104", f"{SECOND}[0]"),
    "four numbers": (only(_mask(outline([4, 5, 6, 7]))), "GEO106", f"{SECOND}[0]"),
    "bow tie": (put(0, 0, mask=outline(geometry.BOW)), "GEO107", f"{FIRST}[0]"),
    "line": (only(_mask(outline([4.1, 5.1, 6.3, 5.1, 5.2, 5.1]))), "GEO108", f"{SECOND}[0]"),
    "point twice": (put(0, 0, mask=outline([2, 3, *SQUARE])), "GEO109", f"{FIRST}[0]"),
    "polygon outside": (
        put(0, 0, mask=outline([2, 3, 80, 3, 12, 13, 2, 13])), "GEO119", f"{FIRST}[0]",
    ),
    "mask of everything": (
        only(_mask(pixels((slice(None), slice(None))))), "MSK106", f"{SECOND}[0]",
    ),
    "speck": (only(_mask(geometry.SPECKLED)), "MSK107", f"{SECOND}[0]"),
    "mask without pixel": (only(_mask(pixels())), "MSK105", f"{SECOND}[0]"),
}  # fmt: skip


def _of_records() -> Iterator[Seed]:
    start = records(NAME, lambda items: items, clean)
    for name, (change, code, element) in OBJECTS.items():
        broken = records(NAME, change, clean)
        yield Seed(code, NAME, f"record, {name}", start, broken, f"tasks.json:{element}", aside=ASIDE)
    overlap = records(
        NAME, add(0, Instance(category="person", mask=pixels((BLOCK[0], slice(24, 34))))), clean
    )
    target = (("target", "voc"),)
    yield Seed("MSK118", NAME, "overlap", start, overlap, f"tasks.json:{FIRST}[2]", None, target, ASIDE)


# --- sets --------------------------------------------------------------------------------------------------


def spread_boxes() -> list[Record]:
    return geometry.every(lambda item: BoundingBox(category="car", box=item.box))(geometry.spread())


def spread_polygons() -> list[Record]:
    return geometry.every(_unboxed)(geometry.spread())


# All objects, each with a box and a polygon, changed in one way; the code; the set without it.
SETS: dict[str, tuple[Callable[[Any], Any], str, Callable[[], list[Record]]]] = {
    "corners": (lambda item: geometry.boxed(item, ends=True, mask=False), "CNV101", spread_boxes),
    "parts of the image": (lambda item: geometry.boxed(item, parts=True, mask=False), "CNV102", spread_boxes),
    "crowds": (lambda item: item.model_copy(update={"crowd": True}), "CNV104", spread_polygons),
    "larger": (lambda item: geometry.masked(item, 2, box=False), "CNV105", spread_polygons),
}


def _of_sets() -> Iterator[Seed]:
    for name, (change, code, start) in SETS.items():
        clean = records(NAME, lambda items: items, start)
        broken = records(NAME, geometry.every(change), geometry.spread)
        yield Seed(code, NAME, f"set, {name}", clean, broken, None, None, aside=ASIDE)
    even = written(NAME, lambda: survey.many({"person": 40, "car": 40}))
    loud = ("GEO", "MSK", "CAT104", "SPL104")
    speck = BoundingBox(category="car", box=survey.Box(30, 30, 1, 1))

    def odd() -> list[Record]:
        return add(1, speck)(survey.many({"person": 40, "car": 40}))

    yield Seed("STA102", NAME, "a speck", even, written(NAME, odd), None, "b", aside=loud)

    def bare() -> list[Record]:
        return [survey.record(name) if k == 1 else each for k, (name, each) in enumerate(_named())]

    yield Seed("STA103", NAME, "no labels", written(NAME), written(NAME, bare, CLASSES), NAME)
    options = (("task", "classification"),)
    pair = [written(NAME, partial(labelled, names), CLASSES) for names in (("person",), CLASSES)]
    yield Seed("LBL102", NAME, "two labels", pair[0], pair[1], None, "b", options)


def _named() -> Iterator[tuple[str, Record]]:
    yield from zip(survey.NAMES, survey.clean(), strict=True)


# --- classes -----------------------------------------------------------------------------------------------


def listed(categories: tuple[str, ...]) -> Make:
    """The clean set with another list of classes."""

    def make(tmp: Path) -> Path:
        root = survey.made(tmp, NAME, boxed(), CLASSES)
        labels = "".join(f'<Label value="{name}"/>'.replace("\t", "&#9;") for name in categories)
        text = '<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">'
        (root / "labels.xml").write_text(f"{text}{labels}</RectangleLabels></View>", "utf-8")
        return root

    return make


def _of_classes() -> Iterator[Seed]:
    for what, (categories, code, element) in HEADERS.items():
        place = f"{NAME}:{element}" if element else NAME
        yield Seed(code, NAME, f"a class {what}", listed(CLASSES), listed(categories), place)


# --- text --------------------------------------------------------------------------------------------------


def tasks(change: Callable[[list[dict[str, Any]]], object] = lambda said: None) -> Make:
    """Two tasks as an export has them, changed, with their images."""

    def make(tmp: Path) -> Path:
        root = tmp / NAME
        (root / "images").mkdir(parents=True)
        said = [
            task([annotation(1, region("aa", "cat"), region("bb", "dog"))], [], name)
            for name in ("a.jpg", "b.jpg")
        ]
        said[0]["annotations"][0]["result"][1]["value"]["x"] = 30
        said[1]["annotations"][0]["result"][1]["value"]["x"] = 40
        for seed, name in enumerate(("a.jpg", "b.jpg")):
            photo(root / f"images/{name}", seed, size=(200, 100))
        change(said)
        (root / "tasks.json").write_text(json.dumps(said), "utf-8")
        (root / "labels.xml").write_text(CONFIG, "utf-8")
        return root

    return make


def value(number: int, **values: Any) -> Callable[[Any], object]:
    """Other values of the first region of a task."""
    return lambda said: said[number]["annotations"][0]["result"][0]["value"].update(values)


def key(number: int, **values: Any) -> Callable[[Any], object]:
    return lambda said: said[number]["annotations"][0]["result"][0].update(values)


BRUSH = {"format": "rle", "rle": [1, 2, 3], "brushlabels": ["cat"]}
TEXTS: dict[str, tuple[Callable[[Any], object], str, str]] = {
    "unknown class": (value(1, rectanglelabels=["cow"]), "REF105", f"{SECOND}[0].value"),
    "no x": (lambda s: s[1]["annotations"][0]["result"][0]["value"].pop("x"), "STR104", f"{SECOND}[0].value"),
    "x of text": (value(1, x="10"), "STR105", f"{SECOND}[0].value.x"),
    "size of text": (key(1, original_width="200"), "STR105", f"{SECOND}[0].original_width"),
    "turned image": (key(1, image_rotation=90), "STR110", f"{SECOND}[0].image_rotation"),
    "brush of three bytes": (
        key(1, type="brushlabels", from_name="brush", value=BRUSH), "STR110", f"{SECOND}[0].value.rle",
    ),
    "another task of an image": (
        lambda s: s.append({**s[1], "annotations": []}), "REF109", "[2].data",
    ),
}  # fmt: skip


def _bytes(root: Path, *, change: Callable[[bytes], bytes]) -> None:
    (root / "tasks.json").write_bytes(change((root / "tasks.json").read_bytes()))


BYTES: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "cut": (lambda data: data[:-9], "STR101", "tasks.json"),
    "key twice": (lambda data: data.replace(b'"id": 7', b'"id": 6, "id": 7', 1), "STR102", "tasks.json:[0]"),
    "NaN": (lambda data: data.replace(b"4.288", b"NaN", 1), "STR103", "tasks.json"),
    "mark": (lambda data: b"\xef\xbb\xbf" + data, "STR109", "tasks.json"),
    "Latin 1": (lambda data: data.replace(b"8a1b2c3d-a", b"\xe9", 1), "STR111", "tasks.json:[0]"),
}


def _of_text() -> Iterator[Seed]:
    start = tasks()
    for name, (change, code, element) in TEXTS.items():
        yield Seed(code, NAME, name, start, tasks(change), f"tasks.json:{element}")
    for name, (spoil, code, place) in BYTES.items():
        yield Seed(code, NAME, f"text, {name}", start, after(start, partial(_bytes, change=spoil)), place)


# --- names -------------------------------------------------------------------------------------------------


def _outside(said: list[dict[str, Any]]) -> None:
    said[1]["data"]["picture"] = "../b.jpg"


def _alike(said: list[dict[str, Any]]) -> None:
    said.append({**said[1], "annotations": [], "data": {"picture": "B.jpg"}})


def _of_names() -> Iterator[Seed]:
    place = "tasks.json:[1].data.picture"
    broken = after(tasks(_outside), lambda root: (root / "images/b.jpg").unlink())
    yield Seed("STR108", NAME, "path outside", tasks(), broken, place)
    more = after(tasks(_alike), lambda root: photo(root / "images/B.jpg", 5, size=(200, 100)))
    yield Seed("REF110", NAME, "another case", tasks(), more, "B.jpg")
