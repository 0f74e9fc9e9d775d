"""Findings for people: grouped by rule, worst first, a few of each with how many more there are."""

from __future__ import annotations

from collections import defaultdict
from typing import TextIO

from labelkit.findings import Finding
from labelkit.rules import SEVERITIES, rules
from labelkit.validation import Validation

_FEW = 3


def write(validation: Validation, stream: TextIO) -> None:
    """A few findings of each rule, and the counts."""
    _write(validation, stream, few=_FEW)


def write_full(validation: Validation, stream: TextIO) -> None:
    """Every finding."""
    _write(validation, stream, few=None)


def _write(validation: Validation, stream: TextIO, *, few: int | None) -> None:
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in validation.findings:
        groups[finding.code].append(finding)
    order = sorted(groups, key=lambda code: (SEVERITIES.index(rules()[code].severity), code))
    for code in order:
        found, rule = groups[code], rules()[code]
        stream.write(f"{code} {rule.name} ({rule.severity}): {len(found)}\n")
        for finding in found[:few]:
            at = finding.at
            image = f" [{at.image}]" if at and at.image and at.image != at.file else ""
            stream.write(f"  {finding.place}{image}: {finding.message}\n")
        if few and len(found) > few:
            stream.write(f"  and {len(found) - few} more (--output-format full lists them)\n")
    stream.write(summary(validation) + "\n")


def summary(validation: Validation) -> str:
    """The counts in one line, with those of the findings that are not told."""
    counts = [f"{n} {name}{'s' if n != 1 else ''}" for name, n in validation.counts().items() if n]
    what = f"{validation.images} images, {validation.objects} objects, {len(validation.checked)} rules"
    line = f"{', '.join(counts) or 'no findings'} ({what})"
    if validation.hidden:
        reasons = [f"{count} by {why}" for why, count in validation.hidden.items()]
        line += f"; hidden: {', '.join(reasons)}"
    if validation.gone:
        are = "finding of the baseline is" if validation.gone == 1 else "findings of the baseline are"
        line += f"; {validation.gone} {are} gone; --write-baseline forgets them"
    return line
