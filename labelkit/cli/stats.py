"""``labelkit stats``: count what a data set has."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import click

from labelkit.cli.options import comma, format_options, take_format_options
from labelkit.dataset import source_format
from labelkit.errors import UsageError
from labelkit.statistics import statistics


@click.command(name="stats", short_help="Count images, objects, labels and pixels by class and split.")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.option("--format", "format_", help="Format of SRC; detected if not said.")
@click.option("--split", "splits", multiple=True, callback=comma(None), help="Only these: train,val.")
@click.option("--pixels/--no-pixels", default=True, show_default=True, help="Decode masks and label maps.")
@click.option("--images-dir", type=click.Path(path_type=Path, exists=True), help="Where SRC has its images.")
@click.option(
    "--output-format", type=click.Choice(["text", "json", "html"]), default="text", show_default=True
)
@click.option(
    "-o",
    "--output",
    type=click.File("w", encoding="utf-8", atomic=True),
    default="-",
    help="Write there, whole or not at all.",
)
@format_options("open")
def command(source: Path, format_: str | None, output_format: str, output: TextIO, **rest: Any) -> None:
    """Count what SRC has: images, objects, labels and pixels by class and split, sizes, shapes, company.

    Options that start with a format's name are for reading that format.
    """
    options = take_format_options(rest)
    format = source_format(source, format_).name
    for name in options:
        if name != format:
            raise UsageError(
                f"--{name}-…", f"does nothing, for {source} is {format}", "an option of its format"
            )
    done = statistics(source, format=format, options=options.get(format), **rest)
    import_module(f"labelkit.outputs.stats_{output_format}").write(done, output)
