"""``labelkit stats``: count what a data set has."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from labelkit.cli.options import comma, format_options, take_format_options
from labelkit.dataset import source_format
from labelkit.errors import UsageError
from labelkit.publish import refuse_irregular, replacing
from labelkit.statistics import statistics

OUTPUTS = ("text", "json", "html")  # labelkit.outputs.stats_…, imported when it is asked for


@click.command(name="stats", short_help="Count images, objects, labels and pixels by class and split.")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.option("--format", "format_", help="Format of SRC; detected if not said.")
@click.option("--split", "splits", multiple=True, callback=comma(None), help="Only these: train,val.")
@click.option("--pixels/--no-pixels", default=True, show_default=True, help="Decode masks and label maps.")
@click.option("--images-dir", type=click.Path(path_type=Path, exists=True), help="Where SRC has its images.")
@click.option("--output-format", type=click.Choice(OUTPUTS), default="text", show_default=True)
@click.option(
    "-o", "--output", "target", metavar="FILE", type=click.Path(path_type=Path), help="Write there."
)
@format_options("open")
def command(source: Path, format_: str | None, output_format: str, target: Path | None, **rest: Any) -> None:
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
    if target is not None:
        refuse_irregular(target)  # before the work
    done = statistics(source, format=format, options=options.get(format), **rest)
    write = import_module(f"labelkit.outputs.stats_{output_format}").write
    if target is None:
        write(done, sys.stdout)
        return
    with replacing(target) as stream:
        write(done, stream)
