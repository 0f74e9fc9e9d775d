"""Findings as one HTML file for people: counts, each finding with its picture, and plots of the data set.

The file is bounded: so many findings of a rule and so many pictures are in it, and it says how many are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from labelkit.findings import Finding
from labelkit.formats import formats
from labelkit.outputs.page import Section, cards, name, number, page, plural, text
from labelkit.outputs.rule_text import rule_text
from labelkit.outputs.set_plots import set_plots
from labelkit.outputs.shots import MOST, PER_RULE, Shots
from labelkit.outputs.text import by_rule, untold
from labelkit.places import Files
from labelkit.rules import SEVERITIES, Rule, Severity
from labelkit.validation import Validation

PER_PAGE = 25  # findings of a rule
_FEW = 2  # findings whose words stand beside the picture

_MANY: dict[Severity, str] = {"error": "errors", "warning": "warnings", "info": "infos"}


def write(validation: Validation, stream: TextIO) -> None:
    """A whole page."""
    source = validation.source.name or validation.source.resolve().name
    sections = [Section("Overview", _overview(validation))]
    if validation.findings:
        shots = Shots(validation.survey) if validation.survey else None
        body = "".join(_findings(validation, shots))
        sections.append(Section("Findings", body, _bounds(validation, shots)))
    if validation.survey is not None:
        sections.append(Section("The data set", set_plots(validation.survey)))
    stream.write(page(f"{source}: what labelkit found", sections, lead=_lead(validation)))


def _lead(validation: Validation) -> str:
    title = formats()[validation.format].title.partition(" (")[0]
    return f"<p>Read as {text(title)}, checked by {plural(len(validation.checked), 'rule')}.</p>"


def _overview(validation: Validation) -> str:
    counts = validation.counts()
    items = [(severity if n == 1 else _MANY[severity], number(n)) for severity, n in counts.items()]
    kinds = [severity if n else "" for severity, n in counts.items()]
    if not validation.findings:
        items, kinds = [("findings", "None")], ["fine"]
    items += [("images", number(validation.images)), ("objects", number(validation.objects))]
    return cards(items, kinds=kinds) + _not_told(validation) + _rules_found(validation)


def _not_told(validation: Validation) -> str:
    """How many findings are not in the page, and why."""
    said = untold(validation)
    return f'<p class="lead">{text(said[:1].upper() + said[1:])}.</p>\n' if said else ""


def _rules_found(validation: Validation) -> str:
    """A line for each rule that found something, with a link to its findings."""
    groups = by_rule(validation)
    if not groups:
        return ""
    rows = "".join(
        f'<tr><td class="code"><a href="#{rule.code}">{rule.code}</a></td><td>{text(rule.summary)}</td>'
        f'<td>{_tag(rule.severity)}</td><td class="n">{number(len(found))}</td></tr>\n'
        for rule, found in groups
    )
    head = '<th scope="col" class="code">rule</th><th scope="col">found</th><th scope="col">severity</th>'
    return (
        f'<div class="wide"><table><thead><tr>{head}<th scope="col" class="n">findings</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>\n"
    )


def _tag(severity: Severity) -> str:
    return f'<span class="tag {severity}">{severity}</span>'


def _bounds(validation: Validation, shots: Shots | None) -> str:
    """What of the findings is not in the page."""
    longest = max(len(found) for _, found in by_rule(validation))
    if longest <= PER_RULE and not (shots and shots.is_full):
        return ""
    return (
        f"Of each rule the first {PER_PAGE} findings are shown, the first {PER_RULE} with a picture; in all "
        f"there are {MOST} pictures at most. <code>--output-format full</code> lists every finding."
    )


def _findings(validation: Validation, shots: Shots | None) -> Iterator[str]:
    groups = by_rule(validation)
    files = Files(validation.source, [each for _, found in groups for each in found[:PER_PAGE]])
    fixes = {id(validation.findings[k]): fix.summary for k, fix in validation.fixes.items()}
    yield _filter(validation)
    for rule, found in groups:
        yield f'<article class="rule" id="{rule.code}" data-severity="{rule.severity}">\n'
        yield (
            f'<h3>{rule.code} {rule.name} {_tag(rule.severity)} <span class="count">'
            f"{plural(len(found), 'finding')}</span></h3>\n<p>{text(rule.summary)}</p>\n{_help(rule)}"
        )
        yield f'<ol class="found{" few" if len(found) <= _FEW else ""}">\n'
        for k, finding in enumerate(found[:PER_PAGE]):
            shot = shots.of(finding.at) if shots and k < PER_RULE else ""
            yield _item(finding, shot, files, fixes.get(id(finding), ""))
        yield "</ol>\n"
        if len(found) > PER_PAGE:
            yield f'<p class="more">and {number(len(found) - PER_PAGE)} more</p>\n'
        yield "</article>\n"


def _filter(validation: Validation) -> str:
    """Fields that the script brings to life; without it they are not shown."""
    boxes = "".join(
        f'<label><input type="checkbox" value="{severity}" checked>{_MANY[severity]}</label>'
        for severity in SEVERITIES
        if validation.counts()[severity]
    )
    return (
        '<div class="filter" data-filter hidden>'
        '<input type="search" placeholder="Filter: a rule, a file, a word" aria-label="Filter the findings">'
        f'{boxes}<output aria-live="polite"></output></div>\n'
    )


def _help(rule: Rule) -> str:
    said = rule_text(rule)
    options = "; ".join(f"{key}: {words} (default {default})" for key, default, words in said.options)
    parts = [("Why it matters", said.why), ("How to mend it", said.fix), ("Example", said.example)]
    rows = "".join(
        f"<dt>{title}</dt><dd>{_with_code(words)}</dd>"
        for title, words in [*parts, ("Options", options)]
        if words
    )
    more = f"<p>{_with_code(said.more)}</p>" if said.more else ""
    return (
        f'<details class="help"><summary>Why, and how to mend it</summary>{more}<dl>{rows}</dl></details>\n'
    )


def _with_code(words: str) -> str:
    """What stands between backticks as code."""
    pieces = words.split("`")
    if len(pieces) % 2 == 0:  # a backtick that is not closed is one
        return text(words)
    return "".join(f"<code>{text(each)}</code>" if k % 2 else text(each) for k, each in enumerate(pieces))


def _item(finding: Finding, shot: str, files: Files, fix: str) -> str:
    at = finding.at
    place = ""
    if at is not None:
        spot = files.spot(at)
        path = ":".join(str(each) for each in spot if each is not None)
        inside = [each for each in (at.element, None if at.id is None else f"id {at.id}") if each]
        inside += [f"object {at.object}"] if at.object is not None and not at.element else []
        inside += [at.image] if at.image and not spot.file.endswith(at.image) else []
        more = " · ".join(name(each) for each in inside)
        place = f'<p class="place"><span class="file">{name(path)}</span>{" " if more else ""}{more}</p>'
    mend = f'<p class="note">Can be mended: {text(fix)}.</p>' if fix else ""
    bare = "" if shot else ' class="bare"'
    return f"<li data-finding{bare}>{shot}<div><p>{text(finding.message)}</p>{place}{mend}</div></li>\n"
