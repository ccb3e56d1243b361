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
from typing import TYPE_CHECKING, Any

import click

from hcskit.errors import HcskitError, InputError
from hcskit.version import __version__

if TYPE_CHECKING:
    from hcskit.cluster import ClusterConfig

# Imports of what a command needs are inside it: `hcskit --help` must answer at once.

_FILE = click.Path(path_type=Path)
_DEBUG = "hcskit.debug"
_GO_ON = ("run", "import", "fetch", "train", "cross-validate")


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
            told = "\n".join([str(error), *getattr(error, "__notes__", ())])
            raise (_BadInput if isinstance(error, InputError) else click.ClickException)(told) from error
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
    "--plate-map", type=_FILE, help="Treatments: CSV, TSV, Excel or Harmony's assay layout. May be given later."
)
@click.option(
    "--reader", help="Name of a reader, or a YAML file with a pattern. Default: the one that knows the layout."
)
@click.option("--plate", help="What to call the plate. Default: as the export does.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Accept files that the export names, and wells of the map, that are not there.",
)
@click.option("--wells", help="Import only these wells now, such as A01,A02; several imports share one plate.")
@click.option(
    "--replace-plate-map", is_flag=True, help="Put this plate map in the place of the one that the plate has."
)
@_debug
def import_(source: Path, screen: Path, plate_map: Path | None, wells: str | None, **options: Any) -> None:
    """Import the images of a SOURCE folder into a SCREEN, as OME-Zarr plates."""
    from hcskit.platemap import read_plate_map
    from hcskit.readers import read_folder
    from hcskit.store import import_plates

    found = read_folder(source, options.pop("reader"), options.pop("plate"))
    click.echo(found.describe())
    maps = None if plate_map is None else {index.plate: read_plate_map(plate_map, index.plate) for index in found}
    for path in import_plates(found, screen, maps, wells=wells and wells.split(","), **options):
        click.echo(f"imported {path}")


@main.command()
@_debug
def readers() -> None:
    """List the layouts that can be imported."""
    from hcskit.readers import readers

    for name, reader in readers().items():
        about = str(getattr(reader, "description", None) or reader.__doc__ or "").strip().split("\n\n")[0]
        click.echo(f"{name:<24}{' '.join(about.replace('``', '').split())}")


@_example("hcskit info screens/plate7")
@main.command()
@click.argument("screen", type=_FILE)
@_debug
def info(screen: Path) -> None:
    """Say what is in a SCREEN, a run or a plate, or in a folder of images that was not imported."""
    import hcskit

    for name, plate in hcskit.open_screen(screen).children.items():
        click.echo("\n".join([name, *(f"  {line}" for line in plate.to_dataset().hcs.describe())]))


@_example("hcskit export runs/plate7 plate7-results --format anndata")
@main.command()
@click.argument("screen", type=_FILE)
@click.argument("out", type=_FILE)
@click.option("--format", type=click.Choice(["csv", "anndata"]), default="csv", show_default=True, help="Kind of file.")
@_debug
def export(screen: Path, out: Path, format: str) -> None:
    """Write the results of a SCREEN or a run for other programs, into the folder OUT."""
    from hcskit.export import export_screen

    for path in export_screen(screen, out, format):
        click.echo(f"wrote {path}")


_cluster = click.option("--cluster", type=_FILE, help="YAML file of a cluster. Default: this machine.")


def _cluster_config(path: Path | None) -> ClusterConfig:
    from hcskit.cluster import ClusterConfig

    return ClusterConfig() if path is None else ClusterConfig.from_yaml(path)


_data = click.option(
    "--data", type=_FILE, required=True, help="Folder of a screen, or of images in subfolders called what they show."
)


@_example("hcskit train pipelines/recipes/controls.yaml --data screens/plate7 --out models/plate7 --cluster slurm.yaml")
@main.command()
@click.argument("recipe", type=_FILE)
@_data
@click.option(
    "--out", type=_FILE, required=True, help="Folder of the model. A training that was stopped goes on there."
)
@_cluster
@_debug
def train(recipe: Path, data: Path, out: Path, cluster: Path | None) -> None:
    """Train a network by a RECIPE on labelled wells or images, on one machine or many."""
    from tqdm.auto import tqdm

    from hcskit.cluster import train
    from hcskit.training import Recipe, load_card

    config = _cluster_config(cluster)
    train(data, Recipe.from_yaml(recipe), out, config, say=partial(tqdm.write, file=sys.stderr))
    found = load_card(out).metrics
    click.echo(
        f"model      {out}\nheld out   accuracy {found['held_out_accuracy']:.3f}, expected calibration error "
        f"{found['held_out_ece']:.3f} at temperature {found['held_out_temperature']:.2f}"
    )


@_example("hcskit predict runs/plate3/model screens/plate7 --cluster slurm.yaml")
@main.command()
@click.argument("model", type=_FILE)
@click.argument("data", type=_FILE)
@click.option(
    "--out",
    type=_FILE,
    help="Of a screen: folder of a screen or a run to write the results to; default: DATA. Of images: a CSV file.",
)
@_cluster
@_debug
def predict(model: Path, data: Path, out: Path | None, cluster: Path | None) -> None:
    """Read the phenotypes of DATA, a screen or a folder of images, with a trained MODEL (its folder)."""
    from hcskit.cluster import open_cluster, predict
    from hcskit.predict import predict_images, write_predictions
    from hcskit.store import write_table
    from hcskit.training import ImageFolder, load_card, load_model, open_data

    images, config = open_data(data), _cluster_config(cluster)
    if isinstance(images, ImageFolder):
        if out is None or cluster is not None:
            raise click.UsageError("of a folder of images: '--out' names a CSV file, and there is no '--cluster'.")
        if not out.parent.is_dir():
            raise InputError(f"there is no folder {out.parent} to write {out.name} into")
        write_table(out, predict_images(images, *load_model(model)))
        click.echo(f"wrote {out}")
        return
    with open_cluster(config) as client:
        predictions = predict(client, data, model, patience=config.start_timeout)
    for path in write_predictions(out or data, images.plates, predictions, load_card(model)):
        click.echo(f"wrote {path}")


@_example("hcskit cross-validate pipelines/recipes/controls.yaml --data screens/all --out runs/folds --folds 5")
@main.command("cross-validate")
@click.argument("recipe", type=_FILE)
@_data
@click.option("--out", type=_FILE, required=True, help="Folder of the folds. What was stopped there goes on.")
@click.option("--folds", default=4, show_default=True, help="How many times to train, each without another part.")
@_cluster
@_debug
def cross_validate(recipe: Path, data: Path, out: Path, folds: int, cluster: Path | None) -> None:
    """Say how well a RECIPE does on parts of the data that its network has not seen; its split.by says which."""
    from hcskit.cluster import cross_validate, open_cluster
    from hcskit.training import Recipe

    how, config = Recipe.from_yaml(recipe), _cluster_config(cluster)
    with open_cluster(config) as client:
        found = cross_validate(client, data, how, out, folds, config, say=click.echo, patience=config.start_timeout)
    click.echo(found.summary.round(3).to_string())
    if not found.controls.empty:
        shown = found.controls.set_index(["plate", "readout"])[["z_prime", "ssmd", "n_negative", "n_positive"]]
        click.echo(f"\nHeld-out wells and negative controls apart:\n{shown.round(2).to_string()}")


@main.group()
def fetch() -> None:
    """Download public image sets of the Broad Bioimage Benchmark Collection."""


@_example("hcskit fetch bbbc013 --out data/bbbc013")
@fetch.command()
@click.option("--out", type=_FILE, default=Path("bbbc013"), show_default=True, help="Folder; a download goes on there.")
@click.option("--base-url", help="A mirror.")
@_debug
def bbbc013(out: Path, base_url: str | None) -> None:
    """Fetch BBBC013: translocation of FKHR-GFP, 96 wells, two compounds."""
    from hcskit.fetch import BASE_URL, fetch_bbbc013

    folder = fetch_bbbc013(out, base_url=base_url or BASE_URL)
    told = f"hcskit import {shlex.quote(str(folder))} SCREEN --plate-map {shlex.quote(str(out / 'platemap.csv'))}"
    click.echo(f"BBBC013 is in {folder}; import it with: {told}")


@_example("hcskit fetch bbbc021 --plates Week1_22123,Week1_22141 --out data/bbbc021")
@fetch.command()
@click.option("--plates", required=True, help="Names of plates, separated by commas, such as Week1_22123.")
@click.option("--out", type=_FILE, default=Path("bbbc021"), show_default=True, help="Folder; a download goes on there.")
@click.option("--base-url", help="A mirror.")
@_debug
def bbbc021(plates: str, out: Path, base_url: str | None) -> None:
    """Fetch plates of BBBC021: MCF-7 cells, 113 compounds at eight concentrations."""
    from hcskit.fetch import BASE_URL, fetch_bbbc021

    fetch_bbbc021(out, plates.split(","), base_url=base_url or BASE_URL)
    click.echo(f"BBBC021 is in {out}; import it with: hcskit import {shlex.quote(str(out))} SCREEN")


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


@_example("hcskit lr-range pipelines/recipes/controls.yaml --data screens/plate7 --out runs/range")
@main.command("lr-range")
@click.argument("recipe", type=_FILE)
@_data
@click.option("--out", type=_FILE, required=True, help="Folder of the table and the plot.")
@click.option("--lowest", default=1e-6, show_default=True, help="Learning rate at the first step.")
@click.option("--highest", default=1.0, show_default=True, help="Learning rate at the last step.")
@click.option("--steps", default=200, show_default=True, help="Steps from one to the other.")
@click.option("--linear", "growth", flag_value="linear", default="exponential", help="By equal amounts, not factors.")
@_debug
def lr_range(recipe: Path, data: Path, out: Path, **options: Any) -> None:
    """Find the learning rate of a RECIPE: train while it rises, and look at the loss."""
    from hcskit.dashboard import range_curve, write_html
    from hcskit.training import Recipe, lr_range, open_data

    test = lr_range(open_data(data), Recipe.from_yaml(recipe), **options)
    out.mkdir(parents=True, exist_ok=True)
    test.table.to_csv(out / "lr_range.csv", index=False)
    plot = write_html(out / "lr_range.html", range_curve(*test), "hcskit lr-range")
    click.echo(f"plot       {plot}\nSuggested, in the recipe (a tenth of the rate of least loss):")
    click.echo(f"  optimiser: {{learning_rate: {test.suggested:.2g}, reference_batch: null}}")


@_example("hcskit tune-ranks recipe.yaml --data screens/plate7 --cluster cluster.yaml")
@main.command("tune-ranks")
@click.argument("recipe", type=_FILE)
@_data
@_cluster
@click.option("--seconds", default=60.0, show_default=True, help="How long to measure each number of ranks.")
@_debug
def tune_ranks(recipe: Path, data: Path, cluster: Path | None, seconds: float) -> None:
    """Measure how many ranks per worker train a RECIPE fastest, and recommend a number."""
    from hcskit.cluster import tune_ranks
    from hcskit.training import Recipe

    config = _cluster_config(cluster)
    table = tune_ranks(data, Recipe.from_yaml(recipe), config, seconds=seconds, say=partial(click.echo, err=True))
    click.echo("ranks per worker  threads each  images/s  relative")
    for _, row in table.iterrows():
        line = f"{row['threads_per_rank']!s:>12}  {row['images_per_second']:8.3g}  {row['relative']:8.2f}"
        click.echo(f"{row['ranks_per_worker']:16}  {row['failure'] or line}")
    best = table.loc[table["recommended"], "ranks_per_worker"].item()
    click.echo(f"\nRecommended, in the cluster's file:\n  ranks_per_worker: {best}")


@_example("hcskit plan recipe.yaml screens/plate7 --images-per-second 13 --ranks-per-node 4 --gigabits 100")
@main.command()
@click.argument("recipe", type=_FILE)
@click.argument("data", type=_FILE)
@click.option("--images-per-second", type=float, help="Of one node, from tune-ranks or history.csv. Gives times.")
@click.option("--ranks-per-node", default=1, show_default=True, help="Ranks of each node.")
@click.option("--gigabits", default=10.0, show_default=True, help="Network of each node, in Gb/s.")
@_debug
def plan(recipe: Path, data: Path, images_per_second: float | None, ranks_per_node: int, gigabits: float) -> None:
    """Say how much DATA there is, the memory it takes, and how long training by a RECIPE takes on 1 to 128 nodes.

    DATA is a screen, or a folder of images in subfolders called what they show.
    """
    from hcskit.planning import Hosts, describe
    from hcskit.training import Recipe, open_data

    hosts = images_per_second and Hosts(images_per_second, bandwidth=gigabits * 1e9 / 8)
    images, how = open_data(data, profiles=False), Recipe.from_yaml(recipe)
    click.echo("\n".join(describe(images, how, hosts or None, ranks_per_node=ranks_per_node)))


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
