"""``labelkit formats``: what there is, what each carries, and which one a path is."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from labelkit.errors import UsageError
from labelkit.findings import CODES
from labelkit.formats import FEATURES, detect, formats

_PIPE_WIDTH = 500
_STRENGTH = ("no", "possible", "yes")


@click.command(name="formats")
@click.option("--detect", "path", type=click.Path(path_type=Path), help="Say which format PATH is, and why.")
@click.option("--codes", is_flag=True, help="List the codes of the ledger.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(path: Path | None, codes: bool, output_format: str) -> None:
    """List the formats and what each carries."""
    if path is not None:
        _detect(path, output_format)
    elif codes:
        rows = [{"code": code, "name": name, "meaning": text} for code, (name, text) in CODES.items()]
        _show(rows, ["code", "name", "meaning"], output_format)
    elif output_format == "json":
        click.echo(
            json.dumps(
                {
                    name: {"title": item.title, "carries": [key for key in FEATURES if key in item.carries]}
                    for name, item in formats().items()
                },
                indent=2,
            )
        )
    else:
        names = list(formats())
        rows = [
            {"carries": text, **{name: "yes" if key in formats()[name].carries else "-" for name in names}}
            for key, text in FEATURES.items()
        ]
        _show(rows, ["carries", *names], output_format)


def _detect(path: Path, output_format: str) -> None:
    if not path.exists():
        raise UsageError(str(path), "does not exist", "a data set")
    rows = [
        {"format": name, "is it": _STRENGTH[item.strength], "why": item.reason}
        for name, item in detect(path).items()
    ]
    _show(rows, ["format", "is it", "why"], output_format)
    if rows[0]["is it"] == "no":
        raise UsageError(str(path), "is none of these formats", "a data set", "name the format with --from")


def _show(rows: list[dict[str, str]], columns: list[str], output_format: str) -> None:
    if output_format == "json":
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)  # lines in a pipe or a file are not wrapped
    with console.capture() as capture:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
