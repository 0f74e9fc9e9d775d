"""Names of files that are made from images: inside their folder on every system, and no two the same.

The path of an image can be anything that a file says; what is made of it keeps what it can.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import PurePosixPath
from unicodedata import normalize

_UNFIT = re.compile(
    '[\x00-\x1f\x7f-\x9f<>:"|?*\\\\\ud800-\udfff]'
)  # on some system; see Microsoft's naming rules
_BYTES = 200  # of a name: most systems allow 255
_WHOLE = 2000  # bytes of a path: most allow 4096


class Names:
    """Gives files their names, each once."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def of(self, path: str) -> str:
        """A new name for a path, with "/" between folders and with the suffix, where it has not got that."""
        parts = [_fit(part) for part in path.split("/") if part not in ("", ".")]
        name = path if path.lower().endswith(self._suffix) else path + self._suffix
        if "/".join(parts) != path or len(name.encode()) > _WHOLE or not self._is_free(name):
            name = self._marked(path, parts)
        key = _key(name)
        self._files.add(key)
        self._folders.update(str(parent) for parent in PurePosixPath(key).parents)
        return name

    def _marked(self, path: str, parts: list[str]) -> str:
        """A name that tells a path from others; where even that is taken, a number without folders."""
        mark = blake2b(path.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
        name = "/".join([*parts[:-1], f"{parts[-1]}-{mark}{self._suffix}"]) if parts else ""
        number = 1
        while len(name.encode()) > _WHOLE or not self._is_free(name):
            name, number = f"{mark}-{number}{self._suffix}", number + 1
        return name

    def _is_free(self, name: str) -> bool:
        key = _key(name)
        above = {str(parent) for parent in PurePosixPath(key).parents}
        return bool(name) and key not in self._files | self._folders and not above & self._files


def _fit(part: str) -> str:
    """One folder's or file's name without what some system does not allow."""
    fit = _UNFIT.sub("_", part).rstrip(". ") or "_"
    return fit.encode()[:_BYTES].decode("utf-8", "ignore")


def _key(name: str) -> str:
    """What two names have in common that some system takes for one."""
    return normalize("NFC", normalize("NFC", name).casefold())
