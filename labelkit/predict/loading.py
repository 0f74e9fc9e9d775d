"""A model with its weights, ready to label: from the registry, or a checkpoint with classes of its own."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelkit.errors import FormatError, ModelError, UsageError
from labelkit.predict import torchvision_models
from labelkit.predict.checkpoints import Tensors, fetched, read_checkpoint, sha256
from labelkit.predict.registry import (
    BACKGROUND,
    DEFAULTS,
    Classes,
    class_names,
    find_model,
    find_weights,
    usable_weights,
)

_OURS = ("num_classes", "weights", "weights_backbone")
_COUNTER = "num_batches_tracked"  # of a batch norm: frozen ones have none, and no result depends on it


@dataclass(frozen=True)
class Choice:
    """A model that is chosen and not yet built.

    weights: the name of pretrained weights, or that of the file. classes: the class of each output.
    transforms: what torchvision does to an image before the model sees it.
    """

    task: str
    model: str
    options: Mapping[str, Any]
    weights: str
    file: Path
    sha256: str
    classes: Classes
    transforms: Any
    pretrained: Any = None


def choose(
    task: str,
    model: str | None = None,
    weights: str | None = None,
    classes: Path | None = None,
    options: Mapping[str, Any] | None = None,
    preset: Mapping[str, Any] | None = None,
) -> Choice:
    """The model for a task, its weights there.

    weights: the name of pretrained ones, or a checkpoint's file, which needs a file of classes: a JSON list,
    or one name a line. options: of the model's builder (``{"min_size": 512}``). preset: of the transforms
    that go with the weights (``{"resize_size": 256}``), where a checkpoint was trained with others.

    Raises UsageError, FormatError (the classes), ModelError (the weights).
    """
    name = find_model(model or DEFAULTS[task], task)
    for option in options or {}:
        if option in _OURS:
            raise UsageError(
                f"--model-option {option}", "follows from the weights and classes", "another option"
            )
    own = weights is not None and _is_file(weights)
    if classes and not own:
        raise UsageError("--classes", "without a checkpoint of your own", "--weights FILE", "")
    if not own:
        item = find_weights(name, weights)
        file, digest = fetched(item)
        names = class_names(item.meta["categories"])
        transforms = _transforms(item.transforms, preset)
        return Choice(task, name, options or {}, item.name, file, digest, names, transforms, item)
    assert weights is not None
    if classes is None:
        raise UsageError(f"--weights {weights}", "a checkpoint does not name its classes", "--classes FILE")
    file = Path(weights)
    names = class_names(_with_background(read_classes(classes), task, file))
    transforms = _transforms(_preset_of(name, task), preset)
    return Choice(task, name, options or {}, file.name, file, sha256(file), names, transforms)


def _preset_of(name: str, task: str) -> Callable[..., Any]:
    """The transforms of a model's own weights; detectors without any bring their own along."""
    from torchvision.transforms._presets import ObjectDetection

    if usable_weights(name):
        preset: Callable[..., Any] = find_weights(name, None).transforms
        return preset
    if task in ("classification", "semantic"):
        raise ModelError(f"model {name}", "says no transforms", "a model with pretrained weights")
    own: Callable[..., Any] = ObjectDetection
    return own


def _transforms(made: Callable[..., Any], preset: Mapping[str, Any] | None) -> Any:
    try:
        return made(**(preset or {}))
    except (TypeError, ValueError) as error:
        said = ", ".join(f"{key}={value!r}" for key, value in (preset or {}).items())
        raise UsageError(f"--transform {said}", str(error), f"options of {made()!r}") from None


def _is_file(weights: str) -> bool:
    path = Path(weights)
    if path.is_file():
        return True
    if path.suffix in (".pt", ".pth", ".safetensors", ".ckpt") or len(path.parts) > 1:
        raise UsageError(f"--weights {weights}", "there is no such file", "a checkpoint")
    return False


def read_classes(file: Path) -> list[str]:
    """The classes of a checkpoint in the order of its outputs. Raises FormatError."""
    import msgspec

    try:
        text = file.read_text("utf-8-sig")
        names = (
            msgspec.json.decode(text, type=list[str])
            if text.lstrip().startswith("[")
            else [line.strip() for line in text.splitlines() if line.strip()]
        )
    except OSError as error:
        raise FormatError(str(file), f"cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise FormatError(str(file), f"no list of names ({error})", "a JSON list, or a name a line") from None
    if not names or not all(names):
        raise FormatError(str(file), "no class, or one without a name", "a JSON list, or a name a line")
    for number, name in enumerate(names):
        if name in names[:number] and name != "N/A":
            raise FormatError(str(file), f"class {name!r} twice", "names once each")
    return names


def _with_background(names: list[str], task: str, file: Path) -> list[str]:
    """Torchvision's detectors and segmenters count from the background, whether or not somebody lists it.

    A segmenter with as many outputs as there are names has no background: every pixel is of one of them.
    """
    if task == "classification" or BACKGROUND in names:
        return names
    if task == "semantic" and _outputs(read_checkpoint(file)) == len(names):
        return names
    return [BACKGROUND, *names]


def _outputs(tensors: Tensors) -> int:
    """How many classes a segmenter tells apart: the outputs of its classifier's last layer."""
    last = [
        tensor for name, tensor in tensors.items() if name.startswith("classifier.") and tensor.dim() == 4
    ]
    return int(last[-1].shape[0]) if last else 0


def build(choice: Choice) -> Any:
    """The model with its weights, on the CPU, in evaluation mode.

    Raises ModelError that names the first tensor that does not fit.
    """
    if choice.pretrained is not None:
        with _weights_only():
            return _built(choice, weights=choice.pretrained).eval()
    tensors = read_checkpoint(choice.file)
    options = {"weights": None, "num_classes": len(choice.classes)}
    model = _built(choice, **options, **_builder_options(choice.model, tensors))
    _refuse_misfits(model.state_dict(), tensors, choice)
    model.load_state_dict(
        tensors, strict=False
    )  # what is strict about it has been checked, with better words
    return model.eval()


def _with_versions(tensors: Tensors, model: Any) -> Any:
    """The tensors with the versions of their layers, which some models ask for: their own, else today's."""
    said: Any = OrderedDict(tensors)
    said._metadata = getattr(tensors, "_metadata", None) or model.state_dict()._metadata
    return said


def _built(choice: Choice, **options: Any) -> Any:
    try:
        return torchvision_models().get_model(choice.model, **{**options, **choice.options})
    except Exception as error:  # builders pass options on to whatever they are for
        if isinstance(error, OSError) or not choice.options:
            raise
        said = ", ".join(f"{key}={value!r}" for key, value in choice.options.items())
        raise ModelError(
            f"model {choice.model}",
            f"cannot be built with {said} ({error})",
            "options of its builder",
        ) from None


@contextmanager
def _weights_only() -> Iterator[None]:
    """Torchvision's builders load weights by themselves: this makes them load nothing but weights."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _builder_options(model: str, tensors: Tensors) -> dict[str, Any]:
    """What a checkpoint says of how its model was built: with auxiliary heads, which only training needs."""
    from inspect import signature

    known = signature(torchvision_models().get_model_builder(model)).parameters
    options: dict[str, Any] = {}
    if "weights_backbone" in known:
        options["weights_backbone"] = None
    if "aux_loss" in known:
        options["aux_loss"] = any(name.startswith("aux_classifier.") for name in tensors)
    if model in ("inception_v3", "googlenet"):
        options["aux_logits"] = any(name.startswith(("AuxLogits.", "aux1.")) for name in tensors)
        options["init_weights"] = False  # which are overwritten, after a minute of drawing numbers
        options["transform_input"] = False
    return options


def _refuse_misfits(expected: Tensors, found: Tensors, choice: Choice) -> None:
    """Raise ModelError that names the first tensor that is missing, of another shape, or too many."""
    place = f"{choice.file}"
    advice = f"is it a {choice.model} with {_count(choice)}?"
    for name, tensor in expected.items():
        if name.endswith(_COUNTER):
            continue
        if name not in found:
            raise ModelError(place, f"has no tensor {name!r}", f"one of shape {_shape(tensor)}", advice)
        if found[name].shape != tensor.shape:
            text = f"tensor {name!r} has shape {_shape(found[name])}"
            raise ModelError(place, text, f"{_shape(tensor)}", advice)
        if found[name].is_floating_point() and not bool(found[name].isfinite().all()):
            raise ModelError(
                place, f"tensor {name!r} has values that are no numbers", "a model that was trained"
            )
    for name in found:
        if name not in expected and not name.endswith(_COUNTER):
            raise ModelError(place, f"tensor {name!r} has no place in the model", "", advice)


def _shape(tensor: Any) -> str:
    return " x ".join(str(side) for side in tensor.shape) or "a number"


def _count(choice: Choice) -> str:
    named = sum(name is not None for name in choice.classes)
    rest = len(choice.classes) - named
    return f"{named} classes{f' and {rest} for the background' if rest == 1 else ''}"
