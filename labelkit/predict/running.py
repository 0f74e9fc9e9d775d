"""Running a model on a device: half a batch where a whole one does not fit, and never a gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MethodType
from typing import Any

from labelkit.errors import ModelError, UsageError
from labelkit.predict import OBJECT_TASKS
from labelkit.predict.adapters import ADAPTERS, Guess, Settings, outputs_of
from labelkit.predict.inputs import NO_ROOM, Loaded
from labelkit.predict.loading import Choice, build

SEED = 0  # of torch's numbers: a model in evaluation draws none, and if one does, it draws the same ones
_KIND_OF_BATCH = {"classification": (8, 64), "semantic": (2, 8)}  # on a CPU, on a GPU
_BATCH = (2, 8)  # of detectors


def find_device(said: str) -> Any:
    """A device of torch; ``auto`` is a GPU where there is one. Raises UsageError where it is not there."""
    import torch

    if said == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        device = torch.device(said)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"--device {said}", "is no device", "auto, cpu, cuda, cuda:1 or mps")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            text = f"torch sees {count} CUDA devices" if count else "torch sees no CUDA device"
            raise UsageError(
                f"--device {said}", text, "one that is there", "--device auto takes what there is"
            )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError(f"--device {said}", "torch sees no such device", "one that is there")
    return device


def device_name(device: Any) -> str:
    """What a device is called in a run's record."""
    import torch

    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device.type)


def batch_size(task: str, device: Any) -> int:
    """How many images go through a model together where nobody says it."""
    on_cpu, on_gpu = _KIND_OF_BATCH.get(task, _BATCH)
    return on_cpu if device.type == "cpu" else on_gpu


class Runner:
    """A built model on its device.

    tell: called with what is worth a line in the log (memory that ran out).
    """

    def __init__(
        self,
        choice: Choice,
        settings: Settings,
        device: Any,
        *,
        nms_iou: float | None,
        max_per_image: int | None,
        amp: bool,
        tell: Callable[[str], None],
    ) -> None:
        import torch

        torch.manual_seed(SEED)
        if device.type == "cuda":
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.benchmark = False
        model = build(choice)
        if settings.task in OBJECT_TASKS:
            _set_limits(model, settings.keep_threshold, nms_iou, max_per_image)
        if settings.task == "instance":
            _leave_unpasted(model)
        if settings.task != "instance" and getattr(model, "roi_heads", None) is not None:
            _without_extra_heads(model)
        if device.type == "cuda":
            model = model.to(memory_format=torch.channels_last)
        self.model = model.to(device)
        self.settings = settings
        self.device = device
        self.amp = amp
        self.transforms = choice.transforms
        self.tell = tell
        self._most = 1 << 30

    def guesses(self, loaded: Loaded, *, on_device: bool) -> list[Guess | str]:
        """What the model says of every image of a batch, or why it says nothing.

        on_device: whether the pixels are bytes yet, which the transforms are to make floats of.
        """
        found = iter(self._all(loaded, on_device=on_device)) if loaded.pixels is not None else iter(())
        return [fault or next(found) for fault in loaded.faults]

    def _all(self, loaded: Loaded, *, on_device: bool) -> list[Guess | str]:
        sizes = [
            shot.size for shot, fault in zip(loaded.batch.shots, loaded.faults, strict=True) if not fault
        ]
        done: list[Guess | str] = []
        together = len(sizes)  # less where one of them turns out to be more than the model can take
        while len(done) < len(sizes):
            start = len(done)
            stop = min(start + self._most, start + together, len(sizes))
            try:
                done += self._some(loaded.pixels[start:stop], sizes[start:stop], on_device=on_device)
            except Exception as error:
                if _out_of_memory(error):
                    done += self._give_way(stop - start, loaded.batch.number)
                elif stop - start > 1:  # one of them may be to blame
                    together = 1
                else:
                    done.append(_said(error))
        return done

    def _give_way(self, count: int, number: int) -> list[Guess | str]:
        """Go on with half of what did not fit; an image that does not fit by itself is given up."""
        import torch

        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if count == 1:
            self.tell(f"batch {number}: one image alone does not fit the memory of {self.device}")
            return [f"{NO_ROOM} of {self.device}"]
        self._most = count // 2
        self.tell(
            f"batch {number}: {count} images do not fit the memory of {self.device}; {self._most} at a time"
        )
        return []

    def _some(self, pixels: Any, sizes: Sequence[tuple[int, int]], *, on_device: bool) -> list[Guess | str]:
        import torch

        with torch.inference_mode(), self._precision():
            batch = pixels.to(self.device, non_blocking=True)
            if on_device:
                batch = self.transforms(batch)
            if self.device.type == "cuda":
                batch = batch.contiguous(memory_format=torch.channels_last)
            many = self.settings.task in OBJECT_TASKS
            outputs = outputs_of(self.model(list(batch) if many else batch), self.settings.task)
            adapt = ADAPTERS[self.settings.task]
            return [adapt(output, size, self.settings) for output, size in zip(outputs, sizes, strict=True)]

    def _precision(self) -> AbstractContextManager[Any]:
        import torch

        return torch.autocast(self.device.type) if self.amp else nullcontext()


def _said(error: Exception) -> str:
    """What a model says of an image that it cannot take, as one line."""
    return f"the model fails on it ({type(error).__name__}: {str(error).split(chr(10))[0]})"


def _out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; of the CPU's, torch has no exception of its own."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _set_limits(model: Any, keep: float, nms_iou: float | None, most: int | None) -> None:
    """What a detector drops by itself: two-stage ones have it in their heads, one-stage ones at the top."""
    inner = getattr(model, "roi_heads", model)
    for name, value in (("score_thresh", keep), ("nms_thresh", nms_iou), ("detections_per_img", most)):
        if value is None:
            continue
        if not hasattr(inner, name):
            raise ModelError(type(model).__name__, f"has no {name} to set", "a detector of torchvision")
        setattr(inner, name, value)


def _leave_unpasted(model: Any) -> None:
    """Let masks come out as the head makes them: ``pasted`` puts one at a time into the image."""
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    original = GeneralizedRCNNTransform.postprocess

    def postprocess(self: Any, result: Any, shapes: Any, originals: Any) -> Any:
        masks = [said.pop("masks") for said in result]
        done = original(self, result, shapes, originals)
        for said, mask in zip(done, masks, strict=True):
            said["masks"] = mask
        return done

    model.transform.postprocess = MethodType(postprocess, model.transform)


def _without_extra_heads(model: Any) -> None:
    """A detector that is asked for boxes makes no masks and no keypoints, which nobody would see."""
    for kind in ("mask", "keypoint"):
        for name in (f"{kind}_roi_pool", f"{kind}_head", f"{kind}_predictor"):
            if hasattr(model.roi_heads, name):
                setattr(model.roi_heads, name, None)
