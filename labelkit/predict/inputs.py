"""Decoded images ahead of the model, in order: by worker processes, or by this one.

Workers are torch's own (``DataLoader``, started by ``spawn``): they end with the process that began them.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from labelkit.errors import LabelkitError
from labelkit.pixels import decoding, refuse_huge
from labelkit.predict.checkpoints import hexdigest
from labelkit.predict.plan import Batch, Shot, unreadable

_AHEAD = 2  # batches a worker
_MOST_BYTES = 1 << 31  # of an image file, which is read whole
NO_ROOM = "does not fit the memory"  # a fault that may be gone the next time
# What is done to stored pixels by EXIF's orientation (TIFF 6.0, page 36), as Pillow names it.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


@dataclass(frozen=True)
class Loaded:
    """A batch, decoded.

    pixels: a tensor (n, 3, h, w) of the images without a fault, or None if all have one. digests: the
    SHA-256 of every image's bytes, empty where they could not be read. faults: why an image has no pixels.
    """

    batch: Batch
    pixels: Any
    digests: tuple[str, ...]
    faults: tuple[str, ...]


class Loader:
    """Decodes a batch as the model wants it. It pickles: transforms are torchvision's modules.

    on_device: whether the transforms change no size, so that bytes travel and the device makes floats.
    """

    def __init__(self, transforms: Any) -> None:
        from torchvision.transforms._presets import ObjectDetection

        self.transforms = transforms
        self.on_device = isinstance(transforms, ObjectDetection)

    def __getitem__(self, batch: Batch) -> Loaded:
        import torch

        tensors, digests, faults = [], [], []
        for shot in batch.shots:
            tensor, digest, fault = self._load(shot)
            if tensor is not None:
                tensors.append(tensor)
            digests.append(digest)
            faults.append(fault)
        return Loaded(batch, torch.stack(tensors) if tensors else None, tuple(digests), tuple(faults))

    def _load(self, shot: Shot) -> tuple[Any, str, str]:
        if shot.file is None:
            return None, "", shot.fault
        try:
            if shot.fault or shot.file.stat().st_size > _MOST_BYTES:
                return None, digest_of(shot.file), shot.fault or f"is a file of more than {_MOST_BYTES} bytes"
            data = shot.file.read_bytes()
        except OSError as error:
            return None, "", unreadable(error)
        try:
            return self._tensor(decoded(data, shot)), sha256(data).hexdigest(), ""
        except MemoryError:
            fault = f"{NO_ROOM} of this machine"
        except Exception as error:  # of whatever transforms a person chose, on whatever shape an image has
            fault = str(error).split("\n")[0] or type(error).__name__
        return None, sha256(data).hexdigest(), fault

    def _tensor(self, image: Any) -> Any:
        from torchvision.transforms.functional import pil_to_tensor

        if self.on_device:
            return pil_to_tensor(image)
        _refuse_stretched(image.size, getattr(self.transforms, "resize_size", None))
        return self.transforms(image)


def _refuse_stretched(size: tuple[int, int], shorter: Any) -> None:
    """Raise ValueError where an image so narrow would be made huge: its shorter side is brought to a size."""
    if isinstance(shorter, list) and len(shorter) == 1:
        scale = max(shorter[0] / min(size), 1)
        refuse_huge(int(size[1] * scale), int(size[0] * scale))


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, or nothing where it cannot be read."""
    try:
        return hexdigest(file)
    except OSError:
        return ""


def decoded(data: bytes, shot: Shot) -> Any:
    """The RGB image of a file's bytes, turned as the shot says.

    Samples of 16 bits lose the lower 8; transparency is left out. Raises ValueError where it is broken, and
    where its samples have 32 bits, for nobody knows which of them is white.
    """
    from PIL import Image

    with decoding("cannot be decoded"), Image.open(BytesIO(data)) as image:
        refuse_huge(image.height, image.width)
        image.load()
        rgb = _rgb(image)
    if shot.orientation in _TURNS:
        rgb = rgb.transpose(Image.Transpose[_TURNS[shot.orientation]])
    if rgb.size != shot.size:
        raise ValueError(
            f"is {rgb.width} x {rgb.height}, and its header said {shot.size[0]} x {shot.size[1]}"
        )
    return rgb


def _rgb(image: Any) -> Any:
    from PIL import Image

    if image.mode in ("I", "F"):
        raise ValueError("has samples of 32 bits; expected 8 or 16")
    if image.mode.startswith("I;16"):  # Pillow would cut them off at 255
        import numpy as np

        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def loaded(batches: Iterable[Batch], loader: Loader, workers: int, *, pinned: bool) -> Iterator[Loaded]:
    """The batches decoded, in order. pinned: whether a GPU will copy them."""
    if workers == 0:
        for batch in batches:
            yield loader[batch]
        return
    from torch.utils.data import DataLoader

    stream: Any = DataLoader(
        loader,  # type: ignore[arg-type]  # a "data set" whose keys are batches
        batch_size=None,
        sampler=batches,
        num_workers=workers,
        multiprocessing_context="spawn",
        prefetch_factor=_AHEAD,
        worker_init_fn=_begin,
        pin_memory=pinned,
    )
    try:
        yield from stream
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise LabelkitError(
            "a process of --workers",
            "ended by itself",
            "",
            "memory may be short: try fewer, or 0; a script of your own starts behind "
            "`if __name__ == '__main__':`",
        ) from None


def _begin(number: int) -> None:
    """In a worker: a Ctrl-C is the first process's business, and one thread decodes."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
