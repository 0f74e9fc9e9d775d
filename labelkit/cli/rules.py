"""``labelkit rules``: list the rules, or explain some."""

from __future__ import annotations

import json
from itertools import groupby

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labelkit.errors import UsageError
from labelkit.options import own_hints, shown
from labelkit.rules import FAMILIES, Rule, nearest, rules

_PIPE_WIDTH = 500


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
        click.echo("\n\n".join(_page(item) for item in chosen))
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
    if own := [name for name in own_hints(item) if item.options[name] is not None]:
        lines = [f"    {name.replace('_', '-')} = {shown(item.options[name])}" for name in own]
        page += "\n\n" + "\n".join([f"    [tool.labelkit.rules.{item.code}]", *lines])
    return page


def _as_json(item: Rule) -> dict[str, object]:
    return {
        "code": item.code,
        "name": item.name,
        "severity": item.severity,
        "summary": item.summary,
        "documentation": item.documentation,
        "options": dict(item.options),
    }


def _list(chosen: list[Rule]) -> None:
    """A line a rule; for people under headings."""
    table = Table("code", "name", "severity", "finds", box=None, pad_edge=False, header_style="bold")
    console = Console()
    is_for_people = console.is_terminal
    if not is_for_people:
        console = Console(width=_PIPE_WIDTH)  # lines in a pipe or a file are not wrapped
    for family, rows in groupby(chosen, key=lambda item: item.code[:3]):
        if is_for_people:
            table.add_row("")
            table.add_row(f"[bold]{family}[/]", "", "", f"[bold]{_families()[family]}[/]")
        for item in rows:
            table.add_row(item.code, item.name, item.severity, escape(item.summary))
    with console.capture() as capture:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
