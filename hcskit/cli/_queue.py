"""Commands of a run that is a job of its own: sent to the queue, looked at, and ended."""

from __future__ import annotations

from pathlib import Path

import click

import hcskit
from hcskit.cli._main import FILE, debug_option, example, main, pairs
from hcskit.errors import InputError


@example("hcskit submit dose_response -p source=EXPORT --out runs/plate7 --cluster slurm.yaml")
@main.command()
@click.argument("pipeline")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Set a parameter of a step.")
@click.option("--out", type=FILE, required=True, help="Folder of the run; all nodes must see it.")
@click.option("--cluster", type=FILE, required=True, help="YAML file of a Slurm cluster.")
@click.option("--cores", default=2, show_default=True, help="Cores of the job that drives the run.")
@click.option("--memory", default="8GiB", show_default=True, help="Memory of that job.")
@debug_option
def submit(pipeline: str, parameters: tuple[str, ...], out: Path, cluster: Path, cores: int, memory: str) -> None:
    """Send a whole run of a PIPELINE to the queue of a Slurm cluster, and return.

    What `hcskit run` checks before its first step is checked now. The same command resumes a run that has ended.
    """
    config = hcskit.cluster.config_of(cluster)
    run = out.resolve()
    hcskit.pipeline.run_pipeline(pipeline, pairs(parameters), run, dry_run=True, cluster=config, say=click.echo)
    given = [part for parameter in parameters for part in ("-p", parameter)]
    command = ["run", pipeline, *given, "--out", str(run), "--cluster", str(cluster.resolve())]
    job = hcskit.pipeline.submit(command, run, config, cores=cores, memory=memory)
    click.echo(f"Slurm job {job}; hcskit status {out} and hcskit logs {out} follow it, hcskit cancel {out} ends it")


@example("hcskit status runs/plate7")
@main.command()
@click.argument("run", type=FILE)
@debug_option
def status(run: Path) -> None:
    """Say how far a RUN is, and of one that was submitted what the batch system says of its job."""
    click.echo("\n".join(hcskit.pipeline.status(run)))


@example("hcskit logs runs/plate7")
@main.command()
@click.argument("run", type=FILE)
@debug_option
def logs(run: Path) -> None:
    """Print what a RUN that was submitted has said so far."""
    log = hcskit.pipeline.log_of(run)
    if not log.exists():
        raise InputError(f"{run} has said nothing yet, or was not submitted (there is no {log}); see hcskit status")
    click.echo(log.read_text(encoding="utf-8", errors="replace"), nl=False)


@example("hcskit cancel runs/plate7")
@main.command()
@click.argument("run", type=FILE)
@debug_option
def cancel(run: Path) -> None:
    """End a RUN that was submitted. Completed steps are kept, and the same command resumes."""
    click.echo(f"Slurm job {hcskit.pipeline.cancel(run)} is told to end")
