"""Findings for programs: one JSON document, or one JSON object a line.

A document has ``source``, ``format``, ``images``, ``objects``, ``rules`` (the codes that ran), ``counts`` by
severity, ``hidden`` (how many findings are left out, by why), ``gone`` (how many of the baseline were not
found) and ``findings``. A finding has ``code``, ``name``, ``severity``, ``message`` and ``at``: ``file``
(relative to the data set), and where known ``line`` (from 1), ``offset`` (byte), ``element``, ``image``,
``object`` (from 1), ``id`` and ``box`` (x, y, w, h in pixels). What is not known is not there. Where
a finding speaks of a second object, ``other`` is its place.
"""

from __future__ import annotations

import json
import math
from typing import Any, TextIO

from labelkit.findings import Finding, Location
from labelkit.validation import Validation

_PARTS = ("file", "line", "offset", "element", "image", "object", "id", "box")


def write(validation: Validation, stream: TextIO) -> None:
    """One document."""
    document = {
        "source": str(validation.source),
        "format": validation.format,
        "images": validation.images,
        "objects": validation.objects,
        "rules": validation.checked,
        "counts": validation.counts(),
        "hidden": validation.hidden,
        "gone": validation.gone,
        "findings": [as_json(validation, finding) for finding in validation.findings],
    }
    json.dump(document, stream, indent=2, ensure_ascii=False)
    stream.write("\n")


def write_lines(validation: Validation, stream: TextIO) -> None:
    """A finding a line."""
    for finding in validation.findings:
        stream.write(json.dumps(as_json(validation, finding), ensure_ascii=False) + "\n")


def as_json(validation: Validation, finding: Finding) -> dict[str, Any]:
    """One finding as JSON values."""
    rule = validation.rule(finding)
    result = {
        "code": finding.code,
        "name": rule.name,
        "severity": rule.severity,
        "message": finding.message,
        "at": _place(finding.at) if finding.at else {},
    }
    if finding.at and finding.at.other:
        result["other"] = _place(finding.at.other)
    return result


def _place(at: Location) -> dict[str, Any]:
    place = {name: getattr(at, name) for name in _PARTS}
    if at.box and not all(map(math.isfinite, at.box)):
        place["box"] = None  # JSON has no such numbers
    return {key: value for key, value in place.items() if value is not None}
