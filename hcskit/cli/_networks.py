"""Commands that train networks and apply them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

import hcskit
from hcskit.cli._main import FILE, cluster_option, debug_option, example, main, say_aside
from hcskit.files import make_folder

data_option = click.option(
    "--data", type=FILE, required=True, help="Folder of a screen, or of images in subfolders called what they show."
)
result_option = click.option(
    "--out",
    type=FILE,
    help="Of a screen: folder of a screen or a run to write the results to; default: DATA. Of images: a CSV file.",
)

standardise_option = click.option(
    "--standardise/--no-standardise",
    default=None,
    help="Bring each plate to the brightness that was learned from. Default: as the model's recipe says.",
)


@example("hcskit train pipelines/recipes/controls.yaml --data screens/plate7 --out models/plate7 --cluster slurm.yaml")
@main.command()
@click.argument("recipe", type=FILE)
@data_option
@click.option("--out", type=FILE, required=True, help="Folder of the model. A training that was stopped there resumes.")
@cluster_option
@debug_option
def train(recipe: Path, data: Path, out: Path, cluster: Path | None) -> None:
    """Train a network by a RECIPE on labelled wells or images, on one machine or many."""
    found = hcskit.train(data, recipe, out, cluster=cluster, say=say_aside).card.metrics
    click.echo(f"model      {out}")
    if "held_out_accuracy" in found:
        click.echo(
            f"held out   accuracy {found['held_out_accuracy']:.3f}, expected calibration error "
            f"{found['held_out_ece']:.3f} at temperature {found['held_out_temperature']:.2f}"
        )


@example("hcskit finetune models/plate3 screens/plate7 --out models/plate7")
@main.command()
@click.argument("model", type=FILE)
@click.argument("data", type=FILE)
@click.option("--out", type=FILE, required=True, help="Folder of the new model.")
@click.option("--recipe", type=FILE, help="Recipe whose section finetune is used. Default: that of the model.")
@cluster_option
@debug_option
def finetune(model: Path, data: Path, out: Path, recipe: Path | None, cluster: Path | None) -> None:
    """Adapt a trained MODEL to the control wells of another plate, DATA, in a few steps."""
    adapted = hcskit.finetune(data, model, out, recipe, cluster=cluster, say=say_aside)
    click.echo(f"model      {adapted.folder}")


@example("hcskit predict runs/plate3/model screens/plate7 --cluster slurm.yaml")
@main.command()
@click.argument("model", type=FILE)
@click.argument("data", type=FILE)
@result_option
@standardise_option
@click.option("--strict", is_flag=True, help="Exit with 3 if a plate is unlike those that the network learned from.")
@cluster_option
@debug_option
def predict(model: Path, data: Path, out: Path | None, **options: Any) -> None:
    """Read the phenotypes of DATA, a screen or a folder of images, with a trained MODEL (its folder)."""
    hcskit.predict(data, model, out or data, say=click.echo, **options)


@example("hcskit embed runs/plate3/model screens/plate7 --cluster slurm.yaml")
@main.command()
@click.argument("model", type=FILE)
@click.argument("data", type=FILE)
@result_option
@standardise_option
@cluster_option
@debug_option
def embed(model: Path, data: Path, out: Path | None, **options: Any) -> None:
    """Describe each well of DATA by the features that a trained MODEL has before its output layer."""
    hcskit.embed(data, model, out or data, say=click.echo, **options)


@example("hcskit cross-validate pipelines/recipes/controls.yaml --data screens/all --out runs/folds --folds 5")
@main.command("cross-validate")
@click.argument("recipe", type=FILE)
@data_option
@click.option("--out", type=FILE, required=True, help="Folder of the folds. Training that was stopped there resumes.")
@click.option("--folds", default=4, show_default=True, help="How many times to train, each without another part.")
@cluster_option
@debug_option
def cross_validate(recipe: Path, data: Path, out: Path, folds: int, cluster: Path | None) -> None:
    """Measure how well a RECIPE does on parts of the data that its network has not seen, chosen by split.by."""
    found = hcskit.cross_validate(data, recipe, out, folds, cluster=cluster, say=click.echo)
    click.echo(found.summary.round(3).to_string())
    if not found.controls.empty:
        shown = found.controls.set_index(["plate", "readout"])[["z_prime", "ssmd", "n_negative", "n_positive"]]
        click.echo(f"\nSeparation of held-out wells from negative controls:\n{shown.round(2).to_string()}")


@example("hcskit lr-range pipelines/recipes/controls.yaml --data screens/plate7 --out runs/range")
@main.command("lr-range")
@click.argument("recipe", type=FILE)
@data_option
@click.option("--out", type=FILE, required=True, help="Folder of the table and the plot.")
@click.option("--lowest", default=1e-6, show_default=True, help="Learning rate at the first step.")
@click.option("--highest", default=1.0, show_default=True, help="Learning rate at the last step.")
@click.option("--steps", default=200, show_default=True, help="Steps from one to the other.")
@click.option("--linear", "growth", flag_value="linear", default="exponential", help="In equal steps.")
@debug_option
def lr_range(recipe: Path, data: Path, out: Path, **options: Any) -> None:
    """Find the learning rate of a RECIPE: raise it while training, and observe the loss."""
    test = hcskit.lr_range(data, recipe, **options)
    make_folder(out)
    hcskit.results.write_csv(out / "lr_range.csv", test.table)
    plot = hcskit.views.write_html(out / "lr_range.html", hcskit.views.range_curve(*test), "hcskit lr-range")
    click.echo(f"plot       {plot}\nSuggested, in the recipe (a tenth of the rate of least loss):")
    click.echo(f"  optimiser: {{learning_rate: {test.suggested:.2g}, reference_batch: null}}")


@example("hcskit tune-ranks recipe.yaml --data screens/plate7 --cluster cluster.yaml")
@main.command("tune-ranks")
@click.argument("recipe", type=FILE)
@data_option
@cluster_option
@click.option("--seconds", default=60.0, show_default=True, help="How long to measure each number of ranks.")
@debug_option
def tune_ranks(recipe: Path, data: Path, cluster: Path | None, seconds: float) -> None:
    """Measure how many ranks per worker train a RECIPE fastest, and recommend a number."""
    table = hcskit.tune_ranks(data, recipe, cluster=cluster, seconds=seconds, say=partial(click.echo, err=True))
    click.echo("ranks per worker  threads each  images/s  relative")
    for _, row in table.iterrows():
        line = f"{row['threads_per_rank']!s:>12}  {row['images_per_second']:8.3g}  {row['relative']:8.2f}"
        click.echo(f"{row['ranks_per_worker']:16}  {row['failure'] or line}")
    best = table.loc[table["recommended"], "ranks_per_worker"].item()
    click.echo(f"\nRecommended, in the cluster's file:\n  ranks_per_worker: {best}")
