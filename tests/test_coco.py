"""COCO: real files come back token by token, real evaluators agree, and bad files are named."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelkit.errors import FormatError, RecordError, UsageError
from labelkit.findings import Finding
from labelkit.formats.coco import FORMAT
from labelkit.geometry import rle
from labelkit.loss import fit, fit_header
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
    Layer,
    Layers,
    Mask,
    Polygons,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pipeline import convert
from labelkit.pixels import map_pixels, mask_runs
from labelkit.visible import same

# pycocotools 2.0.11 hands numpy 2 arrays whose __array__ knows no copy keyword.
OFFICIAL = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SQUARE = [0, 0, 4, 0, 4, 4, 0, 4]


# --- helpers ---------------------------------------------------------------------------------------------


def tokens(path: Path) -> Any:
    """A JSON file with every number as its text and every object as its pairs in order."""
    return json.loads(
        path.read_text("utf-8"),
        parse_float=lambda text: ("float", text),
        parse_int=lambda text: ("int", text),
        object_pairs_hook=lambda pairs: ("object", pairs),
    )


def there(source: Path, target: Path, **options: Any) -> Path:
    """Convert COCO to COCO without a carrier."""
    convert(source, target, to="coco", from_="coco", images="none", carrier=False, **options)
    return target


def document(**changes: Any) -> dict[str, Any]:
    """A small valid document with some keys replaced."""
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 10, "height": 8}],
        "annotations": [annotation()],
        "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}],
        **changes,
    }


def annotation(**changes: Any) -> dict[str, Any]:
    """A small valid annotation; a key that is changed to ... is left out."""
    values = {
        "id": 5,
        "image_id": 1,
        "category_id": 7,
        "segmentation": [SQUARE],
        "bbox": [0, 0, 4, 4],
        "area": 16,
        "iscrowd": 0,
        **changes,
    }
    return {key: value for key, value in values.items() if value is not ...}


def put(path: Path, content: Any) -> Path:
    """Write JSON, or a text as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def items(path: Path, **options: Any) -> list[Any]:
    """Everything that a reader yields."""
    reader = FORMAT.open(path, **options)
    return [item for part in reader.parts() for item in reader.read(part)]


def records(path: Path, **options: Any) -> list[Record]:
    """The records; anything else is a failure."""
    found = items(path, **options)
    assert all(isinstance(item, Record) for item in found), found
    return found


def written(root: Path, header: Header, *given: Record) -> tuple[Path, list[Finding]]:
    """Fit records, write them, and give the folder and the findings."""
    target, findings = fit_header(header, FORMAT)
    root.mkdir()
    writer = FORMAT.create(root, target.header)
    fitted = [fit(record, target, k) for k, record in enumerate(given)]
    writer.write(0, [item.record for item in fitted])
    writer.finish()
    return root, findings + [finding for item in fitted for finding in item.findings]


def evaluate(truth: Path, results: Path, kind: str) -> list[float]:
    """The numbers of pycocotools' own evaluation."""
    with redirect_stdout(io.StringIO()):
        ground = COCO(str(truth))
        run = COCOeval(ground, ground.loadRes(str(results)), kind)
        run.params.imgIds = sorted(ground.getImgIds())
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [float(number) for number in run.stats]


def expected_numbers(path: Path, kind: str) -> list[str]:
    """The numbers that the official repository prints for a kind."""
    text = path.read_text().split(f"type={kind}")[1].split("type=")[0]
    return [line.rpartition("= ")[2].strip() for line in text.splitlines() if "] = " in line]


# --- real files ------------------------------------------------------------------------------------------


def test_val2014_comes_back_with_every_token_key_and_place(corpus: Path, tmp_path: Path) -> None:
    source = corpus / "coco-val2014-100" / "instances_val2014_100.json"
    root = there(source, tmp_path / "out")
    assert tokens(root / "annotations" / source.name) == tokens(source)
    assert [path.name for path in root.rglob("*.json")] == [source.name]


def test_val2014_as_one_file_comes_back_too(corpus: Path, tmp_path: Path) -> None:
    source = corpus / "coco-val2014-100" / "instances_val2014_100.json"
    assert tokens(there(source, tmp_path / source.name)) == tokens(source)


def test_a_file_whose_name_cannot_say_the_split_says_it_inside(corpus: Path, tmp_path: Path) -> None:
    source = corpus / "coco-val2014-100" / "instances_val2014_100.json"
    target = there(source, tmp_path / "out.json")
    assert json.loads(target.read_text())["labelkit"] == {"split": "val2014_100"}
    assert records(target)[0].splits == ("val2014_100",)


@OFFICIAL
def test_val2014_reads_as_pycocotools_reads_it(corpus: Path) -> None:
    source = corpus / "coco-val2014-100" / "instances_val2014_100.json"
    with redirect_stdout(io.StringIO()):
        official = COCO(str(source))
    found = records(source)
    assert [record.image.path for record in found] == [
        image["file_name"] for image in official.dataset["images"]
    ]
    for record in found:
        (image,) = [i for i in official.dataset["images"] if i["file_name"] == record.image.path]
        known = official.imgToAnns[image["id"]]
        assert len(record.objects) == len(known)
        for item, said in zip(record.objects, known, strict=True):
            assert item.category == official.cats[said["category_id"]]["name"]
            assert list(item.box or ()) == said["bbox"]
            assert item.crowd is bool(said["iscrowd"])
            assert isinstance(item, Instance)
            pixels = rle.decode_mask(mask_runs(record, item.mask), image["height"], image["width"])
            assert np.array_equal(pixels, official.annToMask(said).astype(bool))


def test_the_24_official_numbers_are_the_same_before_and_after(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "coco-val2014-100"
    truth = folder / "instances_val2014_100.json"
    again = there(truth, tmp_path / "out") / "annotations" / truth.name
    for kind in ("bbox", "segm"):
        results = folder / f"instances_val2014_fake{kind}100_results.json"
        numbers = evaluate(again, results, kind)
        assert numbers == evaluate(truth, results, kind)
        official = expected_numbers(folder / "val2014_fake_eval_res.txt", kind)
        assert [f"{number:.3f}" for number in numbers] == official


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_results_come_back_as_the_list_that_they_were(corpus: Path, tmp_path: Path, kind: str) -> None:
    folder = corpus / "coco-val2014-100"
    source = folder / f"instances_val2014_fake{kind}100_results.json"
    truth = folder / "instances_val2014_100.json"
    target = there(source, tmp_path / source.name, options={"coco": {"gt": truth}})
    assert tokens(target) == tokens(source)
    first = next(record for record in records(source, gt=truth) if record.objects)
    assert isinstance(first.objects[0].score, float)
    assert first.objects[0].crowd is None


def test_annotations_written_anew_are_evaluated_the_same(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "coco-val2014-100"
    truth = folder / "instances_val2014_100.json"
    reader = FORMAT.open(truth)
    bare = [
        record.model_copy(
            update={"objects": tuple(item.model_copy(update={"raw": {}}) for item in record.objects)}
        )
        for record in records(truth)
    ]
    root, _ = written(tmp_path / "out", reader.header, *bare)
    again = root / "annotations" / truth.name
    assert [a["id"] for a in json.loads(again.read_text())["annotations"]] == list(range(1, 840))
    for kind in ("bbox", "segm"):
        results = folder / f"instances_val2014_fake{kind}100_results.json"
        old, new = evaluate(truth, results, kind), evaluate(again, results, kind)
        # Crowds' areas are none of the formulas (FORMATS 1.2), and crowds do not count for areas
        assert new == pytest.approx(old, abs=1e-12)


def test_panoptic_comes_back_with_its_pngs(corpus: Path, tmp_path: Path) -> None:
    source = corpus / "coco-panoptic" / "sample_data" / "panoptic_examples.json"
    root = there(source, tmp_path / "out")
    assert tokens(root / "annotations" / source.name) == tokens(source)
    pngs = sorted((source.parent / "panoptic_examples").iterdir())
    assert len(pngs) == 2
    for png in pngs:
        again = root / "annotations" / "panoptic_examples" / png.name
        assert np.array_equal(np.asarray(PILImage.open(png)), np.asarray(PILImage.open(again)))


@OFFICIAL
def test_panoptic_things_are_the_objects_of_the_official_detection_form(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "coco-panoptic" / "sample_data"
    reader = FORMAT.open(folder / "panoptic_examples.json")
    bare = [  # without what the panoptic document said, the things must become annotations
        record.model_copy(
            update={
                "raw": {},
                "splits": (),
                "maps": {"panoptic": record.maps["panoptic"].model_copy(update={"raw": {}})},
            }
        )
        for record in records(folder / "panoptic_examples.json")
    ]
    header = reader.header.model_copy(update={"raw": {}})
    root, findings = written(tmp_path / "out", header, *bare)
    made = json.loads((root / "annotations" / "instances.json").read_text())
    official = json.loads((folder / "panoptic_coco_detection_format.json").read_text())
    things = {c["id"] for c in made["categories"] if c.get("isthing") == 1}
    wanted = [a for a in official["annotations"] if a["category_id"] in things]
    assert len(made["annotations"]) == len(wanted)
    for a, b in zip(made["annotations"], wanted, strict=True):
        assert np.array_equal(mask_utils.decode(a["segmentation"]), mask_utils.decode(b["segmentation"]))
        assert (a["area"], a["bbox"], a["iscrowd"]) == (b["area"], b["bbox"], b["iscrowd"])
        assert a["category_id"] == b["category_id"]
    assert "LOS103" in {finding.code for finding in findings}


# --- documents of every role -----------------------------------------------------------------------------


def odd_folder(root: Path) -> Path:
    """A folder in which four documents describe the same two images."""
    images = [
        {"license": 1, "id": 42, "file_name": "b.jpg", "width": 10, "height": 8, "flickr_url": "é"},
        {"id": 7, "file_name": "a.jpg", "height": 8, "width": 10, "extra": [1.50, {"x": None}]},
    ]
    people = [{"id": 1, "name": "person", "supercategory": "human"}]
    keypoints = {"keypoints": [1, 2, 2], "num_keypoints": 1}
    annotations = [
        annotation(id=10, image_id=7, category_id=1, attributes={"occluded": True}, mine="x"),
        annotation(id=11, image_id=42, category_id=2, segmentation=[], bbox=[1.50, 2, 3.0, 4]),
        annotation(id=12, image_id=7, category_id=2, segmentation=..., bbox=[1, 2, 3, 4], area=...),
    ]
    put(
        root / "annotations" / "instances_val.json",
        {
            "annotations": annotations,
            "info": {"year": 2014, "ünicode": "ß"},
            "images": images,
            "categories": [*people, {"id": 2, "name": "dog", "colour?": 1}],
        },
    )
    put(
        root / "annotations" / "person_keypoints_val.json",
        {
            "images": images,
            "annotations": [{**annotations[0], **keypoints}],
            "categories": [{**people[0], "keypoints": ["nose"], "skeleton": []}],
        },
    )
    captions = [
        {"image_id": 42, "id": 900, "caption": "Größe 😀"},
        {"image_id": 7, "id": 901, "caption": "x"},
    ]
    put(root / "annotations" / "captions_val.json", {"images": images, "annotations": captions})
    segments = [
        {"id": 300, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0},
        {"id": 70000, "category_id": 9, "bbox": [4, 0, 6, 8], "area": 48, "iscrowd": 0},
    ]
    put(
        root / "annotations" / "panoptic_val.json",
        {
            "images": images[1:],
            "annotations": [{"segments_info": segments, "file_name": "a.png", "image_id": 7}],
            "categories": [
                {**people[0], "isthing": 1, "color": [1, 2, 3]},
                {"id": 9, "name": "sky", "isthing": 0, "color": [4, 5, 6]},
            ],
        },
    )
    pixels = np.zeros((8, 10, 3), dtype=np.uint8)
    pixels[:4, :4] = (300 % 256, 300 // 256, 0)
    pixels[:, 4:] = (70000 % 256, 70000 // 256 % 256, 70000 // 65536)
    (root / "annotations" / "panoptic_val").mkdir()
    PILImage.fromarray(pixels).save(root / "annotations" / "panoptic_val" / "a.png")
    return root


def test_documents_of_one_image_are_one_record(tmp_path: Path) -> None:
    first, second = records(odd_folder(tmp_path))
    assert (first.image.path, second.image.path) == ("b.jpg", "a.jpg")
    assert first.splits == second.splits == ("val",)
    person, dog = second.objects
    assert isinstance(person, Instance)
    assert isinstance(dog, BoundingBox)
    assert person.attributes == {"occluded": True}
    assert [entry[0] for entry in person.raw["coco"]] == [1, 3]  # instances and keypoints
    panoptic = second.maps["panoptic"]
    assert isinstance(panoptic, SemanticMap)
    assert panoptic.classes == {300: "person", 70000: "sky"}
    assert map_pixels(panoptic)[0, 0] == 300
    header = FORMAT.open(tmp_path).header
    assert [(c.name, c.thing, c.colour) for c in header.categories] == [
        ("person", True, (1, 2, 3)),
        ("dog", None, None),
        ("sky", False, (4, 5, 6)),
    ]


def test_documents_of_one_image_come_back_apart(tmp_path: Path) -> None:
    source = odd_folder(tmp_path / "a")
    target = there(source, tmp_path / "b")
    names = sorted(str(path.relative_to(source)) for path in source.rglob("*.*"))
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*.*")) == names
    for name in names:
        if name.endswith(".json"):
            assert tokens(target / name) == tokens(source / name), name


def test_only_documents_of_the_wanted_roles_are_read(tmp_path: Path) -> None:
    found = records(odd_folder(tmp_path), roles="instances,captions")
    assert found[1].maps == {}
    with pytest.raises(UsageError, match=r"no role 'boxes'; expected some of instances, keypoints"):
        FORMAT.open(tmp_path, roles="boxes")


def test_stuff_is_a_semantic_map_and_comes_back(tmp_path: Path) -> None:
    left = {"size": [8, 10], "counts": [0, 40, 40]}
    right = {"size": [8, 10], "counts": mask_text_of(40, 40)}
    said = [
        annotation(id=9, category_id=120, segmentation=left, bbox=[0, 0, 5, 8], area=40, note=1.0),
        annotation(id=8, category_id=0, segmentation=right, bbox=[5, 0, 5, 8], area=40),
    ]
    names = [{"id": 120, "name": "sky"}, {"id": 0, "name": "grass"}]
    source = put(tmp_path / "stuff_val.json", document(annotations=said, categories=names))
    (record,) = records(source)
    semantic = record.maps["semantic"]
    assert isinstance(semantic, SemanticMap)
    pixels = map_pixels(semantic)
    assert [semantic.classes[int(value)] for value in (pixels[0, 0], pixels[7, 9])] == ["sky", "grass"]
    assert record.objects == ()
    assert tokens(there(source, tmp_path / "out") / "annotations" / source.name) == tokens(source)


def mask_text_of(*counts: int) -> str:
    """The compressed text of some runs, by pycocotools."""
    size = [8, 10]
    text: bytes = mask_utils.frPyObjects({"size": size, "counts": list(counts)}, *size)["counts"]
    return text.decode()


def test_stuff_is_recognised_by_its_content(tmp_path: Path) -> None:
    said = [annotation(segmentation={"size": [8, 10], "counts": [0, 40, 40]})]
    names = [{"id": 7, "name": "sky", "isthing": 0}]
    (record,) = records(put(tmp_path / "x.json", document(annotations=said, categories=names)))
    assert list(record.maps) == ["semantic"]


def test_labels_are_annotations_with_neither_box_nor_pixels(tmp_path: Path) -> None:
    said = [
        {"id": 4, "image_id": 1, "category_id": 3, "score": 0.50, "by": "me"},
        {"id": 2, "image_id": 1, "category_id": 7},
    ]
    source = put(tmp_path / "labels_train.json", document(annotations=said))
    (record,) = records(source)
    assert [(label.category, label.score) for label in record.labels] == [("dog", 0.5), ("cat", None)]
    assert tokens(there(source, tmp_path / "out") / "annotations" / source.name) == tokens(source)


def test_two_splits_with_equal_names_are_two_images(tmp_path: Path) -> None:
    for split, number in (("train", 1), ("val", 2)):
        images = [{"id": number, "file_name": "a.jpg", "width": 10, "height": 8}]
        said = [annotation(image_id=number)]
        put(
            tmp_path / "a" / "annotations" / f"instances_{split}.json",
            document(images=images, annotations=said),
        )
        (tmp_path / "a" / split).mkdir()
        (tmp_path / "a" / split / "a.jpg").write_bytes(split.encode())
    first, second = records(tmp_path / "a")
    assert (first.image.path, second.image.path) == ("train/a.jpg", "val/a.jpg")
    reader = FORMAT.open(tmp_path / "a")
    assert [reader.image_file(record).read_bytes() for record in (first, second)] == [b"train", b"val"]
    convert(tmp_path / "a", tmp_path / "b", to="coco", carrier=False)
    for name in ("instances_train.json", "instances_val.json"):
        assert tokens(tmp_path / "b" / "annotations" / name) == tokens(tmp_path / "a" / "annotations" / name)
    again = FORMAT.open(tmp_path / "b")
    assert [again.image_file(record).read_bytes() for record in records(tmp_path / "b")] == [b"train", b"val"]


def test_one_image_in_two_splits_is_one_record(tmp_path: Path) -> None:
    for split in ("train", "trainval"):
        put(tmp_path / "a" / "annotations" / f"instances_{split}.json", document())
    (record,) = records(tmp_path / "a")
    assert record.splits == ("train", "trainval")
    assert len(record.objects) == 1
    target = there(tmp_path / "a", tmp_path / "b")
    for name in ("instances_train.json", "instances_trainval.json"):
        assert tokens(target / "annotations" / name) == tokens(tmp_path / "a" / "annotations" / name)
    only = there(tmp_path / "a", tmp_path / "c", splits=["train"])
    assert len(json.loads((only / "annotations" / "instances_train.json").read_text())["images"]) == 1
    empty = json.loads((only / "annotations" / "instances_trainval.json").read_text())
    assert (empty["images"], empty["annotations"]) == ([], [])


def test_folders_of_splits_are_read_as_splits(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        images = [{"id": 0, "file_name": f"{split}.jpg", "width": 10, "height": 8}]
        put(tmp_path / "a" / split / "_annotations.coco.json", document(images=images, annotations=[]))
        (tmp_path / "a" / split / f"{split}.jpg").write_bytes(b"x")
    found = records(tmp_path / "a")
    assert [(record.image.path, record.splits) for record in found] == [
        ("train.jpg", ("train",)),
        ("valid.jpg", ("valid",)),
    ]
    assert FORMAT.open(tmp_path / "a").image_file(found[1]) == tmp_path / "a" / "valid" / "valid.jpg"
    target = there(tmp_path / "a", tmp_path / "b")
    for split in ("train", "valid"):
        name = f"{split}/_annotations.coco.json"
        assert tokens(target / name) == tokens(tmp_path / "a" / name)


def test_a_reader_and_a_writer_pickle_small(corpus: Path) -> None:
    reader = FORMAT.open(corpus / "coco-val2014-100" / "instances_val2014_100.json")
    data = pickle.dumps(reader)
    assert len(data) < 50_000
    again = pickle.loads(data)
    assert [list(again.read(part)) for part in again.parts()] == [
        list(reader.read(part)) for part in reader.parts()
    ]


# --- edits -----------------------------------------------------------------------------------------------


def edited(tmp_path: Path, change: Any) -> dict[str, Any]:
    """The annotation of a small document after its object was changed and written."""
    source = put(tmp_path / "instances_a.json", document(annotations=[annotation(x=1.50)]))
    (record,) = records(source)
    (item,) = record.objects
    new = record.model_copy(update={"objects": (change(item),)})
    root, _ = written(tmp_path / "out", FORMAT.open(source).header, new)
    (reread,) = records(root)
    assert same(reread, new)
    text = (root / "annotations" / "instances_a.json").read_text()
    assert '"x":1.5' in text.replace(" ", "")
    (made,) = json.loads(text)["annotations"]
    return {key: value for key, value in made.items() if annotation(x=1.5).get(key, ...) != value}


def test_an_edited_box_changes_the_box_and_nothing_else(tmp_path: Path) -> None:
    moved = edited(tmp_path, lambda item: item.model_copy(update={"box": Box(1.0, 2.0, 3.0, 4.5)}))
    assert moved == {"bbox": [1.0, 2.0, 3.0, 4.5]}


def test_an_edited_class_changes_the_category_id(tmp_path: Path) -> None:
    assert edited(tmp_path, lambda item: item.model_copy(update={"category": "dog"})) == {"category_id": 3}


def test_an_edited_mask_changes_the_area_too(tmp_path: Path) -> None:
    ring = [0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0]
    changed = edited(tmp_path, lambda item: item.model_copy(update={"mask": Mask.of(Polygons([[ring]]))}))
    assert changed == {"segmentation": [ring], "area": 4.0}


def test_an_edited_flag_and_a_new_score_are_written(tmp_path: Path) -> None:
    changed = edited(tmp_path, lambda item: item.model_copy(update={"crowd": True, "score": 0.25}))
    assert changed == {"iscrowd": 1, "score": 0.25}


def test_an_instance_that_became_a_box_loses_its_pixels(tmp_path: Path) -> None:
    changed = edited(
        tmp_path,
        lambda item: BoundingBox(category=item.category, box=item.box, crowd=item.crowd, raw=item.raw),
    )
    assert changed == {"segmentation": []}


def test_new_objects_get_ids_after_the_highest_and_never_0(tmp_path: Path) -> None:
    source = put(tmp_path / "instances_a.json", document())
    (record,) = records(source)
    added = BoundingBox(category="dog", box=Box(0, 0, 1, 1))
    root, findings = written(
        tmp_path / "out",
        FORMAT.open(source).header,
        record.model_copy(update={"objects": (added, *record.objects)}),
        Record(image=Image(path="new.jpg"), splits=("a",), objects=(added,)),
    )
    made = json.loads((root / "annotations" / "instances_a.json").read_text())
    assert [(a["id"], a["image_id"]) for a in made["annotations"]] == [(5, 1), (6, 1), (7, 2)]
    assert made["images"][1] == {"id": 2, "file_name": "new.jpg"}
    assert [finding.code for finding in findings] == ["LOS305", "LOS206", "LOS305"]


def test_a_document_whose_name_says_another_role_keeps_its_own(tmp_path: Path) -> None:
    boxes = document(annotations=[annotation(segmentation=...)])
    source = put(tmp_path / "a" / "annotations" / "labels_val.json", boxes)
    (record,) = records(tmp_path / "a")
    labelled = record.model_copy(update={"labels": (ImageLabel(category="dog"),)})
    root, _ = written(tmp_path / "b", FORMAT.open(tmp_path / "a").header, labelled)
    (again,) = records(root)
    assert same(again, labelled)
    assert tokens(root / "annotations" / "labels_val.json") == tokens(source)


# --- fitting ---------------------------------------------------------------------------------------------

HEADER = Header(categories=(Category(name="cat"), Category(name="sky", thing=False), Category(name="dog")))


def codes(record: Record) -> tuple[Record, list[str]]:
    target, _ = fit_header(HEADER, FORMAT)
    fitted = fit(record, target, 0)
    again = fit(fitted.record, target, 0)
    assert again.findings == []
    assert again.record == fitted.record
    return fitted.record, [finding.code for finding in fitted.findings]


def picture(**fields: Any) -> Record:
    return Record(image=Image(path="a.jpg", width=4, height=3), **fields)


def layers(*pairs: tuple[int, list[int]]) -> Layers:
    return Layers(
        height=3,
        width=4,
        layers=tuple(Layer(value=value, mask=Mask.of(Rle((3, 4), counts))) for value, counts in pairs),
    )


def test_a_cell_becomes_an_rle_of_the_same_pixels_in_silence() -> None:
    item = Instance(category="cat", mask=Mask.of(Cell("objects", 2)), box=Box(0, 0, 2, 3), crowd=False)
    source = layers((1, [6, 6]), (2, [0, 5, 7]))
    fitted, told = codes(picture(objects=(item,), maps={"objects": InstanceMap(source=source)}))
    assert told == []
    assert fitted.maps == {}
    assert isinstance(fitted.objects[0], Instance)
    assert mask_runs(fitted, fitted.objects[0].mask).tolist() == [0, 5, 7]


def test_a_hidden_object_is_dropped_and_told() -> None:
    item = Instance(category="cat", mask=Mask.of(Cell("objects", 9)))
    fitted, told = codes(picture(objects=(item,), maps={"objects": InstanceMap(source=layers((1, [6, 6])))}))
    assert (fitted.objects, told) == ((), ["LOS101"])


def test_a_hole_becomes_an_rle_of_the_same_pixels() -> None:
    outer, hole = [0.0, 0.0, 4.0, 0.0, 4.0, 3.0, 0.0, 3.0], [1.0, 1.0, 2.0, 1.0, 2.0, 2.0, 1.0, 2.0]
    item = Instance(category="cat", mask=Mask.of(Polygons([[outer, hole]])), crowd=False)
    record = picture(objects=(item,))
    before = mask_runs(record, item.mask)
    fitted, told = codes(record)
    assert told == ["LOS201", "LOS301"]
    assert isinstance(fitted.objects[0], Instance)
    assert mask_runs(fitted, fitted.objects[0].mask).tolist() == before.tolist()


def test_stuff_objects_become_the_semantic_map_if_there_is_none() -> None:
    item = Instance(category="sky", mask=Mask.of(Rle((3, 4), [0, 5, 7])))
    fitted, told = codes(picture(objects=(item,)))
    assert (fitted.objects, told) == ((), ["LOS101", "LOS302"])
    assert isinstance(fitted.maps["semantic"], SemanticMap)
    assert (map_pixels(fitted.maps["semantic"]).T.ravel() != 0).tolist() == [True] * 5 + [False] * 7


def test_a_semantic_map_that_repeats_the_objects_is_not_written() -> None:
    item = Instance(category="cat", mask=Mask.of(Rle((3, 4), [0, 5, 7])), crowd=False, box=Box(0, 0, 2, 3))
    same_classes = SemanticMap(
        source=layers((8, [0, 4, 8]), (255, [4, 2, 6])), classes={8: "cat"}, ignore=255
    )
    fitted, told = codes(picture(objects=(item,), maps={"semantic": same_classes}))
    assert fitted.maps == {}
    assert "LOS114" in told
    more = same_classes.model_copy(update={"source": layers((8, [0, 8, 4]))})
    fitted, told = codes(picture(objects=(item,), maps={"semantic": more}))
    assert list(fitted.maps) == ["semantic"]
    assert told == []


def test_pixels_to_be_ignored_are_told() -> None:
    item = SemanticMap(source=layers((8, [0, 4, 8]), (255, [4, 2, 6])), classes={8: "dog"}, ignore=255)
    fitted, told = codes(picture(maps={"semantic": item}))
    assert told == ["LOS106"]
    assert isinstance(fitted.maps["semantic"], SemanticMap)
    assert fitted.maps["semantic"].classes == {3: "dog"}


def test_labels_objects_and_stuff_go_to_documents_of_their_own(tmp_path: Path) -> None:
    item = SemanticMap(source=layers((8, [0, 4, 8])), classes={8: "sky"})
    box = BoundingBox(category="cat", box=Box(0.5, 0, 2, 2), crowd=True, score=0.5, attributes={"a": 1})
    labels = (ImageLabel(category="dog", score=0.25), ImageLabel(category="cat"))
    given = picture(objects=(box,), labels=labels, maps={"semantic": item}, splits=("b", "ä é"))
    root, _ = written(tmp_path / "out", HEADER, given)
    names = sorted(path.name for path in root.rglob("*.json"))
    assert names == [f"{role}_{s}.json" for role in ("instances", "labels", "stuff") for s in ("b", "ä é")]
    (found,) = records(root)
    target, _ = fit_header(HEADER, FORMAT)
    assert same(found, fit(given, target).record)
    with redirect_stdout(io.StringIO()):
        assert all(len(COCO(str(path)).imgs) == 1 for path in root.rglob("*.json"))


def test_several_documents_do_not_fit_into_one_file(tmp_path: Path) -> None:
    writer = FORMAT.create(tmp_path / "x.json", fit_header(HEADER, FORMAT)[0].header)
    writer.write(0, [picture(splits=("a",)), Record(image=Image(path="b.jpg"), splits=("b",))])
    with pytest.raises(UsageError, match=r"instances_a\.json, annotations/instances_b\.json.*a folder"):
        writer.finish()
    with pytest.raises(UsageError, match="a folder"):
        FORMAT.create(tmp_path / "x.json", FORMAT.open(odd_folder(tmp_path / "a")).header)


def test_a_split_that_cannot_name_a_file_is_told(tmp_path: Path) -> None:
    fitted, told = codes(picture(splits=("a/b", "c")))
    assert (fitted.splits, told) == (("c",), ["LOS110"])


def test_unwanted_panoptic_segments_leave_the_png(tmp_path: Path) -> None:
    target = there(odd_folder(tmp_path / "a"), tmp_path / "b", classes=["person"])
    said = json.loads((target / "annotations" / "panoptic_val.json").read_text())
    assert [segment["id"] for segment in said["annotations"][0]["segments_info"]] == [300]
    pixels = np.asarray(PILImage.open(target / "annotations" / "panoptic_val" / "a.png"))
    assert {tuple(colour) for colour in pixels.reshape(-1, 3).tolist()} == {(0, 0, 0), (44, 1, 0)}


def test_things_of_a_panoptic_map_are_objects_where_no_document_lists_them(tmp_path: Path) -> None:
    source = odd_folder(tmp_path / "a")
    for name in ("instances", "person_keypoints"):
        (source / "annotations" / f"{name}_val.json").unlink()
    (record,) = [record for record in records(source) if record.maps]
    (item,) = record.objects
    assert isinstance(item, Instance)
    assert (item.category, item.box, item.crowd) == ("person", Box(0, 0, 4, 4), False)
    assert item.mask.shape == Cell("panoptic", 300)
    target = there(source, tmp_path / "b")
    assert sorted(path.name for path in target.rglob("*.json")) == ["captions_val.json", "panoptic_val.json"]
    assert [same(a, b) for a, b in zip(records(source), records(target), strict=True)] == [True, True]
    # Once a person deletes it, an instances document says that there is none.
    emptied = record.model_copy(update={"objects": ()})
    root, _ = written(tmp_path / "c", FORMAT.open(source).header, emptied)
    (again,) = records(root)
    assert same(again, emptied)


# --- what cannot be read ---------------------------------------------------------------------------------

CAT = [{"id": 7, "name": "cat"}]
BAD_FILES = {
    "two images of one id": (
        document(images=[*document()["images"]] * 2),
        r"images\[1\]: image id 1 once more",
    ),
    "two categories of one id": (
        document(categories=[*CAT, {"id": 7, "name": "dog"}]),
        r"categories\[1\]: id 7 once more \(as in categories\[0\]\); expected ids once each",
    ),
    "two categories of one name": (
        document(categories=[*CAT, {"id": 8, "name": "cat"}]),
        r"categories\[1\]: 'cat' twice \(ids 7 and 8\); expected names once each; rename one",
    ),
    "a nameless category": (document(categories=[{"id": 7}]), r"categories\[0\]: id 7, name None"),
    "no COCO": ({"shapes": []}, "neither images nor annotations"),
    "NaN": (
        json.dumps(document(annotations=[annotation(area=float("nan"))])),
        r"byte \d+: NaN, which JSON does not know; expected a finite number",
    ),
    "Infinity": (
        json.dumps(document(annotations=[annotation(area=-float("inf"))])),
        r"byte \d+: -Infinity, which JSON does not know",
    ),
    "truncated": (json.dumps(document())[:-20], r"byte \d+: the file ends too early"),
    "no list": (document(images={"a": 1}), r"images: expected `array`, got `object`"),
    "empty": ("", "the file ends too early"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_broken_document_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    content, message = BAD_FILES[name]
    path = put(tmp_path / "instances_a.json", content)
    with pytest.raises(FormatError, match=message) as caught:
        FORMAT.open(path)
    assert str(path) in str(caught.value)


def test_a_document_that_is_not_utf8_is_refused_with_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(document()).encode().replace(b"a.jpg", b"a\xff.jpg"))
    with pytest.raises(FormatError, match=r"byte \d+: not UTF-8"):
        FORMAT.open(path)


@pytest.mark.parametrize("before", [0, 2**20 - 2, 2**20 - 1, 2**20, 2**21 + 1])
def test_text_of_many_bytes_is_checked_to_its_last_character(tmp_path: Path, before: int) -> None:
    start = '{"info": {"a": "'
    text = start + "x" * (before - len(start)) + "😀é" + '"}, ' + json.dumps(document())[1:]
    path = tmp_path / "instances_a.json"
    path.write_text(text, "utf-8")
    assert len(records(path)) == 1
    data = text.encode()
    path.write_bytes(data.replace("é".encode(), b"\xc3"))
    with pytest.raises(FormatError, match=f"byte {data.index('é'.encode())}: not UTF-8"):
        FORMAT.open(path)


BAD_ANNOTATIONS = {
    "a box of three": ({"bbox": [1, 2, 3]}, r"bbox \[1, 2, 3\]; expected four finite numbers"),
    "a box of null": ({"bbox": None}, "bbox null; expected four finite numbers"),
    "a null in a box": ({"bbox": [1, 2, None, 4]}, r"bbox \[1, 2, null, 4\]"),
    "a text in a box": ({"bbox": [1, 2, "3", 4]}, "bbox .*four finite numbers"),
    "a truth value in a box": ({"bbox": [1, 2, True, 4]}, "bbox .*four finite numbers"),
    "an unknown category": ({"category_id": 99}, "category_id 99 is no category"),
    "no category": ({"category_id": ...}, "category_id None is no category"),
    "iscrowd 2": ({"iscrowd": 2}, "iscrowd 2"),
    "a text as mask": ({"segmentation": "abc"}, 'segmentation "abc"; expected a list of polygons'),
    "neither box nor pixels": ({"bbox": ..., "segmentation": []}, "neither bbox nor segmentation"),
    "another image": ({"image_id": 5}, "image_id 5 is no image of this document"),
    "no image": ({"image_id": ...}, "image_id None is no image of this document"),
}


@pytest.mark.parametrize("name", BAD_ANNOTATIONS)
def test_a_bad_annotation_is_named_and_the_rest_is_read(tmp_path: Path, name: str) -> None:
    changes, message = BAD_ANNOTATIONS[name]
    images = [*document()["images"], {"id": 2, "file_name": "b.jpg", "width": 10, "height": 8}]
    said = [annotation(id=1, image_id=2), annotation(**changes)]
    path = put(tmp_path / "instances_a.json", document(images=images, annotations=said))
    found = items(path)
    (error,) = [item for item in found if isinstance(item, RecordError)]
    byte = path.read_text().index(json.dumps(said[1]))
    assert error.place == f"{path}:annotations[1] (id 5), byte {byte}"
    with pytest.raises(RecordError, match=message):
        raise error
    assert "b.jpg" in [item.image.path for item in found if isinstance(item, Record)]


BAD_IMAGES = {
    "an absolute name": ({"file_name": "/etc/passwd"}, "is absolute or leaves its folder"),
    "a name that leaves": ({"file_name": "../a.jpg"}, "is absolute or leaves its folder"),
    "no name": ({"file_name": None}, "file_name None; expected a text"),
    "no id": ({"id": None}, "id None; expected a number or a text"),
    "no width": ({"width": 0}, "width 0; expected a whole number of pixels"),
    "a text as height": ({"height": "8"}, "height '8'; expected a whole number of pixels"),
    "a name that is taken": ({"file_name": "a.jpg"}, "file name 'a.jpg' twice"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_bad_image_is_named_and_the_rest_is_read(tmp_path: Path, name: str) -> None:
    changes, message = BAD_IMAGES[name]
    second = {"id": 2, "file_name": "b.jpg", "width": 10, "height": 8, **changes}
    path = put(tmp_path / "instances_a.json", document(images=[*document()["images"], second]))
    record, error = items(path)
    assert (record.image.path, error.place) == ("a.jpg", f"{path}:images[1]")
    with pytest.raises(RecordError, match=message):
        raise error


def test_documents_that_disagree_on_an_image_are_both_named(tmp_path: Path) -> None:
    put(tmp_path / "annotations" / "instances_a.json", document())
    other = document(images=[{"id": 2, "file_name": "a.jpg"}], annotations=[])
    put(tmp_path / "annotations" / "labels_a.json", other)
    errors = [item for item in items(tmp_path) if isinstance(item, RecordError)]
    assert [str(error) for error in errors] == [
        f"{tmp_path}/annotations/labels_a.json:images[0]: 'a.jpg' has id 2; expected id 1, as in "
        "annotations/instances_a.json"
    ]


def test_an_image_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a" / "annotations" / "instances_a.json", document())
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "a" / "images").mkdir()
    (tmp_path / "a" / "images" / "a.jpg").symlink_to(tmp_path / "secret")
    reader = FORMAT.open(path)
    with pytest.raises(ValueError, match="a link that leaves its folder"):
        reader.image_file(records(path)[0])


def test_a_missing_panoptic_png_is_named(tmp_path: Path) -> None:
    source = odd_folder(tmp_path)
    (source / "annotations" / "panoptic_val" / "a.png").unlink()
    errors = [str(item) for item in items(source) if isinstance(item, RecordError)]
    assert len(errors) == 1
    assert "its PNG a.png is not there" in errors[0]


def test_ids_that_are_legal_but_wrong_are_findings(tmp_path: Path) -> None:
    said = [annotation(id=0), annotation(id=5), annotation(id=5, category_id=3)]
    path = put(tmp_path / "instances_a.json", document(annotations=said))
    found = items(path)
    assert [item.code for item in found if isinstance(item, Finding)] == ["ODD005", "ODD004"]
    assert [len(item.objects) for item in found if isinstance(item, Record)] == [3]


def test_ids_of_every_kind_are_seen_again(tmp_path: Path) -> None:
    keys = [7, "7", 7.0, None, 2**70, "a", 0.5, None, 2**70, "a", 0.5, ..., 0]
    said = [annotation(id=key, bbox=[0, 0, 1, number]) for number, key in enumerate(keys)]
    path = put(tmp_path / "instances_a.json", document(annotations=said))
    found = [item for item in items(path) if isinstance(item, Finding)]
    assert [(item.code, item.place.rpartition(":")[2], item.message.split()[2]) for item in found] == [
        ("ODD004", "annotations[2]", "7.0"),
        ("ODD004", "annotations[8]", str(2**70)),
        ("ODD004", "annotations[9]", "'a'"),
        ("ODD004", "annotations[10]", "0.5"),
        ("ODD005", "annotations[12]", "0,"),
    ]


def test_string_ids_and_a_category_0_are_kept(tmp_path: Path) -> None:
    images = [{"id": "x_1", "file_name": "a.jpg", "width": 10.0, "height": 8}]
    said = [annotation(id="n", image_id="x_1", category_id=0, iscrowd=True)]
    source = put(
        tmp_path / "instances_a.json",
        document(images=images, annotations=said, categories=[{"id": 0, "name": "cat"}]),
    )
    (record,) = records(source)
    assert (record.objects[0].category, record.objects[0].crowd) == ("cat", True)
    assert tokens(there(source, tmp_path / "out") / "annotations" / source.name) == tokens(source)


def test_results_need_the_document_they_were_predicted_for(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "coco-val2014-100"
    with pytest.raises(FormatError, match=r"does not say its images.*--coco-gt FILE"):
        FORMAT.open(folder / "instances_val2014_fakebbox100_results.json")
    bad = put(tmp_path / "r.json", [{"image_id": -1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}])
    found = items(bad, gt=folder / "instances_val2014_100.json")
    assert [str(item) for item in found if isinstance(item, RecordError)] == [
        f"{bad}:annotations[0], byte 1: image_id -1 is no image; expected the id of an image"
    ]


def test_a_folder_is_no_document_that_results_were_predicted_for(corpus: Path) -> None:
    folder = corpus / "coco-val2014-100"
    with pytest.raises(UsageError) as caught:
        FORMAT.open(folder / "instances_val2014_fakebbox100_results.json", gt=folder)
    assert str(caught.value) == (
        f"--coco-gt: {folder} is a folder; expected the JSON file that results were predicted for"
    )


def test_files_beside_documents_are_skipped_and_noted(tmp_path: Path) -> None:
    put(tmp_path / "annotations" / "instances_a.json", document())
    put(tmp_path / "annotations" / "notes.json", {"hello": 1})
    put(tmp_path / "annotations" / "results.json", [{"image_id": 1, "caption": "x"}])
    notes = FORMAT.open(tmp_path).notes
    assert [(Path(note.place).name, note.code) for note in notes] == [
        ("notes.json", "NOTE01"),
        ("results.json", "NOTE01"),
    ]


def test_detection_gives_its_reasons(corpus: Path, tmp_path: Path) -> None:
    assert FORMAT.detect(corpus / "coco-val2014-100" / "instances_val2014_100.json").strength == 2
    assert FORMAT.detect(corpus / "coco-panoptic" / "sample_data").strength == 2
    assert FORMAT.detect(corpus / "voc-fridge" / "samples").strength == 0
    evidence = FORMAT.detect(put(tmp_path / "x.json", {"annotations": [], "version": 1}))
    assert (evidence.strength, evidence.reason) == (
        1,
        "x.json has annotations, but no images and no categories in sight",
    )
    assert FORMAT.detect(tmp_path / "nothing").strength == 0
    shutil.copy(corpus / "coco-val2014-100" / "LICENSE.cocoapi", tmp_path / "y.json")
    assert FORMAT.detect(tmp_path / "y.json").reason == "y.json does not start as JSON"


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "instances_a.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(document()).encode())
    assert len(records(path)[0].objects) == 1


def test_native_text_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    reader = FORMAT.open(odd_folder(tmp_path / "a"))
    record = records(tmp_path / "a")[1]
    panoptic = record.maps["panoptic"]
    number, ordinal, text = panoptic.raw["coco"][0]
    evil = panoptic.model_copy(
        update={"raw": {"coco": [[number, ordinal, text.replace("a.png", "../../../evil.png")]]}}
    )
    with pytest.raises(FormatError, match=r"absolute or leaves its folder"):
        written(tmp_path / "b", reader.header, record.model_copy(update={"maps": {"panoptic": evil}}))
    assert not list(tmp_path.rglob("evil.png"))


def test_keypoints_without_a_box_come_back_though_they_are_no_object(tmp_path: Path) -> None:
    said = [{"id": 1, "image_id": 1, "category_id": 7, "keypoints": [1, 2, 2]}]
    source = put(tmp_path / "person_keypoints_a.json", document(annotations=said))
    (record,) = records(source)
    assert record.objects == ()
    assert tokens(there(source, tmp_path / "out") / "annotations" / source.name) == tokens(source)
