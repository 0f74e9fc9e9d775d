"""The sample: its files are what the script makes, and read exactly as the expected files that were checked.

A reader and a writer that are wrong in the same way agree with each other; the expected files do not. They
were compared with the photos by eye (overlays) and are compared here with readers that are not ours.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import make_sample_data
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelkit.canonical import encode_record
from labelkit.formats import detect
from labelkit.geometry import rle
from labelkit.model import Instance, Record
from labelkit.pipeline import open_dataset
from labelkit.pixels import map_pixels, mask_runs

SAMPLE = make_sample_data.SAMPLE
EXPECTED = Path(__file__).parent / "expected"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
NAMES = ["jsonl", *make_sample_data.FORMATS]


def content(path: Path) -> object:
    """A file's bytes, or a PNG's mode and pixels (its compression is the library's affair), or rows."""
    if path.suffix == ".png":
        image = Image.open(path)
        return image.mode, np.asarray(image).tobytes(), image.getpalette()
    if path.suffix == ".parquet":  # how it is coded is the library's affair, too
        rows = pq.read_table(path).to_pylist()
        for source in (item["source"] for row in rows for item in row["maps"]):
            source["png"] = np.asarray(Image.open(io.BytesIO(source["png"]))).tolist()
        return rows
    if path.name == "shards.jsonl":
        return re.sub(rb'"(bytes|sha256)":("[^"]*"|[0-9]+)', b"", path.read_bytes())
    return path.read_bytes()


def test_the_sample_is_what_the_script_makes(tmp_path: Path) -> None:
    make_sample_data.main(tmp_path)
    for name in NAMES:
        made = sorted(p.relative_to(tmp_path) for p in (tmp_path / name).rglob("*") if p.is_file())
        there = sorted(p.relative_to(SAMPLE) for p in (SAMPLE / name).rglob("*") if p.is_file())
        assert made == there, "mend it with: python tests/make_sample_data.py"
        for file in made:
            assert content(tmp_path / file) == content(SAMPLE / file), file


def test_the_sample_is_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 3_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_is_detected_as_what_it_is(name: str) -> None:
    evidence = detect(SAMPLE / name)
    assert [key for key, item in evidence.items() if item.strength == 2] == [name]


def plain(record: Record) -> bytes:
    """The canonical line of a record, without native text."""
    objects = tuple(item.model_copy(update={"raw": {}}) for item in record.objects)
    labels = tuple(item.model_copy(update={"raw": {}}) for item in record.labels)
    maps = {key: item.model_copy(update={"raw": {}}) for key, item in record.maps.items()}
    return encode_record(
        record.model_copy(update={"objects": objects, "labels": labels, "maps": maps, "raw": {}})
    )


@pytest.mark.parametrize("name", make_sample_data.FORMATS)
def test_the_sample_reads_exactly_as_expected(name: str) -> None:
    lines = b"".join(plain(record) + b"\n" for record in open_dataset(SAMPLE / name, carrier=False))
    file = EXPECTED / f"{name}.jsonl"
    if os.environ.get("LABELKIT_WRITE"):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(lines)
    assert lines == file.read_bytes(), "if meant: LABELKIT_WRITE=1, then look"


def masks(name: str) -> dict[str, list[tuple[str, np.ndarray]]]:
    found = {}
    for record in open_dataset(SAMPLE / name, carrier=False):
        assert record.image.height and record.image.width
        found[record.image.path] = [
            (
                item.category,
                rle.decode_mask(mask_runs(record, item.mask), record.image.height, record.image.width),
            )
            for item in record.objects
            if isinstance(item, Instance)
        ]
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pycocotools_sees_the_same_objects_in_the_coco_sample() -> None:
    from pycocotools.coco import COCO

    ours = masks("coco")
    for split in ("train", "val"):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(SAMPLE / "coco" / "annotations" / f"instances_{split}.json"))
        for image in coco.loadImgs(coco.getImgIds()):
            theirs = [
                (coco.loadCats(item["category_id"])[0]["name"], coco.annToMask(item).astype(bool))
                for item in coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
            ]
            assert len(theirs) == len(ours[image["file_name"]])
            for (name, pixels), (own_name, own_pixels) in zip(theirs, ours[image["file_name"]], strict=True):
                assert name == own_name
                assert (pixels == own_pixels).all()


def test_plain_xml_and_png_readers_see_the_same_in_the_voc_sample() -> None:
    root = SAMPLE / "voc" / "VOCdevkit" / "VOC2012"
    for record in open_dataset(SAMPLE / "voc", carrier=False):
        stem = record.image.path.rpartition(".")[0]
        tree = ElementTree.parse(root / "Annotations" / f"{stem}.xml")
        objects = tree.findall("object")
        assert [item.findtext("name") for item in objects] == [item.category for item in record.objects]
        for node, item in zip(objects, record.objects, strict=True):
            corners = [
                float(node.findtext(f"bndbox/{key}") or "") for key in ("xmin", "ymin", "xmax", "ymax")
            ]
            assert item.box is not None
            x, y, w, h = item.box
            assert corners == pytest.approx([x + 1, y + 1, x + w, y + h], abs=1e-9)
            assert (node.findtext("difficult") == "1") == (item.difficult is True)
        png = root / "SegmentationObject" / f"{stem}.png"
        assert png.exists() == any(isinstance(item, Instance) for item in record.objects)
        if png.exists():
            pixels = np.asarray(Image.open(png))
            for position, item in enumerate(record.objects, 1):
                assert isinstance(item, Instance)
                own = rle.decode_mask(mask_runs(record, item.mask), *pixels.shape)
                assert (own == (pixels == position)).all()


def test_plain_png_readers_see_the_same_in_the_cityscapes_sample() -> None:
    root = SAMPLE / "cityscapes" / "gtFine"
    for record in open_dataset(SAMPLE / "cityscapes", carrier=False):
        stem = record.image.path.partition("_leftImg8bit")[0]
        labels = np.asarray(Image.open(root / f"{stem}_gtFine_labelIds.png"))
        instances = np.asarray(Image.open(root / f"{stem}_gtFine_instanceIds.png")).astype(int)
        assert (map_pixels(record.maps["semantic"]) == labels).all()
        assert (np.where(instances >= 1000, instances // 1000, instances) == labels).all()
        polygons = json.loads((root / f"{stem}_gtFine_polygons.json").read_text("utf-8"))["objects"]
        names = [item.category + ("group" if item.crowd else "") for item in record.objects]
        assert [item["label"] for item in polygons] == names


def test_the_sample_has_one_of_everything() -> None:
    records = list(open_dataset(SAMPLE / "jsonl"))
    objects = [item for record in records for item in record.objects]
    parts = [item.mask.shape.parts for item in objects if isinstance(item, Instance)]
    assert any(item.crowd for item in objects)
    assert any(item.difficult for item in objects)
    assert any(item.truncated for item in objects)
    assert any(len(rings) > 1 for shape in parts for rings in shape)
    assert any(len(shape) > 1 for shape in parts)
    assert any(not record.objects for record in records)
    assert any(record.maps["semantic"].ignore for record in records if record.maps)
    assert {label.state for record in records for label in record.labels} == {
        "present",
        "absent",
        "uncertain",
    }
