"""Which findings are not to be told: those of rules that a pattern of files or images does without."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from labelkit.findings import Finding
from labelkit.globs import compiled
from labelkit.rules import matching

_KEY = "per-file-ignores"


class Patterns:
    """Patterns of files and images, each with the rules that it does without.

    A pattern without a slash is a file's name in any folder; another is a path from the data set, or from the
    root of the file system; ``**`` is any folders, ``folder/`` all below it.
    """

    def __init__(self, per_file: Mapping[str, Collection[str]], source: Path) -> None:
        """Raises UsageError where there is no such rule, or no such pattern."""
        self._rules = [
            (compiled(pattern, _KEY), matching(f"{_KEY} {pattern!r}", words))
            for pattern, words in per_file.items()
        ]
        self._root = (source if source.is_dir() else source.parent).resolve().as_posix().rstrip("/")
        self._codes: dict[str, set[str]] = {}

    def ignored(self, findings: Sequence[Finding]) -> set[int]:
        """The positions of the findings whose file or image fits a pattern that does without their rule."""
        if not self._rules:
            return set()
        return {
            position
            for position, finding in enumerate(findings)
            if any(finding.code in self._codes_of(path) for path in _paths(finding))
        }

    def _codes_of(self, path: str) -> set[str]:
        if path not in self._codes:
            names = (path, f"{self._root}/{path}")
            self._codes[path] = set().union(
                *(codes for regex, codes in self._rules if any(regex.fullmatch(name) for name in names))
            )
        return self._codes[path]


def _paths(finding: Finding) -> Iterable[str]:
    if finding.at is None:
        return [finding.place]
    return [path for path in (finding.at.file, finding.at.image) if path is not None]
