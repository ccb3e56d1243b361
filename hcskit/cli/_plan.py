"""Commands that say what something takes before it is done."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

import hcskit
from hcskit.cli._main import FILE, debug_option, example, main, say_aside


def _bytes(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    from dask.utils import parse_bytes  # not at the top: `hcskit --help` must answer at once

    try:
        return None if text is None else parse_bytes(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no size; write it as 500MB or 10TB.") from error


@main.group()
def plan() -> None:
    """Estimate what a training takes, or what plates take."""


@example("hcskit plan training recipe.yaml screens/plate7 --images-per-second 13 --ranks-per-node 4 --gigabits 100")
@plan.command()
@click.argument("recipe", type=FILE)
@click.argument("data", type=FILE)
@click.option("--images-per-second", type=float, help="Of one node, from tune-ranks or history.csv. Needed for times.")
@click.option("--ranks-per-node", default=1, show_default=True, help="Ranks of each node.")
@click.option("--gigabits", type=float, default=10, show_default=True, help="Network of each node, in Gb/s.")
@debug_option
def training(recipe: Path, data: Path, images_per_second: float | None, ranks_per_node: int, gigabits: float) -> None:
    """Size, memory, and time on 1 to 128 nodes.

    DATA is a screen, or a folder of images in subfolders called what they show.
    """
    hosts = images_per_second and hcskit.planning.Hosts(images_per_second, bandwidth=gigabits * 1e9 / 8)
    click.echo(hcskit.plan(data, recipe, hosts or None, ranks_per_node=ranks_per_node))


@example("hcskit plan plates runs/small runs/large --wells 1536 --plates-a-day 50 --quota 10TB --nodes 2")
@plan.command()
@click.argument("runs", type=FILE, nargs=-1)
@click.option("--measure", is_flag=True, help="Instead of RUNS, run two simulated plates now: some minutes.")
@click.option("--wells", type=click.IntRange(min=1), help="Wells of a plate. Default: as in the first run.")
@click.option("--fields", type=click.IntRange(min=1), help="Fields of a well. Default: as in the first run.")
@click.option("--megapixels", type=float, help="Pixels of a field in all channels, planes and times, in millions.")
@click.option("--plates", type=click.IntRange(min=1), default=1, show_default=True, help="Plates of the experiment.")
@click.option("--plates-a-day", type=click.FloatRange(min=0, min_open=True), help="Plates that a line makes a day.")
@click.option("--quota", metavar="SIZE", callback=_bytes, help="What may be stored, such as 10TB.")
@click.option("--nodes", type=click.IntRange(min=1), default=1, show_default=True, help="Nodes that run plates.")
@click.option(
    "--disk", metavar="SIZE", callback=_bytes, help="What the storage of all nodes moves in a second, such as 500MB."
)
@click.option("--gigabits", type=float, help="Network between the nodes and the storage, in Gb/s.")
@debug_option
def plates(runs: tuple[Path, ...], measure: bool, gigabits: float | None, **options: Any) -> None:
    """Bytes, files, node-hours and bottleneck of a well, a plate, an experiment and a day.

    By what plates cost in earlier RUNS of the pipeline; or, with --measure, on this machine.
    """
    if bool(runs) == measure:
        raise click.UsageError("Give the folders of earlier RUNS, or --measure.")
    size = {name: options.pop(name) for name in ("wells", "fields", "megapixels")}
    given = {name: value for name, value in size.items() if value is not None}
    with TemporaryDirectory() as folder:
        if measure:
            runs = tuple(hcskit.pipeline.measure_machine(folder, say=say_aside))
        found = hcskit.planning.plan_production(runs, given, network=gigabits and gigabits * 1e9 / 8, **options)
    click.echo(found)
