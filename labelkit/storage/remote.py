"""Objects on shared storage, through fsspec: listing, fetching and putting them, with errors in our words.

fsspec is imported when the first URL is met, and never for local paths. No message repeats what the storage
said beyond the kind of failure, for that may hold what nobody should read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import Any

from labelkit.errors import DestinationError, FormatError, LabelkitError, UsageError

THREADS = 16  # transfers at a time: small objects wait for the network, not for the processor
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)  # of two letters or more: C:// is a drive
_NOT_LISTED = frozenset({"http", "https"})  # they have no listing to speak of


@dataclass(frozen=True)
class Remote:
    """A place on shared storage. key: the bucket and the path in it, without a slash at either end."""

    protocol: str
    key: str

    def __str__(self) -> str:
        return f"{self.protocol}://{self.key}"

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> Remote:
        """The folder that it is in; of a bucket, the bucket itself."""
        return Remote(self.protocol, self.key.rpartition("/")[0] or self.key)

    def beside(self, name: str) -> Remote:
        """A place of that name in the same folder."""
        above, slash, _ = self.key.rpartition("/")
        return Remote(self.protocol, f"{above}{slash}{name}")


def is_url(place: object) -> bool:
    """Whether a place is a URL of shared storage; ``file://`` is, too."""
    return isinstance(place, str) and _URL.match(place) is not None


def parsed(url: str) -> Remote | Path:
    """What a URL names: a place on shared storage, or a local path (``file://``).

    Raises UsageError where it names none, or holds what belongs into no command line.
    """
    match = _URL.match(url)
    assert match is not None
    protocol, rest = match[1].lower(), match[2]
    if protocol == "file":
        return Path(rest)
    if "@" in rest.partition("/")[0]:
        raise UsageError(
            f"{protocol}://…", "a URL with a user in it", "credentials where the storage's library finds them"
        )
    if protocol in _NOT_LISTED:
        raise UsageError(f"{protocol}://…", "has no listing", "s3://, gs:// or a local path", "download it")
    key = rest.strip("/")
    if not key:
        raise UsageError(url, "names no place", f"{protocol}://BUCKET/PATH")
    check_key(Remote(protocol, key))
    return Remote(protocol, key)


def check_key(remote: Remote) -> None:
    """Raise FormatError where a key is no path that stays where it is."""
    parts = remote.key.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in remote.key or "\0" in remote.key:
        found = "a key that leaves its folder, or that no file can have"
        raise FormatError(str(remote), found, "folders and names between single slashes")


def filesystem(remote: Remote) -> Any:
    """fsspec's file system for a place. Raises UsageError that says what to install."""
    try:
        import fsspec
    except ImportError:
        advice = "pip install 'labelkit-vision[remote]', and s3fs or gcsfs"
        raise UsageError(str(remote), "fsspec is not installed", "", advice) from None
    try:
        found = fsspec.filesystem(remote.protocol)
    except ImportError as error:
        raise UsageError(str(remote), f"{remote.protocol}:// needs another package", "", str(error)) from None
    except ValueError:
        expected = "s3://, gs:// or another protocol of fsspec"
        raise UsageError(str(remote), f"no such protocol {remote.protocol!r}", expected) from None
    except Exception as error:
        raise UsageError(str(remote), f"cannot be reached ({_reason(error)})") from None
    found.invalidate_cache()  # what it listed before may have changed
    return found


@contextmanager
def telling(remote: Remote, kind: type[LabelkitError], doing: str, advice: str = "") -> Iterator[None]:
    """What a storage raises as an error of ours at that place."""
    try:
        yield
    except LabelkitError:
        raise
    except Exception as error:  # each storage has its own kinds
        raise kind(str(remote), f"{doing} ({_reason(error)})", "", advice) from None


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such bucket, or no such object"
    if isinstance(error, PermissionError):
        return "permission denied"
    if "Credentials" in type(error).__name__:
        return "no credentials"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return type(error).__name__


def listed(fs: Any, remote: Remote) -> dict[str, int]:
    """The objects at a place and below it: key → size in bytes, sorted. None where there is nothing.

    Raises FormatError where the storage refuses, and for keys that would lead out of a folder.
    """
    with telling(remote, FormatError, "cannot be listed"):
        found = fs.find(str(remote), detail=True)
    sizes: dict[str, int] = {}
    for name, info in sorted(found.items()):
        key = name.lstrip("/")
        if key.endswith("/") or info.get("type") == "directory":  # a folder that a console made
            continue
        if key == remote.key or key.startswith(f"{remote.key}/"):
            check_key(Remote(remote.protocol, key))
            sizes[key] = int(info["size"])
    return sizes


def fetch(fs: Any, remote: Remote, place: Path, size: int) -> None:
    """Bring an object to a local file, whole or not at all. Raises FormatError."""
    draft = place.with_name(f".{place.name[:50]}.{os.getpid()}.{get_ident()}")
    try:
        with telling(remote, FormatError, "cannot be read"):
            fs.get_file(str(remote), str(draft))
        came = draft.stat().st_size
        if came != size:
            raise FormatError(str(remote), f"{came} bytes came", f"{size}", "it changed, or the line broke")
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


def put(fs: Any, file: Path, remote: Remote) -> None:
    """Write an object. Raises DestinationError."""
    with telling(remote, DestinationError, "cannot be written", "nothing was published"):
        fs.put_file(str(file), str(remote))


def all_at_once(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    """Do something for every item, several at a time. After the first failure no more is begun."""
    pool = ThreadPoolExecutor(THREADS)
    try:
        for _ in pool.map(work, items):
            pass
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
