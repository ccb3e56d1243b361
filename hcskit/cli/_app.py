"""Commands of a person who looks at results: the dashboard, masks, and notes."""

from __future__ import annotations

from pathlib import Path

import click

import hcskit
from hcskit.cli._main import FILE, debug_option, example, main
from hcskit.errors import InputError
from hcskit.plate import parse_well


@example("hcskit dashboard runs/plate7 runs/plate8")
@main.command()
@click.argument("runs", type=FILE, nargs=-1, required=True)
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=0, help="Port. Default: a free one.")
@click.option("--token", envvar="HCSKIT_TOKEN", help="What a visitor must bring. Default: a new one.")
@click.option("--origin", "origins", multiple=True, metavar="HOST:PORT", help="As browsers know a proxy in front.")
@debug_option
def dashboard(runs: tuple[Path, ...], address: str, port: int, token: str | None, origins: tuple[str, ...]) -> None:
    """Show RUNS in the browser, or the runs in a folder: compounds, curves, plates, cells, and what changed."""
    hcskit.server.serve(runs, address=address, port=port, token=token, origins=origins, say=click.echo)


@example('hcskit mask runs/plate7 plate7/B02 plate7/B03 --reason "air bubble"')
@main.command()
@click.argument("run", type=FILE)
@click.argument("wells", nargs=-1, required=True, metavar="PLATE/WELL…")
@click.option("--reason", help="Why the wells are not to be trusted.")
@click.option("--undo", is_flag=True, help="Bring the wells back.")
@debug_option
def mask(run: Path, wells: tuple[str, ...], reason: str | None, undo: bool) -> None:
    """Take WELLS out of the fits of a RUN, and fit again what they were part of."""
    places = [_place(text) for text in wells]
    masks = hcskit.unmask_wells(run, places) if undo else hcskit.mask_wells(run, places, reason or "")
    click.echo(f"{len(masks)} wells are masked in {run}")


@example('hcskit note runs/plate7 Wortmannin --text "repeat on fresh stock" --flag')
@main.command()
@click.argument("run", type=FILE)
@click.argument("compounds", nargs=-1, required=True, metavar="COMPOUND…")
@click.option("--text", default="", help="What to note. Without it, and without --flag, a note is taken back.")
@click.option("--flag", is_flag=True, help="Flag the compounds.")
@debug_option
def note(run: Path, compounds: tuple[str, ...], text: str, flag: bool) -> None:
    """Note something of COMPOUNDS of a RUN, or flag them; the table, the report and the hit list show it."""
    notes = hcskit.note_compounds(run, compounds, text, flag=flag)
    click.echo(f"{len(notes)} compounds have a note in {run}")


def _place(text: str) -> tuple[str, str]:
    plate, slash, well = text.rpartition("/")
    if not slash:
        raise InputError(f"{text!r} is not PLATE/WELL, such as plate7/B02")
    return plate, parse_well(well).name
