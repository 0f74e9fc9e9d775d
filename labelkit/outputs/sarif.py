"""Findings as SARIF 2.1.0, which code hosts and editors read.

Files are relative to the folder that labelkit ran in (``%SRCROOT%``), where they are below it. A region has
the line and column, counted from the finding's byte, and the byte itself; it is left out where nobody knows.
The same input gives the same bytes: there are no times and no names of machines.
Source: SARIF 2.1.0 with errata 01; section numbers below are its own.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

import labelkit
from labelkit.changes import Edit, Fix
from labelkit.findings import Finding, Location, fingerprint
from labelkit.formats._files import map_bytes
from labelkit.mending import replaced
from labelkit.outputs.json import as_json
from labelkit.outputs.rule_text import markdown, rule_text
from labelkit.places import Files
from labelkit.rules import Rule, rules
from labelkit.validation import Validation

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}  # 3.27.10
_ROOT = "%SRCROOT%"
_FINGERPRINT = "labelkit/v1"

Json = dict[str, Any]


def write(validation: Validation, stream: TextIO) -> None:
    """One log of one run; a result a line, for there can be very many."""
    known = [rules()[code] for code in validation.checked]
    driver = {
        "name": "labelkit",
        "version": labelkit.__version__,
        "semanticVersion": labelkit.__version__,
        "rules": [_rule(rule) for rule in known],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "the folder that labelkit ran in"}}},
        "columnKind": "unicodeCodePoints",
        "properties": {
            "format": validation.format,
            "images": validation.images,
            "objects": validation.objects,
        },
    }
    start = json.dumps({"$schema": _SCHEMA, "version": "2.1.0"}).removesuffix("}")
    stream.write(f'{start}, "runs": [{json.dumps(run).removesuffix("}")}, "results": [')
    for k, result in enumerate(_results(validation)):
        stream.write((",\n" if k else "\n") + json.dumps(result))
    stream.write("\n]}]}\n")


def _results(validation: Validation) -> Iterator[Json]:
    files = Files(validation.source, validation.findings)
    index = {code: k for k, code in enumerate(validation.checked)}
    times: Counter[str] = Counter()
    for k, finding in enumerate(validation.findings):
        result = _result(validation, finding, files)
        result["ruleIndex"] = index[finding.code]
        # Places that nothing tells apart are told apart by their order, as code hosts expect.
        print_ = fingerprint(finding)
        times[print_] += 1
        result["partialFingerprints"] = {_FINGERPRINT: f"{print_}:{times[print_]}"}
        yield result | _fixes(validation.fixes.get(k), files)


def _rule(rule: Rule) -> Json:
    """3.49: what a rule is."""
    said = rule_text(rule)
    plain = rule.documentation
    descriptor: Json = {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": said.summary},
        "fullDescription": {"text": " ".join(part for part in (said.summary, said.more, said.why) if part)},
        "help": {"text": plain, "markdown": markdown(rule)},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.code[:3]], "problem.severity": _problem(rule.severity)},
    }
    if rule.options:
        descriptor["properties"]["options"] = dict(rule.options)
    return descriptor


def _problem(severity: str) -> str:
    """The word that GitHub's code scanning has for a severity."""
    return {"info": "recommendation"}.get(severity, severity)


def _result(validation: Validation, finding: Finding, files: Files) -> Json:
    """3.27: one finding."""
    severity = validation.severity(finding)
    result: Json = {
        "ruleId": finding.code,
        "level": _LEVELS[severity],
        "message": {"text": finding.message},
    }
    if finding.at is not None:
        result["locations"] = [_location(finding.at, files)]
        if finding.at.other is not None:  # 3.27.22
            result["relatedLocations"] = [_location(finding.at.other, files)]
        place = as_json(validation, finding)["at"]
        if said := {key: place[key] for key in ("id", "box") if key in place}:
            result["properties"] = said
    return result


def _location(at: Location, files: Files) -> Json:
    """3.28: where it is, in the file and in what the file says."""
    spot = files.spot(at)
    physical: Json = {"artifactLocation": _artifact(spot.file)}
    region = {"startLine": spot.line, "startColumn": spot.column, "byteOffset": at.offset}
    if said := {key: value for key, value in region.items() if value is not None}:
        physical["region"] = said
    location: Json = {"physicalLocation": physical}
    logical = []
    if at.element is not None:
        logical.append({"fullyQualifiedName": at.element, "kind": "element"})
    if at.image is not None:
        logical.append({"name": at.image, "fullyQualifiedName": at.image, "kind": "resource"})
    if at.object is not None:
        name = f"object {at.object}"
        logical.append(
            {"name": name, "fullyQualifiedName": f"{at.image or at.file}#{name}", "kind": "object"}
        )
    return {**location, "logicalLocations": logical} if logical else location


def _artifact(file: str) -> Json:
    """3.4: a file as a URI, relative where it is below the folder that labelkit ran in."""
    if Path(file).is_absolute():
        return {"uri": "file://" + _quoted(Path(file).as_posix())}
    return {"uri": _quoted(file), "uriBaseId": _ROOT}


def _quoted(path: str) -> str:
    """A path percent-encoded; names that are not UTF-8 byte for byte. A colon would look like a scheme."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")


def _fixes(fix: Fix | None, files: Files) -> Json:
    """3.55: what mends a finding, where the bytes are known."""
    if fix is None or not callable(fix.change):
        return {}
    changes: dict[Path, list[Edit]] = {}
    for edit in fix.change():
        changes.setdefault(edit.file, []).append(edit)
    if not changes or any(edit.stop is None for edits in changes.values() for edit in edits):
        return {}  # a whole image as text would make a log that nobody reads
    artifacts = [
        {"artifactLocation": _artifact(files.shown(path)), "replacements": _replacements(path, edits)}
        for path, edits in changes.items()
    ]
    description = {"text": fix.summary if fix.is_safe else f"{fix.summary} (unsafe)"}
    return {"fixes": [{"description": description, "artifactChanges": artifacts}]}


def _replacements(path: Path, edits: Sequence[Edit]) -> list[Json]:
    """3.57: bytes that are replaced by others."""
    return [
        {
            "deletedRegion": {"byteOffset": start, "byteLength": stop - start},
            "insertedContent": {"binary": b64encode(text).decode("ascii")},
        }
        for start, stop, text in replaced(map_bytes(path), edits)
    ]
