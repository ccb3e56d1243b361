"""The command that runs a pipeline over each plate as it arrives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import hcskit
from hcskit.cli._main import FILE, cluster_option, debug_option, example, main, pairs


@example("hcskit watch inbox --pipeline predict_screen -p plate_map=maps/{name}.csv -p model=models/plate3 --out runs")
@main.command()
@click.argument("inbox", type=FILE)
@click.option("--pipeline", required=True, help="Pipeline of notebooks: a name, or a YAML file.")
@click.option("--out", type=FILE, required=True, help="Folder of the runs, one for each plate.")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of a step. {name} stands for the name of the plate's folder, {source} for its path.",
)
@cluster_option
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="NUMBER",
    help="Run so many plates at a time.",
)
@click.option(
    "--quiet",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long nothing in a folder may have changed.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=86_400.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for images that the index names; then the plate is set aside.",
)
@click.option("--once", is_flag=True, help="Handle what is there and end, with 1 if a plate failed.")
@click.option("--retry", is_flag=True, help="Try once more what was set aside before.")
@click.option(
    "--notify",
    multiple=True,
    metavar="COMMAND|mailto:ADDRESS|https://…",
    help="Tell of a plate that failed, drifted or has a low Z′. Repeatable.",
)
@click.option("--min-z-prime", type=float, metavar="NUMBER", help="Z′ below this is low. Needs --notify.")
@debug_option
def watch(inbox: Path, pipeline: str, out: Path, parameters: tuple[str, ...], **options: Any) -> None:
    """Run a pipeline over each folder in INBOX, exactly once, when it has arrived whole.

    A plate that fails is set aside with its reason, and tried again when its files change. Ctrl-C ends the watcher;
    given again, the command resumes.
    """
    failed = hcskit.watch_inbox(inbox, pipeline, out, pairs(parameters), say=click.echo, progress=True, **options)
    if failed:
        raise click.exceptions.Exit(1)


@example("hcskit summarise runs --since 1d --out summaries")
@main.command()
@click.argument("runs", type=FILE)
@click.option("--since", default="1d", show_default=True, metavar="12h|1d", help="How far to look back.")
@click.option("--out", type=FILE, help="Folder into which the summary is written, as Markdown and HTML.")
@debug_option
def summarise(runs: Path, since: str, out: Path | None) -> None:
    """Print what became of the plates that a watcher handled lately: done, failed, hits and trends.

    RUNS is the --out of hcskit watch. The text is Markdown.
    """
    click.echo(hcskit.summarise_runs(runs, out, since), nl=False)
