"""A value that is made once and opened by every process: its arrays are mapped from a file, not copied."""

from __future__ import annotations

import mmap
import os
import pickle
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any
from weakref import finalize

from labelkit.errors import LabelkitError

_ALIGNED = 64  # bytes at whose multiples arrays start
_NUMBER = 8  # bytes of the number with which the file ends: where its pickle starts


class Kept:
    """A value in a temporary file of this user. It pickles as the file's name.

    The file is deleted with the object that wrote it, at the latest when its process ends.
    """

    def __init__(self, value: object) -> None:
        """Write a value. Raises LabelkitError where there is no room."""
        try:
            handle, name = mkstemp(prefix="labelkit-", suffix=".kept")
            self.path = Path(name)
            finalize(self, _delete, name, os.getpid())
            with os.fdopen(handle, "wb") as stream:
                buffers: list[pickle.PickleBuffer] = []
                data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
                spans = []
                for buffer in buffers:
                    stream.write(b"\0" * (-stream.tell() % _ALIGNED))
                    raw = buffer.raw()
                    spans.append((stream.tell(), raw.nbytes))
                    stream.write(raw)
                start = stream.tell()
                stream.write(pickle.dumps((data, spans)))
                stream.write(start.to_bytes(_NUMBER, "little"))
        except OSError as error:
            raise LabelkitError(
                "the folder of temporary files",
                f"cannot be written ({error.strerror})",
                "room for temporary files",
                "name another folder with TMPDIR",
            ) from None

    def open(self) -> Any:
        """The value. Raises FileNotFoundError where the file is not, as on another machine."""
        with self.path.open("rb") as stream:
            mapped = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        start = int.from_bytes(mapped[-_NUMBER:], "little")
        data, spans = pickle.loads(mapped[start:-_NUMBER])  # noqa: S301  (written by this user's own process)
        return pickle.loads(data, buffers=[mapped[at : at + size] for at, size in spans])  # noqa: S301


def _delete(name: str, owner: int) -> None:
    if os.getpid() == owner:
        with suppress(OSError):
            Path(name).unlink()
