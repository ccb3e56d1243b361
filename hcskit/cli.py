"""The ``hcskit`` command: parses, calls one function, prints.

Exit codes: 0 done; 1 something failed; 2 the input is at fault; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from hcskit.errors import HcskitError, InputError
from hcskit.version import __version__

# Imports of what a command needs are inside it: `hcskit --help` must answer at once.

_FILE = click.Path(path_type=Path)
_DEBUG = "hcskit.debug"
_GO_ON = ("run", "import")


class _BadInput(click.ClickException):
    exit_code = 2


class _Commands(click.Group):
    """Turns errors into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (HcskitError, OSError) as error:
            if ctx.meta.get(_DEBUG):
                traceback.print_exc()
            raise (_BadInput if isinstance(error, InputError) else click.ClickException)(str(error)) from error
        except KeyboardInterrupt:
            goes_on = " The same command, given again, goes on where this one was."
            click.echo(f"\nStopped.{goes_on if ctx.invoked_subcommand in _GO_ON else ''}", err=True)
            raise click.exceptions.Exit(130) from None


def _remember(ctx: click.Context, _: click.Parameter, debug: bool) -> None:
    ctx.meta[_DEBUG] = ctx.meta.get(_DEBUG, False) or debug


# Taken before and after the command's name: one adds it to the line that has just failed.
_debug = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_remember, help="Show the whole traceback of an error."
)


def _example(text: str) -> Callable[..., Any]:
    """Add an example to a command's help."""

    def add(command: click.Command) -> click.Command:
        command.epilog = f"\b\nExample:\n  {text}"
        return command

    return add


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hcskit")
@_debug
def main() -> None:
    """High-content screening, from a microscope's export folder to effective concentrations."""
    # TensorFlow's greetings are not for the people at this terminal; the notebooks' kernels inherit the setting.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # What a scheduler sends when the time is up is as good as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@_example("hcskit run pipelines/dose_response.yaml -p source=EXPORT -p plate_map=map.csv --out runs/plate7")
@main.command()
@click.argument("pipeline", type=_FILE)
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Set a parameter of a step.")
@click.option("--out", type=_FILE, help="Folder of the run. A run that was stopped there goes on.")
@click.option("--list", "list_", is_flag=True, help="List the pipeline's parameters, and run nothing.")
@_debug
def run(pipeline: Path, parameters: tuple[str, ...], out: Path | None, list_: bool) -> None:
    """Run a PIPELINE (a YAML file of notebooks) into a folder."""
    from hcskit.pipeline import Pipeline, run_pipeline

    spec = Pipeline.from_yaml(pipeline)
    if list_:
        for step, lines in spec.describe().items():
            click.echo("\n  ".join([step, *lines]))
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    run_pipeline(spec, _pairs(parameters), out, say=click.echo, progress=sys.stderr)
    report = out.resolve() / "report.html"
    if report.exists():
        opener = "open" if sys.platform == "darwin" else "xdg-open"
        click.echo(f"\nReport: {report}\nOpen it with:  {opener} {shlex.quote(str(report))}")


@_example("hcskit import EXPORT screens/plate7 --plate-map map.csv")
@main.command("import")
@click.argument("source", type=_FILE)
@click.argument("screen", type=_FILE)
@click.option(
    "--plate-map", type=_FILE, required=True, help="CSV: well, compound, concentration, concentration_unit, role."
)
@click.option("--reader", help="Name of a layout, or a YAML file with its pattern. Default: what fits the file names.")
@click.option("--plate", help="Name of the plate, where the file names do not say it.")
@click.option("--allow-missing", is_flag=True, help="Accept wells of the plate map that have no image.")
@_debug
def import_(
    source: Path, screen: Path, plate_map: Path, reader: str | None, plate: str | None, allow_missing: bool
) -> None:
    """Import the images of a SOURCE folder into a SCREEN, as OME-Zarr plates."""
    from hcskit.platemap import read_plate_map
    from hcskit.readers import read_folder
    from hcskit.store import import_plate

    index = read_folder(source, reader, plate)
    click.echo(f"{len(index.table)} images found in {index.source}")
    for path in import_plate(index, screen, read_plate_map(plate_map), allow_missing=allow_missing):
        click.echo(f"imported {path}")


@_example("hcskit info screens/plate7")
@main.command()
@click.argument("screen", type=_FILE)
@_debug
def info(screen: Path) -> None:
    """Say what is in a SCREEN, a run or a plate."""
    from hcskit.store import open_screen

    for name, plate in open_screen(screen).children.items():
        wells, fields, channels = (plate.sizes[dim] for dim in ("well", "field", "channel"))
        present = int(plate["present"].sum())
        pixel = plate.attrs.get("pixel_size_um")
        click.echo(f"{name}: {plate.attrs['plate_format']}-well plate, from {plate.attrs['source']}")
        whole = f"{wells} wells × {fields} fields × {channels} channels"
        click.echo(f"  images     {present} of {wells * fields * channels} ({whole})")
        click.echo(f"  channels   {', '.join(plate['channel'].to_numpy())}")
        click.echo(
            f"  pixels     {plate.sizes['y']}×{plate.sizes['x']} {plate['image'].dtype}, "
            + (f"{pixel:g} µm" if pixel else "size unknown")
        )
        compounds = sorted(set(plate["compound"].to_numpy()) - {""})
        click.echo(f"  compounds  {len(compounds)}: {', '.join(compounds[:8])}{' …' if len(compounds) > 8 else ''}")
        for role, count in plate["role"].to_series().value_counts().items():
            click.echo(f"  {role:<18}{count} wells")
        if "excluded" in plate:
            click.echo(f"  excluded   {int(plate['excluded'].sum())} fields")


@_example("hcskit simulate exports/demo --seed 7")
@main.command()
@click.argument("folder", type=_FILE)
@click.option("--seed", default=0, show_default=True, help="Root of all randomness: the same seed, the same plate.")
@_debug
def simulate(folder: Path, seed: int) -> None:
    """Write a simulated plate, with known effective concentrations, into a FOLDER."""
    from tqdm import tqdm

    from hcskit.simulate import simulate_plate

    plate = simulate_plate(folder, seed=seed, progress=partial(tqdm, unit="well", desc="simulate"))
    click.echo(f"images     {plate.images}\nplate map  {plate.plate_map}\ntruth      {plate.truth}")


def _pairs(parameters: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in parameters:
        name, _, value = text.partition("=")
        if not (name and value):
            raise InputError(f"-p {text!r} is not NAME=VALUE")
        if name in pairs:
            raise InputError(f"parameter {name} is given twice")
        pairs[name] = value
    return pairs
