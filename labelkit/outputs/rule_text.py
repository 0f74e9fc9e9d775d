"""What a rule's docstring says, in its parts, and as the Markdown of its page.

A docstring has a first line, and paragraphs that begin with ``Why:``, ``Fix:``, ``Example:`` and, where the
rule has options, ``Options:`` (``limit, the ratio; smallest, the side in pixels``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from labelkit.rules import FAMILIES, Rule, rules

_LABEL = re.compile(r"(Why|Fix|Example|Options?): *(.*)")
_LOOKS_AT = {
    "Table": "the objects of many images at once: classes, boxes, areas and masks",
    "Record": "an image with all that is said of it",
    "ImageFile": "an image file",
    "MapFile": "the PNG of a label map",
    "Survey": "the data set as a whole",
    "FormatError": "a file that cannot be read as what it claims to be",
    "RecordError": "an image or an annotation that cannot be read",
    "LabelkitError": "whatever cannot be read",
}


@dataclass(frozen=True, slots=True)
class RuleText:
    """The parts of a rule's docstring, each one paragraph of sentences; empty where it does not say.

    options: name, default and what it is.
    """

    summary: str
    more: str
    why: str
    fix: str
    example: str
    options: tuple[tuple[str, Any, str], ...]


def rule_text(rule: Rule) -> RuleText:
    """What a rule's docstring says."""
    parts: dict[str, list[str]] = {"": []}
    label = ""
    for line in rule.documentation.splitlines()[1:]:
        if match := _LABEL.match(line):
            label = match[1].removesuffix("s")
            parts[label] = [match[2]]
        else:
            parts[label].append(line)
    said = {key: " ".join(" ".join(lines).split()) for key, lines in parts.items()}
    about = dict(_options(said.get("Option", ""), rule.options))
    options = tuple((name, default, about.get(name, "")) for name, default in rule.options.items())
    why, fix, example = (said.get(key, "") for key in ("Why", "Fix", "Example"))
    return RuleText(rule.summary, said[""], _sentence(why), _sentence(fix), example, options)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _options(said: str, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What is said of each option: ``name, words`` at the start, or after a semicolon."""
    known = "|".join(map(re.escape, names))
    if known:
        pieces = re.split(rf"(?:^|; )({known}), ", said)
        for name, words in zip(pieces[1::2], pieces[2::2], strict=True):
            yield name, words.strip().removesuffix(".")


def looks_at(rule: Rule) -> str:
    """What a rule is given to look at, in words; those of the type's docstring where there are no better."""
    types = get_args(rule.over) if get_origin(rule.over) in (Union, UnionType) else (rule.over,)
    own = ((each.__doc__ or each.__name__).splitlines()[0].split(". ")[0].rstrip(".") for each in types)
    return "; ".join(_LOOKS_AT.get(each.__name__, said) for each, said in zip(types, own, strict=True)) + "."


_MENDED = {
    "safe": "`labelkit validate --fix` mends it where it can.",
    "unsafe": "`labelkit validate --fix --unsafe-fixes` mends it where it can.",
    "both": "`labelkit validate --fix` mends some of it, `--fix --unsafe-fixes` more.",
}


def mended_by(rule: Rule) -> str:
    """Which option mends what the rule finds, where one does."""
    return _MENDED.get(rule.fixes, "")


def company(rule: Rule) -> str:
    """Which rules are silent where this one finds something, and the other way round."""
    said = []
    if rule.supersedes:
        said.append(f"Where it finds something, {_listed(rule.supersedes, 'and')} are silent.")
    if others := [code for code, other in rules().items() if rule.code in other.supersedes]:
        said.append(f"It is silent where {_listed(others, 'or')} finds the cause.")
    return " ".join(said)


def _listed(codes: Iterable[str], word: str) -> str:
    *first, last = sorted(codes)
    return f"{', '.join(first)} {word} {last}" if first else last


def family(rule: Rule) -> str:
    """What the rule's family is about."""
    return FAMILIES.get(rule.code[:3], rule.code[:3])


def markdown(rule: Rule) -> str:
    """A rule's page."""
    said = rule_text(rule)
    parts = [
        f"# {rule.code} {rule.name}",
        f"**{rule.severity}** · {family(rule)}",
        said.summary,
        said.more,
        *_titled("Why it matters", said.why),
        *_titled("How to mend it", " ".join(part for part in (said.fix, mended_by(rule)) if part)),
        *_titled("Example", _example(said.example)),
        *_titled("Options", _option_table(rule, said)),
        *_titled("What it looks at", " ".join(part for part in (looks_at(rule), company(rule)) if part)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _titled(title: str, body: str) -> list[str]:
    return [f"## {title}", _sentence(body)] if body else []


def _example(said: str) -> str:
    """An example; what is code and nothing else as a block."""
    if re.fullmatch("`[^`]*`", said):
        return f"```\n{said[1:-1]}\n```"
    return said


def _option_table(rule: Rule, said: RuleText) -> str:
    if not said.options:
        return ""
    rows = [f"| `{name}` | {_default(default)} | {cell(words)} |" for name, default, words in said.options]
    return "\n".join(["| option | default | |", "|---|---|---|", *rows])


def cell(words: str) -> str:
    """Words as a cell of a Markdown table."""
    return words.replace("|", "\\|")


def _default(value: Any) -> str:
    return "not set" if value is None else f"`{cell(str(value))}`"
