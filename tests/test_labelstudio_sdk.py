"""Label Studio's own SDK on what labelkit writes: it accepts every region, and sees the same shapes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from labelstudio_files import records
from made import record_lists
from test_laws import fit_all, folder, write

from labelkit.geometry import rle
from labelkit.model import Instance, Polygons, Record
from labelkit.pipeline import open_dataset
from labelkit.pixels import mask_runs

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pydantic's, in the SDK
    from label_studio_sdk.converter import Converter
    from label_studio_sdk.converter import brush as sdk_brush
    from label_studio_sdk.label_interface import LabelInterface

SAMPLE = Path(__file__).parents[1] / "sample_data" / "labelstudio"
FEW = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])


def tasks_of(root: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((root / "tasks.json").read_text("utf-8"))
    return found


def accepts(root: Path) -> None:
    """Every annotation and prediction of a folder is one of its configuration."""
    interface = LabelInterface((root / "labels.xml").read_text("utf-8"))
    interface.validate()
    for task in tasks_of(root):
        assert interface.validate_task({"data": task["data"]})
        for entry in [*task["annotations"], *task["predictions"]]:
            entry = {**entry, "result": [inside(region) for region in entry["result"]]}
            assert interface.validate_prediction(entry, return_errors=True) == []
            assert interface.validate_annotation(entry)


def inside(region: dict[str, Any]) -> dict[str, Any]:
    """The region with numbers that the SDK takes: made records have boxes beyond their images."""
    value = dict(region["value"])
    for key in ("x", "y", "width", "height"):
        if key in value:
            value[key] = min(value[key], 100)
    if "points" in value:
        value["points"] = [[min(x, 100), min(y, 100)] for x, y in value["points"]]
    return {**region, "value": value}


@pytest.mark.filterwarnings("ignore")
@FEW
@given(items=record_lists())
def test_the_sdk_accepts_what_is_written(items: list[Record]) -> None:
    header, fitted = fit_all("labelstudio", items)
    with folder() as tmp:
        accepts(write("labelstudio", tmp / "a", header, [each.record for each in fitted]))


@pytest.mark.filterwarnings("ignore")
def test_the_sdk_accepts_the_sample() -> None:
    accepts(SAMPLE)


@pytest.mark.filterwarnings("ignore")
def test_the_sdk_finds_the_classes_and_controls_of_the_configuration() -> None:
    interface = LabelInterface((SAMPLE / "labels.xml").read_text("utf-8"))
    names = [category.name for category in open_dataset(SAMPLE, carrier=False).header.categories]
    by_name = {control.name: control for control in interface.controls}
    assert [*by_name] == ["polygon", "mask", "semantic", "label"]
    assert by_name["polygon"].labels == names
    assert by_name["semantic"].labels == [*names, "(ignore)"]


@pytest.mark.filterwarnings("ignore")
@FEW
@given(items=record_lists())
def test_the_sdk_converts_the_same_boxes_and_polygons_to_coco(items: list[Record]) -> None:
    plain = [
        record.model_copy(
            update={"objects": tuple(o.model_copy(update={"provenance": None}) for o in record.objects)}
        )
        for record in items
    ]
    header, fitted = fit_all("labelstudio", plain)
    with folder() as tmp:
        root = write("labelstudio", tmp / "a", header, [each.record for each in fitted])
        (root / "with_ids.json").write_text(
            json.dumps([{**task, "id": number} for number, task in enumerate(tasks_of(root))])
        )
        config = (root / "labels.xml").read_text("utf-8")
        converter = Converter(config, str(tmp), download_resources=False)
        converter.convert_to_coco(str(root / "with_ids.json"), str(tmp / "coco"), is_dir=False)
        said = json.loads((tmp / "coco" / "result.json").read_text("utf-8"))
    names = {item["id"]: item["name"] for item in said["categories"]}
    theirs = [
        (names[item["category_id"]], item["segmentation"][0] if item["segmentation"] else item["bbox"])
        for item in said["annotations"]
    ]
    ours = [
        (item.category, numbers)
        for each in fitted
        for item in each.record.objects
        if (numbers := outline(item)) is not None
    ]
    assert sorted(name for name, _ in ours) == sorted(name for name, _ in theirs)
    for (name, numbers), (their_name, their_numbers) in zip(sorted(ours), sorted(theirs), strict=True):
        assert name == their_name
        assert numbers == pytest.approx(their_numbers, rel=1e-9, abs=1e-9)


def outline(item: Any) -> list[float] | None:
    """The numbers that the SDK converts: of boxes and of polygons, not of brushes."""
    if not isinstance(item, Instance):
        return list(item.box)
    shape = item.mask.shape
    return shape.parts[0][0] if isinstance(shape, Polygons) else None


def test_the_sdk_sees_the_same_pixels_in_the_sample() -> None:
    seen = 0
    for record, task in zip(records(SAMPLE, carrier=False), tasks_of(SAMPLE), strict=True):
        regions = [region for entry in task["annotations"] for region in entry["result"]]
        brushes = [region for region in regions if region["from_name"] == "mask"]
        own = [
            o for o in record.objects if isinstance(o, Instance) and not isinstance(o.mask.shape, Polygons)
        ]
        for item, region in zip(own, brushes, strict=True):
            height, width = region["original_height"], region["original_width"]
            theirs = sdk_brush.decode_rle(region["value"]["rle"]).reshape(height, width, 4)[:, :, 3]
            assert region["value"]["brushlabels"] == [item.category]
            assert (rle.decode_mask(mask_runs(record, item.mask), height, width) == (theirs > 0)).all()
            seen += 1
    assert seen > 2


def test_the_sample_says_what_the_canonical_sample_says() -> None:
    """Percents are multiplied out here by hand; pixels are compared as pixels."""
    canonical = {record.image.path: record for record in open_dataset(SAMPLE.parent / "jsonl")}
    for task in tasks_of(SAMPLE):
        record = canonical[task["meta"]["labelkit"]["path"]]
        regions = [region for entry in task["annotations"] for region in entry["result"]]
        shapes = [region for region in regions if region["from_name"] in ("box", "polygon", "mask")]
        named = [region["value"][region["type"]] for region in shapes]
        assert named == [[item.category] for item in record.objects]
        for region, item in zip(shapes, record.objects, strict=True):
            assert isinstance(item, Instance)
            if region["type"] == "polygonlabels":
                assert isinstance(item.mask.shape, Polygons)
                points = np.array(region["value"]["points"]) * [record.image.width, record.image.height] / 100
                assert item.mask.shape.parts[0][0] == pytest.approx(points.ravel().tolist())
