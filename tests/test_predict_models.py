"""Every family of torchvision's models goes through its adapter: what comes out is what the model said."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pictures
from seeded import checkpoint, class_file, pixels
from torchvision.models import get_model_builder
from torchvision.transforms.functional import pil_to_tensor

from labelkit.geometry import rle
from labelkit.model import Image, Record
from labelkit.pixels import map_pixels, mask_runs
from labelkit.predict.adapters import STEPS, Guess, Settings, labels_of, map_of
from labelkit.predict.inputs import Loader
from labelkit.predict.loading import Choice, build, choose
from labelkit.predict.plan import Batch, take
from labelkit.predict.registry import model_entries
from labelkit.predict.running import Runner, find_device

NAMES = ["dog", "cat", "bird"]
ENTRIES = list(model_entries())


@pytest.fixture(autouse=True)
def without_checkpoints(tmp_path: Path) -> Iterator[None]:
    """Some have half a gigabyte, and pytest keeps the folders of its last runs."""
    yield
    for file in tmp_path.glob("*.pth"):
        file.unlink()


def smallest_of_each_family() -> list[str]:
    """The smallest model of every module of torchvision's classifiers."""
    by_family: dict[str, Any] = {}
    for entry in model_entries("classification"):
        family = get_model_builder(entry.name).__module__
        size = min(item.megabytes or 1e9 for item in entry.weights)
        by_family[family] = min(by_family.get(family, (1e9, "")), (size, entry.name))
    return sorted(name for _, name in by_family.values())


def own(tmp: Path, task: str, model: str, **options: Any) -> Choice:
    """A choice of a model with random weights, saved and loaded as a user's checkpoint is."""
    background = task != "classification"
    if background or "weights_backbone" in options:
        options["weights_backbone"] = None
    if model in ("inception_v3", "googlenet"):
        options["init_weights"] = False
    file = checkpoint(tmp, model, len(NAMES) + background, **options)
    for name in ("weights_backbone", "init_weights"):
        options.pop(name, None)
    return choose(task, model, str(file), class_file(tmp, NAMES), options)


def runner(choice: Choice, keep: float = 0.0, **rest: Any) -> Runner:
    settings = Settings(
        choice.task, choice.classes, keep, **{k: rest.pop(k) for k in ("top_k", "multi_label") if k in rest}
    )
    limits = {"nms_iou": None, "max_per_image": None, "amp": False, "tell": lambda text: None, **rest}
    return Runner(choice, settings, find_device("cpu"), **limits)


def photo(tmp: Path, seed: int = 0, width: int = 90, height: int = 70) -> Path:
    file = tmp / f"{seed}-{width}x{height}.png"
    Pictures.fromarray(pixels(seed, width, height)).save(file)
    return file


def guess(choice: Choice, files: list[Path], keep: float = 0.0, **rest: Any) -> list[Guess]:
    """What a model says of some images that share a batch."""
    shots = tuple(take(Image(path=file.name), file) for file in files)
    loader = Loader(choice.transforms)
    said = runner(choice, keep, **rest).guesses(loader[Batch(0, 0, shots)], on_device=loader.on_device)
    assert all(isinstance(each, Guess) for each in said), said
    return [each for each in said if isinstance(each, Guess)]


@pytest.mark.parametrize("model", smallest_of_each_family())
def test_a_classifier_of_every_family_says_what_the_bare_model_says(tmp_path: Path, model: str) -> None:
    choice = own(tmp_path, "classification", model)
    file = photo(tmp_path)
    (said,) = guess(choice, [file], top_k=3)
    with torch.inference_mode():
        scores = build(choice)(choice.transforms(Pictures.open(file))[None])[0].softmax(0)
    expected = sorted(zip(scores.tolist(), NAMES, strict=True), reverse=True)
    assert [label.category for label in said.labels] == [name for _, name in expected]
    assert [label.score for label in said.labels] == pytest.approx([score for score, _ in expected], abs=1e-6)


DETECTORS = [entry.name for entry in ENTRIES if "detection" in entry.tasks]
SMALL = {"min_size": 96, "max_size": 128}


@pytest.mark.parametrize("model", DETECTORS)
def test_a_detector_of_every_family_says_what_the_bare_model_says(tmp_path: Path, model: str) -> None:
    options = {} if model.startswith("ssd") else SMALL
    choice = own(tmp_path, "detection", model, **options)
    file = photo(tmp_path)
    (said,) = guess(choice, [file], max_per_image=20)
    bare = build(choice)
    inner = getattr(bare, "roi_heads", bare)
    inner.score_thresh, inner.detections_per_img = 0.0, 20
    with torch.inference_mode():
        (expected,) = bare([choice.transforms(Pictures.open(file))])
    order = torch.argsort(expected["scores"], descending=True, stable=True)
    boxes = expected["boxes"][order]
    there = (boxes[:, 2:] > boxes[:, :2]).all(1) & (expected["labels"][order] > 0)  # 0 is the background
    assert len(said.objects) == int(there.sum()) > 0
    names = [choice.classes[k] for k in expected["labels"][order][there].tolist()]
    assert [item.category for item in said.objects] == names
    assert [item.score for item in said.objects] == pytest.approx(expected["scores"][order][there].tolist())
    corners = [
        (item.box.x, item.box.y, item.box.x + item.box.w, item.box.y + item.box.h)
        for item in said.objects
        if item.box
    ]
    assert np.allclose(corners, boxes[there].numpy(), atol=1e-3)


SEGMENTERS = [entry.name for entry in ENTRIES if entry.tasks == ("semantic",)]


@pytest.mark.parametrize("model", SEGMENTERS)
def test_a_segmenter_of_every_family_says_what_the_bare_model_says(tmp_path: Path, model: str) -> None:
    choice = own(tmp_path, "semantic", model)
    file = photo(tmp_path, width=61, height=43)
    choice.transforms.resize_size = [64]
    (said,) = guess(choice, [file])
    with torch.inference_mode():
        logits = build(choice)(choice.transforms(Pictures.open(file))[None])["out"]
    full = torch.nn.functional.interpolate(logits, size=(43, 61), mode="bilinear", align_corners=False)[0]
    scores, labels = full.softmax(0).max(0)
    item = said.maps["semantic"]
    assert item.classes == dict(enumerate(NAMES, 1))
    assert np.array_equal(map_pixels(item), labels.numpy())
    assert said.confidence is not None
    steps = (scores * STEPS).clamp(max=STEPS - 1).byte().numpy()
    assert np.abs(said.confidence.astype(int) - steps).max() <= 1


@pytest.mark.parametrize("at_once", [1, 700, 1 << 25])
def test_classes_are_compared_some_at_a_time(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr("labelkit.predict.adapters._AT_ONCE", at_once)
    torch.manual_seed(1)
    logits = torch.randn(7, 5, 6) * 4
    full = torch.nn.functional.interpolate(logits[None], size=(11, 17), mode="bilinear", align_corners=False)[
        0
    ]
    scores, labels = full.softmax(0).max(0)
    names = tuple(f"class {number}" for number in range(6))
    said = map_of(logits, (17, 11), Settings("semantic", (None, *names), 0.0))
    assert np.array_equal(map_pixels(said.maps["semantic"]), labels.numpy())
    assert said.confidence is not None
    assert np.abs(said.confidence - scores.numpy() * STEPS).max() <= 1.01


@pytest.mark.parametrize("model", [entry.name for entry in ENTRIES if "instance" in entry.tasks])
def test_masks_are_pasted_as_torchvision_pastes_them(tmp_path: Path, model: str) -> None:
    choice = own(tmp_path, "instance", model, **SMALL)
    file = photo(tmp_path, width=83, height=57)
    (said,) = guess(choice, [file], max_per_image=30)
    bare = build(choice)
    bare.roi_heads.score_thresh, bare.roi_heads.detections_per_img = 0.0, 30
    with torch.inference_mode():
        (expected,) = bare([choice.transforms(Pictures.open(file))])
    order = torch.argsort(expected["scores"], descending=True, stable=True)
    masks = [expected["masks"][k, 0].numpy() > 0.5 for k in order]
    masks = [mask for mask in masks if mask.any()]
    assert len(said.objects) == len(masks) > 3
    record = Record(image=Image(path="p", width=83, height=57))
    for item, mask in zip(said.objects, masks, strict=True):
        assert item.kind == "instance"
        assert item.box is not None
        assert mask_runs(record, item.mask).tolist() == rle.encode_mask(mask).tolist()


def test_a_mask_at_every_edge_of_the_image_is_pasted_as_torchvision_pastes_it() -> None:
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    from labelkit.predict.adapters import pasted

    torch.manual_seed(0)
    height, width = 40, 60
    boxes = torch.tensor(
        [
            [-5.0, -3, 20, 15],
            [50, 30, 70, 50],
            [-8, 10, 70, 12],
            [10, -9, 11, 60],
            [5.2, 6.7, 5.3, 6.8],
            [59.9, 39.9, 60, 40],
        ]
    )
    masks = torch.rand(len(boxes), 1, 28, 28)
    expected = paste_masks_in_image(masks, boxes, (height, width)) > 0.5
    for mask, box, whole in zip(masks, boxes, expected, strict=True):
        runs = pasted(mask, box, height, width)
        assert np.array_equal(rle.decode_mask(runs, height, width), whole[0].numpy())


def test_what_a_detector_drops_by_itself_is_what_was_asked_for(tmp_path: Path) -> None:
    choice = own(tmp_path, "detection", "fasterrcnn_mobilenet_v3_large_320_fpn", **SMALL)
    file = photo(tmp_path)
    (every,) = guess(choice, [file])
    scores = sorted((item.score or 0 for item in every.objects), reverse=True)
    (few,) = guess(choice, [file], max_per_image=3)
    assert [item.score for item in few.objects] == scores[:3]
    (apart,) = guess(choice, [file], nms_iou=0.01)
    assert len(apart.objects) < len(every.objects)
    (sure,) = guess(choice, [file], keep=scores[len(scores) // 2])
    assert {item.score for item in sure.objects} <= set(scores[: len(scores) // 2 + 1])


@pytest.mark.parametrize(
    ("task", "model"), [("detection", "ssdlite320_mobilenet_v3_large"), ("classification", "resnet18")]
)
def test_a_neighbour_in_the_batch_changes_nothing(tmp_path: Path, task: str, model: str) -> None:
    choice = own(tmp_path, task, model)
    files = [photo(tmp_path, seed) for seed in range(3)]
    together = guess(choice, files)
    for file, said in zip(files, together, strict=True):
        (alone,) = guess(choice, [file])
        assert [x.category for x in (*alone.objects, *alone.labels)] == [
            x.category for x in (*said.objects, *said.labels)
        ]
        scores = [[x.score for x in (*each.objects, *each.labels)] for each in (alone, said)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_gaps_in_the_numbering_of_classes_are_counted_and_left_out() -> None:
    from labelkit.predict.adapters import boxes_of

    output = {
        "boxes": torch.tensor([[0.0, 0, 4, 4], [1, 1, 5, 5], [2, 2, 2, 9], [0, 0, 1, 1]]),
        "labels": torch.tensor([1, 2, 1, 7]),
        "scores": torch.tensor([0.5, 0.9, 0.8, 0.7]),
    }
    said = boxes_of(output, (10, 10), Settings("detection", (None, "dog", None, "cat"), 0.1))
    assert [(item.category, item.box) for item in said.objects] == [("dog", (0, 0, 4, 4))]
    assert said.unknown == 3  # a gap, a box without width, a number past the last class


def test_several_labels_an_image_have_a_score_each_and_one_label_shares_them() -> None:
    logits = torch.tensor([2.0, 1.0, -3.0])
    single = labels_of(logits, (1, 1), Settings("classification", ("a", "b", "c"), 0.05, top_k=2))
    several = labels_of(logits, (1, 1), Settings("classification", ("a", "b", "c"), 0.5, multi_label=True))
    assert [(x.category, x.score) for x in single.labels] == [
        ("a", pytest.approx(0.7275, abs=1e-4)),
        ("b", pytest.approx(0.2676, abs=1e-4)),
    ]
    assert [(x.category, x.score) for x in several.labels] == [
        ("a", pytest.approx(0.8808, abs=1e-4)),
        ("b", pytest.approx(0.7311, abs=1e-4)),
    ]


def test_the_likeliest_class_is_kept_however_unlikely() -> None:
    said = labels_of(torch.zeros(4), (1, 1), Settings("classification", ("a", "b", "c", "d"), 0.3))
    assert [(x.category, x.score) for x in said.labels] == [("a", 0.25)]


def test_a_first_class_that_is_no_background_is_not_lost_in_the_ground() -> None:
    logits = torch.zeros(2, 2, 3)
    logits[0, :, 0] = 9
    logits[1, :, 1:] = 9
    said = map_of(logits, (3, 2), Settings("semantic", ("road", "sky"), 0.0))
    item = said.maps["semantic"]
    names = [[item.classes[value] for value in row] for row in map_pixels(item).tolist()]
    assert names == [["road", "sky", "sky"]] * 2


# --- images ------------------------------------------------------------------------------------------------


def test_a_turned_photo_is_seen_as_its_stated_size_says(tmp_path: Path) -> None:
    stored = pixels(1, 30, 20)
    exif = Pictures.Exif()
    exif[0x0112] = 6  # turn it clockwise to see it
    file = tmp_path / "turned.png"
    Pictures.fromarray(stored).save(file, exif=exif)
    transforms = choose_transforms()
    for image, size, shown, notes in (
        (Image(path="p"), (20, 30), np.rot90(stored, -1), 1),
        (Image(path="p", width=20, height=30), (20, 30), np.rot90(stored, -1), 0),
        (Image(path="p", width=30, height=20), (30, 20), stored, 0),
    ):
        shot = take(image, file)
        assert (shot.size, len(shot.notes), shot.fault) == (size, notes, "")
        loaded = Loader(transforms)[Batch(0, 0, (shot,))]
        assert np.array_equal(loaded.pixels[0].numpy().transpose(1, 2, 0), shown)
    wrong = take(Image(path="p", width=31, height=20), file)
    assert wrong.fault == "the record says 31 x 20, the image is 20 x 30"


def choose_transforms() -> Any:
    from torchvision.transforms._presets import ObjectDetection

    return ObjectDetection()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "I;16", "LA"])
def test_photos_of_every_mode_become_rgb(tmp_path: Path, mode: str) -> None:
    rgb = Pictures.fromarray(pixels(2, 9, 7))
    file = tmp_path / ("photo.tif" if mode in ("CMYK", "I;16") else "photo.png")
    if mode == "I;16":
        grey = np.asarray(rgb.convert("L")).astype(np.uint16)
        Pictures.fromarray(grey * 257).save(file)
        expected = np.stack([grey] * 3, 2)
    else:
        image = rgb.convert(mode)
        image.save(file)
        expected = np.asarray(image.convert("RGB"))
    shot = take(Image(path="p"), file)
    loaded = Loader(choose_transforms())[Batch(0, 0, (shot,))]
    assert loaded.faults == ("",)
    assert np.array_equal(loaded.pixels[0].numpy(), expected.transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_samples_of_32_bits_are_a_fault_and_not_black(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "deep.tif"
    ramp = np.linspace(0, 1, 63, dtype=np.float32).reshape(7, 9)
    Pictures.fromarray(ramp).convert(mode).save(file)
    loaded = Loader(choose_transforms())[Batch(0, 0, (take(Image(path="p"), file),))]
    assert loaded.faults == ("has samples of 32 bits; expected 8 or 16",) and loaded.pixels is None


def test_what_exif_says_behind_the_pixels_is_followed_by_nobody_or_by_all(tmp_path: Path) -> None:
    """The header is read to the first pixels only; what is decoded is turned as it says, and no more."""
    stored = pixels(5, 30, 20)
    exif = Pictures.Exif()
    exif[0x0112] = 6
    file = tmp_path / "late.png"
    Pictures.fromarray(stored).save(file, exif=exif)
    data = file.read_bytes()
    start = data.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(data[start : start + 4], "big")
    end = data.index(b"IEND") - 4
    file.write_bytes(data[:start] + data[stop:end] + data[start:stop] + data[end:])
    shot = take(Image(path="p"), file)
    loaded = Loader(choose_transforms())[Batch(0, 0, (shot,))]
    assert loaded.faults == ("",) and loaded.pixels.shape[2:] == shot.size[::-1]


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_what_is_no_image_is_a_fault_of_it_alone(tmp_path: Path, content: bytes | None) -> None:
    good = photo(tmp_path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(good.read_bytes()[:200] if content is None else content)
    shots = tuple(take(Image(path=file.name), file) for file in (good, broken))
    loaded = Loader(choose_transforms())[Batch(0, 0, shots)]
    assert loaded.faults[0] == "" and loaded.faults[1]
    assert loaded.pixels.shape == (1, 3, 70, 90)
    assert np.array_equal(loaded.pixels[0], pil_to_tensor(Pictures.open(good)))


def test_an_image_that_claims_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    file = photo(tmp_path)
    data = bytearray(file.read_bytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2  # the header's width and height, and its sum
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    file.write_bytes(data)
    fault = take(Image(path="p"), file).fault
    assert "3600000000" in fault or "60000" in fault, fault


# --- memory ------------------------------------------------------------------------------------------------


def test_a_batch_that_does_not_fit_is_halved_until_it_does(tmp_path: Path) -> None:
    """The device is a CPU, so the model itself says when there is too much for it."""
    choice = own(tmp_path, "classification", "resnet18")
    told: list[str] = []
    made = runner(choice, tell=told.append)
    whole = made.model

    class Narrow(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            if len(batch) > 2:
                raise torch.OutOfMemoryError("too much")
            return whole(batch)

    loader = Loader(choice.transforms)
    files = [photo(tmp_path, seed) for seed in range(5)]
    shots = tuple(take(Image(path=file.name), file) for file in files)
    loaded = loader[Batch(3, 0, shots)]
    expected = made.guesses(loaded, on_device=False)
    made.model = Narrow()
    assert [said.labels[0].category for said in made.guesses(loaded, on_device=False)] == [  # type: ignore[union-attr]
        said.labels[0].category
        for said in expected  # type: ignore[union-attr]
    ]
    assert told == ["batch 3: 5 images do not fit the memory of cpu; 2 at a time"]


def test_an_image_that_does_not_fit_alone_is_a_fault_of_it(tmp_path: Path) -> None:
    choice = own(tmp_path, "classification", "resnet18")
    made = runner(choice)

    class Full(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("too much")

    made.model = Full()
    file = photo(tmp_path)
    loaded = Loader(choice.transforms)[Batch(0, 0, (take(Image(path="p"), file),) * 2)]
    assert made.guesses(loaded, on_device=False) == ["does not fit the memory of cpu"] * 2


def test_an_image_that_the_model_fails_on_slows_its_own_batch_only(tmp_path: Path) -> None:
    """Else a run that goes on behind it would have other batches than one that nobody stopped."""
    choice = own(tmp_path, "classification", "resnet18")
    made = runner(choice)
    whole = made.model
    sizes: list[int] = []

    class Picky(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            sizes.append(len(batch))
            if (batch.flatten(1).std(1) < 0.1).any():
                raise ValueError("nothing to see")
            return whole(batch)

    made.model = Picky()
    plain = tmp_path / "plain.png"
    Pictures.new("L", (90, 70), 128).convert("RGB").save(plain)
    files = [photo(tmp_path, 1), plain, photo(tmp_path, 2)]
    loader = Loader(choice.transforms)
    loader.transforms.mean, loader.transforms.std = [0.5] * 3, [0.5] * 3  # so that grey has no spread
    shots = tuple(take(Image(path=file.name), file) for file in files)
    first = made.guesses(loader[Batch(0, 0, shots)], on_device=False)
    assert [isinstance(said, str) for said in first] == [False, True, False]
    assert first[1] == "the model fails on it (ValueError: nothing to see)"
    made.guesses(loader[Batch(1, 0, (shots[0], shots[2]))], on_device=False)
    assert sizes == [3, 1, 1, 1, 2]
