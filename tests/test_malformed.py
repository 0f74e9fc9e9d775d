"""Hostile and malformed input, from end to end: refused with the place and the reason, and nothing is left.

One case a line: what is wrong, in which format, and the words that the message must have. A whole data set
that cannot be read is refused (exit 2) whatever is asked for. One bad record is refused too, but with
``--on-error skip`` it is left out and counted (exit 1), and the good one beside it is converted.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from labelkit.cli import main

WIDTH, HEIGHT = 8, 6
SLOW = 20  # seconds of work that no case may take
STUCK = 6 * SLOW  # seconds in which even a busy machine gets that far, unless something waits for ever
Make = Callable[[Path], None]
Edit = Callable[[Any], None]


# --- small data sets of two images, a (which a case breaks) and b ------------------------------------------


def image(file: Path, mode: str = "RGB") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (WIDTH, HEIGHT)).save(file)


def bomb(file: Path, width: int = 60000, height: int = 60000) -> None:
    """A small file that says it is a huge PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def token(text: str) -> str:
    """A JSON token that Python would not write, such as 1e999."""
    return f"@@{text}@@"


def dumps(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r'"@@(.*?)@@"', lambda found: str(json.loads(f'"{found[1]}"')), text, flags=re.DOTALL)


def coco_document() -> dict[str, Any]:
    square = [[1, 1, 5, 1, 5, 4, 1, 4]]
    shape = {"bbox": [1, 1, 4, 3], "segmentation": square, "area": 12, "iscrowd": 0}
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT},
            {"id": 2, "file_name": "b.png", "width": WIDTH, "height": HEIGHT},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, **shape},
            {"id": 2, "image_id": 2, "category_id": 1, **shape},
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }


COCO = "annotations/instances_train.json"


def coco(edit: Edit = lambda document: None) -> Make:
    def make(root: Path) -> None:
        document = coco_document()
        edit(document)
        (root / "annotations").mkdir(parents=True)
        (root / COCO).write_text(dumps(document), "utf-8")
        for name in ("a.png", "b.png"):
            image(root / "images" / name)

    return make


def annotation(**changes: Any) -> Make:
    return coco(lambda document: document["annotations"][0].update(changes))


def image_entry(**changes: Any) -> Make:
    return coco(lambda document: document["images"][0].update(changes))


def category(**changes: Any) -> Make:
    return coco(lambda document: document["categories"][0].update(changes))


def rle(size: Any, counts: Any) -> Make:
    return annotation(segmentation={"size": size, "counts": counts}, iscrowd=1)


def coco_text(text: str | bytes) -> Make:
    def make(root: Path) -> None:
        coco()(root)
        (root / COCO).write_bytes(text if isinstance(text, bytes) else text.encode())

    return make


def coco_bytes(change: Callable[[bytes], bytes]) -> Make:
    return coco_text(change(dumps(coco_document()).encode()))


def without(kind: str, key: str) -> Make:
    return coco(lambda document: document[kind][0].pop(key))


def more(kind: str, *entries: Any) -> Make:
    return coco(lambda document: document[kind].extend(entries))


XML = f"""<annotation><filename>a.png</filename><size><width>{WIDTH}</width><height>{HEIGHT}</height></size>
<object><name>cat</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>5</xmax><ymax>4</ymax></bndbox></object>
</annotation>"""


def voc(change: Callable[[str], str | bytes] = lambda text: text, then: Make = lambda root: None) -> Make:
    def make(root: Path) -> None:
        for folder in ("Annotations", "ImageSets/Main", "JPEGImages"):
            (root / folder).mkdir(parents=True)
        changed = change(XML)
        data = changed if isinstance(changed, bytes) else changed.encode()
        (root / "Annotations" / "a.xml").write_bytes(data)
        (root / "Annotations" / "b.xml").write_text(XML.replace("a.png", "b.png"))
        (root / "ImageSets" / "Main" / "train.txt").write_text("a\nb\n")
        for name in ("a.png", "b.png"):
            image(root / "JPEGImages" / name)
        then(root)

    return make


def voc_list(text: str | bytes, name: str = "Main/train.txt") -> Make:
    def then(root: Path) -> None:
        (root / "ImageSets" / name).parent.mkdir(exist_ok=True)
        (root / "ImageSets" / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return voc(then=then)


def voc_pngs(classes: Make | None, objects: Make | None) -> Make:
    """VOC with the PNGs of ``a`` made by functions of their path."""

    def then(root: Path) -> None:
        for folder, make in (("SegmentationClass", classes), ("SegmentationObject", objects)):
            (root / folder).mkdir()
            if make:
                make(root / folder / "a.png")

    return voc(then=then)


def indices(value: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT), mode: str = "P") -> Make:
    def make(file: Path) -> None:
        picture = Image.new(mode, size, (value, 1, 1) if mode == "RGB" else value)
        if mode == "P":
            picture.putpalette([0, 0, 0] * 256)
        picture.save(file, "PNG")

    return make


def as_jpeg(file: Path) -> None:
    Image.new("L", (WIDTH, HEIGHT)).save(file, "JPEG")


def cut_png(file: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 20, (HEIGHT, WIDTH), dtype=np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    file.write_bytes(file.read_bytes()[:-40])


def empty_file(file: Path) -> None:
    file.write_bytes(b"")


def folder(file: Path) -> None:
    file.mkdir()


def fifo(file: Path) -> None:
    os.mkfifo(file)


def device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def loop(file: Path) -> None:
    file.symlink_to(file.name)


def link_out(file: Path) -> None:
    file.symlink_to("/etc/passwd")


def replacing(relative: str, make: Make, base: Make) -> Make:
    """A data set with one file replaced."""

    def made(root: Path) -> None:
        base(root)
        (root / relative).unlink(missing_ok=True)
        make(root / relative)

    return made


POLYGONS = "gtFine/train/city/city_000000_000000_gtFine_polygons.json"
LABEL_IDS = POLYGONS.replace("polygons.json", "labelIds.png")
INSTANCE_IDS = POLYGONS.replace("polygons.json", "instanceIds.png")


def cityscapes_document() -> dict[str, Any]:
    polygon = [[1, 1], [5, 1], [5, 4], [1, 4]]
    return {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": [{"label": "car", "polygon": polygon}]}


def cityscapes(edit: Edit = lambda document: None) -> Make:
    def make(root: Path) -> None:
        document = cityscapes_document()
        (root / POLYGONS).parent.mkdir(parents=True)
        (root / POLYGONS.replace("0_gt", "1_gt")).write_text(dumps(document))
        edit(document)
        (root / POLYGONS).write_text(dumps(document), "utf-8")

    return make


def cityscapes_object(**changes: Any) -> Make:
    return cityscapes(lambda document: document["objects"][0].update(changes))


def cityscapes_bytes(change: Callable[[bytes], bytes]) -> Make:
    def make(file: Path) -> None:
        file.write_bytes(change(dumps(cityscapes_document()).encode()))

    return replacing(POLYGONS, make, cityscapes())


def cityscapes_pngs(labels: Make | None, instances: Make | None) -> Make:
    """Cityscapes with a frame of PNGs alone."""

    def make(root: Path) -> None:
        cityscapes()(root)
        (root / POLYGONS).unlink()
        for name, one in ((LABEL_IDS, labels), (INSTANCE_IDS, instances)):
            if one:
                one(root / name)

    return make


def record(name: str, **changes: Any) -> dict[str, Any]:
    ring = {"kind": "instance", "category": "cat", "mask": "[[1,1,5,1,5,4,1,4]]"}
    return {"image": {"path": name, "width": WIDTH, "height": HEIGHT}, "objects": [ring], **changes}


HEAD = '{"labelkit":1,"header":{"categories":[{"name":"cat"}]}}'


def jsonl(first: Any, *, head: str | bytes = HEAD) -> Make:
    def make(root: Path) -> None:
        root.mkdir()
        line = first if isinstance(first, bytes) else dumps(first).encode()
        start = head if isinstance(head, bytes) else head.encode()
        (root / "records.jsonl").write_bytes(b"\n".join((start, line, dumps(record("b.png")).encode(), b"")))
        image(root / "images" / "a.png")
        image(root / "images" / "b.png")

    return make


def rows_head(head: str | bytes) -> Make:
    return jsonl(record("a.png"), head=head)


def rows(**changes: Any) -> Make:
    return jsonl(record("a.png", **changes))


def obj(**changes: Any) -> Make:
    item = {"kind": "instance", "category": "cat", "mask": "[[1,1,5,1,5,4,1,4]]"}
    return rows(objects=[{**item, **changes}])


def layers(**changes: Any) -> dict[str, Any]:
    ring = {"value": 1, "mask": "[[1,1,5,1,5,4,1,4]]"}
    source = {"kind": "layers", "height": HEIGHT, "width": WIDTH, "layers": [ring], **changes}
    return {"semantic": {"kind": "semantic", "source": source, "classes": {"1": "cat"}}}


# --- running -----------------------------------------------------------------------------------------------


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Converts tmp_path/source to tmp_path/out, with a limit of time."""

    def run(to: str, *options: str) -> Result:
        def late(*_: object) -> None:
            raise AssertionError(f"still at it after {SLOW} seconds of work, or {STUCK} of waiting")

        before = {number: signal.signal(number, late) for number in (signal.SIGALRM, signal.SIGPROF)}
        signal.alarm(STUCK)
        signal.setitimer(signal.ITIMER_PROF, SLOW)
        try:
            with pytest.raises(SystemExit) as stop:
                main(["convert", str(tmp_path / "source"), str(tmp_path / "out"), "--to", to, *options])
        finally:
            signal.alarm(0)
            signal.setitimer(signal.ITIMER_PROF, 0)
            for number, handler in before.items():
                signal.signal(number, handler)
        captured = capsys.readouterr()
        return Result(int(stop.value.code or 0), captured.out, captured.err)

    return run


def assert_refused(result: Result, words: tuple[str, ...], root: Path, before: list[str]) -> None:
    assert result.code == 2, result
    assert "Traceback" not in result.err
    assert "internal error" not in result.err
    for word in words:
        assert word in result.err, (word, result.err)
    assert sorted(path.name for path in root.iterdir()) == before


def listing(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


TARGET = {"coco": "voc", "voc": "coco", "cityscapes": "voc", "jsonl": "coco"}


# --- what makes a whole data set unreadable ----------------------------------------------------------------

DEEP = 100_000
BILLION = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><annotation>&c;</annotation>"""
EXTERNAL = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<annotation><filename>&a;</filename></annotation>"""
OUTSIDE = ("../a.png", "/etc/passwd", "x/../../a.png", "C:/a.png", "C:\\a.png", "x\\..\\a.png", "a\0.png")

UNREADABLE: dict[str, tuple[Make, tuple[str, ...]]] = {
    "coco-truncated": (coco_bytes(lambda data: data[:-30]), (COCO, "byte", "too early")),
    "coco-not-utf8": (coco_bytes(lambda data: data.replace(b"cat", b"c\xfft")), (COCO, "byte", "UTF-8")),
    "coco-utf16": (coco_bytes(lambda data: data.decode().encode("utf-16")), (COCO,)),
    "coco-nan-box": (annotation(bbox=[float("nan"), 1, 2, 3]), (COCO, "byte", "NaN", "finite")),
    "coco-infinity-box": (annotation(bbox=[1, 1, float("inf"), 3]), (COCO, "byte", "Infinity", "finite")),
    "coco-deep-top": (coco_text("[" * DEEP), (COCO,)),
    "coco-deep-value": (coco_text('{"images":' + "[" * DEEP), (COCO,)),
    "coco-deep-other": (coco(lambda d: d.update(x=token("[" * DEEP + "]" * DEEP))), (COCO,)),
    "coco-empty": (coco_text(""), (COCO,)),
    "coco-list": (coco_text("[1, 2]"), (COCO,)),
    "coco-images-number": (coco(lambda d: d.update(images=7)), (COCO, "images", "expected")),
    "coco-images-object": (coco(lambda d: d.update(images={})), (COCO, "images", "expected")),
    "coco-annotations-text": (coco(lambda d: d.update(annotations="x")), (COCO, "annotations", "expected")),
    "coco-categories-null": (coco(lambda d: d.update(categories=None)), (COCO, "categories", "expected")),
    "coco-duplicate-image-id": (
        more("images", {"id": 1, "file_name": "c.png"}),
        (COCO, "images[2]", "image id 1 once more", "expected"),
    ),
    "coco-duplicate-category-id": (
        more("categories", {"id": 1, "name": "dog"}),
        (COCO, "categories[1]", "id 1 once more", "expected"),
    ),
    "coco-duplicate-category-name": (
        more("categories", {"id": 2, "name": "cat"}),
        (COCO, "categories[1]", "'cat' twice", "expected"),
    ),
    "coco-category-no-id": (without("categories", "id"), (COCO, "categories[0]", "expected")),
    "coco-category-no-name": (without("categories", "name"), (COCO, "categories[0]", "expected")),
    "coco-category-empty-name": (category(name=""), (COCO, "categories[0]", "expected")),
    "coco-category-null-name": (category(name=None), (COCO, "categories[0]", "expected")),
    "coco-category-list-id": (category(id=[1]), (COCO, "categories[0]", "expected")),
    "coco-category-number": (
        coco(lambda d: d["categories"].insert(0, 7)),
        (COCO, "categories[0]", "expected"),
    ),
    "coco-category-newline-name": (category(name="a\nb"), ("category 'a\\nb'", "expected")),
    "coco-folder": (replacing(COCO, folder, coco()), (COCO.rpartition("/")[2],)),
    "coco-fifo": (replacing(COCO, fifo, coco()), (COCO.rpartition("/")[2],)),
    "coco-device": (replacing(COCO, device, coco()), (COCO.rpartition("/")[2],)),
    "coco-loop": (replacing(COCO, loop, coco()), (COCO.rpartition("/")[2],)),
    "coco-link-out": (replacing(COCO, link_out, coco()), (COCO.rpartition("/")[2],)),
    "voc-list-not-utf8": (voc_list(b"a\n\xff\n"), ("train.txt", "byte 2", "UTF-8")),
    "voc-list-utf16": (voc_list("a\nb\n".encode("utf-16")), ("train.txt", "UTF-8")),
    "voc-list-mixed": (voc_list("a b\n"), ("train.txt:line 1", "a b", "expected")),
    "voc-labelmap": (
        voc(then=lambda root: (root / "labelmap.txt").write_text("cat:1,2,x::\n") and None),
        ("labelmap.txt:line 1", "1,2,x", "expected"),
    ),
    "voc-labelmap-twice": (
        voc(then=lambda root: (root / "labelmap.txt").write_text("cat\ncat\n") and None),
        ("labelmap.txt:line 2", "'cat' twice", "expected"),
    ),
    "voc-base": (
        voc(then=lambda root: (root / "box-base.txt").write_text("7") and None),
        ("box-base.txt", "'7'", "expected"),
    ),
    "voc-list-folder": (replacing("ImageSets/Main/dog_train.txt", folder, voc()), ("dog_train.txt",)),
    "voc-list-fifo": (replacing("ImageSets/Main/val.txt", fifo, voc()), ("val.txt",)),
    "voc-list-device": (replacing("ImageSets/Main/val.txt", device, voc()), ("val.txt",)),
    "voc-list-loop": (replacing("ImageSets/Main/val.txt", loop, voc()), ("val.txt",)),
    "voc-list-link-out": (replacing("ImageSets/Main/val.txt", link_out, voc()), ("val.txt",)),
    "jsonl-truncated-head": (rows_head('{"labelkit":1,"head'), ("records.jsonl:1", "expected")),
    "jsonl-version": (rows_head('{"labelkit":2,"header":{}}'), ("records.jsonl:1", "version 2", "expected")),
    "jsonl-no-header": (rows_head('{"labelkit":1}'), ("records.jsonl:1", "expected")),
    "jsonl-header-list": (rows_head('{"labelkit":1,"header":[]}'), ("records.jsonl:1", "expected")),
    "jsonl-header-colour": (
        rows_head('{"labelkit":1,"header":{"categories":[{"name":"x","colour":[1,2,300]}]}}'),
        ("records.jsonl:1", "colour", "300", "expected"),
    ),
    "jsonl-head-deep": (rows_head('{"labelkit":' + "[" * DEEP), ("records.jsonl:1", "expected")),
    "jsonl-head-deep-raw": (
        rows_head('{"labelkit":1,"header":{"raw":' + '{"a":' * DEEP + "1" + "}" * DEEP + "}}"),
        ("records.jsonl:1", "expected"),
    ),
    "jsonl-head-utf8": (rows_head(b'{"labelkit":1,"header":{"raw":{"\xff":1}}}'), ("records.jsonl:1",)),
    "jsonl-two-categories": (
        rows_head('{"labelkit":1,"header":{"categories":[{"name":"x"},{"name":"x"}]}}'),
        ("records.jsonl:1", "'x'", "expected"),
    ),
}

# --- what makes one record unreadable ----------------------------------------------------------------------

ANNOTATION = (COCO, "annotations[0]", "byte")
OBJECT = ("a.xml:object 1",)
ROW = ("records.jsonl:2", "expected")
BOXES: dict[str, Any] = {
    "null": None,
    "text": "1,1,4,3",
    "texts": ["1", "1", "4", "3"],
    "three": [1, 1, 4],
    "five": [1, 1, 4, 3, 2],
    "bools": [True, True, True, True],
    "nested": [[1, 1, 4, 3]],
    "object": {"x": 1},
    "1e999": [1, 1, token("1e999"), 3],
    "huge-integer": [1, 1, 10**400, 3],
    "deep": token("[" * DEEP + "]" * DEEP),
}
MASKS: dict[str, Any] = {
    "number": 7,
    "text": "1,1,5",
    "texts": [["1", "1", "5", "1", "5", "4"]],
    "nulls": [[1, 1, None, 1, 5, 4]],
    "flat": [1, 1, 5, 1, 5, 4],
    "nested": [[[1, 1], [5, 1], [5, 4]]],
    "1e999": [[1, 1, token("1e999"), 1, 5, 4]],
    "huge-integer": [[1, 1, 10**400, 1, 5, 4]],
    "deep": token("[" * DEEP + "]" * DEEP),
    "deep-counts": token('{"size":[6,8],"counts":' + "[" * DEEP + "]" * DEEP + "}"),
    "deep-key": token('{"a":' + "[" * DEEP + "]" * DEEP + ',"counts":[48]}'),
    "object": {"a": 1},
    "no-counts": {"size": [HEIGHT, WIDTH]},
    "no-size": {"counts": [48]},
    "negative": {"size": [HEIGHT, WIDTH], "counts": [10, -5, 43]},
    "garbage": {"size": [HEIGHT, WIDTH], "counts": "\u00ff~~ hello"},
    "unended": {"size": [HEIGHT, WIDTH], "counts": "oooo"},
    "endless": {"size": [HEIGHT, WIDTH], "counts": "o" * 50 + "0"},
    "short": {"size": [HEIGHT, WIDTH], "counts": [10, 5]},
    "long": {"size": [HEIGHT, WIDTH], "counts": [10, 5, 100]},
    "empty": {"size": [HEIGHT, WIDTH], "counts": []},
    "other-size": {"size": [WIDTH, HEIGHT], "counts": [48]},
    "floats": {"size": [HEIGHT, WIDTH], "counts": [10.5, 5, 32.5]},
    "three-sizes": {"size": [HEIGHT, WIDTH, 1], "counts": [48]},
    "text-size": {"size": ["6", "8"], "counts": [48]},
    "negative-size": {"size": [-HEIGHT, -WIDTH], "counts": [48]},
    "gigantic-size": {"size": [10**9, 10**9], "counts": [10**18]},
    "beyond-int64": {"size": [HEIGHT, WIDTH], "counts": [10**30]},
    "beyond-int64-size": {"size": [10**30, 1], "counts": [10**30]},
    "beyond-int64-sum": {"size": [HEIGHT, WIDTH], "counts": [2**62, 2**62, 2**62, 2**62 + 48]},
}

FAULTS: dict[str, tuple[Make, tuple[str, ...]]] = {
    **{
        f"coco-box-{name}": (annotation(bbox=box), (*ANNOTATION, "bbox", "expected"))
        for name, box in BOXES.items()
        if name != "deep"
    },
    **{
        f"coco-mask-{name}": (
            annotation(segmentation=mask),
            (
                "annotations[0]" if name in ("number", "text", "object", "no-counts") else "object 1",
                "expected",
            ),
        )
        for name, mask in MASKS.items()
        if not name.startswith("deep")
    },
    "coco-only-box-null": (annotation(bbox=None, segmentation=[]), (*ANNOTATION, "bbox", "expected")),
    "coco-neither": (annotation(bbox=token("null"), segmentation=None), ANNOTATION),
    "coco-crowd": (annotation(iscrowd=2), (*ANNOTATION, "iscrowd 2")),
    "coco-crowd-text": (annotation(iscrowd="no"), (*ANNOTATION, "iscrowd 'no'")),
    "coco-category-unknown": (annotation(category_id=9), (*ANNOTATION, "category_id 9", "expected")),
    "coco-category-missing": (
        without("annotations", "category_id"),
        (*ANNOTATION, "category_id", "expected"),
    ),
    "coco-category-list": (annotation(category_id=[1]), (*ANNOTATION, "category_id", "expected")),
    "coco-annotation-number": (
        coco(lambda d: d["annotations"].insert(0, 7)),
        (COCO, "annotations[0]", "expected"),
    ),
    "coco-orphan": (
        more("annotations", {"id": 3, "image_id": 77, "category_id": 1, "bbox": [1, 1, 2, 2]}),
        (COCO, "annotations[2]", "image_id 77", "expected"),
    ),
    "coco-orphan-null": (
        more("annotations", {"id": 3, "category_id": 1, "bbox": [1, 1, 2, 2]}),
        (COCO, "annotations[2]", "image_id None", "expected"),
    ),
    "coco-image-no-id": (
        more("images", {"file_name": "c.png", "width": 8, "height": 6}),
        (COCO, "images[2]", "id None", "expected"),
    ),
    "coco-image-no-name": (
        more("images", {"id": 3, "width": 8, "height": 6}),
        (COCO, "images[2]", "file_name None", "expected"),
    ),
    "coco-image-number": (more("images", 7), (COCO, "images[2]", "expected")),
    "coco-image-same-name": (
        more("images", {"id": 3, "file_name": "b.png"}),
        (COCO, "images[2]", "'b.png' twice", "expected"),
    ),
    **{
        f"coco-image-name-{number}": (
            more("images", {"id": 3, "file_name": name, "width": 8, "height": 6}),
            (COCO, "images[2]", "file name"),
        )
        for number, name in enumerate((*OUTSIDE, "", "a/", "..", "."))
    },
    **{
        f"coco-image-width-{number}": (
            more("images", {"id": 3, "file_name": "c.png", "width": width, "height": 6}),
            (COCO, "images[2]", "expected"),
        )
        for number, width in enumerate((0, -1, "8", 1.5, True, [8], token("1e999"), 10**400))
    },
    "coco-image-link-out": (
        replacing("images/a.png", link_out, coco()),
        ("a.png", "link", "leaves its folder"),
    ),
    "voc-truncated": (voc(lambda text: text[:-30]), ("a.xml", "line", "column", "expected")),
    "voc-not-utf8": (voc(lambda text: text.encode().replace(b"cat", b"c\xfft")), ("a.xml", "UTF-8", "byte")),
    "voc-utf16": (voc(lambda text: text.encode("utf-16")), ("a.xml", "UTF-8", "expected")),
    "voc-empty": (voc(lambda text: ""), ("a.xml", "well-formed", "expected")),
    "voc-binary": (voc(lambda text: bytes(range(256))), ("a.xml", "expected")),
    "voc-json": (voc(lambda text: "{}"), ("a.xml", "well-formed", "expected")),
    "voc-root": (voc(lambda text: text.replace("annotation", "other")), ("a.xml", "<other>", "expected")),
    "voc-billion-laughs": (voc(lambda text: BILLION), ("a.xml", "DTD")),
    "voc-external": (voc(lambda text: EXTERNAL), ("a.xml", "DTD")),
    "voc-dtd": (voc(lambda text: "<!DOCTYPE annotation>" + text), ("a.xml", "DTD")),
    "voc-entity": (voc(lambda text: text.replace("cat", "&who;")), ("a.xml", "well-formed", "expected")),
    "voc-no-box": (
        voc(lambda text: re.sub("<bndbox>.*</bndbox>", "", text)),
        (*OBJECT, "bndbox", "expected"),
    ),
    **{
        f"voc-corner-{word or 'empty'}": (
            voc(lambda text, word=word: text.replace("<xmin>2<", f"<xmin>{word}<")),
            (*OBJECT, "bndbox", "expected"),
        )
        for word in (
            "",
            "nan",
            "inf",
            "-Infinity",
            "1e999",
            "1e999999999999999999",
            "x",
            "1,5",
            "0x10",
            "1_0",
            "٣",
        )
    },
    "voc-corner-missing": (
        voc(lambda text: text.replace("<xmin>2</xmin>", "")),
        (*OBJECT, "bndbox", "expected"),
    ),
    "voc-corner-digits": (voc(lambda text: text.replace("<xmin>2<", f"<xmin>{'9' * 5000}<")), OBJECT),
    "voc-no-name": (
        voc(lambda text: text.replace("<name>cat</name>", "")),
        (*OBJECT, "no class", "expected"),
    ),
    "voc-empty-name": (voc(lambda text: text.replace("cat", " ")), (*OBJECT, "no class", "expected")),
    **{
        f"voc-width-{word}": (
            voc(lambda text, word=word: text.replace(f"<width>{WIDTH}<", f"<width>{word}<")),
            ("a.xml:size/width", "expected"),
        )
        for word in ("x", "-1", "1.5", "nan", "1e999", "9" * 100)
    },
    "voc-part-no-box": (
        voc(lambda text: text.replace("</object>", "<part><name>head</name></part></object>")),
        (*OBJECT, "part", "bndbox", "expected"),
    ),
    **{
        f"voc-list-id-{number}": (voc_list(f"a\nb\n{name}\n"), ("train.txt:line 3", "file name", "expected"))
        for number, name in enumerate(("../a", "/etc/passwd", "x/../../y", "C:/a", "x\\y", "a\0b"))
    },
    "voc-class-list-value": (
        voc_list("a 7\nb 1\n", "Main/cat_train.txt"),
        ("cat_train.txt:line 1", "'7'", "expected"),
    ),
    "voc-class-list-no-value": (
        voc_list("b 1\na\n", "Main/cat_train.txt"),
        ("cat_train.txt:line 2", "expected"),
    ),
    **{
        f"voc-xml-{make.__name__}": (replacing("Annotations/a.xml", make, voc()), ("a.xml",))
        for make in (link_out,)
    },
    **{
        f"voc-class-png-{name}": (voc_pngs(classes, objects), ("SegmentationClass/a.png", "expected"))
        for name, (classes, objects) in {
            "value": (indices(99), None),
            "mode": (lambda file: Image.new("LA", (WIDTH, HEIGHT)).save(file), None),
            "colour": (indices(7, mode="RGB"), None),
            "cut": (cut_png, None),
            "empty": (empty_file, None),
            "jpeg": (as_jpeg, None),
            "bomb": (bomb, indices()),
            "link-out": (link_out, indices()),
        }.items()
    },
    **{
        f"voc-object-png-{name}": (voc_pngs(classes, objects), ("SegmentationObject/a.png", "expected"))
        for name, (classes, objects) in {
            "alone": (None, indices()),
            "mode": (indices(), lambda file: Image.new("LA", (WIDTH, HEIGHT)).save(file)),
            "colour": (indices(), indices(7, mode="RGB")),
            "cut": (indices(), cut_png),
            "empty": (indices(), empty_file),
            "jpeg": (indices(), as_jpeg),
            "bomb": (indices(), bomb),
        }.items()
    },
    "voc-class-png-size": (
        voc_pngs(indices(size=(3, 3)), None),
        ("a.png:map semantic", "3 x 3", "expected 8 x 6"),
    ),
    "voc-object-png-size": (
        voc_pngs(indices(), indices(size=(3, 3))),
        ("a.png:map objects", "3 x 3", "expected 8 x 6"),
    ),
    "cityscapes-truncated": (cityscapes_bytes(lambda data: data[:-5]), (POLYGONS, "truncated", "expected")),
    "cityscapes-not-utf8": (
        cityscapes_bytes(lambda data: data.replace(b"car", b"c\xff")),
        (POLYGONS, "byte", "UTF-8"),
    ),
    "cityscapes-utf16": (cityscapes_bytes(lambda data: data.decode().encode("utf-16")), (POLYGONS, "UTF-8")),
    "cityscapes-empty": (cityscapes_bytes(lambda data: b""), (POLYGONS, "expected")),
    "cityscapes-list": (cityscapes_bytes(lambda data: b"[]"), (POLYGONS, "expected")),
    "cityscapes-deep": (cityscapes_bytes(lambda data: b'{"objects":' + b"[" * DEEP), (POLYGONS, "expected")),
    "cityscapes-label": (cityscapes_object(label="cart"), (POLYGONS, "objects[0]", "'cart'", "'car'")),
    "cityscapes-label-null": (cityscapes_object(label=None), (POLYGONS, "objects", "expected")),
    **{
        f"cityscapes-polygon-{name}": (
            cityscapes_object(polygon=polygon),
            ("train/city/city_000000_000000", "expected"),
        )
        for name, polygon in {
            "null": None,
            "texts": [["1", "1"], ["5", "1"], ["5", "4"]],
            "text": "1,1",
            "flat": [1, 1, 5, 1, 5, 4],
            "threes": [[1, 1, 1], [5, 1, 1], [5, 4, 1]],
            "nan": [[float("nan"), 1], [5, 1], [5, 4]],
            "1e999": [[token("1e999"), 1], [5, 1], [5, 4]],
            "huge-integer": [[10**400, 1], [5, 1], [5, 4]],
            "deep": token("[" * DEEP + "]" * DEEP),
        }.items()
    },
    **{
        f"cityscapes-height-{number}": (
            cityscapes(lambda document, height=height: document.update(imgHeight=height)),
            (POLYGONS, "expected"),
        )
        for number, height in enumerate((0, -1, "6", 1.5, None, True, 10**9, 10**400))
    },
    **{
        f"cityscapes-no-{key}": (
            cityscapes(lambda document, key=key: document.pop(key)),
            (POLYGONS, key, "expected"),
        )
        for key in ("imgHeight", "imgWidth", "objects")
    },
    "cityscapes-objects-null": (
        cityscapes(lambda document: document.update(objects=None)),
        (POLYGONS, "objects", "expected"),
    ),
    "cityscapes-object-number": (
        cityscapes(lambda document: document["objects"].append(7)),
        (POLYGONS, "objects", "expected"),
    ),
    **{
        f"cityscapes-json-{make.__name__}": (replacing(POLYGONS, make, cityscapes()), (POLYGONS,))
        for make in (folder, fifo, device, loop, link_out)
    },
    **{
        f"cityscapes-labels-{name}": (cityscapes_pngs(make, indices(24, mode="I;16")), (LABEL_IDS,))
        for name, make in {
            "value": indices(99, mode="L"),
            "mode": indices(7, mode="RGB"),
            "cut": cut_png,
            "empty": empty_file,
            "jpeg": as_jpeg,
            "bomb": bomb,
            "fifo": fifo,
            "device": device,
            "folder": folder,
            "loop": loop,
            "link-out": link_out,
        }.items()
    },
    **{
        f"cityscapes-instances-{name}": (cityscapes_pngs(indices(24, mode="L"), make), (INSTANCE_IDS,))
        for name, make in {
            "value": indices(60000, mode="I;16"),
            "stuff-number": indices(7001, mode="I;16"),
            "mode": indices(7, mode="RGB"),
            "size": indices(24, size=(3, 3), mode="L"),
            "cut": cut_png,
            "empty": empty_file,
            "bomb": bomb,
        }.items()
    },
    "jsonl-truncated": (jsonl(b'{"image":{"path":"a.png"'), ROW),
    "jsonl-not-utf8": (jsonl(b'{"image":{"path":"a\xff.png"}}'), ROW),
    "jsonl-number": (jsonl(7), ROW),
    "jsonl-deep": (jsonl(b"[" * DEEP), ROW),
    "jsonl-deep-raw": (rows(raw={"x": token("[" * DEEP + "]" * DEEP)}), ROW),
    "jsonl-unknown-key": (rows(colour="red"), (*ROW, "colour")),
    "jsonl-no-image": (jsonl({"objects": []}), (*ROW, "image")),
    "jsonl-kind": (obj(kind="circle"), (*ROW, "objects.0", "circle")),
    "jsonl-path-empty": (jsonl(record("")), (*ROW, "image.path")),
    **{
        f"jsonl-path-{number}": (jsonl(record(name)), (*ROW, "file name"))
        for number, name in enumerate(OUTSIDE)
    },
    **{
        f"jsonl-split-{number}": (rows(splits=[split]), ("a.png", "expected"))
        for number, split in enumerate(("../../x", "/x", "a/b", "..", "", "a\\b", "a\0b", "C:x", ".x"))
    },
    **{
        f"jsonl-size-{number}": (
            rows(image={"path": "a.png", "width": width, "height": HEIGHT}),
            (*ROW, "image.width"),
        )
        for number, width in enumerate((0, -1, "8", 1.5, True, token("1e999")))
    },
    "jsonl-png": (
        rows(
            maps={
                "semantic": {
                    "kind": "semantic",
                    "source": {"kind": "png", "path": "/etc/passwd"},
                    "classes": {},
                }
            }
        ),
        (*ROW, "/etc/passwd", "layers"),
    ),
    "jsonl-box-three": (obj(box=[1, 2, 3]), (*ROW, "box")),
    "jsonl-box-text": (obj(box=["1", 2, 3, 4]), (*ROW, "box")),
    "jsonl-box-1e999": (obj(box=[1, 2, 3, token("1e999")]), (*ROW, "box")),
    "jsonl-box-nan": (obj(box=[1, 2, 3, float("nan")]), (*ROW, "box")),
    "jsonl-unknown-map": (
        obj(mask='{"map":"objects","value":1}'),
        ("a.png:object 1", "'objects'", "expected"),
    ),
    **{
        f"jsonl-mask-{name}": (obj(mask=dumps(mask)), ("a.png:object 1", "mask", "expected"))
        for name, mask in MASKS.items()
    },
    "jsonl-layer-huge": (rows(maps=layers(height=10**9, width=10**9)), ("a.png:map semantic", "expected")),
    "jsonl-layer-beyond-int64": (rows(maps=layers(height=10**30, width=1)), ("a.png", "expected")),
    "jsonl-image-huge": (
        jsonl(
            {
                "image": {"path": "a.png", "width": 10**9, "height": 10**9},
                "maps": layers(height=10**9, width=10**9),
            }
        ),
        ("a.png:map semantic", "expected"),
    ),
    "jsonl-layer-size": (
        rows(maps=layers(height=3, width=3)),
        ("a.png:map semantic", "3 x 3", "expected 8 x 6"),
    ),
    "jsonl-layer-value": (
        rows(maps=layers(layers=[{"value": 2**40, "mask": "[[1,1,5,1,5,4]]"}])),
        ("a.png:map semantic", "expected"),
    ),
    "jsonl-layer-cell": (
        rows(maps=layers(layers=[{"value": 1, "mask": '{"map":"semantic","value":1}'}])),
        ("a.png:map semantic", "expected"),
    ),
    "jsonl-layer-text": (
        rows(maps=layers(layers=[{"value": 1, "mask": "x"}])),
        ("a.png:map semantic", "expected"),
    ),
    "jsonl-class-unknown": (obj(category="dog"), (*ROW, "object 1", "'dog'")),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_data_set_that_cannot_be_read_is_refused(
    name: str, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    make, words = UNREADABLE[name]
    make(tmp_path / "source")
    format, before = name.partition("-")[0], listing(tmp_path)
    for option in ("stop", "skip"):
        result = convert(TARGET[format], "--from", format, "--on-error", option)
        assert_refused(result, words, tmp_path, before)


@pytest.mark.parametrize("name", FAULTS)
def test_a_bad_record_is_refused_or_left_out(
    name: str, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    make, words = FAULTS[name]
    make(tmp_path / "source")
    format = name.partition("-")[0]
    before = listing(tmp_path)
    result = convert(TARGET[format], "--from", format)
    assert_refused(result, words, tmp_path, before)
    assert "1 problem, nothing was written" in result.err
    result = convert(TARGET[format], "--from", format, "--on-error", "skip")
    assert result.code == 1, result
    assert result.err == ""
    assert "1 records were left out:" in result.out or "1 record was left out:" in result.out
    assert re.search(r": [12] records, [12] objects", result.out), result.out


# --- more than one target, more than one file --------------------------------------------------------------


@pytest.mark.parametrize("to", ["voc", "cityscapes"])
def test_polygons_of_an_image_that_claims_to_be_huge_are_never_painted(
    to: str, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    huge = {"path": "a.png", "width": 10**9, "height": 10**9}
    person = [{"kind": "instance", "category": "person", "mask": "[[1,1,5,1,5,4,1,4]]"}]
    head = HEAD.replace("]", ',{"name":"person"}]')
    jsonl({"image": huge, "objects": person}, head=head)(tmp_path / "source")
    before = listing(tmp_path)
    words = ("a.png", "1000000000 x 1000000000 pixels", "the limit is")
    assert_refused(convert(to), words, tmp_path, before)


@pytest.mark.parametrize("deep", [50, 300, 900])
def test_attributes_nested_deeply_are_kept_or_refused(
    deep: int, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    nested = token('{"x":' + "[" * deep + "]" * deep + "}")
    annotation(attributes=nested)(tmp_path / "source")
    before = listing(tmp_path)
    for to in ("jsonl", "voc"):
        result = convert(to, "--overwrite")
        assert result.code in (0, 2), result
        assert "internal error" not in result.err
        if result.code:
            assert_refused(result, ("annotations[0]", "nested"), tmp_path, before)
        else:
            before = sorted({*before, "out"})


def test_twenty_png_bombs_are_twenty_refusals(tmp_path: Path, convert: Callable[..., Result]) -> None:
    voc_pngs(None, None)(tmp_path / "source")
    for number in range(20):
        bomb(tmp_path / "source" / "SegmentationClass" / f"{number:02}.png")
    before = listing(tmp_path)
    result = convert("coco")
    assert_refused(result, ("SegmentationClass/00.png", "SegmentationClass/19.png"), tmp_path, before)
    assert "20 problems, nothing was written" in result.err


def test_fifty_megabytes_of_text_are_a_text(tmp_path: Path, convert: Callable[..., Result]) -> None:
    text = "x" * 50_000_000
    voc(lambda xml: xml.replace("</annotation>", f"<note>{text}</note></annotation>"))(tmp_path / "source")
    assert convert("coco", "--no-carrier").code == 0


def test_xml_of_a_huge_depth_is_read(tmp_path: Path, convert: Callable[..., Result]) -> None:
    voc(lambda xml: xml.replace("</annotation>", "<x>" * DEEP + "</x>" * DEEP + "</annotation>"))(
        tmp_path / "source"
    )
    result = convert("coco", "--no-carrier")
    assert result.code == 0, result


def test_twenty_thousand_polygons_are_read(tmp_path: Path, convert: Callable[..., Result]) -> None:
    thing = {"label": "sky", "polygon": [[1, 1], [5, 1], [5, 4]]}
    cityscapes(lambda document: document.update(objects=[thing] * 20_000))(tmp_path / "source")
    assert convert("jsonl", "--no-carrier").code == 0


@pytest.mark.parametrize(
    ("make", "to"),
    [
        (coco_bytes(lambda data: b"\xef\xbb\xbf" + data), "voc"),
        (voc(lambda text: b"\xef\xbb\xbf" + text.encode()), "coco"),
        (voc_list(b"\xef\xbb\xbfa\nb\n"), "coco"),
        (cityscapes_bytes(lambda data: b"\xef\xbb\xbf" + data), "voc"),
        (jsonl(record("a.png"), head="\ufeff" + HEAD), "coco"),
    ],
    ids=["coco", "voc", "voc-list", "cityscapes", "jsonl"],
)
def test_a_byte_order_mark_is_no_fault(
    make: Make, to: str, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    make(tmp_path / "source")
    result = convert(to)
    assert result.code == 0, result
    assert "2 records" in result.out


@pytest.mark.parametrize("make", [fifo, device, folder, loop, link_out])
@pytest.mark.parametrize("name", [COCO, "Annotations/a.xml", "records.jsonl"])
def test_a_file_that_is_none_never_blocks_detection(
    name: str, make: Make, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    (tmp_path / "source" / name).parent.mkdir(parents=True)
    make(tmp_path / "source" / name)
    before = listing(tmp_path)
    assert_refused(convert("jsonl"), ("source",), tmp_path, before)


def test_the_process_ends_with_code_2_and_one_line(tmp_path: Path) -> None:
    coco_bytes(lambda data: data[:-30])(tmp_path / "source")
    command = [sys.executable, "-m", "labelkit", "convert", "source", "out", "--to", "voc"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SLOW, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "the file ends too early; expected a whole JSON file" in done.stderr


# --- names of classes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "..", ".", "<&>", "x" * 10_000, "a:b", "%2F", "con"])
@pytest.mark.parametrize("to", ["voc", "jsonl"])
def test_strange_names_of_classes_arrive_and_make_no_paths(
    name: str, to: str, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["categories"][0]["name"] = name
        document["annotations"].append({"id": 9, "image_id": 1, "category_id": 1})

    coco(edit)(tmp_path / "source")
    before = listing(tmp_path)
    result = convert(to, "--derive", "labels")
    assert "internal error" not in result.err
    assert listing(tmp_path) == (sorted([*before, "out"]) if result.code == 0 else before)
    assert result.code == 0 or (result.code == 2 and len(name) > 200), result


# --- legal but wrong ---------------------------------------------------------------------------------------


def values(root: Path) -> list[dict[str, Any]]:
    """The objects of every record of a jsonl data set."""
    lines = (root / "records.jsonl").read_text("utf-8").splitlines()[1:]
    return [item for line in lines for item in json.loads(line).get("objects", ())]


ODD: dict[str, tuple[Make, str, Callable[[Path], bool]]] = {
    "negative-box": (
        annotation(bbox=[5, 4, -4, -3], segmentation=[]),
        "ODD001",
        lambda out: values(out)[0]["box"] == [5, 4, -4, -3],
    ),
    "zero-box": (
        annotation(bbox=[5, 4, 0, 0], segmentation=[]),
        "ODD001",
        lambda out: values(out)[0]["box"] == [5, 4, 0, 0],
    ),
    "outside-box": (
        annotation(bbox=[-50, 1, 900, 3], segmentation=[]),
        "ODD002",
        lambda out: values(out)[0]["box"] == [-50, 1, 900, 3],
    ),
    "short-ring": (
        annotation(segmentation=[[1, 1, 2, 2], [1, 1, 5, 1, 5, 4]]),
        "ODD003",
        lambda out: json.loads(values(out)[0]["mask"])[0] == [1, 1, 2, 2],
    ),
    "odd-ring": (
        annotation(segmentation=[[1, 1, 5, 1, 5, 4, 7]]),
        "ODD003",
        lambda out: json.loads(values(out)[0]["mask"]) == [[1, 1, 5, 1, 5, 4, 7]],
    ),
    "empty-ring": (
        annotation(segmentation=[[]]),
        "ODD003",
        lambda out: json.loads(values(out)[0]["mask"]) == [[]],
    ),
    "duplicate-annotation-id": (
        coco(lambda document: document["annotations"][1].update(id=1)),
        "ODD004",
        lambda out: len(values(out)) == 2,
    ),
    "annotation-id-0": (annotation(id=0), "ODD005", lambda out: len(values(out)) == 2),
    "category-id-0": (
        coco(
            lambda document: (
                document["categories"][0].update(id=0),
                [item.update(category_id=0) for item in document["annotations"]],
            )
        ),
        "",
        lambda out: [item["category"] for item in values(out)] == ["cat", "cat"],
    ),
    "image-missing": (
        coco(lambda document: document["images"].append({"id": 3, "file_name": "c.png"})),
        "ODD006",
        lambda out: not (out / "images" / "c.png").exists(),
    ),
    "image-empty": (
        replacing("images/a.png", empty_file, coco()),
        "ODD007",
        lambda out: (out / "images" / "a.png").stat().st_size == 0,
    ),
    "image-folder": (replacing("images/a.png", folder, coco()), "ODD006", lambda out: True),
    "image-fifo": (replacing("images/a.png", fifo, coco()), "ODD006", lambda out: True),
    "image-loop": (replacing("images/a.png", loop, coco()), "ODD006", lambda out: True),
    "voc-negative-box": (
        voc(lambda text: text.replace("<xmax>5<", "<xmax>0<")),
        "ODD001",
        lambda out: values(out)[0]["box"] == [1, 1, -1, 3],
    ),
    "voc-outside-box": (
        voc(lambda text: text.replace("<xmax>5<", "<xmax>99<")),
        "ODD002",
        lambda out: values(out)[0]["box"] == [1, 1, 98, 3],
    ),
    "cityscapes-two-points": (
        cityscapes_object(polygon=[[1, 1], [5, 1]]),
        "ODD003",
        lambda out: len(values(out)) == 2,
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_legal_but_wrong_arrives_and_is_named(
    name: str, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    make, code, arrived = ODD[name]
    make(tmp_path / "source")
    result = convert("jsonl")
    assert result.code == 0, result
    assert code in result.out
    assert ("Legal but odd" in result.out) == bool(code)
    assert arrived(tmp_path / "out")
    again = convert(TARGET.get(name.partition("-")[0], "voc"), "--overwrite")
    assert again.code == 0, again
    assert code in again.out


# --- hostile carriers --------------------------------------------------------------------------------------

Line = dict[str, Any]
Attack = Callable[[list[Line]], None]


def at(number: int, *path: str | int, to: Any) -> Attack:
    """Puts a value into a line of a carrier, with the folders and lists on the way."""

    def attack(lines: list[Line]) -> None:
        place: Any = lines[number]
        for step in path[:-1]:
            place = place.setdefault(str(step), {}) if isinstance(place, dict) else place[int(step)]
        place[path[-1]] = to

    return attack


WRONG: tuple[Any, ...] = (
    None,
    7,
    -1,
    1.5,
    True,
    "x",
    "../../evil",
    "/etc/passwd",
    [],
    [7],
    [[1]],
    {},
    {"a": 1},
)
EVIL = "../../evil"
SHOWN = ("size", "splits", "labels", "objects", "maps")
PLACES: list[tuple[str | int, ...]] = [
    (0, "header"),
    (0, "shown"),
    (0, "shown", "cat"),
    (0, "header", "raw"),
    (0, "header", "categories"),
    *[(0, "header", "raw", name) for name in ("coco", "voc", "cityscapes")],
    *[(0, "header", "raw", "coco", key) for key in ("documents",)],
    *[(0, "header", "raw", "coco", "documents", 0, key) for key in ("name", "role", "split", "keys")],
    *[(0, "header", "raw", "voc", key) for key in ("base", "lists", "folder", "labelmap", "stuff")],
    (1, "source"),
    *[(1, "source", key) for key in ("image", "splits", "labels", "maps", "raw")],
    (1, "source", "image", "path"),
    *[(1, "source", "raw", name) for name in ("coco", "voc", "cityscapes")],
    *[(1, "source", "raw", "coco", key) for key in ("id", "images", "annotations", "prefix")],
    *[(1, "source", "raw", "voc", key) for key in ("xml", "sets")],
    *[(1, "source", "raw", "cityscapes", key) for key in ("type", "files", "top", "deleted", "paths")],
    *[(1, "source", "objects", 0, "raw", name) for name in ("coco", "voc", "cityscapes")],
]
STATES: list[tuple[str | int, ...]] = [
    (1, "path"),
    (1, "guard"),
    (1, "source", "objects"),
    (1, "shown"),
    *[(1, "shown", key) for key in SHOWN],
    (1, "shown", "objects", 0),
    *[(1, "shown", "objects", 0, key) for key in ("category", "box", "mask")],
    (1, "origins"),
    (1, "origins", 0),
]
NAMES: dict[str, Attack] = {
    "document": at(0, "header", "raw", "coco", "documents", 0, "name", to=f"{EVIL}.json"),
    "document-absolute": at(0, "header", "raw", "coco", "documents", 0, "name", to="/tmp/evil.json"),
    "document-split": at(0, "header", "raw", "coco", "documents", 0, "split", to=EVIL),
    "voc-folder": at(0, "header", "raw", "voc", "folder", to="../x"),
    "voc-list": at(0, "header", "raw", "voc", "lists", to=[[f"Main/{EVIL}", "cat", "train"]]),
    "voc-list-folder": at(0, "header", "raw", "voc", "lists", to=[[f"{EVIL}/cat_train", "cat", "train"]]),
    "voc-list-split": at(0, "header", "raw", "voc", "lists", to=[["Main/cat_train", "cat", EVIL]]),
    "voc-set": at(1, "source", "raw", "voc", "sets", to={f"Main/{EVIL}": [[1]]}),
    "voc-set-folder": at(1, "source", "raw", "voc", "sets", to={f"{EVIL}/train": [[1]]}),
    "voc-set-text": at(1, "source", "raw", "voc", "sets", to={"Main/train": [[1, "x\ny"]]}),
    "cityscapes-type": at(1, "source", "raw", "cityscapes", to={"type": EVIL}),
    "cityscapes-files": at(1, "source", "raw", "cityscapes", to={"files": [EVIL, "polygons"]}),
    "image": at(1, "source", "image", "path", to=f"{EVIL}.png"),
    "image-absolute": at(1, "source", "image", "path", to="/etc/passwd"),
    "split": at(1, "source", "splits", to=[EVIL]),
    "prefix": at(1, "source", "raw", "coco", "prefix", to=EVIL),
    "category": at(0, "header", "categories", 0, "name", to=EVIL),
    "png": at(
        1,
        "source",
        "maps",
        to={
            "semantic": {"kind": "semantic", "source": {"kind": "png", "path": "/etc/passwd"}, "classes": {}}
        },
    ),
}
CARRIED = ("coco-voc", "coco-cityscapes", "voc-coco", "cityscapes-coco")


def carried(root: Path, way: str) -> Path:
    """A converted data set with a carrier, at root/source. Its classes are known to every format."""
    format, _, to = way.partition("-")
    make = {"coco": category(name="car"), "voc": voc(), "cityscapes": cityscapes()}[format]
    make(root / "first")
    with pytest.raises(SystemExit):
        main(["convert", str(root / "first"), str(root / "source"), "--to", to])
    return root / "source" / "labelkit.jsonl"


def everything(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def assert_contained(
    attacks: list[Attack], way: str, root: Path, convert: Callable[..., Result], to: tuple[str, ...]
) -> None:
    """Whatever a carrier says, it is used, left out, or refused; and nothing appears but the destination."""
    file = carried(root, way)
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    before = everything(root)
    for number, attack in enumerate(attacks):
        broken = json.loads(json.dumps(lines))
        try:
            attack(broken)
        except (LookupError, ValueError, TypeError):  # this data set has no such place
            continue
        file.write_text("".join(f"{json.dumps(line)}\n" for line in broken), "utf-8")
        for target in to:
            result = convert(target)
            assert result.code in (0, 2), (number, result)
            assert "internal error" not in result.err, (number, result.err)
            assert "root:" not in result.err + result.out
            new = {name for name in everything(root) - before if name.partition("/")[0] != "out"}
            assert not new, (number, new)
            if result.code:
                assert not (root / "out").exists()
            else:
                assert not any(b"root:x:0" in each.read_bytes() for each in files_below(root / "out"))
                shutil.rmtree(root / "out")


def files_below(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("way", CARRIED)
def test_names_in_a_carrier_lead_nowhere(way: str, tmp_path: Path, convert: Callable[..., Result]) -> None:
    assert_contained(list(NAMES.values()), way, tmp_path, convert, ("coco", "voc", "cityscapes", "jsonl"))


@pytest.mark.parametrize("way", CARRIED)
def test_native_text_in_a_carrier_can_be_anything(
    way: str, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    attacks = [at(int(place[0]), *place[1:], to=value) for place in PLACES for value in WRONG]
    assert_contained(attacks, way, tmp_path, convert, (way.partition("-")[0],))


@pytest.mark.parametrize("way", CARRIED)
def test_what_a_carrier_says_was_shown_can_be_anything(
    way: str, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    attacks = [at(int(place[0]), *place[1:], to=value) for place in STATES for value in WRONG]
    attacks += [at(1, "origins", to=list(values)) for values in ((5,), (-1,), (10**400,), (0, 0), ("x",))]
    assert_contained(attacks, way, tmp_path, convert, (way.partition("-")[0],))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: b"{",
        lambda data: data[: data.index(b"\n") - 5],
        lambda data: data.replace(b'"labelkit-carrier":1', b'"labelkit-carrier":2'),
        lambda data: data.decode().encode("utf-16"),
        lambda data: data.replace(b"cat", b"c\xff"),
        lambda data: data[:-40],
        lambda data: data + b"\n\n[]\n",
        lambda data: data + b"x\n",
        lambda data: b"[" * DEEP,
        lambda data: data.replace(b'"raw":', b'"raw":' + b"[" * DEEP),
    ],
    ids=[
        "empty",
        "brace",
        "cut-head",
        "version",
        "utf16",
        "not-utf8",
        "cut",
        "list",
        "text",
        "deep",
        "deep-raw",
    ],
)
def test_a_malformed_carrier_is_left_out_or_refused(
    change: Callable[[bytes], bytes], tmp_path: Path, convert: Callable[..., Result]
) -> None:
    file = carried(tmp_path, "voc-coco")
    file.write_bytes(change(file.read_bytes()))
    before = listing(tmp_path)
    result = convert("voc")
    if result.code:
        assert_refused(result, ("labelkit.jsonl", "carrier"), tmp_path, before)
    else:
        assert "ODD012" in result.out


# --- chance ------------------------------------------------------------------------------------------------

JUNK = (b"NaN", b"null", b"1e999", b"-1", b"9" * 400, b'"x"', b"[]", b"{}", b"\xff", b"\0", b"<", b"", b"../")


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A file with a few bytes, a value or a piece changed."""
    how = chance.randrange(4)
    if how == 0 or not data:
        return data[: chance.randrange(len(data) + 1)]
    if how == 1:
        spots = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            spots[chance.randrange(len(spots))] = chance.randrange(256)
        return bytes(spots)
    found = list(re.finditer(rb'-?[0-9.]+|"[^"]*"|(?<=>)[^<>]+(?=<)|\[[^\[\]]*\]', data[:200_000]))
    if how == 2 and found:
        for one in sorted(chance.sample(found, min(len(found), 2)), key=lambda item: -item.start()):
            data = data[: one.start()] + chance.choice(JUNK) + data[one.end() :]
        return data
    start, stop = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[start:stop] * 2 + data[stop:]


SAMPLES = {"coco": coco(), "voc": voc_pngs(indices(), indices()), "cityscapes": cityscapes(), "jsonl": rows()}


@pytest.mark.parametrize("format", SAMPLES)
def test_chance_finds_no_other_error_than_ours(
    format: str, tmp_path: Path, convert: Callable[..., Result]
) -> None:
    SAMPLES[format](tmp_path / "source")
    chance = random.Random(7)
    files = sorted(path for path in files_below(tmp_path / "source") if "mages" not in path.parts)
    for _ in range(60):
        file = chance.choice(files)
        data = file.read_bytes()
        file.write_bytes(mutated(data, chance))
        to = chance.choice(["coco", "voc", "cityscapes", "jsonl"])
        option = chance.choice(["stop", "skip"])
        result = convert(to, "--from", format, "--on-error", option)
        assert result.code in (0, 1, 2), (file.read_bytes(), result)
        assert "internal error" not in result.err, (file.name, file.read_bytes(), to, result.err)
        assert (tmp_path / "out").exists() == (result.code != 2)
        assert listing(tmp_path) in (["out", "source"], ["source"])
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        file.write_bytes(data)
