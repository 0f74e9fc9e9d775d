"""The official tools, run for real on what labelkit wrote, after every way through another format.

pycocotools' COCOeval must give the published numbers, cityscapesScripts must call our PNGs perfect and
render the same from our polygons, and torchvision's readers must see every object.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelkit.pipeline import convert, open_dataset

SAMPLE = Path(__file__).parents[1] / "sample_data"
# The official tools warn and leave files open on today's numpy and Python; that is theirs to mend.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
VIA = ["coco", "voc", "cityscapes", "jsonl"]


def through(source: Path, via: str, root: Path, *, home: str) -> Path:
    """The data set after a way to another format and home again."""
    convert(source, root / "there", to=via)
    convert(root / "there", root / "back", to=home)
    return root / "back"


# --- pycocotools -----------------------------------------------------------------------------------------


def coco_numbers(truth: Path, results: Path, kind: str) -> list[str]:
    """COCOeval's twelve numbers as it prints them."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        gt = COCO(str(truth))
        run = COCOeval(gt, gt.loadRes(str(results)), kind)
        run.params.imgIds = sorted(gt.getImgIds())[0:100]
        run.evaluate()
        run.accumulate()
        run.summarize()
    return re.findall(r"^ Average.* = (-?\d\.\d+)$", printed.getvalue(), re.MULTILINE)


def published_numbers(corpus: Path, kind: str) -> list[str]:
    text = (corpus / "coco-val2014-100" / "val2014_fake_eval_res.txt").read_text()
    section = text.split(f"type={kind}\n")[1].split("type=")[0]
    return re.findall(r"^ Average.* = (-?\d\.\d+)$", section, re.MULTILINE)


@pytest.mark.parametrize("via", VIA)
def test_cocoeval_gives_the_published_numbers_after_every_way(via: str, corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "coco-val2014-100"
    back = through(folder / "instances_val2014_100.json", via, tmp_path, home="coco")
    (truth,) = back.rglob("instances_*.json")
    for kind in ("bbox", "segm"):
        results = folder / f"instances_val2014_fake{kind}100_results.json"
        expected = published_numbers(corpus, kind)
        assert len(expected) == 12
        assert coco_numbers(truth, results, kind) == expected


@pytest.mark.parametrize("via", VIA)
def test_ann_to_mask_is_the_same_after_every_way(via: str, corpus: Path, tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    source = corpus / "coco-val2014-100" / "instances_val2014_100.json"
    back = through(source, via, tmp_path, home="coco")
    (after,) = back.rglob("instances_*.json")
    with contextlib.redirect_stdout(io.StringIO()):
        one, two = COCO(str(source)), COCO(str(after))
    assert list(one.anns) == list(two.anns)
    for key, annotation in one.anns.items():
        assert (one.annToMask(annotation) == two.annToMask(two.anns[key])).all()


def exact(path: Path) -> Any:
    """JSON with the order of keys and the text of every number."""
    return json.loads(
        path.read_text("utf-8"), parse_float=lambda t: f"float {t}", parse_int=lambda t: f"int {t}",
        object_pairs_hook=list,
    )  # fmt: skip


@pytest.mark.parametrize("via", VIA)
@pytest.mark.parametrize("name", ["instances_val2014_100.json"])
def test_coco_json_comes_back_to_the_last_digit(name: str, via: str, corpus: Path, tmp_path: Path) -> None:
    source = corpus / "coco-val2014-100" / name
    back = through(source, via, tmp_path, home="coco")
    (after,) = back.rglob("instances_*.json")
    assert exact(after) == exact(source)


@pytest.mark.parametrize("via", VIA)
def test_panoptic_files_come_back_exactly(via: str, corpus: Path, tmp_path: Path) -> None:
    source = corpus / "coco-panoptic" / "sample_data" / "panoptic_examples.json"
    back = through(source, via, tmp_path, home="coco")
    (after,) = back.rglob("panoptic_*.json")
    assert exact(after) == exact(source)
    for png in sorted((source.parent / "panoptic_examples").iterdir()):
        (copy,) = back.rglob(png.name)
        assert (np.asarray(Image.open(copy)) == np.asarray(Image.open(png))).all()


# --- cityscapesScripts -----------------------------------------------------------------------------------


@pytest.fixture
def cityscapes_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cityscapesScripts 2.3.0 needs on today's numpy and Pillow; it is not edited."""
    import cityscapesscripts.helpers.csHelpers as helpers

    if not hasattr(np, "in1d"):
        monkeypatch.setattr(np, "in1d", np.isin, raising=False)
        monkeypatch.setattr(helpers.np, "in1d", np.isin, raising=False)


@pytest.mark.parametrize("via", VIA)
@pytest.mark.usefixtures("cityscapes_tools")
def test_cityscapes_evaluation_is_perfect_after_every_way(via: str, corpus: Path, tmp_path: Path) -> None:
    import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as pixel_level

    source = corpus / "cityscapes-golden"
    back = through(source, via, tmp_path, home="cityscapes")
    truth = sorted(source.rglob("*_gtFine_labelIds.png"))
    ours = [next(back.rglob(path.name)) for path in truth]
    pixel_level.args.JSONOutput = False
    pixel_level.args.quiet = True
    result = pixel_level.evaluateImgLists([str(p) for p in ours], [str(p) for p in truth], pixel_level.args)
    scores = [value for value in result["classScores"].values() if not np.isnan(value)]
    assert len(scores) > 5
    assert scores == [1.0] * len(scores)


@pytest.mark.parametrize("via", VIA)
@pytest.mark.usefixtures("cityscapes_tools")
def test_cityscapes_instances_are_perfect_after_every_way(via: str, corpus: Path, tmp_path: Path) -> None:
    import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as instance_level

    source = corpus / "cityscapes-golden"
    back = through(source, via, tmp_path, home="cityscapes")
    truth = sorted(source.rglob("*_gtFine_instanceIds.png"))
    predictions = [predict(next(back.rglob(path.name)), tmp_path / "predictions") for path in truth]
    args = instance_level.args
    args.gtInstancesFile = str(tmp_path / "gtInstances.json")  # its default is inside site-packages
    args.predictionPath = str(tmp_path / "predictions")
    args.minRegionSizes = np.array([1, 1, 1])
    args.quiet, args.JSONOutput = True, False
    instance_level.setInstanceLabels(args)
    instances = instance_level.instances2dict([str(path) for path in truth], False)
    Path(args.gtInstancesFile).write_text(json.dumps(instances, default=lambda number: number.item()))
    matches = instance_level.matchGtWithPreds(
        [str(path) for path in predictions], [str(path) for path in truth],
        json.loads(Path(args.gtInstancesFile).read_text()), args,
    )  # fmt: skip
    scores = instance_level.computeAverages(instance_level.evaluateMatches(matches, args), args)
    found = {name: each["ap"] for name, each in scores["classes"].items() if not np.isnan(each["ap"])}
    assert len(found) > 3
    assert found == dict.fromkeys(found, 1.0)


def predict(instance_ids: Path, root: Path) -> Path:
    """Our instances in the form of predictions: a text file that lists a mask, a class and a confidence."""
    root.mkdir(exist_ok=True)
    stem = instance_ids.name.removesuffix("_gtFine_instanceIds.png")
    pixels = np.asarray(Image.open(instance_ids))
    lines = []
    for value in np.unique(pixels[pixels >= 1000]):
        name = f"{stem}_{value}.png"
        Image.fromarray(((pixels == value) * 255).astype(np.uint8)).save(root / name)
        lines.append(f"{name} {value // 1000} 1.0\n")
    text = root / f"{stem}.txt"
    text.write_text("".join(lines))
    return text


@pytest.mark.parametrize("via", VIA)
def test_the_golden_pngs_come_back_to_the_last_pixel(via: str, corpus: Path, tmp_path: Path) -> None:
    source = corpus / "cityscapes-golden"
    back = through(source, via, tmp_path, home="cityscapes")
    files = sorted(path.relative_to(source) for path in (source / "gtFine").rglob("*.*"))
    assert files == sorted(path.relative_to(back) for path in (back / "gtFine").rglob("*.*"))
    for file in files:
        if file.suffix == ".png":
            one, two = Image.open(source / file), Image.open(back / file)
            assert one.mode == two.mode
            assert (np.asarray(one) == np.asarray(two)).all(), file
        else:
            assert exact(source / file) == exact(back / file), file


# --- torchvision -----------------------------------------------------------------------------------------


def test_torchvision_reads_what_we_write_as_voc(tmp_path: Path) -> None:
    from torchvision.datasets import VOCDetection, VOCSegmentation

    convert(SAMPLE / "coco", tmp_path / "voc", to="voc")
    header = open_dataset(tmp_path / "voc", carrier=False).header
    records = list(open_dataset(tmp_path / "voc", carrier=False))
    for split in ("train", "val"):
        dataset = VOCDetection(str(tmp_path / "voc"), year="2012", image_set=split)
        listed = {Path(record.image.path).name: record for record in records if split in record.splits}
        assert len(dataset) == len(listed)
        jpegs = [k for k, path in enumerate(dataset.images) if Path(path).exists()]
        assert len(jpegs) == sum(name.endswith(".jpg") for name in listed)  # it looks for nothing else
        for image, annotation in (dataset[k] for k in jpegs):
            content = annotation["annotation"]
            record = listed[content["filename"]]
            assert image.size == (record.image.width, record.image.height)
            objects = content.get("object", [])
            assert [item["name"] for item in objects] == [item.category for item in record.objects]
            for seen, item in zip(objects, record.objects, strict=True):
                assert item.box is not None
                corners = [float(seen["bndbox"][key]) for key in ("xmin", "ymin", "xmax", "ymax")]
                x, y, w, h = item.box
                assert corners == pytest.approx([x + 1, y + 1, x + w, y + h], abs=1e-9)
        masks = VOCSegmentation(str(tmp_path / "voc"), year="2012", image_set=split)
        for mask in (Image.open(path) for path in masks.masks):
            values = set(np.unique(np.asarray(mask)).tolist())
            assert mask.mode == "P"
            assert values <= {0, 255, *range(1, len(header.categories) + 1)}
            assert values - {0, 255}


def test_torchvision_reads_what_we_write_as_cityscapes(tmp_path: Path) -> None:
    from torchvision.datasets import Cityscapes

    convert(SAMPLE / "coco", tmp_path / "cityscapes", to="cityscapes", images="convert")
    kinds = ["semantic", "instance", "polygon", "color"]
    for split in ("train", "val"):
        dataset = Cityscapes(str(tmp_path / "cityscapes"), split=split, mode="fine", target_type=kinds)
        assert len(dataset) > 0
        for image, (semantic, instance, polygons, colour) in dataset:
            assert image.size == semantic.size == instance.size == colour.size
            assert polygons["imgWidth"] == image.width
            values = np.asarray(instance)
            classes = np.where(values >= 1000, values // 1000, values)
            assert (classes == np.asarray(semantic)).all()


@pytest.mark.parametrize("raster", ["official", "pillow"])
def test_polygons_alone_are_painted_by_the_rule_that_was_asked_for(
    raster: str, corpus: Path, tmp_path: Path
) -> None:
    golden = corpus / "cityscapes-golden"
    for path in golden.rglob("*_polygons.json"):
        copy = tmp_path / "polygons" / path.relative_to(golden)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    options = {"cityscapes": {"files": "all", "raster": raster}}
    convert(tmp_path / "polygons", tmp_path / "out", to="cityscapes", options=options)
    pngs = sorted((tmp_path / "out").rglob("*.png"))
    assert len(pngs) == 50
    for png in pngs:
        pixels = np.asarray(Image.open(png))
        if raster == "official":
            expected = np.asarray(Image.open(golden / png.relative_to(tmp_path / "out")))
        else:
            expected = painted_by_the_official_scripts(png)
        assert (pixels == expected).all(), png.name


def painted_by_the_official_scripts(png: Path) -> Any:
    """What json2labelImg and json2instanceImg make of the polygons beside a PNG, with today's Pillow."""
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
    from cityscapesscripts.preparation.json2labelImg import createLabelImage

    stem, _, kind = png.stem.rpartition("_")
    annotation = Annotation()
    annotation.fromJsonFile(str(png.with_name(f"{stem}_polygons.json")))
    encoding = {"labelIds": "ids", "labelTrainIds": "trainIds", "color": "color", "instanceIds": "ids"}
    if kind.startswith("instance"):
        return np.asarray(createInstanceImage(annotation, encoding.get(kind, "trainIds")))
    return np.asarray(createLabelImage(annotation, encoding[kind]))
