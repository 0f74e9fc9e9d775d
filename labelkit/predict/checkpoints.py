"""Files of weights: fetched where they are not there yet, and read without running what is in them.

Pretrained weights lie where torch.hub keeps them (``TORCH_HOME``); the name of such a file ends in the first
eight digits of its SHA-256, which is checked. A checkpoint of the user's own is a state dict, alone or under
one of the names that training scripts give it, as ``torch.save`` or safetensors wrote it.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from labelkit.errors import ModelError
from labelkit.predict.registry import weights_file

Tensors = Mapping[str, Any]  # names and torch.Tensors

_PATIENCE = 20.0  # seconds in which a server says nothing, after which there is none
_STEM_HASH = re.compile(r"-([0-9a-f]{8,})\.")
_INSIDE = (
    "state_dict",
    "model_state_dict",
    "model",
    "model_ema",
)  # as torchvision's and Lightning's scripts save
# What DistributedDataParallel and AveragedModel, Lightning, and torch.compile put before every name.
_WRAPPERS = ("module.", "model.", "_orig_mod.")
_EXTRA = "n_averaged"  # which AveragedModel counts beside its tensors


def fetched(weights: Any) -> tuple[Path, str]:
    """The file of some pretrained weights, downloaded where it is not there yet, and its SHA-256.

    Raises ModelError in one line: which file, where it is looked for, and how to bring it.
    """
    file = weights_file(weights)
    if not file.is_file():
        _download(weights.url, file)
    digest, expected = sha256(file), _STEM_HASH.search(file.name)
    if expected and not digest.startswith(expected.group(1)):
        text = f"does not have the SHA-256 that its name says ({expected.group(1)}…)"
        raise ModelError(str(file), text, "the file that was published", "delete it, or name it by --weights")
    return file, digest


def _download(url: str, file: Path) -> None:
    import torch

    digits = _STEM_HASH.search(file.name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _impatient():
            torch.hub.download_url_to_file(
                url, str(file), digits.group(1) if digits else None, progress=False
            )
    except (
        OSError,
        RuntimeError,
        ValueError,
        HTTPException,
    ) as error:  # no network, no disk, another file than expected
        reason = getattr(error, "reason", error)
        raise ModelError(
            f"weights {file.name}",
            f"are not at {file} and cannot be downloaded ({reason})",
            "the file there (TORCH_HOME says where torch keeps its files), or a network",
            f"fetch {url} on another machine and put it there",
        ) from None


@contextmanager
def _impatient() -> Iterator[None]:
    """A server that does not answer is an error, for torch.hub would wait for it for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def sha256(file: Path) -> str:
    """The hexadecimal SHA-256 of a file. Raises ModelError where it cannot be read."""
    try:
        return hexdigest(file)
    except OSError as error:
        raise ModelError(str(file), f"cannot be read ({error.strerror})") from None


def hexdigest(file: Path) -> str:
    """The hexadecimal SHA-256 of a file of any size, read block by block. Raises OSError."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_checkpoint(file: Path) -> Tensors:
    """The tensors of a checkpoint by name. Nothing in the file is run.

    Raises ModelError where it is no checkpoint, or holds more than tensors and plain values.
    """
    import torch

    try:
        if file.suffix == ".safetensors":
            return _read_safetensors(file)
        with file.open("rb") as stream:
            if not stream.read(4).startswith((b"PK", b"\x80")):  # a zip, or the pickle of former days
                raise ModelError(str(file), "is no checkpoint", _EXPECTED)
        said = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(str(file), f"cannot be read ({error.strerror or error})") from None
    except pickle.UnpicklingError as error:
        raise ModelError(
            str(file),
            f"holds Python objects, which would be run on loading{_refused(error)}",
            "a state dict: torch.save(model.state_dict(), FILE)",
            "save it so, or as safetensors",
        ) from None
    except (
        RuntimeError,
        EOFError,
        BadZipFile,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
        TypeError,
    ) as error:
        raise ModelError(str(file), f"is no checkpoint ({_first_line(error)})", _EXPECTED) from None
    tensors = _state_dict(said)
    if tensors is None:
        raise ModelError(str(file), f"holds no state dict ({_contents(said)})", _EXPECTED)
    return tensors


_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def _refused(error: Exception) -> str:
    """The name of the object that was refused, where torch says it."""
    found = _GLOBAL.search(str(error))
    return f" ({found[1]})" if found else ""


_EXPECTED = "a state dict as torch.save or safetensors writes it"


def _read_safetensors(file: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: Tensors = load_file(file)
    except SafetensorError as error:
        raise ModelError(str(file), f"is no safetensors file ({_first_line(error)})", _EXPECTED) from None
    return _unwrapped(tensors)


def _state_dict(said: Any) -> Tensors | None:
    """The names and tensors of a checkpoint, or None where it holds none."""
    import torch

    if not isinstance(said, Mapping):
        return None
    if not all(isinstance(name, str) for name in said):
        return None
    if said and all(isinstance(value, torch.Tensor) for value in said.values()):
        return _unwrapped(said)
    for name in _INSIDE:
        if name in said and (inside := _state_dict(said[name])) is not None:
            return inside
    return None


def _unwrapped(tensors: Tensors) -> Tensors:
    if _EXTRA in tensors:
        tensors = {name: value for name, value in tensors.items() if name != _EXTRA}
    for wrapper in _WRAPPERS:
        if tensors and all(name.startswith(wrapper) for name in tensors):
            return _unwrapped({name.removeprefix(wrapper): value for name, value in tensors.items()})
    return tensors


def _contents(said: Any) -> str:
    if isinstance(said, Mapping):
        return f"a table of {', '.join(str(name) for name in list(said)[:5]) or 'nothing'}"
    return f"a {type(said).__name__}"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
