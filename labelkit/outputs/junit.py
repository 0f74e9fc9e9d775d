"""Findings as JUnit XML: one test case a rule, which fails where the rule found an error or a warning."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from labelkit.findings import Finding
from labelkit.rules import rules
from labelkit.validation import Validation

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by XML 1.0


def write(validation: Validation, stream: TextIO) -> None:
    """One test suite: the data set."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in validation.findings:
        groups[finding.code].append(finding)
    failed = [code for code in groups if rules()[code].severity != "info"]
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    name = quoteattr(_clean(str(validation.source)))
    stream.write(f'<testsuite name={name} tests="{len(validation.checked)}" failures="{len(failed)}">\n')
    for code in validation.checked:
        rule, lines = rules()[code], [f"{each.place}: {each.message}" for each in groups.get(code, [])]
        stream.write(f'  <testcase classname="labelkit.{code[:3]}" name="{code} {rule.name}">')
        text = escape(_clean("\n".join(lines)))
        if code in failed:
            said = quoteattr(f"{len(lines)} finding{'s' if len(lines) != 1 else ''}: {rule.summary}")
            stream.write(f'<failure type="{rule.severity}" message={said}>{text}</failure>')
        elif lines:
            stream.write(f"<system-out>{text}</system-out>")
        stream.write("</testcase>\n")
    stream.write("</testsuite>\n")


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
