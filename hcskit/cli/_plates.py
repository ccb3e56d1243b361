"""Commands for what a laboratory brings: exports of microscopes, and plate maps."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import hcskit
from hcskit.cli._main import FILE, cluster_option, debug_option, example, main
from hcskit.files import write_text

_IMPORT_OPTIONS = (
    click.option(
        "--plate-map", type=FILE, help="Treatments: CSV, TSV, Excel or Harmony's assay layout. May be given later."
    ),
    click.option(
        "--reader", help="Name of a reader, or a YAML file with a pattern. Default: the one that knows the layout."
    ),
    click.option("--plate", help="What to call the plate. Default: as the export does."),
    click.option("--channels", help="Import only these channels, such as DNA,Actin; all must have one size."),
    click.option("--time", help="Import only one time point: its number, or last."),
    click.option(
        "--allow-missing",
        is_flag=True,
        help="Accept images that the export names, and wells of the map, that are not there; leave out bad files.",
    ),
    click.option("--wells", help="Import only these wells now, such as A01,A02; several imports share one plate."),
    click.option("--summary", type=FILE, help="Also write the table of found and missing images as JSON."),
    click.option("--replace-plate-map", is_flag=True, help="Replace the plate map that the plate already has."),
    click.option("--follow-links", is_flag=True, help="Follow symbolic links that lead out of the SOURCE folder."),
    cluster_option,
    debug_option,
)


def _import_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_IMPORT_OPTIONS):
        command = option(command)
    return command


@example("hcskit import EXPORT screens/plate7 --plate-map map.csv")
@main.command("import")
@click.argument("source", type=FILE)
@click.argument("screen", type=FILE)
@_import_options
def import_(source: Path, screen: Path, **options: Any) -> None:
    """Import the images of a SOURCE folder into a SCREEN, as OME-Zarr plates."""
    hcskit.import_plates(source, screen, **_lists(options), say=click.echo)


@example("hcskit join plate7-monday plate7-again screens/plate7 --by later")
@main.command()
@click.argument("sources", type=FILE, nargs=-1, required=True)
@click.argument("screen", type=FILE)
@click.option(
    "--by",
    type=click.Choice(["later", "time"]),
    required=True,
    help="later: the later folder's image is taken where two have one. time: its time points follow the earlier's.",
)
@_import_options
def join(sources: tuple[Path, ...], screen: Path, **options: Any) -> None:
    """Import several measurements of one plate, in their order, into a SCREEN: imaged again, or a restarted series."""
    hcskit.join_plates(sources, screen, **_lists(options), say=click.echo)


def _lists(options: dict[str, Any]) -> dict[str, Any]:
    """Split what is a list of names."""
    return options | {name: options[name] and options[name].split(",") for name in ("wells", "channels")}


@main.group()
def platemap() -> None:
    """Look at plate maps."""


@example("hcskit platemap check map.xlsx --html map.html")
@platemap.command()
@click.argument("file", type=FILE)
@click.option("--plate", help="Name of the plate, if the file is the map of several.")
@click.option("--html", type=FILE, help="Draw it as a web page too.")
@click.option("--csv", type=FILE, help="Write it as a plate map of one row a well too.")
@click.option("--well-volume", type=float, help="Of an Echo's transfers: final volume of a well in microlitre.")
@debug_option
def check(file: Path, plate: str | None, html: Path | None, csv: Path | None, well_volume: float | None) -> None:
    """Draw the plate as hcskit understands a plate map FILE, or report what is wrong with it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = hcskit.platemap.read_plate_map(file, plate, well_volume_ul=well_volume)
    for warning in said:
        click.echo(f"Warning: {warning.message}", err=True)
    if csv is not None:
        hcskit.results.write_csv(csv, table.reset_index())
    click.echo(hcskit.platemap.draw_plate_map(table))
    if html is not None:
        write_text(html, hcskit.platemap.plate_map_html(table, plate or file.name))


@main.command()
@debug_option
def readers() -> None:
    """List the layouts that can be imported."""
    for name, reader in hcskit.readers.readers().items():
        about = str(getattr(reader, "description", None) or reader.__doc__ or "").strip().split("\n\n")[0]
        click.echo(f"{name:<24}{' '.join(about.replace('``', '').split())}")
