"""Commands that look at runs, and do one again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

import hcskit
from hcskit.cli._main import FILE, debug_option, example, main


@example("hcskit runs runs")
@main.command()
@click.argument("folder", type=FILE, default=Path())
@debug_option
def runs(folder: Path) -> None:
    """List the runs in FOLDER and below it (default: here), the latest last."""
    table = hcskit.list_runs(folder).reset_index()
    if table.empty:
        click.echo(f"there is no run in {folder}")
        return
    table["started"] = table["started"].map(lambda time: f"{time:%Y-%m-%d %H:%M}", na_action="ignore")
    table["seconds"] = table["seconds"].map("{:.0f}".format, na_action="ignore")
    table["z_prime"] = table["z_prime"].map("{:.2f}".format, na_action="ignore")
    table["hits"] = table["hits"].map("{:.0f}".format, na_action="ignore")
    click.echo(table.to_string(index=False, na_rep="–"))


@example("hcskit diff runs/plate7 runs/plate7-again")
@main.command()
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@debug_option
def diff(first: Path, second: Path) -> None:
    """Say how the runs FIRST and SECOND differ: in parameters, inputs, versions and code, and in their results."""
    click.echo(hcskit.compare_runs(first, second))


@example("hcskit rerun runs/plate7")
@main.command()
@click.argument("run", type=FILE)
@click.option("--out", type=FILE, help="Folder of the new run. Default: RUN-rerun, beside RUN.")
@debug_option
def rerun(run: Path, out: Path | None) -> None:
    """Do a RUN again in another folder, and say whether the numbers are equal; exit with 1 if they are not."""
    found = hcskit.rerun(run, out, say=click.echo, progress=sys.stderr)
    click.echo(f"\n{found}")
    if not found.equal:
        raise click.exceptions.Exit(1)
