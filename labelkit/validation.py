"""Validating: everything that a data set is made of passes by the rules that look at its kind.

Last comes the survey, which is what the data set shows as a whole.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from labelkit.baseline import Baseline
from labelkit.changes import Fix
from labelkit.checking import (
    Checks,
    Found,
    Outcome,
    check_files,
    check_parcel,
    once,
    take,
    without_followers,
)
from labelkit.dataset import source_format
from labelkit.engine import Engine
from labelkit.engine import engine as started_engine
from labelkit.errors import UsageError
from labelkit.findings import Finding, Location
from labelkit.formats import Parcel, Total, get_format
from labelkit.image_files import ImageFile
from labelkit.inspection import check_options, inspect
from labelkit.model import Header
from labelkit.options import rule_options as checked_options
from labelkit.rules import SEVERITIES, Fault, Rule, Severity, rules, selected
from labelkit.survey import FileFacts, Survey
from labelkit.table import Table
from labelkit.triage import Patterns

Progress = Callable[[int, int | None], None]
_FILES = 64  # image files that are checked together
_SOME_FIXES = (
    25  # findings of a rule that say how they are mended where nobody asked, as many as a page shows
)
TASKS = ("classification", "multi-label", "localization", "detection", "semantic", "instance")


@dataclass
class Validation:
    """What validating a data set found.

    findings: in the order of the data. fixes: what would mend a finding, by its position; of the first
    findings of each rule only, unless all were asked for. checked: the codes of the rules that ran. survey:
    what the data set shows as a whole. hidden: how many findings are left out, by why. conclusive: the codes
    of the rules that looked at all there is, so that a known finding of theirs that was not found is gone.
    gone: how many of the baseline are.
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
        return self.rule(finding).severity

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
    target: str | None = None,
    images: bool = True,
    images_dir: str | Path | None = None,
    rule_options: Mapping[str, Mapping[str, Any]] | None = None,
    options: Mapping[str, Any] | None = None,
    per_file_ignores: Mapping[str, Collection[str]] | None = None,
    baseline: Baseline | None = None,
    fixes: bool = False,
    jobs: int | None = 1,
    engine: str = "processes",
    ray_address: str | None = None,
    outlines: int = 0,
    progress: Progress | None = None,
) -> Validation:
    """Check a data set against the rules.

    format: its name; detected if not said. select, ignore: families (``GEO``), codes or names of rules;
    all if not said. task: what the labels are for, which decides what some rules expect. group: a regular
    expression whose match in an image's path names the group (scene, patient) that splits must not share.
    target: the format that the data set is to be converted to, which decides what may overlap.
    images: whether image files are opened. images_dir: where they are. rule_options: a rule's own, by code.
    options: the format's own for reading. fixes: whether it is asked how to mend all that is found. jobs: how
    many processes share the work; what is found is the same with any number. A script that asks for several
    must guard its start with ``if __name__ == "__main__"``. progress: called with the images that are done.
    engine: ``processes``, or ``ray``, a cluster (at ray_address) whose nodes see the same files.
    per_file_ignores: rules to ignore, by patterns of files and images (see ``triage.Patterns``). baseline:
    findings that are known, and not told. outlines: how many findings of each rule get the outline of their
    object, for whoever draws them.

    Raises UsageError: no format fits; an option, a rule, a task or the target is unknown. A data
    set that cannot be read is a finding.
    """
    path = Path(source)
    origin = source_format(path, format)
    if task is not None and task not in TASKS:
        raise UsageError("--task", repr(task), f"one of {', '.join(TASKS)}")
    _check_group(group)
    check_options(origin, options or {})
    own = checked_options(rule_options or {}, place="rule_options ")
    patterns = Patterns(per_file_ignores or {}, path)
    chosen = selected(select, ignore)
    result = Validation(path, origin.name, list(chosen))
    common = {"task": task, "group": group, "target": get_format(target).name if target else None}
    some = sys.maxsize if fixes else _SOME_FIXES
    checks = Checks(tuple(chosen), common, own, path, origin.name, images, some, outlines)
    folder = Path(images_dir) if images_dir else None
    with started_engine(jobs, engine, ray_address) as started:
        run = _Run(result, checks, started, progress, checks.outcome())
        for item in inspect(path, origin, folder, options or {}):
            run.take(item)
        run.finish()
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


@dataclass
class _Run:
    """One validation under way: what a data set is made of goes to the rules, here or in other processes."""

    result: Validation
    checks: Checks
    engine: Engine
    progress: Progress | None
    outcome: Outcome
    header: Header = field(default_factory=Header)
    _files: list[ImageFile] = field(default_factory=list)
    _total: Total | None = None
    _entries: int = 0  # of tables whose images are done
    _last: int = 0  # of the last table, whose image files come behind it
    _opened: int = 0

    def take(self, item: object) -> None:
        """Check one thing that the data set is made of, and note it for the survey."""
        if isinstance(item, ImageFile):
            self._files.append(item)
            if len(self._files) == _FILES:
                self._send_files()
            return
        if isinstance(item, Total):
            self._total = item
            return
        self._send_files()
        if isinstance(item, Parcel):
            shared, *rest = item.arguments
            self.engine.run(self._add_outcome, check_parcel, shared, item.make, tuple(rest), self.checks)
        elif isinstance(item, Table):
            sent = item.packed() if self.engine.is_remote else item
            self.engine.run(partial(self._add_table, item), Checks.found, self.checks, sent)
        else:
            if isinstance(item, Header):
                self.header = item
            self.engine.follow(partial(self._add_item, item))

    def finish(self) -> None:
        """Check the data set as a whole."""
        self._send_files()
        self.engine.finish()
        root = self.checks.root
        named = root if root.name not in ("", "..") else root.resolve()  # places begin with its name
        survey = self.outcome.builder.finish(named, self.result.format, self.header)
        self.result.survey = survey
        self.result.images = len(self.outcome.builder.images)
        self.result.objects = len(survey.table)
        self.outcome.found += self.checks.found(survey)
        whole = named.name if root.is_dir() else None
        for code, fault in without_followers(once(self.outcome.found)):
            self._add_finding(code, fault, whole)

    def _send_files(self) -> None:
        if self._files:
            files, self._files = self._files, []
            self.engine.run(partial(self._add_files, files), check_files, self.checks, files)

    def _add_item(self, item: object) -> None:
        self._end_table(0)
        take(self.outcome, self.checks, item)
        self._tell_progress()

    def _add_table(self, table: Table, found: list[Found]) -> None:
        self._end_table(len(table.images))
        self.outcome.builder.add_table(table)
        self.outcome.found += self.checks.located(found, table)
        self._tell_progress()

    def _add_files(self, files: list[ImageFile], checked: list[tuple[list[Found], FileFacts]]) -> None:
        for file, (found, facts) in zip(files, checked, strict=True):
            self.outcome.builder.add_file(file, facts)
            self.outcome.found += found
        self._opened += len(files)
        self._tell_progress()

    def _add_outcome(self, other: Outcome) -> None:
        self.outcome.builder.add(other.builder)
        self.outcome.found += other.found
        self._tell_progress()

    def _end_table(self, following: int) -> None:
        self._entries, self._last = self._entries + self._last, following

    def _tell_progress(self) -> None:
        """Tell how many images are done: of a table's images not before their files are."""
        if self.progress is None:
            return
        done = len(self.outcome.builder.images)
        if self._total is None:
            self.progress(done, None)
            return
        images, entries = self._total
        if self._entries or self._last:
            done = images * self._entries // max(entries, 1)
        self.progress(min(max(done, self._opened), images), images)

    def _add_finding(self, code: str, fault: Fault, whole: str | None) -> None:
        """Note a finding. whole: the name of the folder that the data set is."""
        where = fault.where
        assert isinstance(where, Location)  # rows have been located
        if where.file == whole:
            where = replace(where, is_whole=True)
        if fault.fix:
            self.result.fixes[len(self.result.findings)] = fault.fix
        self.result.findings.append(Finding(code, str(where), fault.message, at=where))
