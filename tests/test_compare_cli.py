"""labelkit compare on files of each format that a reviewer edited; what it prints, writes and exits with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from made import HEADER, record_lists
from test_cli import labelkit
from test_comparing import MADE, box, image, label, painted, predicted, record, seen, thing
from test_laws import folder, write_jsonl
from test_terminal import shown

from labelkit import Record, compare, convert
from labelkit.comparing import Maps
from labelkit.comparing.counts import Counts
from labelkit.formats import formats
from labelkit.model import BoundingBox
from labelkit.outputs.compare_json import as_json
from labelkit.thresholds import read_thresholds

# What every test edits: of an image the first box moves, the second gets another class, the third goes, the
# fourth and a human's stay; one is added. Nothing is touched in another image; a third was not reviewed.
OBJECTS = (
    *(predicted(cell, score, uid=f"u{cell}") for cell, score in enumerate((0.9, 0.7, 0.3, 0.8))),
    BoundingBox(box=box(4), category="bicycle"),
)
BEFORE = [
    record(*OBJECTS, path="b/1.jpg"),
    record(predicted(0, 0.95, uid="v0"), path="b/2.jpg"),
    record(predicted(0, 0.1, uid="w0"), path="b/3.jpg"),
]
EXPECTED = Counts(
    predicted=5, accepted=2, moved=1, relabelled=1, deleted=1, right=3, iou=17 * 20 / (800 - 17 * 20),
    gained=1, added=1, human=1, unchanged=1,
)  # fmt: skip


def edit_coco(root: Path) -> None:
    file = root / "annotations/instances.json"
    said = json.loads(file.read_text("utf-8"))
    ids = {each["name"]: each["id"] for each in said["categories"]}
    first = [each for each in said["annotations"] if each["image_id"] == 1]
    first[0]["bbox"][0] += 3
    first[1]["category_id"] = ids["car"]
    gone = next(each["id"] for each in said["images"] if each["file_name"] == "b/3.jpg")
    said["images"] = [each for each in said["images"] if each["id"] != gone]
    said["annotations"] = [
        each for each in said["annotations"] if each is not first[2] and each["image_id"] != gone
    ]
    added = {**first[3], "id": 99, "bbox": list(box(7)), "category_id": ids["car"]}
    said["annotations"].append(added)
    file.write_text(json.dumps(said), "utf-8")


def edit_voc(root: Path) -> None:
    folder = root / "VOCdevkit/VOC2012/Annotations/b"
    tree = ElementTree.parse(folder / "1.xml")
    objects = tree.getroot().findall("object")
    for name in ("xmin", "xmax"):
        corner = objects[0].find(f"bndbox/{name}")
        assert corner is not None
        corner.text = str(float(corner.text or "") + 3)
    name_of(objects[1]).text = "car"
    tree.getroot().remove(objects[2])
    added = ElementTree.fromstring(ElementTree.tostring(objects[3]))
    for name, number in zip(("xmin", "ymin", "xmax", "ymax"), (291.25, 11.25, 310.25, 30.25), strict=True):
        corner = added.find(f"bndbox/{name}")
        assert corner is not None
        corner.text = str(number)
    name_of(added).text = "car"
    tree.getroot().append(added)
    tree.write(folder / "1.xml")
    (folder / "3.xml").unlink()


def name_of(item: ElementTree.Element) -> ElementTree.Element:
    name = item.find("name")
    assert name is not None
    return name


def edit_jsonl(root: Path) -> None:
    file = root / "records.jsonl"
    header, first, second, _ = file.read_text("utf-8").splitlines()
    said = json.loads(first)
    said["objects"][0]["box"][0] += 3
    said["objects"][1]["category"] = "car"
    del said["objects"][2]
    said["objects"].append({"kind": "box", "category": "car", "box": list(box(7))})
    file.write_text("\n".join([header, json.dumps(said), second]) + "\n", "utf-8")


def edit_cvat(root: Path) -> None:
    """What a person does, and what CVAT does by itself: two decimals, a source, blanks for what is new."""
    tree = ElementTree.parse(root / "annotations.xml")
    first, second, third = tree.getroot().findall("image")
    boxes = first.findall("box")
    for name in ("xtl", "xbr"):
        boxes[0].set(name, str(float(boxes[0].get(name, "")) + 3))
    boxes[1].set("label", "car")
    first.remove(boxes[2])
    corners = {"xtl": "290.25", "ytl": "10.25", "xbr": "310.25", "ybr": "30.25"}
    added = ElementTree.SubElement(first, "box", {"label": "car", "occluded": "0", **corners})
    for name in ("uid", "score", "run", "model", "model_score", "status"):
        ElementTree.SubElement(added, "attribute", {"name": name}).text = ""
    tree.getroot().remove(third)
    for item in (*first, *second):
        item.set("source", "file")
        for name in corners:
            item.set(name, f"{float(item.get(name, '')):.2f}")
    tree.write(root / "annotations.xml")


EDITS: Mapping[str, Callable[[Path], None]] = {
    "coco": edit_coco,
    "voc": edit_voc,
    "jsonl": edit_jsonl,
    "cvat": edit_cvat,
}


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "before", HEADER, BEFORE)


def reviewed(before: Path, to: str, *, carrier: bool = True) -> Path:
    """The set as its own tool would leave it after the review."""
    root = before.with_name(f"reviewed-{to}")
    convert(before, root, to=to, images="none", carrier=carrier)
    EDITS[to](root)
    return root


@pytest.mark.parametrize("carrier", [True, False])
@pytest.mark.parametrize("to", EDITS)
def test_edits_in_a_format_are_told(before: Path, to: str, carrier: bool) -> None:
    done = compare(before, reviewed(before, to, carrier=carrier))
    assert list(done.errors) == []
    assert (done.images, done.not_reviewed, done.only_reviewed.images) == (2, (1, 1), 0)
    assert done.objects.total == EXPECTED
    assert list(done.relabelled) == [("objects", "person", "car", 1)]
    assert done.objects.classes["car"] == Counts(gained=1, added=1)
    assert [(each.low, each.counts.predicted, each.counts.right) for each in done.objects.all_bins()] == [
        (0.3, 1, 0), (0.7, 1, 0), (0.8, 1, 1), (0.9, 2, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("to", ["coco", "voc", "cvat"])
def test_the_machine_may_have_left_its_labels_in_that_format(before: Path, to: str) -> None:
    """The carrier beside each of the two sets knows the predictions."""
    after = reviewed(before, to)
    machine = before.with_name("machine")
    convert(before, machine, to=to, images="none")
    assert compare(machine, after).objects.total == EXPECTED


def test_an_empty_annotation_is_a_review_and_a_missing_one_is_none(before: Path) -> None:
    after = before.with_name("voc")
    convert(before, after, to="voc", images="none")
    folder = after / "VOCdevkit/VOC2012/Annotations/b"
    tree = ElementTree.parse(folder / "2.xml")
    for item in tree.getroot().findall("object"):
        tree.getroot().remove(item)
    tree.write(folder / "2.xml")
    (folder / "1.xml").unlink()
    done = compare(before, after)
    assert (done.images, done.not_reviewed) == (2, (1, 4))
    assert (done.objects.total.accepted, done.objects.total.deleted) == (1, 1)


def test_a_task_that_nobody_annotated_in_label_studio_was_not_reviewed(before: Path) -> None:
    after = before.with_name("tasks")
    convert(before, after, to="labelstudio", images="none")
    file = after / "tasks.json"
    tasks = json.loads(file.read_text("utf-8"))
    (done,) = [each for each in tasks if each["data"]["image"].endswith("b/2.jpg")]
    result = done["predictions"][0]["result"]
    done["annotations"] = [{"id": 5, "parent_prediction": done["predictions"][0].get("id"), "result": result}]
    file.write_text(json.dumps(tasks), "utf-8")
    said = compare(before, after)
    assert (said.images, said.not_reviewed, said.objects.total.predicted) == (1, (2, 5), 1)
    shown = labelkit("compare", before, after)
    assert "1 image reviewed, 2 not reviewed (5 predictions, not counted)" in shown.stdout
    assert as_json(said)["images"]["not_reviewed"] == 2


def test_whole_pixels_are_accepted_in_voc(before: Path) -> None:
    after = before.with_name("cut")
    convert(before, after, to="voc", images="none", carrier=False)
    for file in (after / "VOCdevkit/VOC2012/Annotations/b").iterdir():
        tree = ElementTree.parse(file)
        for corner in tree.getroot().iterfind("object/bndbox/*"):
            corner.text = str(int(float(corner.text or "")))
        tree.write(file)
    done = compare(before, after)
    assert (done.objects.total.accepted, done.objects.total.moved) == (6, 0)
    assert compare(before, after, tolerance=0.1).objects.total.moved == 6


@pytest.mark.parametrize("to", formats())
@given(items=record_lists())
@settings(max_examples=15)
def test_what_nobody_edits_in_a_format_is_accepted(to: str, items: list[Record]) -> None:
    """Whatever the format can hold: its carrier knows the rest."""
    with folder() as root:
        before = write_jsonl(root / "before", HEADER, items)
        convert(before, root / "after", to=to, images="none")
        done = compare(before, root / "after")
    assert (done.images, list(done.errors)) == (len(seen(items)), [])
    for counts in (done.objects.total, done.labels.total):
        assert (counts.accepted, counts.unchanged, counts.added) == (counts.predicted, counts.human, 0)
    assert (done.maps.changed, done.maps.changed_human, done.maps.added) == (0, 0, 0)


def test_masks_survive_every_format_that_has_them(tmp_path: Path) -> None:
    objects = [
        thing(kind, box(k)._replace(x=40.0 * k + 4, y=8.0), "person", provenance=MADE, uid=f"u{k}")
        for k, kind in enumerate(("polygon", "rle"))
    ]
    before = write_jsonl(tmp_path / "before", HEADER, [record(*objects)])
    for to in ("coco", "voc", "cityscapes", "cvat"):
        for carrier in (True, False):
            after = tmp_path / f"{to}-{carrier}"
            convert(before, after, to=to, images="none", carrier=carrier)
            done = compare(before, after)
            if to == "cityscapes" and not carrier:  # its file names say nothing of b/1.jpg
                assert done.strangers is not None
                continue
            assert (done.objects.total.accepted, list(done.errors)) == (2, [])
            assert done.maps == Maps()


@pytest.mark.parametrize(("carrier", "moved"), [(True, 0), (False, 1)])
def test_a_mask_that_another_covers_in_part_has_moved_in_voc_without_a_carrier(
    tmp_path: Path, carrier: bool, moved: int
) -> None:
    objects = [
        thing("rle", box(0), "person", provenance=MADE),
        thing("rle", box(0, dx=15), "car", provenance=MADE),
    ]
    before = write_jsonl(tmp_path / "before", HEADER, [record(*objects)])
    convert(before, tmp_path / "after", to="voc", images="none", carrier=carrier)
    done = compare(before, tmp_path / "after")
    assert (done.objects.total.moved, done.objects.total.accepted) == (moved, 2 - moved)
    assert done.maps == Maps()


def test_an_object_that_is_relabelled_in_cvat_is_the_same_object(tmp_path: Path) -> None:
    """CVAT keeps of it what its new label declares, here one that no other object has."""
    item = thing("box", box(1), "person", provenance=MADE, uid="u")
    before = write_jsonl(tmp_path / "before", HEADER, [record(item)])
    convert(before, tmp_path / "cvat", to="cvat", images="none", carrier=False)
    tree = ElementTree.parse(tmp_path / "cvat/annotations.xml")
    (found,) = tree.getroot().iter("box")
    found.set("label", "car")
    for side in ("xtl", "xbr"):
        found.set(side, str(float(found.get(side, "")) + 500))
    labels = json.loads((tmp_path / "cvat/labels.json").read_text("utf-8"))
    declared = {label["name"]: {each["name"] for each in label["attributes"]} for label in labels}
    for each in found.findall("attribute"):
        if each.get("name") not in declared["car"]:
            found.remove(each)
    tree.write(tmp_path / "cvat/annotations.xml")
    done = compare(before, tmp_path / "cvat")
    assert list(done.relabelled) == [("objects", "person", "car", 1)]
    assert (done.objects.total.deleted, done.objects.total.added) == (0, 0)


def test_labels_and_maps_survive_formats_that_have_them(tmp_path: Path) -> None:
    import numpy as np

    pixels = np.array([[1, 2, 0], [3, 9, 1]], np.int32)
    first = painted(pixels, provenance=MADE)
    second = Record(image=image("b/2.jpg"), labels=(label("car"),))
    before = write_jsonl(tmp_path / "before", HEADER, [first, second])
    for to in ("voc", "coco", "jsonl", "cvat"):
        after = tmp_path / to
        convert(before, after, to=to, images="none")
        done = compare(before, after)
        assert (done.images, list(done.errors)) == (2, [])
        assert (done.maps.accepted, done.agreement.changed, done.agreement.total) == (1, 0, 6)
        assert done.labels.total == Counts(predicted=1, accepted=1, right=1)


# --- the command -------------------------------------------------------------------------------------------


def test_the_tables_say_what_was_done(before: Path) -> None:
    after = reviewed(before, "coco")
    done = labelkit("compare", before, after, "--precision", "0.9")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0].endswith("2 images reviewed, 1 not reviewed (1 prediction, not counted)")
    assert lines[1] == (
        "5 predicted objects: 2 accepted, 1 moved, 1 relabelled, 1 deleted; 1 added; "
        "1 of humans: 1 unchanged, 0 changed, 0 deleted"
    )
    assert "person 5 2 1 1 1 0 0.600 0.739 0" in lines
    assert "0.9 to 1 2 1 1 0 0 1.000" in lines
    assert "bicycle 1 1" in lines
    assert "person car 1" in lines
    assert "(all) 0.8 1.000 0.600 3 5" in lines


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_tables_fit_the_terminal(before: Path, columns: int) -> None:
    after = reviewed(before, "coco")
    lines = shown("compare", before, after, "--precision", "0.9", columns=columns)
    tables = lines[next(k for k, line in enumerate(lines) if line.startswith("predicted objects")) :]
    assert max(map(len, tables)) <= columns


def test_long_names_are_cut_in_tables_that_fit_a_terminal_and_whole_in_json(tmp_path: Path) -> None:
    names = [f"{'a long name of a class, ' * 3}{k}{'x' * 12}" for k in range(2)]
    assert len(names[0]) == 85
    categories = tuple(HEADER.categories[0].model_copy(update={"name": name}) for name in names)
    header = HEADER.model_copy(update={"categories": categories})
    pairs = [(predicted(k, 0.9, names[0]), predicted(k, 0.9, names[k % 2])) for k in range(60)]
    old, new = zip(*pairs, strict=True)
    before = write_jsonl(tmp_path / "before", header, [record(*old)])
    after = write_jsonl(tmp_path / "after", header, [record(*new)])
    lines = shown("compare", before, after, "--precision", "0.5", columns=80)
    tables = lines[next(k for k, line in enumerate(lines) if line.startswith("predicted objects")) :]
    assert max(map(len, tables)) <= 80
    rows = [line for line in tables if "long name" in line]
    short = tuple(f"a long name of \u2026 {k}{'x' * 12}" for k in range(2))
    assert len(rows) == 4
    assert all(line.startswith(short) for line in rows)
    assert not [line for line in tables if line.strip().startswith("x")]
    done = labelkit("compare", before, after, "--output-format", "json")
    assert [each["name"] for each in json.loads(done.stdout)["objects"]["classes"]] == names


def test_json_says_the_same(before: Path, tmp_path: Path) -> None:
    after = reviewed(before, "jsonl")
    target = tmp_path / "report.json"
    done = labelkit(
        "compare", before, after, "--output-format", "json", "-o", target, "--precision", "0.9",
        "--min-iou", "0.8", "--tolerance", "0.5", "--bins", "0.5", "--min-predictions", "3",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    said = json.loads(target.read_text("utf-8"))
    expected = compare(
        before, after, precisions=[0.9], min_iou=0.8, tolerance=0.5, bins=0.5, min_predictions=3
    )
    assert said == json.loads(json.dumps(as_json(expected)))
    assert said["objects"]["total"]["right"] == 2
    assert [each["from"] for each in said["objects"]["bins"]] == [0.0, 0.5]


def test_thresholds_are_written_as_prelabel_reads_them(before: Path, tmp_path: Path) -> None:
    after, file = reviewed(before, "coco"), tmp_path / "thresholds.json"
    common = ("compare", before, after, "--thresholds-out", file)
    done = labelkit(*common, "--precision", "0.9", "--min-predictions", "5")
    assert (done.returncode, done.stderr) == (0, "")
    thresholds = read_thresholds(str(file), ["person"], 0.0)
    assert (thresholds.default, dict(thresholds.classes)) == (0.8, {"person": 0.8})
    kept = file.read_bytes()
    wrong = labelkit(*common)
    assert (wrong.returncode, wrong.stdout, file.read_bytes()) == (2, "", kept)
    assert "--thresholds-out: 0 --precision; expected one of it" in wrong.stderr


def test_a_precision_that_no_score_gives_is_told(tmp_path: Path) -> None:
    before = write_jsonl(tmp_path / "before", HEADER, [record(predicted(0))])
    after, file = write_jsonl(tmp_path / "after", HEADER, [record()]), tmp_path / "thresholds.json"
    done = labelkit("compare", before, after, "--precision", "0.9", "--thresholds-out", file)
    assert done.returncode == 0
    assert "all classes together: no score gives a precision of 0.9; 1 is written" in done.stderr
    assert json.loads(file.read_text()) == {"*": 1.0}


def test_what_cannot_be_read_is_told_and_the_exit_code_says_so(before: Path) -> None:
    file = before / "records.jsonl"
    lines = file.read_text("utf-8").splitlines()
    after = before.with_name("after")
    after.mkdir()
    (after / "records.jsonl").write_text("\n".join([lines[0], lines[1], '{"image": 1}']) + "\n", "utf-8")
    done = labelkit("compare", before, after)
    assert done.returncode == 1
    assert "records.jsonl:3" in done.stderr
    assert "1 error on the way (not counted)" in done.stdout
    assert "1 image reviewed, 2 not reviewed" in done.stdout


def test_an_image_that_was_not_counted_is_exit_1_and_every_message_is_shown_with_its_count(
    tmp_path: Path,
) -> None:
    before = write_jsonl(tmp_path / "before", HEADER, [record(path=f"{k}.jpg") for k in (1, 1, 2, 2)])
    after = write_jsonl(tmp_path / "after", HEADER, [record(path=f"{k}.jpg") for k in (1, 2, 2)])
    done = labelkit("compare", before, after)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[-3:] == [
        "CMP102 image-twice (3)",
        f"  2.jpg: twice in {after}; the first one counts",
        f"  2 times, first at 1.jpg: twice in {before}; the first one counts",
    ]


def test_an_image_that_could_be_two_is_exit_1(tmp_path: Path) -> None:
    before = write_jsonl(tmp_path / "before", HEADER, [record(path="1.jpg")])
    after = write_jsonl(tmp_path / "after", HEADER, [record(path="1.png"), record(path="1.bmp")])
    done = labelkit("compare", before, after)
    assert done.returncode == 1
    assert "1.jpg: could be 1.bmp or 1.png, as 1.jpg could; not compared" in done.stdout


def test_an_image_of_another_suffix_is_compared_and_exit_0(tmp_path: Path) -> None:
    before = write_jsonl(tmp_path / "before", HEADER, [record(path="1.jpg")])
    after = write_jsonl(tmp_path / "after", HEADER, [record(path="1.png")])
    assert labelkit("compare", before, after).returncode == 0


def test_without_any_provenance_that_is_said(tmp_path: Path) -> None:
    before = write_jsonl(tmp_path / "before", HEADER, [record(BoundingBox(box=box(4), category="car"))])
    done = labelkit("compare", before, before)
    assert "nothing before the review has a provenance" in done.stdout
    assert "1 of humans: 1 unchanged" in done.stdout


def test_without_a_common_image_that_is_the_first_thing_said(before: Path) -> None:
    after = write_jsonl(before.with_name("after"), HEADER, [record(path="other.jpg")])
    done = labelkit("compare", before, after)
    assert done.returncode == 0
    assert (
        "no image is in both: 'b/1.jpg' is only before the review, 'other.jpg' only after it" in done.stdout
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bins", "0"], "--bins: 0; expected a width from 0.001 to 1"),
        (["--precision", "90"], "--precision: 90; expected a number above 0, up to 1"),
        (["--tolerance", "-1"], "--tolerance: -1; expected pixels, 0 or more"),
        (["--min-iou", "2"], "--min-iou: 2; expected a number from 0 to 1"),
        (["--min-predictions", "0"], "--min-predictions: 0; expected 1 or more"),
        (["--prelabels-format", "cocoo"], "did you mean coco?"),
        (["--voc-base", "0"], "--voc-…: does nothing, for the data sets are jsonl and jsonl"),
        (["-o", "nowhere/report.txt"], "there is no folder 'nowhere'"),
        (["--precision", "0.9", "-o", "t", "--thresholds-out", "./t"], "'t', which -o is to write"),
        (["--precision", "0.9", "--thresholds-out", "nowhere/t.json"], "there is no folder 'nowhere'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(before: Path, options: list[str], message: str) -> None:
    done = labelkit("compare", before, before, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_one_line_and_exit_2(before: Path) -> None:
    command = f"ulimit -f 2; exec {sys.executable} -m labelkit compare {before} {before}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert "TMPDIR names another place for temporary files" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_written_over_the_data(before: Path) -> None:
    kept = (before / "records.jsonl").read_bytes()
    for option in ("-o", "--thresholds-out"):
        done = labelkit("compare", before, before, "--precision", "0.9", option, before / "records.jsonl")
        assert done.returncode == 2
    assert (before / "records.jsonl").read_bytes() == kept


def test_hostile_names_never_reach_a_terminal(tmp_path: Path) -> None:
    name = "\x1b[31mcar\u202e\n"
    header = HEADER.model_copy(
        update={"categories": (*HEADER.categories, HEADER.categories[2].model_copy(update={"name": name}))}
    )
    item = record(predicted(0, category=name), path="\x1b[2J.jpg")
    before = write_jsonl(tmp_path / "before", header, [item])
    after = write_jsonl(tmp_path / "after", header, [record(path="\x1b[2Jx.jpg")])
    for one, two in ((before, after), (before, before)):
        done: Any = labelkit("compare", one, two)
        assert done.returncode == 0
        assert not {"\x1b", "\u202e"} & set(done.stdout + done.stderr)
