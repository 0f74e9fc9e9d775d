"""``labelkit rules``: list the rules, or explain some."""

from __future__ import annotations

import json
import textwrap
from itertools import groupby

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from labelkit.errors import UsageError
from labelkit.options import own_hints, shown
from labelkit.outputs.rule_text import company, mended_by
from labelkit.rules import FAMILIES, Rule, nearest, rules

_PIPE_WIDTH = 500
_NARROW = 110  # columns of a terminal in which a rule and what it finds do not stand side by side
_PARTS = ("Why:", "Fix:", "Example:", "Option:", "Options:")
_OPTION = {"none": "", "safe": "--fix", "unsafe": "--unsafe-fixes", "both": "--fix, in part"}


@click.command(name="rules", short_help="List the rules, or explain some.")
@click.argument("words", metavar="[RULE|FAMILY]...", nargs=-1)
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(words: tuple[str, ...], output_format: str) -> None:
    """List the rules of `labelkit validate`, or of a family (GEO); explain those named by code or name."""
    families = [word.upper() for word in words if word.upper() in _families()]
    chosen = [item for word in words for item in _find(word)] or list(rules().values())
    if output_format == "json":
        click.echo(json.dumps([_as_json(item) for item in chosen], indent=2, ensure_ascii=False))
    elif len(families) < len(words):
        pages = "\n\n".join(_page(item) for item in chosen)
        console = Console()
        click.echo(_wrapped(pages, console.width) if console.is_terminal else pages)
    else:
        _list(chosen)


def _families() -> dict[str, str]:
    """What each family is about; those of plug-ins do not say."""
    return {**FAMILIES, **{code[:3]: "" for code in rules() if code[:3] not in FAMILIES}}


def _find(word: str) -> list[Rule]:
    """The rules of that family, or the one of that code or name. Raises UsageError that offers a near one."""
    if word.upper() in _families():
        return [item for code, item in rules().items() if code.startswith(word.upper())]
    by_name = {item.name: item for item in rules().values()}
    known = {**rules(), **by_name}
    for each in (word, word.upper(), word.lower()):
        if each in known:
            return [known[each]]
    raise UsageError(
        f"rule {word!r}",
        "no such rule",
        "a family, a code or a name that `labelkit rules` lists",
        f"did you mean {near}?" if (near := nearest(word)) else "",
    )


def _page(item: Rule) -> str:
    """A rule's documentation and, where it has options of its own, how a configuration sets them."""
    page = f"{item.code} {item.name} ({item.severity})\n\n{item.documentation}"
    if said := [each for each in (mended_by(item), company(item)) if each]:
        page += "\n\n" + " ".join(said)
    if own := [name for name in own_hints(item) if item.options[name] is not None]:
        lines = [f"    {name.replace('_', '-')} = {shown(item.options[name])}" for name in own]
        page += "\n\n" + "\n".join([f"    [tool.labelkit.rules.{item.code}]", *lines])
    return page


def _wrapped(page: str, width: int) -> str:
    """Paragraphs as wide as a terminal; what is indented stays."""
    lines: list[str] = []
    for line in page.splitlines():
        goes_on = lines and lines[-1] and line and not line.startswith((" ", *_PARTS))
        if goes_on and not lines[-1].startswith(" "):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return "\n".join(
        line if line.startswith(" ") else textwrap.fill(line, width, break_on_hyphens=False) for line in lines
    )


def _as_json(item: Rule) -> dict[str, object]:
    return {
        "code": item.code,
        "name": item.name,
        "severity": item.severity,
        "summary": item.summary,
        "documentation": item.documentation,
        "options": dict(item.options),
        "fixes": item.fixes,
        "supersedes": sorted(item.supersedes),
    }


def _list(chosen: list[Rule]) -> None:
    """A line a rule; for people under headings, and in a narrow terminal two lines."""
    console = Console()
    is_for_people = console.is_terminal
    if is_for_people and console.width < _NARROW:
        _list_narrow(chosen, console)
        return
    if not is_for_people:
        console = Console(width=_PIPE_WIDTH)  # lines in a pipe or a file are not wrapped
    table = Table(
        "code", "name", "severity", "mended by", "finds", box=None, pad_edge=False, header_style="bold"
    )
    for family, rows in groupby(chosen, key=lambda item: item.code[:3]):
        if is_for_people:
            table.add_row("")
            table.add_row(f"[bold]{family}[/]", f"[bold]{_families()[family].partition(':')[0]}[/]")
        for item in rows:
            table.add_row(item.code, item.name, item.severity, _OPTION[item.fixes], escape(item.summary))
    with console.capture() as capture:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _list_narrow(chosen: list[Rule], console: Console) -> None:
    for family, rows in groupby(chosen, key=lambda item: item.code[:3]):
        console.print(Text.assemble((family, "bold"), "  ", (_families()[family], "bold")))
        for item in rows:
            how = f", {_OPTION[item.fixes]}" if item.fixes != "none" else ""
            console.print(
                Text.assemble((item.code, "bold"), f"  {item.name}  ", (item.severity + how, "dim"))
            )
            for line in textwrap.wrap(item.summary, max(console.width - 8, 20)):
                console.print(Text(f"        {line}"))
        console.print()
