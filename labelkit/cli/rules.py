"""``labelkit rules``: list the rules, or explain some."""

from __future__ import annotations

import json
from difflib import get_close_matches

import click
from rich.console import Console
from rich.table import Table

from labelkit.errors import UsageError
from labelkit.rules import Rule, rules

_PIPE_WIDTH = 500


@click.command(name="rules", short_help="List the rules, or explain some.")
@click.argument("words", metavar="[RULE]...", nargs=-1)
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(words: tuple[str, ...], output_format: str) -> None:
    """List the rules of `labelkit validate`, or explain those named by code or by name."""
    chosen = [_find(word) for word in words] or list(rules().values())
    if output_format == "json":
        click.echo(json.dumps([_as_json(item) for item in chosen], indent=2, ensure_ascii=False))
    elif words:
        click.echo("\n\n".join(_page(item) for item in chosen))
    else:
        _list(chosen)


def _find(word: str) -> Rule:
    """The rule of that code or name. Raises UsageError that offers a near one."""
    by_name = {item.name: item for item in rules().values()}
    known = {**rules(), **by_name}
    for each in (word, word.upper(), word.lower()):
        if each in known:
            return known[each]
    near = get_close_matches(word, known, 1) or get_close_matches(word.upper(), known, 1)
    raise UsageError(
        f"rule {word!r}",
        "no such rule",
        "a code or a name that `labelkit rules` lists",
        f"did you mean {near[0]}?" if near else "",
    )


def _page(item: Rule) -> str:
    return f"{item.code} {item.name} ({item.severity})\n\n{item.documentation}"


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
    table = Table("code", "name", "severity", "finds", box=None, pad_edge=False, header_style="bold")
    for item in chosen:
        table.add_row(item.code, item.name, item.severity, item.summary)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)  # lines in a pipe or a file are not wrapped
    with console.capture() as capture:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
