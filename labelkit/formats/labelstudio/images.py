"""Which image a task is of: what ``data`` says as a path below the data set, and the other way round.

Label Studio opens URLs: files that it serves from a disk (``/data/local-files/?d=path``), uploads
(``/data/upload/project/1a2b3c4d-name``), objects in a bucket (``s3://bucket/key``), and any web address. All
but the first are guesses, which a finding tells, unless the task itself says the path.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from labelkit.formats._files import safe_path

PREFIX = "/data/local-files/?d=images/"
_UPLOAD = re.compile(r".*/data/upload/(?:[0-9]+/)?(?:[0-9a-f]{8}-)?(.+)")
_SUFFIX = re.compile(r".*\.(?:jpe?g|png|bmp|gif|tiff?|webp)", re.IGNORECASE)


class Place(NamedTuple):
    """A path below the data set. how: in which words it was guessed, or "" where it is said."""

    path: str
    how: str = ""


def written(path: str, prefix: str) -> str:
    """What data says of an image at a path."""
    return prefix + quote(path)


def place(text: str) -> Place:
    """The path that data means. Raises ValueError where it names no file, or leaves the folder."""
    parts = urlsplit(text)
    if parts.path.rstrip("/").endswith("/data/local-files") and "d" in (query := parse_qs(parts.query)):
        path = query["d"][-1].lstrip("/")
        return Place(safe_path(path.removeprefix("images/")))
    if upload := _UPLOAD.fullmatch(unquote(parts.path)):
        return Place(safe_path(upload[1]), "the name of an upload without what Label Studio put before it")
    if parts.scheme and parts.netloc:
        path = unquote(parts.path).lstrip("/")
        return Place(safe_path(path), f"the path of a {parts.scheme} address")
    if text.startswith("/"):
        return Place(safe_path(unquote(text).lstrip("/")), "an absolute path without its beginning")
    return Place(safe_path(text.removeprefix("images/")))


def looks_like_image(text: object) -> bool:
    """Whether a value of data may name an image."""
    return isinstance(text, str) and _SUFFIX.fullmatch(text.partition("?")[0]) is not None


def candidates(path: str) -> list[str]:
    """Where the file of a path may lie below a folder."""
    return list(dict.fromkeys([path, path.rpartition("/")[2]]))
