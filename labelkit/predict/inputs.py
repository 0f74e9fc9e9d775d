"""Decoded images ahead of the model, in order: by worker processes, or by this one.

Workers are torch's own (``DataLoader``, started by ``spawn``): they end with the process that began them.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any

from labelkit.errors import LabelkitError
from labelkit.pixels import decoding, refuse_huge
from labelkit.predict.plan import Batch, Shot

_AHEAD = 2  # batches a worker


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
            data = shot.file.read_bytes()
        except OSError as error:
            return None, "", f"cannot be read ({error.strerror})"
        digest = sha256(data).hexdigest()
        if shot.fault:
            return None, digest, shot.fault
        try:
            image = decoded(data, shot)
        except ValueError as error:
            return None, digest, str(error)
        return self._tensor(image), digest, ""

    def _tensor(self, image: Any) -> Any:
        from torchvision.transforms.functional import pil_to_tensor

        return pil_to_tensor(image) if self.on_device else self.transforms(image)


def decoded(data: bytes, shot: Shot) -> Any:
    """The RGB image of a file's bytes, turned if the shot says so.

    Samples of 16 bits lose the lower 8; transparency is left out. Raises ValueError where it is broken.
    """
    from PIL import Image, ImageOps

    with decoding("cannot be decoded"), Image.open(BytesIO(data)) as image:
        refuse_huge(image.height, image.width)
        image.load()
        turned: Any = ImageOps.exif_transpose(image) if shot.upright else image
        rgb = _rgb(turned)
    if rgb.size != shot.size:
        raise ValueError(
            f"is {rgb.width} x {rgb.height}, and was {shot.size[0]} x {shot.size[1]} a moment ago"
        )
    return rgb


def _rgb(image: Any) -> Any:
    from PIL import Image

    if image.mode.startswith("I"):  # Pillow would cut 16 bits off at 255
        import numpy as np

        return Image.fromarray(
            (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        ).convert("RGB")
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
            "a process of --workers", "ended by itself", "", "memory may be short: try fewer, or 0"
        ) from None


def _begin(number: int) -> None:
    """In a worker: a Ctrl-C is the first process's business, and one thread decodes."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
