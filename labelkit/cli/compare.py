"""``labelkit compare``: what a reviewer did with a machine's labels."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from labelkit.cli.options import format_options, take_format_options
from labelkit.cli.progress import progress
from labelkit.cli.reports import refuse_target, write_text
from labelkit.cli.streams import result
from labelkit.comparing import BINS, MIN_IOU, MIN_PREDICTIONS, TOLERANCE, Comparison, compare
from labelkit.errors import UsageError
from labelkit.outputs.words import visible
from labelkit.publish import replacing
from labelkit.thresholds import written

OUTPUTS = ("text", "json")  # labelkit.outputs.compare_…, imported when it is asked for


@click.command(name="compare", short_help="Tell what a reviewer did with a machine's labels.")
@click.argument("prelabels", type=click.Path(path_type=Path))
@click.argument("reviewed", type=click.Path(path_type=Path))
@click.option("--prelabels-format", help="Format of PRELABELS; detected if not said.")
@click.option("--reviewed-format", help="Format of REVIEWED; detected if not said.")
@click.option(
    "--tolerance", type=float, metavar="PIXELS", default=TOLERANCE, show_default=True,
    help="A box, or an outline of as many points, has moved where an edge is off by that or more.",
)  # fmt: skip
@click.option(
    "--min-iou", type=float, metavar="IOU", default=MIN_IOU, show_default=True,
    help="A prediction that moved was right with that or more.",
)  # fmt: skip
@click.option(
    "--bins", type=float, metavar="WIDTH", default=BINS, show_default=True, help="Width of bins of scores."
)
@click.option(
    "--precision", "precisions", type=float, metavar="P", multiple=True,
    help="Find the lowest score from which on predictions have this precision. May be repeated.",
)  # fmt: skip
@click.option(
    "--min-predictions", type=int, metavar="N", default=MIN_PREDICTIONS, show_default=True,
    help="A class with as many scored predictions has a threshold of its own.",
)  # fmt: skip
@click.option(
    "--thresholds-out", metavar="FILE", type=click.Path(path_type=Path),
    help="Write the thresholds for the one --precision, for `labelkit prelabel --threshold FILE`.",
)  # fmt: skip
@click.option("--output-format", type=click.Choice(OUTPUTS), default="text", show_default=True)
@click.option(
    "-o", "--output", "target", metavar="FILE", type=click.Path(path_type=Path), help="Write there."
)
@format_options("open")
def command(
    prelabels: Path,
    reviewed: Path,
    prelabels_format: str | None,
    reviewed_format: str | None,
    thresholds_out: Path | None,
    output_format: str,
    target: Path | None,
    **rest: Any,
) -> int:
    """Tell what became of the labels in PRELABELS, of a machine and of humans, in REVIEWED.

    Each is accepted, moved, relabelled or deleted, or was added. Images that REVIEWED does not have were not
    reviewed, and nothing in them counts. Exit code: 0, or 1 where something could not be read or compared.
    Options that start with a format's name are for reading that format.
    """
    options = take_format_options(rest)
    if thresholds_out is not None and len(rest["precisions"]) != 1:
        raise UsageError("--thresholds-out", f"{len(rest['precisions'])} --precision", "one of it")
    if target is not None and thresholds_out is not None and target.resolve() == thresholds_out.resolve():
        raise UsageError("--thresholds-out", f"{str(target)!r}, which -o is to write", "another file")
    for file in (target, thresholds_out):
        for source in (prelabels, reviewed):
            refuse_target(file, output_format, source)
    with progress("comparing") as advance:
        formats = (prelabels_format, reviewed_format)
        done = compare(prelabels, reviewed, formats=formats, options=options, progress=advance, **rest)
    for error in done.errors:
        click.echo(f"error: {visible(str(error))}", err=True)
    if thresholds_out is not None:
        _write_thresholds(done, thresholds_out)
    module = import_module(f"labelkit.outputs.compare_{output_format}")
    write_text(partial(module.write, done), target)
    if target is not None:
        with result() as stream:
            stream.write(import_module("labelkit.outputs.compare_text").summary(done) + "\n")
    return 0 if done.is_whole else 1


def _write_thresholds(done: Comparison, file: Path) -> None:
    """Write them, and say of which classes no score has the precision."""
    text = written(done.proposed())
    for each in done.thresholds:
        if each.score is None and (each.category is None or done.has_own(each)):
            name = "all classes together" if each.category is None else f"class {each.category!r}"
            found = f"no score gives a precision of {each.wanted:g}; 1 is written"
            click.echo(visible(f"labelkit: {file}: {name}: {found}"), err=True)
    with replacing(file) as stream:
        stream.write(text)
