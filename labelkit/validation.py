"""Validating: everything that a data set is made of passes by the rules that look at its kind.

A format may say itself what it is made of (``Format.inspect``): its raw documents, tables of objects, records
and errors. Else its records are read, and are tables too. Then come the image files and, last, the survey.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelkit.baseline import Baseline
from labelkit.changes import Fix
from labelkit.dataset import open_dataset, own_options, source_format
from labelkit.errors import FormatError, UsageError
from labelkit.findings import Finding
from labelkit.formats import Format, Parcel
from labelkit.formats._inspect import part_items
from labelkit.image_files import ImageFile
from labelkit.model import Header, Record
from labelkit.options import rule_options as checked_options
from labelkit.rules import SEVERITIES, Fault, Rule, Severity, rules, selected
from labelkit.survey import Survey, SurveyBuilder
from labelkit.table import Table
from labelkit.triage import Patterns

Progress = Callable[[int, int | None], None]
TASKS = ("classification", "multi-label", "localization", "detection", "semantic", "instance")


@dataclass
class Validation:
    """What validating a data set found.

    findings: in the order of the data. fixes: what would mend a finding, by its position. checked: the codes
    of the rules that ran. survey: what the data set shows as a whole. hidden: how many findings are left out,
    by why. conclusive: the codes of the rules that looked at all there is, so that a known finding of theirs
    that was not found is gone. gone: how many of the baseline are.
    """

    source: Path
    format: str
    checked: list[str]
    images: int = 0
    objects: int = 0
    findings: list[Finding] = field(default_factory=list)
    fixes: dict[int, Fix] = field(default_factory=dict)
    survey: Survey | None = None
    hidden: dict[str, int] = field(default_factory=dict)
    conclusive: set[str] = field(default_factory=set)
    gone: int = 0

    def hide(self, why: str, positions: Collection[int]) -> None:
        """Leave findings out, and count them."""
        kept = [position for position in range(len(self.findings)) if position not in positions]
        if positions:
            self.hidden[why] = self.hidden.get(why, 0) + len(positions)
        self.findings = [self.findings[position] for position in kept]
        self.fixes = {new: self.fixes[old] for new, old in enumerate(kept) if old in self.fixes}

    def hide_known(self, baseline: Baseline) -> None:
        """Leave out the findings that a baseline knows, and count those of it that are gone."""
        known = baseline.known(self.findings)
        self.gone = len(baseline.of(self.conclusive)) - len(known & self._of(self.conclusive))
        self.hide("baseline", known)

    def _of(self, codes: Collection[str]) -> set[int]:
        return {position for position, finding in enumerate(self.findings) if finding.code in codes}

    def rule(self, finding: Finding) -> Rule:
        """The rule that made a finding."""
        return rules()[finding.code]

    def severity(self, finding: Finding) -> Severity:
        """How bad a finding is."""
        return rules()[finding.code].severity

    def counts(self) -> dict[Severity, int]:
        """How many findings there are of each severity, worst first."""
        found = [self.severity(finding) for finding in self.findings]
        return {severity: found.count(severity) for severity in SEVERITIES}

    def fails(self, severity: Severity) -> bool:
        """Whether there is a finding as bad as that, or worse."""
        worst = SEVERITIES[: SEVERITIES.index(severity) + 1]
        return any(self.severity(finding) in worst for finding in self.findings)


def validate(
    source: str | Path,
    *,
    format: str | None = None,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    task: str | None = None,
    group: str | None = None,
    images: bool = True,
    images_dir: str | Path | None = None,
    rule_options: Mapping[str, Mapping[str, Any]] | None = None,
    options: Mapping[str, Any] | None = None,
    per_file_ignores: Mapping[str, Collection[str]] | None = None,
    baseline: Baseline | None = None,
    progress: Progress | None = None,
) -> Validation:
    """Check a data set against the rules.

    format: its name; detected if not said. select, ignore: families (``GEO``), codes or names of rules;
    all if not said. task: what the labels are for, which decides what some rules expect. group: a regular
    expression whose match in an image's path names the group (scene, patient) that splits must not share.
    images: whether image files are opened. images_dir: where they are. rule_options: a rule's own, by code.
    options: the format's own for reading. per_file_ignores: rules to ignore, by patterns of files and images
    (see ``triage.ignored``). baseline: findings that are known, and not told.

    Raises UsageError: no format fits; an option, a rule or a task is unknown. A data set that cannot be
    read is a finding.
    """
    path = Path(source)
    origin = source_format(path, format)
    if task is not None and task not in TASKS:
        raise UsageError("--task", repr(task), f"one of {', '.join(TASKS)}")
    _check_group(group)
    for name in options or {}:
        if name not in own_options(origin.open):
            raise UsageError(f"--{origin.name}-{name}", "unknown", ", ".join(own_options(origin.open)))
    own = checked_options(rule_options or {}, place="rule_options ")
    patterns = Patterns(per_file_ignores or {}, path)
    chosen = selected(select, ignore)
    result = Validation(path, origin.name, list(chosen))
    common = {"task": task, "group": group}
    run = _Run(result, chosen, common, own, open_images=images)
    folder = Path(images_dir) if images_dir else None
    for item in _inspect(path, origin, folder, dict(options or {})):
        run.take(item)
        if progress:
            progress(result.images, None)
    run.finish(path)
    result.conclusive = {rule.code for rule in chosen.values() if _is_conclusive(rule, common, images=images)}
    if baseline is not None:
        result.hide_known(baseline)  # before others are hidden, which would seem to be gone
    result.hide("per-file-ignores", patterns.ignored(result.findings))
    return result


def _is_conclusive(rule: Rule, common: Mapping[str, Any], *, images: bool) -> bool:
    """Whether a rule saw all that it looks at: the images, if it may need them, and what it must be told."""
    is_told = all(common[name] is not None for name in common if name in rule.options)
    return is_told and (images or rule.over not in (ImageFile, Survey))


def _check_group(group: str | None) -> None:
    try:
        re.compile(group or "")
    except re.error as error:
        raise UsageError("--group", f"{group!r} is no regular expression ({error})") from None


def _inspect(
    path: Path, format: Format, images_dir: Path | None, options: dict[str, Any]
) -> Iterator[object]:
    """All that a data set is made of, in the order of its files."""
    if format.inspect is not None:
        yield from format.inspect(path, images_dir=images_dir, **options)
        return
    try:
        dataset = open_dataset(path, format=format.name, images_dir=images_dir, carrier=False, **options)
    except FormatError as error:
        yield error
        return
    yield dataset.header
    for part in dataset.reader.parts():
        yield Parcel(part_items, (dataset.reader, part, path))


@dataclass
class _Run:
    """One validation under way."""

    result: Validation
    rules: Mapping[str, Rule]
    common: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]]
    builder: SurveyBuilder = field(default_factory=SurveyBuilder)
    header: Header = field(default_factory=Header)
    open_images: bool = field(default=True, kw_only=True)

    def take(self, item: object) -> None:
        """Check one thing that the data set is made of, and note it for the survey."""
        if isinstance(item, Parcel):
            for inner in item.make(*item.arguments):
                self.take(inner)
            return
        if isinstance(item, Header):
            self.header = item
        elif isinstance(item, ImageFile):
            if self.open_images:
                self.check(item)
            self.builder.add_file(item, is_open=self.open_images)
            return
        elif isinstance(item, Table):
            self.builder.add_table(item)
            self.result.objects += len(item)
        elif isinstance(item, Record):
            self.builder.add_record(item)
        self.check(item)
        self.result.images = len(self.builder.images)

    def finish(self, root: Path) -> None:
        """Check the data set as a whole."""
        self.result.survey = self.builder.finish(root, self.result.format, self.header)
        self.check(self.result.survey)

    def check(self, item: object) -> None:
        """Run every rule that looks at this kind of thing."""
        for rule in self.rules.values():
            if isinstance(item, rule.over):
                for fault in rule.check(item, **self.options(rule)):
                    self.add(rule, fault, item)

    def options(self, rule: Rule) -> dict[str, Any]:
        given = {name: value for name, value in self.common.items() if name in rule.options}
        return {**given, **self.own.get(rule.code, {})}

    def add(self, rule: Rule, fault: Fault, item: object) -> None:
        """Make a finding of a fault."""
        where, message = fault.where, fault.message
        if isinstance(where, int):
            assert isinstance(item, Table)  # only rules over tables speak of rows
            where = item.locate(where)
        if fault.other is not None:
            assert isinstance(item, Table)
            message = f"{message} {item.locate(fault.other)}"
        if fault.fix:
            self.result.fixes[len(self.result.findings)] = fault.fix
        self.result.findings.append(Finding(rule.code, str(where), message, at=where))
