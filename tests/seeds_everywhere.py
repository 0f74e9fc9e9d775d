"""Defects that a data set of any format can have: of its images, splits, classes and numbers.

The set is written by labelkit in each format, with a picture for each image; what is done to it is done to
the files that the format has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from PIL import Image
from seeds import FORMATS, RENAMED, Make, Seed, after
from test_rules_geometry import outline
from test_rules_survey import NAMES, clean, files, made, many, picture, record, thing

from labelkit.model import BoundingBox, ImageLabel, Instance, Record

Spoil = Callable[[Path], object]
CLASSES = ("person", "car")
VOC = "VOCdevkit/VOC2012"  # where labelkit writes it


def written(name: str, items: Callable[[], list[Record]] = clean, categories: tuple[str, ...] = ()) -> Make:
    return lambda tmp: made(tmp, name, items(), categories)


def seeds() -> Iterator[Seed]:
    """All of them."""
    yield from _of_pictures()
    yield from _of_splits()
    yield from _of_classes()
    yield from _of_numbers()
    yield from _of_tasks()


# --- images ------------------------------------------------------------------------------------------------


def _turned(file: Path) -> None:
    """A picture that stands, stored lying, with the EXIF orientation that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(file) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(file, exif=exif)


def _without_pictures(root: Path) -> None:
    for file in files(root):
        file.unlink()


def _more(root: Path) -> None:
    first, *_ = files(root)
    name = first.name.replace("000000_", "000009_") if "_" in first.name else "more.png"
    picture(9).save(first.with_name(name))


PICTURES: dict[str, tuple[Callable[[list[Path]], object], str]] = {
    "cut": (lambda f: f[1].write_bytes(f[1].read_bytes()[:-60]), "IMG102"),
    "JPEG": (lambda f: picture(1).save(f[1], "JPEG"), "IMG103"),
    "of another size": (lambda f: picture(1).resize((97, 64)).save(f[1]), "IMG104"),
    "of no bytes": (lambda f: f[1].write_bytes(b""), "IMG109"),
    "turned": (lambda f: _turned(f[1]), "CNV107"),
}


def _of_pictures() -> Iterator[Seed]:
    for name in FORMATS:
        start = written(name)
        image = "b" if name != "cityscapes" else RENAMED
        for what, (change, code) in PICTURES.items():
            broken = after(start, partial(_to_files, change=change))
            yield Seed(code, name, f"picture, {what}", start, broken, None, image)
        yield Seed("REF107", name, "one more picture", start, after(start, _more), None, None)
        yield Seed("REF112", name, "no pictures", start, after(start, _without_pictures), name)


def _to_files(root: Path, *, change: Callable[[list[Path]], object]) -> None:
    change(files(root))


# --- splits ------------------------------------------------------------------------------------------------


def one_split_without_car() -> list[Record]:
    return [record(name, thing("person"), *([thing("car", 60, 30)] * name.startswith("t"))) for name in NAMES]


def _of_splits() -> Iterator[Seed]:
    for name in FORMATS:
        image = "c" if name != "cityscapes" else RENAMED
        group = (("group", "png$"),)  # which all images are of
        start, lone = written(name), written(name, lambda: clean()[:2])
        yield Seed("SPL103", name, "one group", lone, start, None, image, group)
        yield Seed(
            "SPL104", name, "a class in train only", start,
            written(name, one_split_without_car, CLASSES), f"{name}:split val",
        )  # fmt: skip


# --- classes -----------------------------------------------------------------------------------------------

HEADERS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "alike": (("person", "car", "Person"), "CAT103", "category 'Person'"),
    "of no example": (("person", "car", "dog"), "CAT104", ""),
    "with a control character": (("person", "car", "traffic\tlight"), "CAT108", "category 'traffic\\tlight'"),
    "nearly official": (("person", "car", "bicicle", "dog", "bus"), "CAT107", "category 'bicicle'"),
}


def boxed() -> list[Record]:
    """The clean set without masks, whose PNGs would number the classes."""
    pair = [BoundingBox(category=each.category, box=each.box) for each in clean()[0].objects]
    return [record(name, *pair) for name in NAMES]


def listed(name: str, categories: tuple[str, ...]) -> Make:
    """The clean set with another list of classes."""

    def make(tmp: Path) -> Path:
        root = made(tmp, name, boxed(), CLASSES)
        if name == "voc":
            text = "".join(f"{each}:::\n" for each in ("background", *categories))
            (root / VOC / "labelmap.txt").write_text(text, "utf-8")
        elif name == "cvat":
            labels = "".join(f"<label><name>{each}</name></label>" for each in categories)
            file = root / "annotations.xml"
            text = re.sub(
                "<labels>.*</labels>", f"<labels>{labels}</labels>", file.read_text("utf-8"), flags=re.S
            )
            file.write_text(text, "utf-8")
        elif name == "jsonl":
            lines = (root / "records.jsonl").read_text("utf-8").splitlines(keepends=True)
            lines[0] = json.dumps(
                {"labelkit": 1, "header": {"categories": [{"name": n} for n in categories]}}
            )
            (root / "records.jsonl").write_text("".join([lines[0] + "\n", *lines[1:]]), "utf-8")
        else:
            for file in root.glob("annotations/*.json"):
                said = json.loads(file.read_text("utf-8"))
                said["categories"] = [{"id": k, "name": each} for k, each in enumerate(categories, 1)]
                file.write_text(json.dumps(said), "utf-8")
        return root

    return make


def _of_classes() -> Iterator[Seed]:
    clean = {name: listed(name, CLASSES) for name in ("coco", "voc", "jsonl", "cvat")}
    for name in clean:
        for what, (categories, code, element) in HEADERS.items():
            place = f"{name}:{element}" if element else name
            yield Seed(code, name, f"a class {what}", clean[name], listed(name, categories), place)
    for code, what, categories in (
        ("CAT101", "twice", (*CLASSES, "car")),
        ("CAT102", "empty", (*CLASSES, "")),
    ):
        for name, place in (("jsonl", "records.jsonl"), ("voc", f"{VOC}/labelmap.txt")):
            yield Seed(code, name, f"a class {what}", clean[name], listed(name, categories), place)


# --- numbers -----------------------------------------------------------------------------------------------


def crowded(counts: dict[str, int], *, is_shape: bool) -> Callable[[], list[Record]]:
    """So many objects of each class; as polygons where a format knows no boxes."""

    def items() -> list[Record]:
        found = many(counts)
        if not is_shape:
            return found
        return [each.model_copy(update={"objects": tuple(map(_shape, each.objects))}) for each in found]

    return items


def _shape(item: BoundingBox) -> Instance:
    x, y, w, h = item.box
    return Instance(category=item.category, mask=outline([x, y, x + w, y, x + w, y + h, x, y + h]))


def _of_numbers() -> Iterator[Seed]:
    for name in FORMATS:
        shape = name == "cityscapes"
        loud = ("GEO", "MSK", "CAT104", "SPL104", "STA102")  # of boxes at random
        even = written(name, crowded({"person": 100, "car": 100}, is_shape=shape))
        few = written(name, crowded({"person": 100, "car": 9}, is_shape=shape))
        rare = written(name, crowded({"person": 1100, "car": 10}, is_shape=shape))
        yield Seed("CAT105", name, "few examples", even, few, name, aside=loud)
        yield Seed("STA101", name, "many of one class", even, rare, f"{name}:category 'car'", aside=loud)


# --- tasks -------------------------------------------------------------------------------------------------


def single(other: int = 0) -> list[Record]:
    """One object an image, but for the second."""
    pair = [thing("car"), thing("person", 60, 30)]
    return [record(name, *pair[: 1 + other * (k == 1)]) for k, name in enumerate(NAMES)]


def labelled(second: tuple[str, ...]) -> list[Record]:
    """One class an image, but for the second."""
    names = [("car",), second, ("person",), ("car",)]
    return [
        record(path, labels=tuple(ImageLabel(category=each) for each in labels))
        for path, labels in zip(NAMES, names, strict=True)
    ]


def _of_tasks() -> Iterator[Seed]:
    for name in FORMATS:
        image = "b" if name != "cityscapes" else RENAMED
        task = (("task", "localization"),)
        yield Seed(
            "LOC101", name, "two objects", written(name, single, CLASSES),
            written(name, partial(single, 1), CLASSES), None, image, task,
        )  # fmt: skip
    for name in ("coco", "voc", "jsonl", "cvat"):
        task = (("task", "classification"),)
        pair = [written(name, partial(labelled, names), CLASSES) for names in (("person",), CLASSES)]
        start, broken = [after(each, _without_xml) for each in pair]
        yield Seed("LBL102", name, "two labels", start, broken, None, "b", task)


def _without_xml(root: Path) -> None:
    """A VOC set for classification alone; one with XML would say that there is nothing on the images."""
    for file in root.rglob("Annotations/**/*.xml"):
        file.unlink()
