"""The order of the images is the source's own; where a target loses it, it is told, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_laws import write_jsonl

from labelkit.carrier import carrier_path
from labelkit.errors import LossError
from labelkit.formats import formats
from labelkit.model import BoundingBox, Box, Category, Header, Image, Record
from labelkit.pipeline import convert, open_dataset
from labelkit.visible import same

HEADER = Header(categories=(Category(name="car", thing=True),))
OTHERS = [name for name in formats() if "order" not in formats()[name].carries]
SHUFFLED = ["m/9.png", "a/2.png", "z/1.png", "a/1.png", "k/5.png", "b/7.png"]


def jsonl(root: Path, paths: list[str], splits: list[str]) -> Path:
    car = BoundingBox(category="car", box=Box(1, 1, 4, 4))
    items = [
        Record(image=Image(path=path, width=9, height=9), splits=(split,), objects=(car,))
        for path, split in zip(paths, splits, strict=True)
    ]
    return write_jsonl(root, HEADER, items)


def order(root: Path) -> list[str]:
    return [record.image.path for record in open_dataset(root)]


@pytest.mark.parametrize("splits", [["train"] * 6, ["val", "train"] * 3])
@pytest.mark.parametrize("other", OTHERS)
def test_the_order_comes_back(tmp_path: Path, other: str, splits: list[str]) -> None:
    source = jsonl(tmp_path / "a", SHUFFLED, splits)
    report = convert(source, tmp_path / "b", to=other)
    assert report.ledger.counts["LOS210"] == 1
    assert report.ledger.examples["LOS210"][0].carried
    convert(tmp_path / "b", tmp_path / "c", to="jsonl")
    assert order(tmp_path / "c") == SHUFFLED
    assert all(same(a, b) for a, b in zip(open_dataset(tmp_path / "c"), open_dataset(source), strict=True))


def test_new_images_come_last_and_lost_ones_leave_no_gap(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", SHUFFLED, ["train"] * 6)
    convert(source, tmp_path / "b", to="voc")
    root = tmp_path / "b/VOCdevkit/VOC2012"
    xml = root / "Annotations"
    (xml / "a/0.xml").write_text((xml / "a/1.xml").read_text().replace("<filename>1.png", "<filename>0.png"))
    (xml / "z/1.xml").unlink()
    listed = root / "ImageSets/Main/train.txt"
    listed.write_text("a/0\n" + listed.read_text().replace("z/1\n", ""))
    convert(tmp_path / "b", tmp_path / "c", to="jsonl", options={"voc": {"base": "1"}})
    assert order(tmp_path / "c") == [path for path in SHUFFLED if path != "z/1.png"] + ["a/0.png"]


def test_an_order_that_the_target_has_anyway_is_no_loss(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", sorted(SHUFFLED), ["train"] * 6)
    report = convert(source, tmp_path / "b", to="voc")
    assert "LOS210" not in report.ledger.counts
    assert not report.ledger.uncarried
    assert order(tmp_path / "b") == sorted(SHUFFLED)


def test_strict_refuses_to_lose_the_order_without_a_carrier(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", SHUFFLED, ["train"] * 6)
    with pytest.raises(LossError, match="LOS210 image-order-changed"):
        convert(source, tmp_path / "b", to="voc", strict=True, carrier=False)
    convert(source, tmp_path / "c", to="voc", strict=True)
    assert carrier_path(tmp_path / "c").exists()


def test_images_of_one_name_are_all_kept(tmp_path: Path) -> None:
    """Two records of one path cannot be told apart by it; neither may replace the other."""
    source = jsonl(tmp_path / "a", ["b.png", "a.png"], ["train"] * 2)
    convert(source, tmp_path / "b", to="coco")
    file = next((tmp_path / "b/annotations").glob("*.json"))
    file.write_text(file.read_text().replace('"b.png"', '"c.png"'))
    convert(tmp_path / "b", tmp_path / "c", to="jsonl")
    assert sorted(order(tmp_path / "c")) == ["a.png", "c.png"]
