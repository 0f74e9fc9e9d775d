"""Weights from files: nothing in them is run, what does not fit is named, what is missing is told."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from seeded import checkpoint, class_file
from torchvision.models import ResNet, ResNet18_Weights, get_model, resnet18
from torchvision.models._api import BUILTIN_MODELS, Weights, WeightsEnum, register_model

from labelkit.errors import FormatError, ModelError, UsageError
from labelkit.predict.loading import build, choose, read_classes

NAMES = ["one", "two", "three"]


def chosen(
    folder: Path, file: Path, names: list[str] = NAMES, task: str = "classification", model: str = "resnet18"
) -> Any:
    return choose(task, model, str(file), class_file(folder, names))


@pytest.mark.parametrize(
    "form", ["plain", "state_dict", "model", "parallel", "model_ema", "lightning", "safetensors"]
)
def test_a_checkpoint_in_every_usual_form_gives_its_own_weights(tmp_path: Path, form: str) -> None:
    plain = torch.load(checkpoint(tmp_path, "resnet18", 3, seed=7), weights_only=True)
    file = tmp_path / ("own.safetensors" if form == "safetensors" else "own.pth")
    if form == "safetensors":
        save_file(plain, file)
    elif form == "parallel":
        torch.save({f"module.{name}": tensor for name, tensor in plain.items()}, file)
    elif form == "model_ema":  # torchvision's training scripts save an AveragedModel so
        averaged = {"n_averaged": torch.tensor(7), **{f"module.{name}": each for name, each in plain.items()}}
        torch.save({"model_ema": averaged, "args": {"epochs": 3}}, file)
    elif form == "lightning":
        torch.save({"state_dict": {f"model.{name}": each for name, each in plain.items()}}, file)
    else:
        torch.save(plain if form == "plain" else {form: plain, "epoch": 3}, file)
    model = build(chosen(tmp_path, file))
    assert not model.training
    assert {n: t.tolist() for n, t in model.state_dict().items()} == {n: t.tolist() for n, t in plain.items()}


class Trap:
    """What a hostile file would have run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch trap-was-sprung",)


def test_a_checkpoint_with_python_objects_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Trap()}, tmp_path / "own.pth")
    with pytest.raises(ModelError, match="holds Python objects"):
        build(chosen(tmp_path, tmp_path / "own.pth"))
    assert not (tmp_path / "trap-was-sprung").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no checkpoint"),
        (b"not a checkpoint", "is no checkpoint|holds Python objects"),
        (b"PK\x03\x04 half a zip", "is no checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_told_in_a_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "own.pth").write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        build(chosen(tmp_path, tmp_path / "own.pth"))
    assert "\n" not in str(caught.value)


def test_a_page_of_html_is_no_checkpoint_with_python_objects(tmp_path: Path) -> None:
    (tmp_path / "own.pth").write_text("<html>404</html>")
    with pytest.raises(ModelError, match=r"own\.pth: is no checkpoint; expected a state dict"):
        build(chosen(tmp_path, tmp_path / "own.pth"))


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    tensors = torch.load(checkpoint(tmp_path, "resnet18", 3), weights_only=True)
    tensors["layer1.0.bn1.weight"][3] = float("nan")
    torch.save(tensors, tmp_path / "own.pth")
    with pytest.raises(ModelError, match=r"tensor 'layer1\.0\.bn1\.weight' has values that are no numbers"):
        build(chosen(tmp_path, tmp_path / "own.pth"))


def test_a_segmenter_with_as_many_outputs_as_names_has_no_background(tmp_path: Path) -> None:
    file = checkpoint(tmp_path, "lraspp_mobilenet_v3_large", 3, weights_backbone=None)
    choice = chosen(tmp_path, file, task="semantic", model="lraspp_mobilenet_v3_large")
    assert choice.classes == tuple(NAMES)
    build(choice)


def test_a_file_without_a_state_dict_is_told_with_what_it_has(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "loss": 0.5}, tmp_path / "own.pth")
    with pytest.raises(ModelError, match=r"holds no state dict \(a table of epoch, loss\)"):
        build(chosen(tmp_path, tmp_path / "own.pth"))


def test_a_broken_safetensors_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ModelError, match="is no safetensors file"):
        build(chosen(tmp_path, tmp_path / "own.safetensors"))


def test_the_first_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    file = checkpoint(tmp_path, "resnet18", 3)
    with pytest.raises(ModelError) as caught:
        build(chosen(tmp_path, file, ["one", "two"]))
    assert "tensor 'fc.weight' has shape 3 x 512; expected 2 x 512" in str(caught.value)
    assert "is it a resnet18 with 2 classes?" in str(caught.value)


def test_the_first_missing_tensor_is_named(tmp_path: Path) -> None:
    tensors = torch.load(checkpoint(tmp_path, "resnet18", 3), weights_only=True)
    for name in ("layer2.0.conv1.weight", "fc.bias"):
        del tensors[name]
    torch.save(tensors, tmp_path / "own.pth")
    with pytest.raises(
        ModelError, match=r"has no tensor 'layer2.0.conv1.weight'; expected one of shape 128 x 64 x 3 x 3"
    ):
        build(chosen(tmp_path, tmp_path / "own.pth"))


def test_a_tensor_too_many_is_named(tmp_path: Path) -> None:
    tensors = torch.load(checkpoint(tmp_path, "resnet18", 3), weights_only=True)
    torch.save({**tensors, "neck.weight": torch.zeros(2)}, tmp_path / "own.pth")
    with pytest.raises(ModelError, match=r"tensor 'neck.weight' has no place in the model"):
        build(chosen(tmp_path, tmp_path / "own.pth"))


@pytest.mark.parametrize("names", [NAMES, ["__background__", *NAMES]])
def test_a_detectors_first_output_is_the_background_whether_or_not_it_is_listed(
    tmp_path: Path, names: list[str]
) -> None:
    file = checkpoint(tmp_path, "ssdlite320_mobilenet_v3_large", 4, weights_backbone=None)
    choice = chosen(tmp_path, file, names, "detection", "ssdlite320_mobilenet_v3_large")
    assert choice.classes == (None, *NAMES)
    build(choice)


@pytest.mark.parametrize("auxiliary", [False, True])
def test_a_head_that_only_training_needs_may_be_there_or_not(tmp_path: Path, auxiliary: bool) -> None:
    file = checkpoint(tmp_path, "fcn_resnet50", 4, weights_backbone=None, aux_loss=auxiliary)
    assert build(chosen(tmp_path, file, task="semantic", model="fcn_resnet50"))


# --- files of classes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["one\ntwo words\n\nthrée\n", '["one", "two words", "thrée"]', "\ufeffone\r\ntwo words\r\nthrée"]
)
def test_classes_are_a_name_a_line_or_a_list(tmp_path: Path, text: str) -> None:
    (tmp_path / "classes").write_text(text, "utf-8", newline="")
    assert read_classes(tmp_path / "classes") == ["one", "two words", "thrée"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no class"),
        ("a\nb\na", "class 'a' twice"),
        ('["a", 1]', "no list of names"),
        ('["a"', "no list of names"),
    ],
)
def test_classes_that_are_none_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "classes").write_text(text, "utf-8")
    with pytest.raises(FormatError, match=message):
        read_classes(tmp_path / "classes")


def test_a_checkpoint_without_its_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a checkpoint does not name its classes; expected --classes FILE"):
        choose("classification", "resnet18", str(checkpoint(tmp_path, "resnet18", 3)))


def test_classes_without_a_checkpoint_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--classes: without a checkpoint"):
        choose("classification", "resnet18", None, class_file(tmp_path, NAMES))


def test_a_checkpoint_that_is_not_there_is_no_name_of_weights(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        choose("classification", "resnet18", "best.pth", class_file(tmp_path, NAMES))


def test_an_option_that_the_builder_has_not_is_told(tmp_path: Path) -> None:
    choice = choose(
        "classification",
        "resnet18",
        str(checkpoint(tmp_path, "resnet18", 3)),
        class_file(tmp_path, NAMES),
        {"min_size": 5},
    )
    with pytest.raises(ModelError, match="cannot be built with min_size=5"):
        build(choice)


# --- weights that torch.hub keeps --------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A model with pretrained weights at an address that can be reached: the file's own."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    source = checkpoint(tmp_path, "resnet18", 3, seed=5)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:8]
    file = source.rename(tmp_path / f"tiny-{digest}.pth")

    class Tiny_Weights(WeightsEnum):
        DEFAULT = Weights(
            url=file.as_uri(),
            transforms=ResNet18_Weights.DEFAULT.transforms,
            meta={"categories": NAMES, "_metrics": {"shapes": {"acc@1": 99.0}}},
        )

    @register_model(name="tiny_resnet")
    def tiny(*, weights: Tiny_Weights | None = None, progress: bool = True, **options: Any) -> ResNet:
        model = resnet18(num_classes=3, **options)
        if weights is not None:
            model.load_state_dict(weights.get_state_dict(progress=progress, check_hash=True))
        return model

    tiny.__annotations__ |= {"weights": Tiny_Weights | None, "return": ResNet}
    yield "tiny_resnet", file
    del BUILTIN_MODELS["tiny_resnet"]


def test_weights_are_downloaded_once_to_where_torch_keeps_them(
    published: tuple[str, Path], tmp_path: Path
) -> None:
    name, file = published
    choice = choose("classification", name)
    assert choice.file == tmp_path / "home" / "hub" / "checkpoints" / file.name
    assert choice.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    file.unlink()  # there is nothing to download any more
    again = choose("classification", name)
    expected = get_model("resnet18", weights=None, num_classes=3)
    expected.load_state_dict(torch.load(again.file, weights_only=True))
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(build(again)(image), expected.eval()(image))


def test_weights_that_cannot_be_had_are_told_in_a_line(published: tuple[str, Path], tmp_path: Path) -> None:
    name, file = published
    file.unlink()
    with pytest.raises(ModelError) as caught:
        choose("classification", name)
    text = str(caught.value)
    assert "\n" not in text and "TORCH_HOME" in text and "on another machine" in text
    assert str(tmp_path / "home" / "hub" / "checkpoints" / file.name) in text
    assert not list((tmp_path / "home").rglob("*.pth*"))


def test_a_file_that_is_not_the_published_one_is_refused(published: tuple[str, Path], tmp_path: Path) -> None:
    name, _ = published
    kept = choose("classification", name).file
    kept.write_bytes(kept.read_bytes()[:-100])
    with pytest.raises(
        ModelError, match=f"{re.escape(str(kept))}: does not have the SHA-256 that its name says"
    ):
        choose("classification", name)


def test_published_weights_with_python_objects_are_not_run(
    published: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, file = published
    monkeypatch.chdir(tmp_path)
    trap = tmp_path / "home" / "hub" / "checkpoints" / file.name
    trap.parent.mkdir(parents=True)
    choice = choose("classification", name)
    torch.save({"fc.weight": Trap()}, trap)  # after its hash was looked at
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        build(choice)
    assert not (tmp_path / "trap-was-sprung").exists()


def test_an_option_that_the_transforms_have_not_is_told(published: tuple[str, Path]) -> None:
    with pytest.raises(UsageError, match="--transform depth=3"):
        choose("classification", published[0], preset={"depth": 3})
