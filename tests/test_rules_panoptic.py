"""One defect, one finding, at its place: panoptic annotations beside their PNGs, and layers of stuff."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from labelkit.findings import Finding
from labelkit.validation import validate

WIDTH, HEIGHT = 20, 12
Said = dict[str, Any]
Ids = np.ndarray[Any, Any]
SKY, PERSON, OTHER = 70000, 300, 301


def ids() -> Ids:
    """The sky above, two persons side by side, and nothing below."""
    values = np.zeros((HEIGHT, WIDTH), dtype=np.int64)
    values[:5] = SKY
    values[5:9, 2:6] = PERSON
    values[4:9, 10:14] = OTHER
    return values


def segment(values: Ids, id_: int, category: int) -> Said:
    y, x = np.nonzero(values == id_)
    box = [x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1]
    return {
        "id": id_,
        "category_id": category,
        "area": len(x),
        "bbox": [int(number) for number in box],
        "iscrowd": 0,
    }


def said() -> Said:
    segments = [segment(ids(), id_, key) for id_, key in ((SKY, 2), (PERSON, 1), (OTHER, 1))]
    return {
        "images": [{"id": 7, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"image_id": 7, "file_name": "a.png", "segments_info": segments}],
        "categories": [
            {"id": 1, "name": "person", "supercategory": "person", "isthing": 1, "color": [220, 20, 60]},
            {"id": 2, "name": "sky", "supercategory": "sky", "isthing": 0, "color": [70, 130, 180]},
        ],
    }


def save(root: Path, values: Ids) -> None:
    colours = np.stack([values & 255, values >> 8 & 255, values >> 16], axis=-1).astype(np.uint8)
    (root / "annotations" / "panoptic_val").mkdir(parents=True, exist_ok=True)
    PilImage.fromarray(colours).save(root / "annotations" / "panoptic_val" / "a.png")


def write(root: Path, document: Said) -> Path:
    path = root / "annotations" / "panoptic_val.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), "utf-8")
    return path


def panoptic_set(root: Path) -> Path:
    """A document of one image, and its PNG."""
    save(root, ids())
    write(root, said())
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return panoptic_set(tmp_path / "coco")


def found(root: Path) -> list[Finding]:
    return [each for each in validate(root).findings if each.code not in ("CAT104", "CAT105", "REF112")]


def test_the_clean_set_has_no_finding(data: Path) -> None:
    assert found(data) == []


def segments(change: Callable[[list[Said]], object]) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        document = said()
        change(document["annotations"][0]["segments_info"])
        write(root, document)

    return make


def document(change: Callable[[Said], object]) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        whole = said()
        change(whole)
        write(root, whole)

    return make


def painted(rows: slice, columns: slice, value: int) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        values = ids()
        values[rows, columns] = value
        save(root, values)

    return make


def png(root: Path) -> Path:
    return root / "annotations" / "panoptic_val" / "a.png"


FIRST = "annotations[0]"
JSON = "annotations/panoptic_val.json"
PNG = "annotations/panoptic_val/a.png"

# What is done; the code, the file, the element, and words of the message of the one finding.
SEEDS: dict[str, tuple[Callable[[Path], object], str, str, str | None, str]] = {
    "area of another shape": (
        segments(lambda s: s[1].update(area=17)),
        "MSK119", JSON, f"{FIRST}.segments_info[1]", "area 17; expected area 16, by the pixels in",
    ),
    "box of another shape": (
        segments(lambda s: s[1].update(bbox=[2, 5, 3, 3])),
        "MSK119", JSON, f"{FIRST}.segments_info[1]", "bbox [2, 5, 3, 3]; expected bbox [2, 5, 4, 4]",
    ),
    "pixels added": (
        painted(slice(9, 10), slice(2, 4), PERSON),
        "MSK119", JSON, f"{FIRST}.segments_info[1]", "expected area 18 and bbox [2, 5, 4, 5]",
    ),
    "segment that is not listed": (
        segments(lambda s: s.pop()), "MSK119", JSON, FIRST, "ids that no segment has: 301 (20 pixels)",
    ),
    "id in the PNG alone": (
        painted(slice(11, 12), slice(0, 2), 9), "MSK119", JSON, FIRST, "no segment has: 9 (2 pixels)",
    ),
    "segment without pixels": (
        segments(lambda s: s.append({**s[1], "id": 5, "area": 1})),
        "MSK119", JSON, f"{FIRST}.segments_info[3]", "id 5 has no pixel",
    ),
    "id changed": (
        segments(lambda s: s[2].update(id=302)),
        "MSK119", JSON, f"{FIRST}.segments_info[2]", "id 302 has no pixel in annotations/panoptic_val/a.png, "
        "where id 301 is at its place",
    ),
    "id twice": (
        segments(lambda s: s.append(dict(s[1]))),
        "MSK119", JSON, f"{FIRST}.segments_info[3]", "id 300 once more (as segments_info[1])",
    ),
    "id of nothing": (
        segments(lambda s: s[1].update(id=0)), "MSK119", JSON, f"{FIRST}.segments_info[1]", "id 0; expected",
    ),
    "id of four bytes": (
        segments(lambda s: s[1].update(id=2**24)), "MSK119", JSON, f"{FIRST}.segments_info[1]", "id 16777216",
    ),
    "id as text": (
        segments(lambda s: s[1].update(id="300")), "STR105", JSON, f"{FIRST}.segments_info[1].id", "'300'",
    ),
    "no id": (
        segments(lambda s: s[1].pop("id")), "STR104", JSON, f"{FIRST}.segments_info[1].id", "no 'id'",
    ),
    "no category": (
        segments(lambda s: s[1].pop("category_id")),
        "STR104", JSON, f"{FIRST}.segments_info[1].category_id", "no 'category_id'",
    ),
    "unknown category": (
        segments(lambda s: s[1].update(category_id=9)),
        "REF105", JSON, f"{FIRST}.segments_info[1].category_id", "category_id 9",
    ),
    "no area": (
        segments(lambda s: s[1].pop("area")), "STR112", JSON, f"{FIRST}.segments_info[1].area", "no 'area'",
    ),
    "box of three": (
        segments(lambda s: s[1].update(bbox=[1, 2, 3])),
        "STR105", JSON, f"{FIRST}.segments_info[1].bbox", "four numbers",
    ),
    "crowd of two": (
        segments(lambda s: s[1].update(iscrowd=2)),
        "STR105", JSON, f"{FIRST}.segments_info[1].iscrowd", "0 or 1",
    ),
    "segment of a number": (
        segments(lambda s: s.append(7)), "STR105", JSON, f"{FIRST}.segments_info[3]", "'7'; expected an",
    ),
    "no segments": (
        document(lambda d: d["annotations"].append({"image_id": 7, "file_name": "a.png"})),
        "STR104", JSON, "annotations[1].segments_info", "no 'segments_info'",
    ),
    "unknown image": (
        document(lambda d: d["annotations"][0].update(image_id=8)),
        "REF104", JSON, f"{FIRST}.image_id", "image_id 8",
    ),
    "category that does not say": (
        document(lambda d: d["categories"][1].pop("isthing")),
        "STR112", JSON, "categories[1].isthing", "no 'isthing'",
    ),
    "category that says nonsense": (
        document(lambda d: d["categories"][1].update(isthing="no")),
        "STR105", JSON, "categories[1].isthing", "'no'; expected 0 or 1",
    ),
    "image id twice": (
        document(lambda d: d["images"].append({**d["images"][0], "file_name": "b.jpg"})),
        "REF101", JSON, "images[1].id", "id 7 once more",
    ),
    "category id twice": (
        document(lambda d: d["categories"].append({**d["categories"][0], "name": "cow"})),
        "REF103", JSON, "categories[2].id", "id 1 of 'cow'",
    ),
    "category name twice": (
        document(lambda d: d["categories"].append({**d["categories"][0], "id": 3})),
        "CAT101", JSON, "categories[2].name", "'person' once more",
    ),
    "category without name": (
        document(lambda d: d["categories"].append({"id": 3, "isthing": 1})),
        "STR104", JSON, "categories[2].name", "no 'name'",
    ),
    "no PNG": (lambda root: png(root).unlink(), "STR106", JSON, f"{FIRST}.file_name", "no PNG 'a.png'"),
    "PNG elsewhere": (
        document(lambda d: d["annotations"][0].update(file_name="../../a.png")),
        "STR108", JSON, f"{FIRST}.file_name", "leaves its folder",
    ),
    "PNG of another size": (
        lambda root: save(root, np.pad(ids(), ((0, 3), (0, 0)))),
        "MSK108", PNG, None, "20 x 15 pixels; expected 20 x 12",
    ),
    "PNG of one channel": (
        lambda root: PilImage.fromarray(ids().astype(np.uint8)).save(png(root)),
        "MSK109", PNG, None, "mode L; expected RGB",
    ),
    "PNG that is none": (lambda root: png(root).write_bytes(b"no"), "MSK108", PNG, None, "cannot be read"),
    "stuff in two segments": (
        lambda root: two_skies(root),
        "MSK122", JSON, f"{FIRST}.segments_info[3]", "'sky' once more (as segments_info[0])",
    ),
}  # fmt: skip


def two_skies(root: Path) -> None:
    values = ids()
    values[10:, :4] = 70001
    save(root, values)
    segments(lambda s: s.append(segment(values, 70001, 2)))(root)


@pytest.mark.parametrize("name", SEEDS)
def test_one_defect_is_one_finding_at_its_place(name: str, data: Path) -> None:
    seed, code, file, element, words = SEEDS[name]
    seed(data)
    findings = found(data)
    assert [each.code for each in findings] == [code], findings
    at = findings[0].at
    assert at is not None
    assert (at.file, at.element) == (file, element)
    assert words in findings[0].message


def test_the_byte_is_that_of_the_segment(data: Path) -> None:
    segments(lambda s: s[1].update(area=17))(data)
    (finding,) = found(data)
    assert finding.at is not None
    text = (data / JSON).read_bytes()
    assert text[finding.at.offset :].startswith(b'{"id": 300')
    assert finding.at.image == "a.jpg"


# --- stuff -------------------------------------------------------------------------------------------------


def stuff() -> Said:
    """Two layers of stuff that share no pixel."""

    def layer(number: int, counts: list[int], category: int) -> Said:
        shape = {"size": [HEIGHT, WIDTH], "counts": counts}
        return {
            "id": number,
            "image_id": 7,
            "category_id": category,
            "segmentation": shape,
            "area": sum(counts[1::2]),
            "bbox": [0, 0, WIDTH, HEIGHT],
            "iscrowd": 0,
        }

    return {
        "images": [{"id": 7, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [layer(1, [0, 60, 180], 92), layer(2, [60, 60, 120], 93)],
        "categories": [
            {"id": 1, "name": "person", "isthing": 1},
            {"id": 92, "name": "grass", "isthing": 0},
            {"id": 93, "name": "sky", "isthing": 0},
        ],
    }


def stuff_found(tmp: Path, change: Callable[[Said], object]) -> list[tuple[str, str | None, str]]:
    document = stuff()
    change(document)
    path = tmp / "stuff_val.json"
    path.write_text(json.dumps(document), "utf-8")
    return [(each.code, each.at.element if each.at else None, each.message) for each in found(path)]


def test_clean_stuff_has_no_finding(tmp_path: Path) -> None:
    assert stuff_found(tmp_path, lambda d: None) == []


def test_layers_that_overlap_are_found(tmp_path: Path) -> None:
    def overlap(document: Said) -> None:
        document["annotations"][1]["segmentation"]["counts"] = [50, 70, 120]

    (finding,) = stuff_found(tmp_path, overlap)
    assert finding[:2] == ("MSK123", "annotations[1]")
    assert "10 pixels that annotations[0] has too" in finding[2]


def test_a_thing_among_much_stuff_is_told(tmp_path: Path) -> None:
    def many(document: Said) -> None:
        for k in range(20, 29):
            document["images"].append({**document["images"][0], "id": k, "file_name": f"{k}.jpg"})
            document["annotations"].append({**document["annotations"][0], "id": k, "image_id": k})
        document["annotations"][1]["category_id"] = 1

    (finding,) = stuff_found(tmp_path, many)
    assert finding[:2] == ("MSK124", "annotations[1]")
    assert "'person' is a thing" in finding[2]
