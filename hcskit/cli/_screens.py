"""Commands that make screens, look at them and bring results out."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

import hcskit
from hcskit.cli._main import FILE, PLATES_SET_ASIDE, cluster_option, debug_option, example, main, pairs, say_where
from hcskit.errors import InputError


@example("hcskit run dose_response -p source=EXPORT -p plate_map=map.csv --out runs/plate7")
@main.command()
@click.argument("pipeline", required=False)
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Set a parameter of a step.")
@click.option("--out", type=FILE, help="Folder of the run. Steps that were done there are done again if need be.")
@click.option("--force", multiple=True, metavar="STEP", help="Do this step again in any case.")
@click.option("--from", "first", metavar="STEP", help="Do this step and all after it again in any case.")
@click.option("--until", "last", metavar="STEP", help="The last step to do.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and why; do nothing.")
@cluster_option
@click.option("--list", "list_", is_flag=True, help="List the pipelines, or the parameters of one, and run nothing.")
@debug_option
def run(
    pipeline: str | None, parameters: tuple[str, ...], out: Path | None, list_: bool, dry_run: bool, **steps: Any
) -> None:
    """Run a PIPELINE of notebooks into a folder: a name, or a YAML file.

    A step is done again if its notebook, its parameters, its input files, hcskit or its results have changed.
    """
    if pipeline is None:
        if not list_:
            raise click.UsageError("Missing argument 'PIPELINE'; hcskit run --list lists them.")
        _list_pipelines()
        return
    spec = hcskit.pipeline.Pipeline.open(pipeline)
    if list_:
        for step, lines in spec.describe().items():
            click.echo("\n  ".join([step, *lines]))
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    given = pairs(parameters)
    hcskit.pipeline.run_pipeline(spec, given, out, dry_run=dry_run, say=click.echo, progress=sys.stderr, **steps)
    report = out.resolve() / "report.html"
    if report.exists() and not dry_run:
        click.echo()
        say_where(report)
    if not dry_run and (aside := hcskit.results.plates_set_aside(out)):
        names = ", ".join(aside)
        click.echo(f"Not in this run: {names}. Repair what is said above, and give the same command again.", err=True)
        raise click.exceptions.Exit(PLATES_SET_ASIDE)


@example("hcskit new screening")
@main.command()
@click.argument("folder", type=FILE)
@debug_option
def new(folder: Path) -> None:
    """Copy pipelines, notebooks, recipes and a cluster file into a FOLDER, to edit. Existing files are kept."""
    written, kept = hcskit.pipeline.copy_shipped(folder)
    for path in written:
        click.echo(f"wrote {path}")
    for path in kept:
        click.echo(f"kept {path}, which was there")
    click.echo(f"\nIn {folder}, hcskit run uses these files in place of those that come with it.")


@example("hcskit quality screens/plate7 --cluster slurm.yaml")
@main.command()
@click.argument("screen", type=FILE)
@click.option("--focus-z", type=float, help="Leave out fields whose focus is below this robust z-score. Default: -5.")
@click.option(
    "--saturation", type=float, help="Leave out fields above this fraction of saturated pixels. Default: 0.01."
)
@cluster_option
@debug_option
def quality(screen: Path, cluster: Path | None, **limits: float | None) -> None:
    """Estimate the illumination of a SCREEN's plates, measure its images, and flag the fields to leave out."""
    given = {name: value for name, value in limits.items() if value is not None}
    hcskit.assess(screen, hcskit.preprocess.Limits(**given), cluster=cluster, say=click.echo)


@example("hcskit fit screens/plate7")
@main.command()
@click.argument("data", type=FILE)
@click.option("--out", type=FILE, help="Folder to write the results into. Default: the screen; of a table: nowhere.")
@click.option("--by", multiple=True, metavar="COLUMN", help="Column that tells experiments apart, such as cell_line.")
@click.option("--readout", "readouts", multiple=True, metavar="COLUMN", help="Column of a table that is a readout.")
@click.option("--unit", help="Unit of the concentrations of a table that does not tell it, such as uM.")
@click.option("--normalise", "method", help="How to normalise plates first: percent-of-control, b-score …")
@click.option("--level", type=float, default=0.95, show_default=True, help="Confidence level of the intervals.")
@click.option(
    "--least-effect",
    type=float,
    default=0.1,
    show_default=True,
    help="Share of the positive controls' effect that a compound has to exceed, or it is inactive.",
)
@click.option(
    "--false-positive-rate",
    type=float,
    default=0.05,
    show_default=True,
    help="Share of inactive compounds called hits.",
)
@debug_option
def fit(data: Path, out: Path | None, **options: Any) -> None:
    """Fit the responses of DATA: a screen with predictions, or a table of wells (CSV, Parquet) of any program."""
    fits = hcskit.fit_wells(data, out, say=click.echo, **options)
    shown = fits.responses[["category"]].assign(
        ec50=[hcskit.views.format_ec50(row) for _, row in fits.responses.iterrows()],
        hit=fits.hits["hit"].map({True: "hit", False: ""}),
        q=fits.hits["q_value"].map("{:.2g}".format),
    )
    click.echo(shown.reset_index().to_string(index=False))


@example("hcskit report screens/plate7 --model models/plate3")
@main.command()
@click.argument("run", type=FILE)
@click.option("--out", type=FILE, help="Where to write it. Default: report.html in the folder of the run.")
@click.option("--truth", type=FILE, help="CSV of known effective concentrations. Default: those of a simulated plate.")
@click.option("--model", type=FILE, help="Folder of the trained model. Default: that of the run.")
@debug_option
def report(run: Path, **options: Path | None) -> None:
    """Write the report of a RUN or a screen as one HTML file; of half a run, it shows that half."""
    say_where(hcskit.report(run, **options).resolve())


@example("hcskit info screens/plate7")
@main.command()
@click.argument("screen", type=FILE)
@debug_option
def info(screen: Path) -> None:
    """Show what is in a SCREEN, a run or a plate, or in a folder of images that was not imported."""
    for name, plate in hcskit.open_screen(screen).children.items():
        click.echo("\n".join([name, *(f"  {line}" for line in plate.to_dataset().hcs.describe())]))


@example("hcskit export runs/plate7 plate7-results --format anndata")
@main.command()
@click.argument("screen", type=FILE)
@click.argument("out", type=FILE)
@click.option("--format", type=click.Choice(["csv", "anndata"]), default="csv", show_default=True, help="Kind of file.")
@debug_option
def export(screen: Path, out: Path, format: str) -> None:
    """Write the results of a SCREEN or a run for other programs, into the folder OUT."""
    for path in hcskit.export.export_screen(screen, out, format):
        click.echo(f"wrote {path}")


@main.group()
def fetch() -> None:
    """Download public image sets of the Broad Bioimage Benchmark Collection."""


@example("hcskit fetch bbbc013 --out data/bbbc013")
@fetch.command()
@click.option("--out", type=FILE, default=Path("bbbc013"), show_default=True, help="Folder; downloads resume there.")
@click.option("--base-url", help="A mirror.")
@debug_option
def bbbc013(out: Path, base_url: str | None) -> None:
    """Fetch BBBC013: translocation of FKHR-GFP, 96 wells, two compounds."""
    folder = hcskit.fetch.fetch_bbbc013(out, base_url=base_url or hcskit.fetch.BASE_URL)
    told = f"hcskit import {shlex.quote(str(folder))} SCREEN --plate-map {shlex.quote(str(out / 'platemap.csv'))}"
    click.echo(f"BBBC013 is in {folder}; import it with: {told}")


@example("hcskit fetch bbbc021 --plates Week1_22123,Week1_22141 --out data/bbbc021")
@fetch.command()
@click.option("--plates", required=True, help="Names of plates, separated by commas, such as Week1_22123.")
@click.option("--out", type=FILE, default=Path("bbbc021"), show_default=True, help="Folder; downloads resume there.")
@click.option("--base-url", help="A mirror.")
@debug_option
def bbbc021(plates: str, out: Path, base_url: str | None) -> None:
    """Fetch plates of BBBC021: MCF-7 cells, 113 compounds at eight concentrations."""
    hcskit.fetch.fetch_bbbc021(out, plates.split(","), base_url=base_url or hcskit.fetch.BASE_URL)
    click.echo(f"BBBC021 is in {out}; import it with: hcskit import {shlex.quote(str(out))} SCREEN")


@example("hcskit simulate exports/demo --seed 7")
@main.command()
@click.argument("folder", type=FILE)
@click.option("--seed", default=0, show_default=True, help="Root of all randomness: the same seed, the same plate.")
@debug_option
def simulate(folder: Path, seed: int) -> None:
    """Write a simulated plate, with known effective concentrations, into a FOLDER."""
    from tqdm import tqdm  # not at the top: `hcskit --help` must answer at once

    plate = hcskit.simulation.simulate(folder, seed=seed, progress=partial(tqdm, unit="well", desc="simulate"))
    click.echo(f"images     {plate.images}\nplate map  {plate.plate_map}\ntruth      {plate.truth}")


def _list_pipelines() -> None:
    for name, path in sorted(hcskit.pipeline.list_pipelines().items()):
        try:
            about = hcskit.pipeline.Pipeline.from_yaml(path).description
        except InputError as error:  # a lab's own pipeline, being edited; the others still work
            about = " ".join(str(error).split())
        click.echo(f"{name:<24}{about}")
