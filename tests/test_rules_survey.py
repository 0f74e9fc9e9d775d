"""One defect of the whole set, one finding at its place, in every format that can have it; and none without.

The clean set is written as jsonl and converted, so that each format has it in its own layout.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from labelkit.findings import Finding
from labelkit.likeness import NONE, first_near
from labelkit.model import BoundingBox, Box, Category, Header, ImageLabel, Instance, Mask, Polygons, Record
from labelkit.model import Image as Picture
from labelkit.pipeline import convert
from labelkit.table import Names
from labelkit.validation import validate

FORMATS = ("coco", "voc", "cityscapes", "jsonl", "cvat")
MINE = (
    *("CAT105", "CAT106", "CAT107", "IMG101", "IMG102", "IMG105", "IMG106", "IMG107", "IMG108"),
    *("REF106", "REF107", "SPL101", "SPL102", "SPL105", "STA"),
)
WIDTH, HEIGHT = 96, 64
NAMES = ("train/a.png", "train/b.png", "val/c.png", "val/d.png")


def picture(seed: int) -> Image.Image:
    """A picture unlike those of other seeds."""
    cells = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def thing(category: str, x: float = 10, y: float = 10, side: float = 20) -> Instance:
    ring = [x, y, x + side, y, x + side, y + side, x, y + side]
    return Instance(category=category, box=Box(x, y, side, side), mask=Mask.of(Polygons([[ring]])))


def record(name: str, *objects: Instance | BoundingBox, labels: tuple[ImageLabel, ...] = ()) -> Record:
    image = Picture(path=name, width=WIDTH, height=HEIGHT)
    return Record(image=image, splits=(name.split("/")[0],), objects=objects, labels=labels)


def clean() -> list[Record]:
    """Two images in each of two splits, two classes on each, which all official tables know."""
    return [record(name, thing("person"), thing("car", 60, 30)) for name in NAMES]


def made(root: Path, format: str, records: list[Record], categories: tuple[str, ...] = ()) -> Path:
    """A data set of these records in a format, with a picture for each."""
    names = categories or tuple(dict.fromkeys(each.category for item in records for each in item.objects))
    source = root / "source"
    header = Header(categories=tuple(Category(name=name) for name in names))
    for seed, item in enumerate(records):
        file = source / "images" / item.image.path
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(seed).save(file)
    source.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"labelkit": 1, "header": header.model_dump(mode="json")})]
    lines += [json.dumps(item.model_dump(mode="json")) for item in records]
    (source / "records.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    convert(source, root / format, to=format, carrier=False)
    return root / format


def findings(root: Path, *codes: str, **options: object) -> list[Finding]:
    return validate(root, select=codes or MINE, **options).findings  # type: ignore[arg-type]


def told(root: Path, **options: object) -> list[str]:
    return [finding.code for finding in findings(root, **options)]


def files(root: Path) -> list[Path]:
    """The image files of the set, in the order of its records."""
    survey = validate(root, select=["IMG101"]).survey
    assert survey is not None
    return [root / survey.files[row.path].name for row in survey.images]


@pytest.fixture(params=FORMATS)
def clean_set(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return made(tmp_path, request.param, clean())


def test_the_clean_set_has_no_finding(clean_set: Path) -> None:
    result = validate(clean_set)
    assert [each.code for each in result.findings if result.severity(each) != "info"] == []
    assert told(clean_set) == []


# --- image files -------------------------------------------------------------------------------------------


def huge() -> bytes:
    """A PNG of a few bytes that claims 60000 x 60000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


# What is done to the files of the images; the code, whose place it is, and words of the message.
Seed = tuple[Callable[[list[Path]], object], str, int, str]
IMAGE_SEEDS: dict[str, Seed] = {
    "alpha": (
        lambda f: picture(1).convert("RGBA").save(f[1]),
        "IMG105",
        1,
        "(mode RGBA); expected 8-bit colours or grey, as in 3 of 4",
    ),
    "palette": (lambda f: picture(1).convert("P").save(f[1]), "IMG105", 1, "a palette (mode P)"),
    "16 bits": (
        lambda f: Image.fromarray(np.asarray(picture(1).convert("L")).astype(np.uint16) * 257).save(f[1]),
        "IMG105",
        1,
        "more than 8 bits",
    ),
    "bomb": (lambda f: f[2].write_bytes(huge()), "IMG106", 2, "3600000000 pixels"),
    "no image": (lambda f: f[2].write_bytes(b"<html>"), "IMG101", 2, "not a readable image"),
    "same bytes": (lambda f: f[1].write_bytes(f[0].read_bytes()), "IMG107", 1, "the same bytes"),
    "nearly the same": (
        lambda f: picture(0).filter(ImageFilter.GaussianBlur(1)).save(f[1]),
        "IMG108",
        1,
        "nearly the same picture",
    ),
    "the same in two splits": (lambda f: f[2].write_bytes(f[0].read_bytes()), "SPL101", 2, "is in train"),
    "nearly the same in two splits": (
        lambda f: picture(0).point(lambda value: value * 0.8).save(f[3]),
        "SPL102",
        3,
        "which is in train",
    ),
    "missing": (lambda f: f[1].unlink(), "REF106", 1, "no such image"),
}


@pytest.mark.parametrize("name", IMAGE_SEEDS)
def test_one_defect_of_an_image_is_one_finding_at_its_file(name: str, clean_set: Path) -> None:
    change, code, position, words = IMAGE_SEEDS[name]
    images = files(clean_set)
    change(images)
    (finding,) = findings(clean_set)
    assert finding.code == code
    assert finding.at is not None
    assert finding.at.image is not None
    assert Path(finding.at.image).stem == images[position].stem
    assert words in finding.message


def test_grey_among_colours_is_usual(clean_set: Path) -> None:
    picture(1).convert("L").save(files(clean_set)[1])
    assert told(clean_set) == []


def test_what_all_images_have_is_no_surprise_but_inks_are(tmp_path: Path) -> None:
    root = made(tmp_path, "coco", clean())
    for seed, file in enumerate(files(root)):
        picture(seed).convert("RGBA").save(file)
    assert told(root) == []
    for seed, file in enumerate(files(root)):
        picture(seed).convert("CMYK").save(file, "JPEG")
    assert [(each.code, each.message) for each in findings(root)] == [
        ("IMG105", "inks (mode CMYK); expected 8-bit colours or grey")
    ] * len(NAMES)


def test_plain_pictures_are_not_alike(tmp_path: Path) -> None:
    root = made(tmp_path, "coco", clean())
    for shade, file in enumerate(files(root)):
        Image.new("RGB", (WIDTH, HEIGHT), (60 * shade,) * 3).save(file)
    assert told(root) == []


def test_a_picture_is_found_again_after_what_copies_go_through(tmp_path: Path) -> None:
    root = made(tmp_path, "coco", clean())
    first, second, *_ = files(root)
    for copy in (
        picture(0).resize((WIDTH // 2, HEIGHT // 2)),
        picture(0).convert("L"),
        picture(0).point(lambda value: value * 0.7 + 40),
        picture(0).transform((WIDTH, HEIGHT), Image.Transform.AFFINE, (1, 0, 1, 0, 1, 0)),
    ):
        copy.save(second)
        assert told(root) == ["IMG108"]
    picture(0).save(second, quality=40)
    picture(0).convert("RGB").save(first, "JPEG", quality=30)
    assert told(root) == ["IMG108"]
    picture(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(second)
    assert told(root) == []


def test_options_say_what_is_alike(tmp_path: Path) -> None:
    root = made(tmp_path, "coco", clean())
    picture(0).filter(ImageFilter.GaussianBlur(1)).save(files(root)[1])
    assert told(root, rule_options={"IMG108": {"alike": 1.0}}) == []


def test_nothing_is_opened_where_nobody_wants_it(clean_set: Path) -> None:
    images = files(clean_set)
    images[1].write_bytes(images[0].read_bytes())
    assert told(clean_set, images=False) == []


def test_real_photographs_of_one_scene_are_not_the_same(corpus: Path) -> None:
    """Six photographs of one fridge, with other things in it: the fingerprints of none are near."""
    assert findings(corpus / "voc-fridge/samples/fridge/odFridgeObjects", "IMG108", "SPL102") == []


def test_near_fingerprints_are_those_that_counting_finds() -> None:
    draw = np.random.default_rng(1)
    numbers = draw.integers(0, 1 << 63, 400, dtype=np.uint64)
    flips = np.uint64(1) << draw.integers(0, 64, (400, 6), dtype=np.uint64)
    numbers = np.concatenate([numbers, numbers ^ np.bitwise_xor.reduce(flips, axis=1)])
    bits = np.unpackbits(numbers.view(np.uint8).reshape(-1, 8), axis=1).astype(int)
    apart = (bits[:, None, :] != bits[None, :, :]).sum(axis=2)
    for distance in (0, 3, 5, 6, 12):
        near = np.tril(apart <= distance, -1)
        found = first_near(numbers, distance, lambda early, late: np.ones(len(early), dtype=bool))
        assert ((found != NONE) == near.any(axis=1)).all()
        assert all(near[late, early] for late, early in enumerate(found.tolist()) if early != NONE)


# --- splits ------------------------------------------------------------------------------------------------


def relisted(root: Path) -> None:
    """The second image, which lies in the folder of train, is listed in val."""
    for file in root.rglob("ImageSets/*/train.txt"):
        (line,) = [each for each in file.read_text().splitlines() if each.endswith("b")]
        other = file.with_name("val.txt")
        file.write_text(file.read_text().replace(f"{line}\n", ""))
        other.write_text(other.read_text() + f"{line}\n")
    for file in root.rglob("records.jsonl"):
        lines = file.read_text().splitlines(keepends=True)
        lines[2] = lines[2].replace('"splits":["train"]', '"splits":["val"]')
        file.write_text("".join(lines))
    for file in root.rglob("annotations.xml"):
        start, second, rest = file.read_text().partition('name="train/b.png"')
        file.write_text(start + second + rest.replace('subset="train"', 'subset="val"', 1))


def moved(root: Path) -> None:
    """The file of the second image is moved into the folder of val."""
    images = files(root)
    images[1].rename(images[2].with_name(images[1].name))


@pytest.mark.parametrize(
    ("format", "change"),
    [("voc", relisted), ("jsonl", relisted), ("cvat", relisted), ("coco", moved), ("cityscapes", moved)],
)
def test_an_image_in_the_folder_of_another_split_is_one_finding(
    format: str, change: Callable[[Path], None], tmp_path: Path
) -> None:
    root = made(tmp_path, format, clean())
    change(root)
    (finding,) = findings(root)
    assert finding.code == "SPL105"
    lies, listed = ("train", "val") if change is relisted else ("val", "train")
    assert finding.message == f"lies in {lies}; expected {listed}, as listed"


@pytest.mark.parametrize("format", ["voc", "jsonl"])
def test_an_image_in_two_lists_is_in_two_splits(format: str, tmp_path: Path) -> None:
    items = clean()
    items[1] = items[1].model_copy(update={"splits": ("train", "val")})
    root = made(tmp_path, format, items)
    assert [(each.code, each.message) for each in findings(root)] == [
        ("SPL101", "listed in train, and in val")
    ]


def test_lists_that_hold_others_are_no_two_splits(tmp_path: Path) -> None:
    items = [item.model_copy(update={"splits": (*item.splits, "trainval")}) for item in clean()]
    assert told(made(tmp_path, "voc", items)) == []


# --- categories --------------------------------------------------------------------------------------------


def documents(root: Path, change: Callable[[list[dict[str, object]]], object]) -> Path:
    """The clean set as COCO, with the categories of val changed."""
    made(root, "coco", clean())
    file = root / "coco/annotations/instances_val.json"
    said = json.loads(file.read_text())
    change(said["categories"])
    file.write_text(json.dumps(said))
    return root / "coco"


def test_an_id_that_is_none_is_not_compared(tmp_path: Path) -> None:
    root = documents(tmp_path, lambda c: c[1].update(id=[2]))
    assert [each.code for each in findings(root, "CAT106", "STR105")] == ["STR105"]


def test_a_name_that_differs_by_case_between_splits_is_one_finding(tmp_path: Path) -> None:
    root = documents(tmp_path, lambda c: c[1].update(name="Car"))
    assert [each.code for each in findings(root, "CAT106", "CAT103")] == ["CAT103"]


def of_classes(names: tuple[str, ...]) -> list[Record]:
    """An object of each class on each image."""
    things = [thing(each, 3 + 18 * k, 20, 14) for k, each in enumerate(names)]
    return [record(name, *things) for name in NAMES]


CATEGORY_SEEDS: dict[str, tuple[Callable[[list[dict[str, object]]], object], str, str]] = {
    "another id": (lambda c: c[1].update(id=9), "categories[1].id", "'car' has the id 9; expected 2, as in"),
    "another name": (
        lambda c: c[1].update(name="auto"),
        "categories[1].name",
        "id 2 is 'auto'; expected 'car'",
    ),
    "one more": (lambda c: c.append({"id": 3, "name": "dog"}), "categories[2]", "'dog' (id 3), which"),
    "one less": (lambda c: c.pop(), "categories", "no 'car'; expected it with the id 2"),
}


@pytest.mark.parametrize("name", CATEGORY_SEEDS)
def test_documents_of_two_splits_list_the_same_categories(name: str, tmp_path: Path) -> None:
    change, element, words = CATEGORY_SEEDS[name]
    (finding,) = findings(documents(tmp_path, change), "CAT106")
    assert finding.at is not None
    assert (finding.at.file, finding.at.element) == ("annotations/instances_val.json", element)
    assert words in finding.message


@pytest.mark.parametrize("format", ["coco", "voc", "jsonl", "cvat"])
def test_a_slip_in_an_official_name_is_told_with_the_name(format: str, tmp_path: Path) -> None:
    names = ("aeroplne", "bicycle", "bird", "boat", "car")
    items = [
        record(name, *(thing(each, 3 + 18 * k, 20, 14) for k, each in enumerate(names))) for name in NAMES
    ]
    (finding,) = findings(made(tmp_path, format, items))
    assert finding.code == "CAT107"
    assert finding.message == "'aeroplne' is none of Pascal VOC's 20 classes; expected 'aeroplane'?"


@pytest.mark.parametrize(
    "names",
    [
        ("aeroplane", "bicycle", "bird", "boat", "car"),  # all official
        ("cup", "plate", "aeroplne", "screw", "car"),  # mostly one's own
        ("car", "bus", "dog", "cat", "cart"),  # an own class beside the official one that it is like
        ("car", "bus", "dog", "cat", "unicorn"),  # like none
    ],
)
def test_names_of_ones_own_are_no_slips(names: tuple[str, ...], tmp_path: Path) -> None:
    items = [
        record(name, *(thing(each, 3 + 18 * k, 20, 14) for k, each in enumerate(names))) for name in NAMES
    ]
    assert told(made(tmp_path, "coco", items)) == []


# --- statistics --------------------------------------------------------------------------------------------


def many(counts: dict[str, int], seed: int = 0) -> list[Record]:
    """So many objects of each class, of sizes that vary, on the four images."""
    draw = np.random.default_rng(seed)
    items: dict[str, list[BoundingBox]] = {name: [] for name in NAMES}
    for category, count in counts.items():
        for k in range(count):
            x, y, side = draw.uniform(0, 60), draw.uniform(0, 30), draw.uniform(8, 24)
            box = Box(round(x), round(y), round(side), round(side))
            items[NAMES[k % len(NAMES)]].append(BoundingBox(category=category, box=box))
    return [record(name, *objects) for name, objects in items.items()]


BOXES = pytest.mark.parametrize("format", ["coco", "voc", "jsonl", "cvat"])


@BOXES
def test_classes_with_very_few_examples_are_one_finding(format: str, tmp_path: Path) -> None:
    root = made(tmp_path, format, many({"person": 100, "car": 9, "dog": 10}))
    (finding,) = findings(root)
    assert finding.code == "CAT105"
    assert finding.message == "1 category with fewer than 10 examples: car (9)"
    assert told(root, rule_options={"CAT105": {"smallest": 9}}) == []


def test_a_sample_of_few_objects_has_no_rare_classes(tmp_path: Path) -> None:
    assert told(made(tmp_path, "coco", many({"person": 99, "car": 9}))) == []


@BOXES
def test_a_class_with_many_times_as_many_examples_is_one_finding(format: str, tmp_path: Path) -> None:
    root = made(tmp_path, format, many({"person": 1010, "car": 10}))
    (finding,) = findings(root)
    assert finding.code == "STA101"
    assert finding.message == "10 examples of 'car' and 1010 of 'person', 101 times as many"
    assert told(made(tmp_path / "fewer", format, many({"person": 1000, "car": 10}))) == []


@BOXES
def test_an_object_of_an_odd_size_is_told_with_its_box(format: str, tmp_path: Path) -> None:
    items = many({"person": 40, "car": 40})
    assert told(made(tmp_path / "clean", format, items)) == []
    speck = BoundingBox(category="car", box=Box(30, 30, 1, 1))
    items[1] = items[1].model_copy(update={"objects": (*items[1].objects, speck)})
    (finding,) = findings(made(tmp_path, format, items))
    assert finding.code == "STA102"
    assert finding.at is not None
    assert (finding.at.image, finding.at.object, finding.at.box) == (NAMES[1], 21, (30, 30, 1, 1))
    assert "object 21, box [30, 30, 1, 1]" in finding.message
    assert "times smaller than the median of 'car' (" in finding.message


@pytest.mark.parametrize("format", FORMATS)
def test_an_image_without_labels_is_told_where_nothing_confirms_that_it_is_empty(
    format: str, tmp_path: Path
) -> None:
    items = clean()
    items[1] = record(NAMES[1])
    found = [each.message for each in findings(made(tmp_path, format, items, ("person", "car")))]
    confirms = format in ("voc", "cityscapes")  # by an annotation that has no object
    assert found == ([] if confirms else ["1 of 4 images has no label: train/b.png"])


def test_an_absent_label_confirms_that_somebody_looked(tmp_path: Path) -> None:
    items = clean()
    items[1] = record(NAMES[1], labels=(ImageLabel(category="car", state="absent"),))
    assert told(made(tmp_path, "jsonl", items)) == []


def test_a_test_set_without_labels_is_no_finding(tmp_path: Path) -> None:
    items = [*clean(), record("test/e.png"), record("test/f.png")]
    assert told(made(tmp_path, "coco", items)) == []


# --- nothing at all ----------------------------------------------------------------------------------------


def test_a_set_of_nothing_has_no_finding_and_ends_no_rule(tmp_path: Path) -> None:
    document = tmp_path / "instances_val.json"
    document.write_text('{"images": [], "annotations": [], "categories": []}')
    assert validate(document).findings == []
    assert validate(made(tmp_path, "jsonl", [], ("car",)), ignore=["CAT104"]).findings == []


def test_objects_that_two_documents_describe_are_counted_once(tmp_path: Path) -> None:
    root = made(tmp_path, "coco", clean())
    file = root / "annotations/instances_val.json"
    said = json.loads(file.read_text())
    for each in said["annotations"]:
        each.update(keypoints=[1, 1, 2], num_keypoints=1)
    (root / "annotations/person_keypoints_val.json").write_text(json.dumps(said))
    result = validate(root)
    survey = result.survey
    assert survey is not None
    assert len(survey.table) == result.objects == 8
    assert survey.examples == {"person": 4, "car": 4}


def test_a_column_of_names_is_the_list_that_it_was_made_of() -> None:
    names = ["b", None, "a", "b", None]
    column = Names.of(names)
    assert list(column) == names
    assert column[1:4] == names[1:4]
    assert [column[k] for k in range(-5, 5)] == names * 2
    assert (column.names, column.codes.tolist()) == (("b", None, "a"), [0, 1, 2, 0, 1])
