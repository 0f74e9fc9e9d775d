"""Findings for people: grouped by rule, worst first, a few of each with how many more there are.

In a pipe or a file a finding is a line. On a terminal it begins with a path and a line to click on, its
message is wrapped below, and severities have colours (unless NO_COLOR says otherwise).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from labelkit.findings import Finding, Location
from labelkit.outputs.words import visible
from labelkit.places import Files
from labelkit.rules import SEVERITIES, Rule, rules
from labelkit.validation import Validation

_FEW = 3
_COLOURS = {"error": "bold red", "warning": "bold yellow", "info": "bold blue"}


def write(validation: Validation, stream: TextIO) -> None:
    """A few findings of each rule, and the counts."""
    _write(validation, stream, few=_FEW)


def write_full(validation: Validation, stream: TextIO) -> None:
    """Every finding."""
    _write(validation, stream, few=None)


def _write(validation: Validation, stream: TextIO, *, few: int | None) -> None:
    if stream.isatty():
        _show(validation, Console(file=stream, highlight=False, emoji=False, markup=False), few=few)
        return
    for rule, found in by_rule(validation):
        stream.write(f"{rule.code} {rule.name} ({rule.severity}): {len(found)}\n")
        for finding in found[:few]:
            at = finding.at
            image = f" [{at.image}]" if at and at.image and at.image != at.file else ""
            stream.write(f"  {visible(f'{finding.place}{image}: {finding.message}')}\n")
        if few and len(found) > few:
            stream.write(f"  {_more(len(found) - few)}\n")
    if said := hint(validation):
        stream.write(said + "\n")
    stream.write(summary(validation) + "\n")


def by_rule(validation: Validation) -> list[tuple[Rule, list[Finding]]]:
    """The findings of each rule that has some: errors first, then by code."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in validation.findings:
        groups[finding.code].append(finding)
    order = sorted(groups, key=lambda code: (SEVERITIES.index(rules()[code].severity), code))
    return [(rules()[code], groups[code]) for code in order]


def summary(validation: Validation) -> str:
    """The counts in one line, with those of the findings that are not told."""
    counts = [f"{n} {name}{'s' if n != 1 else ''}" for name, n in validation.counts().items() if n]
    sizes = {"image": validation.images, "object": validation.objects, "rule": len(validation.checked)}
    what = ", ".join(f"{n} {name}{'s' if n != 1 else ''}" for name, n in sizes.items())
    line = f"{', '.join(counts) or 'no findings'} ({what})"
    return "; ".join(part for part in (line, untold(validation)) if part)


def untold(validation: Validation) -> str:
    """How many findings are hidden, by what; and how many of the baseline are gone."""
    said = []
    if validation.hidden:
        reasons = [f"{count} by {why}" for why, count in validation.hidden.items()]
        said.append(f"hidden: {', '.join(reasons)}")
    if validation.gone:
        are = "finding of the baseline is" if validation.gone == 1 else "findings of the baseline are"
        said.append(f"{validation.gone} {are} gone; --write-baseline forgets them")
    return "; ".join(said)


def hint(validation: Validation) -> str:
    """How some of what was found can be mended; nothing where it cannot."""
    kinds = {fix.is_safe for fix in validation.fixes.values()}
    said = {
        frozenset([True]): "--fix mends some of these",
        frozenset([False]): "--fix --unsafe-fixes mends some of these",
        frozenset([True, False]): "--fix mends some of these, --fix --unsafe-fixes more",
    }
    return f"{said[frozenset(kinds)]}; --diff instead of --fix shows how" if kinds else ""


def _more(count: int) -> str:
    return f"and {count} more (--output-format full lists them)"


# --- on a terminal -----------------------------------------------------------------------------------------


def _show(validation: Validation, console: Console, *, few: int | None) -> None:
    groups = [(rule, found, found[:few]) for rule, found in by_rule(validation)]
    files = Files(validation.source, [finding for _, _, shown in groups for finding in shown])
    for rule, found, shown in groups:
        colour = _COLOURS[rule.severity]
        head = (
            (rule.code, colour),
            f" {rule.name} ",
            (rule.severity, colour),
            (f" \u00b7 {len(found)}", "dim"),
        )
        console.print(Text.assemble(*head))
        for finding in shown:
            if finding.at is not None:
                _show_place(finding.at, files, console)
            _show_indented(Text(visible(finding.message)), console)
        if len(found) > len(shown):
            console.print(Text(f"  {_more(len(found) - len(shown))}", "dim"))
        console.print()
    console.print(Text(summary(validation), "bold"))
    if said := hint(validation):
        console.print(Text(said, "dim"))
    if groups:
        console.print(Text(f"labelkit rules {groups[0][0].code} explains a rule", "dim"))


def _show_place(at: Location, files: Files, console: Console) -> None:
    """A path to click on, never broken; what stands there is beside it, or below where that is too long."""
    spot = files.spot(at)
    path = visible(":".join(str(each) for each in spot if each is not None))
    inside = [at.element] if at.element else []
    inside += [f"id {at.id}"] if at.id is not None else []
    inside += [f"object {at.object}"] if at.object is not None and not at.element else []
    inside += [at.image] if at.image and not spot.file.endswith(at.image) else []
    said = visible(", ".join(inside))
    if cell_len(path) + cell_len(said) + 4 <= console.width:
        console.print(Text.assemble("  ", (path, "cyan"), "  ", (said, "dim")), soft_wrap=True)
        return
    console.print(Text.assemble("  ", (path, "cyan")), soft_wrap=True)
    if said:
        _show_indented(Text(said, "dim"), console)


def _show_indented(said: Text, console: Console) -> None:
    """Wrapped, without the blanks to the right that rich's own padding has."""
    for line in said.wrap(console, max(console.width - 4, 20)):
        line.rstrip()
        console.print(Text("    ").append_text(line), soft_wrap=True)
