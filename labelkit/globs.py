"""Patterns of files and images, as people write them."""

from __future__ import annotations

import re

from labelkit.errors import UsageError


def compiled(pattern: str, place: str) -> re.Pattern[str]:
    """A glob as a regular expression: a star stays within a folder, two stars do not. Raises UsageError."""
    glob = pattern.removeprefix("./")
    if "/" not in glob:
        glob = f"**/{glob}"
    if glob.endswith("/"):
        glob += "**"
    try:
        return re.compile("".join(_translated(piece) for piece in _PIECES.findall(glob)), re.DOTALL)
    except re.error as error:
        raise UsageError(
            f"{place} {pattern!r}", f"no pattern ({error})", "one as in train/**/*.xml"
        ) from None


_PIECES = re.compile(r"\*\*/|\*\*|\[!?\]?[^\]/]*\]|.", re.DOTALL)
_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _translated(piece: str) -> str:
    if piece in _WILD:
        return _WILD[piece]
    if len(piece) == 1:
        return re.escape(piece)
    inside = re.sub(r"([\\\[^])", r"\\\1", piece[1:-1].removeprefix("!"))
    return f"(?!/)[{'^' if piece[1] == '!' else ''}{inside}]"
