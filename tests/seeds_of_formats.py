"""Defects that one format alone can have, or has in a way of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import test_rules_cityscapes as cityscapes
import test_rules_geometry as geometry
import test_rules_panoptic as panoptic
import test_rules_survey as survey
import test_rules_voc as voc
from PIL import Image
from seeds import (
    CLEAN,
    LINES,
    NO_IMAGES,
    OF_FEW,
    Make,
    Seed,
    after,
    city_clean,
    document,
    lines,
    records,
    voc_clean,
)
from seeds_everywhere import CLASSES, written
from test_rules_cityscapes import A, B, C, box
from voc_files import photo

Spoil = Callable[[Path], object]


def seeds() -> Iterator[Seed]:
    """All of them."""
    yield from _of_coco()
    yield from _of_voc()
    yield from _of_cityscapes()
    yield from _of_jsonl()
    yield from _of_several()


# --- COCO --------------------------------------------------------------------------------------------------


def thing_as_stuff(said: Any) -> None:
    """Nine more images, so that one thing among the layers is few."""
    for key in range(20, 29):
        said["images"].append({**said["images"][0], "id": key, "file_name": f"{key}.jpg"})
        said["annotations"].append({**said["annotations"][0], "id": key, "image_id": key})
    said["annotations"][1]["category_id"] = 1


def layers(change: Callable[[Any], object]) -> Make:
    def make(tmp: Path) -> Path:
        said = panoptic.stuff()
        change(said)
        (tmp / "stuff_val.json").write_text(json.dumps(said), "utf-8")
        return tmp / "stuff_val.json"

    return make


def of_another_id(said: Any, *, key: int) -> None:
    """One of the classes has another id in this document, and so have its annotations."""
    said["categories"][1]["id"] = key
    for each in said["annotations"]:
        each["category_id"] = key if each["category_id"] == 2 else each["category_id"]


def _json(root: Path, *, name: str, change: Callable[[Any], object]) -> None:
    said = json.loads((root / name).read_text("utf-8"))
    change(said)
    (root / name).write_text(json.dumps(said), "utf-8")


def fewer(said: Any) -> None:
    """One class less, and no annotation of it."""
    said["categories"].pop()
    said["annotations"] = [each for each in said["annotations"] if each["category_id"] == 1]


def _of_coco() -> Iterator[Seed]:
    aside = (NO_IMAGES, *OF_FEW)
    place = "stuff_val.json:annotations[1]"
    clean, broken = layers(lambda said: None), layers(thing_as_stuff)
    yield Seed("MSK124", "coco", "a thing", clean, broken, place, aside=aside)
    start, val = written("coco"), "annotations/instances_val.json"
    other = partial(_json, name=val, change=partial(of_another_id, key=9))
    yield Seed("CAT106", "coco", "another id", start, after(start, other), f"{val}:categories[1].id")
    less = partial(_json, name=val, change=fewer)
    yield Seed("CAT106", "coco", "one less", start, after(start, less), f"{val}:categories")
    yield Seed(
        "STR105", "coco", "image as text", CLEAN,
        document(lambda s: s["annotations"][0].update(image_id="1")),
        "instances_val.json:annotations[0].image_id", aside=aside,
    )  # fmt: skip


# --- VOC ---------------------------------------------------------------------------------------------------


def with_labelmap(tmp: Path) -> Path:
    """Annotations and a list of classes, without PNGs."""
    root = voc_clean(tmp)
    for folder in ("SegmentationClass", "SegmentationObject"):
        shutil.rmtree(root / folder)
    (root / "labelmap.txt").write_text("background:::\nperson:::\ndog:::\nchair:::\n")
    return root


def _unlisted(root: Path) -> None:
    for file in (root / "ImageSets/Main").glob("*train.txt"):
        kept = [line for line in file.read_text().splitlines(keepends=True) if not line.startswith(voc.C)]
        file.write_text("".join(kept))


def _other_case(root: Path, *, name: str) -> None:
    """One image more, whose name differs by case only."""
    for folder, suffix in (("Annotations", "xml"), ("JPEGImages", "jpg")):
        (root / f"{folder}/{name}.{suffix}").write_bytes((root / f"{folder}/{voc.C}.{suffix}").read_bytes())
    text = (root / f"Annotations/{name}.xml").read_text().replace(voc.C, name)
    (root / f"Annotations/{name}.xml").write_text(text)
    photo(root / f"JPEGImages/{name}.jpg", 7 + name.islower())


def _first_case(tmp: Path) -> Path:
    root = voc_clean(tmp)
    shutil.rmtree(root / "ImageSets")
    _other_case(root, name="a_b")
    return root


def _bare(root: Path) -> None:
    """An image without annotation, of which only its list and its file know."""
    (root / f"Annotations/{voc.C}.xml").unlink()
    for file in (root / "ImageSets/Main").glob("*_train.txt"):
        kept = [line for line in file.read_text().splitlines(keepends=True) if not line.startswith(voc.C)]
        file.write_text("".join(kept))


def _of_voc() -> Iterator[Seed]:
    def seed(code: str, name: str, spoil: Spoil, place: str, clean: Make = voc_clean, **options: Any) -> Seed:
        return Seed(code, "voc", name, clean, after(clean, spoil), place, options=tuple(options.items()))

    zero = voc.text(voc.XML_A, "<xmin>2<", "<xmin>0<")
    yield seed("CNV103", "from 0", zero, f"{voc.XML_A}:object[1]/bndbox/xmin")
    slip = voc.text(voc.XML_A, ">dog<", ">dgo<")
    yield seed("REF105", "class of no labelmap", slip, f"{voc.XML_A}:object[2]/name", with_labelmap)
    yield seed("REF105", "misspelt class", slip, f"{voc.XML_A}:object[2]/name")
    yield seed("REF122", "in no list", _unlisted, voc.XML_C)
    yield seed("REF110", "another case", partial(_other_case, name="A_B"), "a_b.jpg", _first_case)
    yield seed("STA103", "no annotation", _bare, "VOC2012")


# --- Cityscapes --------------------------------------------------------------------------------------------


def _polygons_only(tmp: Path) -> Path:
    root = city_clean(tmp)
    cityscapes.without_pngs(root)
    return root


def _scaled(root: Path, *, by: float) -> None:
    """All polygons in other units."""
    for shift, core in enumerate((A, B, C)):
        said = [
            {**each, "polygon": [[x * by, y * by] for x, y in each["polygon"]]}
            for each in cityscapes.objects(shift)[:6]
        ]
        cityscapes.write_json(root, core, said)


def _few_polygons(tmp: Path) -> Path:
    root = _polygons_only(tmp)
    _scaled(root, by=1)
    return root


def _groups(root: Path, *, group: str) -> None:
    """Four persons an image, or as many groups of them."""
    for core in (A, B, C):
        said = [box(f"person{group}", 3 + 9 * k, 5 + 3 * k, 6, 8) for k in range(4)]
        cityscapes.write_json(root, core, said)


def _persons(tmp: Path) -> Path:
    root = _polygons_only(tmp)
    _groups(root, group="")
    return root


def _cut_to_8_bits(root: Path) -> None:
    file = cityscapes.place(root, B, "instanceIds")
    with Image.open(file) as image:
        values = np.array(image)
    Image.fromarray((values & 255).astype(np.uint8)).save(file)


def _of_cityscapes() -> Iterator[Seed]:
    def seed(code: str, name: str, spoil: Spoil, place: str, clean: Make = city_clean) -> Seed:
        return Seed(code, "cityscapes", name, clean, after(clean, spoil), place)

    png = cityscapes.place(Path(), B, "instanceIds").as_posix()
    yield seed("MSK109", "instances of 8 bits", _cut_to_8_bits, png)
    first = cityscapes.place(Path(), A, "labelIds").as_posix()
    yield seed("CNV106", "train ids", cityscapes.trained, first)
    yield seed("CNV104", "groups", partial(_groups, group="group"), "cityscapes", _persons)
    yield seed("CNV105", "polygons of a larger image", partial(_scaled, by=2), "cityscapes", _few_polygons)
    yield seed("CNV105", "normalised polygons", partial(_scaled, by=1 / 40), "cityscapes", _few_polygons)
    repainted = after(city_clean, _by_pillow)
    frame = cityscapes.place(Path(), B, "instanceIds").as_posix()
    yield Seed("MSK121", "cityscapes", "another fill", city_clean, repainted, frame)

    for name, (spoil, code, element, _) in cityscapes.SEEDS.items():
        if code.startswith("GEO"):  # again where no PNG is made from the polygons, so that it can be mended
            place = f"{cityscapes.JSON}:{element}"
            yield seed(code, f"polygons alone, {name}", spoil, place, _polygons_only)


def _by_pillow(root: Path) -> None:
    values = cityscapes.painted(cityscapes.objects(1), cityscapes.raster.pillow_polygon)
    cityscapes.write_pngs(root, B, values)


# --- jsonl -------------------------------------------------------------------------------------------------


def _record(number: int, **values: Any) -> Callable[[list[Any]], object]:
    return lambda said: said[number]["objects"][-1].update(values)


def _header(root: Path) -> None:
    file = root / "records.jsonl"
    file.write_bytes(file.read_bytes().replace(b'{"labelkit"', b'{"labelkit', 1))


def _marked(root: Path) -> None:
    file = root / "records.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())


def _of_jsonl() -> Iterator[Seed]:
    def seed(code: str, name: str, change: Callable[[list[Any]], object], place: str, **options: Any) -> Seed:
        return Seed(code, "jsonl", name, LINES, lines(change), place, options=tuple(options.items()))

    runs = partial(json.dumps)
    last = "records.jsonl:objects[1]"
    yield seed("MSK102", "runs too short", _record(1, mask=runs({"size": [40, 60], "counts": [1, 2]})), last)
    yield seed("MSK104", "mask of text", _record(1, mask='"x"'), last)
    yield seed("MSK104", "cell of no map", _record(1, mask='{"map":"none","value":3}'), last)
    small = lambda said: said[0]["maps"]["semantic"]["source"].update(width=30)  # noqa: E731
    yield seed("MSK108", "layers of another size", small, "a.jpg:map semantic")
    outside = lambda said: said[1]["image"].update(path="../b.jpg")  # noqa: E731
    broken = after(lines(outside), lambda root: (root / "images/b.jpg").unlink())
    yield Seed("STR108", "jsonl", "path outside", LINES, broken, "records.jsonl:image.path")
    yield Seed("STR101", "jsonl", "header", LINES, after(LINES, _header), "records.jsonl")
    yield Seed("STR109", "jsonl", "mark", LINES, after(LINES, _marked), "records.jsonl")
    alike = lambda said: said.append({"image": {**said[1]["image"], "path": "B.jpg"}})  # noqa: E731
    more = after(lines(alike), lambda root: photo(root / "images/B.jpg", 5))
    yield Seed("REF110", "jsonl", "another case", LINES, more, "B.jpg")


# --- several -----------------------------------------------------------------------------------------------


def _of_several() -> Iterator[Seed]:
    overlap = geometry.add(
        0,
        geometry.Instance(
            category="person", box=geometry.at(24, 8, 10, 10),
            mask=geometry.outline([24, 8, 34, 8, 34, 18, 24, 18]),
        ),
    )  # fmt: skip
    beyond = geometry.put(
        0, 0, box=geometry.at(-20, 3, 32, 10), mask=geometry.outline([-20, 3, 12, 3, 12, 13, -20, 13])
    )
    for name in ("coco", "jsonl", "cvat"):
        aside = (NO_IMAGES, "CAT107", *OF_FEW)
        if name != "cvat":  # which states no box beside a polygon
            clean, broken = records(name, lambda items: items), records(name, beyond)
            yield Seed("GEO118", name, "box and polygon", clean, broken, None, "one", aside=aside)
        clean, broken = records(name, lambda items: items), records(name, overlap)
        options, aside = (("target", "voc"),), (NO_IMAGES, "CAT107", *OF_FEW)
        yield Seed("MSK118", name, "overlap", clean, broken, None, "one", options, aside)
    for name in ("coco", "voc", "jsonl", "cvat"):
        even = written(name, lambda: survey.many({"person": 40, "car": 40}))
        odd = written(name, _one_is_small)
        loud = ("GEO", "MSK", "CAT104", "SPL104")
        yield Seed("STA102", name, "a speck", even, odd, None, "b", aside=loud)
    for name in ("coco", "jsonl", "cvat"):
        yield Seed("STA103", name, "no labels", written(name), written(name, _bare_record, CLASSES), name)


def _one_is_small() -> list[Any]:
    items = survey.many({"person": 40, "car": 40})
    speck = survey.BoundingBox(category="car", box=survey.Box(30, 30, 1, 1))
    items[1] = items[1].model_copy(update={"objects": (*items[1].objects, speck)})
    return items


def _bare_record() -> list[Any]:
    items = survey.clean()
    items[1] = survey.record(survey.NAMES[1])
    return items
