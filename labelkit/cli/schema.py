"""``labelkit schema``: the JSON Schemas of the canonical form."""

from __future__ import annotations

import click

from labelkit.schema import MODELS, schema_text


@click.command(name="schema")
@click.argument("name", type=click.Choice(list(MODELS)))
def command(name: str) -> None:
    """Print the JSON Schema (2020-12) of NAME."""
    click.echo(schema_text(name), nl=False)
