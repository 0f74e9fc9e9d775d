"""Findings as GitHub's workflow commands: annotations on the lines of a pull request.

Files are named from the workspace, or else from the working directory, for GitHub to find them. It keeps ten
of each severity a step; so many are written, and how many more there are.
Source: docs.github.com, "Workflow commands for GitHub Actions" (its escapes too).
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TextIO

from labelkit.outputs.text import summary
from labelkit.places import Files
from labelkit.rules import SEVERITIES, Severity
from labelkit.validation import Validation

_KEPT = 10
_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def write(validation: Validation, stream: TextIO) -> None:
    """Ten findings of each severity as commands, then the counts as plain lines."""
    told: Counter[Severity] = Counter()
    kept = []
    for finding in validation.findings:
        severity = validation.severity(finding)
        told[severity] += 1
        if told[severity] <= _KEPT:
            kept.append(finding)
    files = Files(validation.source, kept, _workspace())
    for finding in kept:
        rule, at = validation.rule(finding), finding.at
        properties = {"title": f"{rule.code} {rule.name}"}
        if at is not None:
            spot = files.spot(at)
            properties["file"] = spot.file
            if spot.line is not None:
                properties["line"] = str(spot.line)
            if spot.column is not None:
                properties["col"] = str(spot.column)
        said = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
        stream.write(f"::{_COMMANDS[rule.severity]} {said}::{_data(f'{finding.place}: {finding.message}')}\n")
    for severity, count in sorted(told.items(), key=lambda item: SEVERITIES.index(item[0])):
        if count > _KEPT:
            stream.write(f"{count - _KEPT} more of severity {severity}: GitHub keeps {_KEPT} a step\n")
    stream.write(summary(validation) + "\n")


def _workspace() -> Path | None:
    """The folder that GitHub has the repository in, where it runs us."""
    said = os.environ.get("GITHUB_WORKSPACE")
    return Path(said) if said and Path.cwd().is_relative_to(said) else None


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
