"""The command that has another one started at set times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import hcskit
from hcskit.cli._main import FILE, debug_option, example, main
from hcskit.errors import InputError

if TYPE_CHECKING:
    from hcskit.watch import System


@example("hcskit schedule cron --every 10m -- watch inbox --pipeline predict_screen --out runs --once")
@main.command()
@click.argument("system", type=click.Choice(["cron", "systemd", "scrontab"]))
@click.argument("command", nargs=-1)
@click.option("--every", metavar="10m|2h|1d", help="How often. Without it, systemd keeps the command running.")
@click.option("--name", help="Name of the entry; one of each name is kept. Default: the command's.")
@click.option("--log", type=FILE, help="File for the command's output. Default: NAME.log, here.")
@click.option("--option", "options", multiple=True, metavar="OPTION", help="Option of the Slurm job, with scrontab.")
@click.option("--install", "does", flag_value="install", help="Install it, in place of one of its name.")
@click.option("--remove", "does", flag_value="remove", help="Remove the one of its name.")
@debug_option
def schedule(
    system: System,
    command: tuple[str, ...],
    every: str | None,
    name: str | None,
    log: Path | None,
    options: tuple[str, ...],
    does: str | None,
) -> None:
    """Print, install or remove the entry that starts a COMMAND of hcskit at set times, in this folder.

    Nothing is changed without --install or --remove.
    """
    if not name and not command:
        raise InputError("give the command after --, or the --name of an entry to remove")
    name = name or command[0]
    log = (log or Path(f"{name}.log")).absolute()
    if does == "remove":
        hcskit.watch.Scheduled(system, command or (name,), every or "1d", name, Path.cwd(), log).remove()
        click.echo(f"{system} has no entry {name}")
        return
    _check(command)
    entry = hcskit.watch.Scheduled(system, command, every, name, Path.cwd(), log, options)
    for file, text in entry.files.items():
        click.echo(f"# {file}\n{text}")
    if does == "install":
        entry.install()
        click.echo(f"installed; its output goes to {log}")
    else:
        click.echo("Nothing was changed; add --install before the -- to install it.", err=True)


def _check(command: tuple[str, ...]) -> None:
    """Find a slip in the command now, not at night."""
    found = main.commands.get(command[0]) if command else None
    if found is None:
        raise InputError(f"hcskit has no command {' '.join(command)!r} to start; `hcskit --help` lists them")
    found.make_context(f"hcskit {command[0]}", list(command[1:])).close()
