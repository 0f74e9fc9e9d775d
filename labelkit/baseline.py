"""A baseline: the findings that a data set is known to have, so that only others are told.

A file of JSON with an entry a line, sorted, which can be reviewed and merged: the fingerprint, how often it
occurs, and for people the rule's code and the place. No line, byte or box is in it, so that changes elsewhere
in a file do not bring a finding back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labelkit.canonical import fault
from labelkit.errors import DestinationError, UsageError
from labelkit.findings import Finding, fingerprint
from labelkit.publish import replacing


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Entry(_Strict):
    """A known finding; what is beside its fingerprint and its count is for people."""

    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    count: Annotated[int, Field(ge=1)]
    code: str
    file: str
    image: str | None = None
    id: int | str | None = None
    element: str | None = None


class Baseline(_Strict):
    """Known findings. Two entries of one fingerprint (two branches that were merged) are added up."""

    findings: list[Entry] = []

    def known(self, findings: Sequence[Finding]) -> set[int]:
        """The positions of the findings that are known: of equal ones the first, as many as there were."""
        left = {key: entry.count for key, entry in self.entries().items()}
        found = set()
        for position, finding in enumerate(findings):
            key = fingerprint(finding)
            if left.get(key, 0) > 0:
                left[key] -= 1
                found.add(position)
        return found

    def entries(self) -> dict[str, Entry]:
        """The entries by fingerprint."""
        result: dict[str, Entry] = {}
        for entry in self.findings:
            count = entry.count + (result[entry.fingerprint].count if entry.fingerprint in result else 0)
            result[entry.fingerprint] = entry.model_copy(update={"count": count})
        return result

    def of(self, codes: Collection[str]) -> Baseline:
        """The entries of some rules."""
        return Baseline(findings=[entry for entry in self.findings if entry.code in codes])

    def renewed(self, findings: Iterable[Finding], codes: Collection[str]) -> Baseline:
        """These findings; and of other rules than of these codes, which may not have looked, also the old."""
        result = _entries_of(findings)
        for key, old in self.entries().items():
            if old.code not in codes and (key not in result or result[key].count < old.count):
                result[key] = old
        return Baseline(findings=sorted(result.values(), key=_order))

    def __len__(self) -> int:
        return sum(entry.count for entry in self.findings)


def read_baseline(path: Path) -> Baseline:
    """The baseline of a file. Raises UsageError where there is none."""
    if not path.is_file():
        found = "is no file" if path.exists() else "does not exist"
        raise UsageError(str(path), found, "a baseline", "--write-baseline makes one")
    try:
        return Baseline(findings=_File.model_validate_json(path.read_bytes()).findings)
    except ValidationError as error:
        raise UsageError(str(path), fault(error), "a baseline as --write-baseline writes it") from None


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline, whole or not at all. Raises DestinationError."""
    lines = [
        json.dumps(entry.model_dump(exclude_none=True), ensure_ascii=False) for entry in baseline.findings
    ]
    body = ",\n".join(f"    {line}" for line in lines)
    text = '{\n  "labelkit_baseline": 1,\n  "findings": [' + (f"\n{body}\n  " if body else "") + "]\n}\n"
    file = path.resolve()  # the file that a link names is written, as everywhere
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DestinationError(str(file), f"cannot be written ({error.strerror})") from None
    with replacing(file) as stream:
        # A name that is no Unicode cannot be in JSON, and is there for people only.
        stream.write(text.encode("utf-8", "replace").decode())


class _File(_Strict):
    """What a file says."""

    labelkit_baseline: Literal[1]
    findings: list[Entry]


def _entries_of(findings: Iterable[Finding]) -> dict[str, Entry]:
    alike: dict[str, list[Finding]] = {}
    for finding in findings:
        alike.setdefault(fingerprint(finding), []).append(finding)
    return {key: _entry(key, len(found), found[0]) for key, found in alike.items()}


def _entry(key: str, count: int, finding: Finding) -> Entry:
    at = finding.at
    if at is None:
        return Entry(fingerprint=key, count=count, code=finding.code, file=finding.place)
    element = at.element if at.id is None else None  # an index moves, an id does not
    return Entry(
        fingerprint=key, count=count, code=finding.code,
        file=at.file, image=at.image, id=at.id, element=element,
    )  # fmt: skip


def _order(entry: Entry) -> tuple[str, str, str, str, str, str]:
    places = (entry.image, entry.id, entry.element)
    image, key, element = ("" if each is None else str(each) for each in places)
    return (entry.code, entry.file, image, key.rjust(20), element, entry.fingerprint)
