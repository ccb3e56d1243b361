"""The ``hcskit`` command itself: errors in one sentence, and what commands share."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hcskit.errors import DriftError, HcskitError, InputError
from hcskit.version import __version__

__all__ = [
    "FILE",
    "PLATES_SET_ASIDE",
    "cluster_option",
    "debug_option",
    "example",
    "main",
    "pairs",
    "say_aside",
    "say_where",
]

FILE = click.Path(path_type=Path)
#: Exit code of a run that is done, but for plates that were set aside.
PLATES_SET_ASIDE = 4
_DEBUG = "hcskit.debug"
_RESUMED = ("run", "rerun", "watch", "import", "join", "fetch", "train", "cross-validate")


class _BadInput(click.ClickException):
    exit_code = 2


class _Unlike(click.ClickException):
    exit_code = 3


class _Commands(click.Group):
    """Turns errors into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (HcskitError, OSError) as error:
            if ctx.meta.get(_DEBUG):
                traceback.print_exc()
            told = "\n".join([str(error), *getattr(error, "__notes__", ())])
            raise _kind_of(error)(told) from error
        except KeyboardInterrupt:
            resumes = " The same command, given again, resumes where this one stopped."
            click.echo(f"\nStopped.{resumes if ctx.invoked_subcommand in _RESUMED else ''}", err=True)
            raise click.exceptions.Exit(130) from None


def _kind_of(error: Exception) -> type[click.ClickException]:
    if isinstance(error, DriftError):
        return _Unlike
    return _BadInput if isinstance(error, InputError) else click.ClickException


def _remember(ctx: click.Context, _: click.Parameter, debug: bool) -> None:
    ctx.meta[_DEBUG] = ctx.meta.get(_DEBUG, False) or debug


# Taken before and after the command's name: one adds it to the line that has just failed.
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_remember, help="Show the whole traceback of an error."
)


cluster_option = click.option("--cluster", type=FILE, help="YAML file of a cluster. Default: this machine.")


def say_aside(line: str) -> None:
    """Print progress to standard error, above a progress bar; standard output is for the result."""
    from tqdm import tqdm  # not at the top: `hcskit --help` must answer at once

    tqdm.write(line, file=sys.stderr)


def say_where(report: Path) -> None:
    """Say where a report is, and how to open it."""
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    click.echo(f"Report: {report}\nOpen it with:  {opener} {shlex.quote(str(report))}")


def pairs(parameters: tuple[str, ...]) -> dict[str, Any]:
    """Take apart what was given with -p; what is given several times is a list."""
    found: dict[str, list[str]] = {}
    for text in parameters:
        name, _, value = text.partition("=")
        if not (name and value):
            raise InputError(f"-p {text!r} is not NAME=VALUE")
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def example(text: str) -> Callable[..., Any]:
    """Add an example to a command's help."""

    def add(command: click.Command) -> click.Command:
        command.epilog = f"\b\nExample:\n  {text}"
        return command

    return add


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hcskit")
@debug_option
def main() -> None:
    """High-content screening, from a microscope's export folder to effective concentrations."""
    # TensorFlow's greetings are not for the people at this terminal; the notebooks' kernels inherit the setting.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Treat the signal that a scheduler sends at the time limit like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
