"""Findings as GitHub's workflow commands: annotations on the lines of a pull request.

GitHub keeps ten of each severity a step; so many are written, and how many more there are.
Source: docs.github.com, "Workflow commands for GitHub Actions" (its escapes too).
"""

from __future__ import annotations

from collections import Counter
from typing import TextIO

from labelkit.outputs.text import summary
from labelkit.validation import Validation

_KEPT = 10
_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def write(validation: Validation, stream: TextIO) -> None:
    """Ten findings of each severity as commands, then the counts as plain lines."""
    told: Counter[str] = Counter()
    for finding in validation.findings:
        rule, at = validation.rule(finding), finding.at
        told[rule.severity] += 1
        if told[rule.severity] > _KEPT:
            continue
        properties = {"title": f"{rule.code} {rule.name}"}
        if at is not None:
            properties["file"] = at.file
            if at.line is not None:
                properties["line"] = str(at.line)
        said = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
        stream.write(f"::{_COMMANDS[rule.severity]} {said}::{_data(f'{finding.place}: {finding.message}')}\n")
    for severity, count in told.items():
        if count > _KEPT:
            stream.write(f"{count - _KEPT} more of severity {severity}: GitHub keeps {_KEPT} a step\n")
    stream.write(summary(validation) + "\n")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
