"""Entries that start a command of hcskit at set times: for cron, systemd and Slurm's scrontab."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from hcskit.errors import InputError, RunError
from hcskit.files import make_folder, write_text

__all__ = ["Scheduled", "System"]

System = Literal["cron", "systemd", "scrontab"]

_UNITS = {"m": 60, "h": 24, "d": 1}  # how many of them an interval may divide
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_TABLES = {"cron": "crontab", "scrontab": "scrontab"}  # the program that reads and replaces each table


@dataclass(frozen=True)
class Scheduled:
    """A command of hcskit that a machine or a cluster starts by itself.

    Attributes
    ----------
    system : {"cron", "systemd", "scrontab"}
        What starts it. The systemd units are those of the user.
    command : sequence of str
        The command, without ``hcskit``.
    every : str, optional
        ``10m``, ``2h`` or ``1d``: how often, counted from midnight. Without it, systemd keeps the command running.
    name : str
        One entry of each name is kept; another one replaces it.
    folder : pathlib.Path
        Working directory of the command.
    log : pathlib.Path
        The file to which its output is added.
    options : sequence of str
        Options of the Slurm job, such as ``--time=1:00:00``; only for scrontab.

    Raises
    ------
    InputError
        If the entry could not mean what was asked for.
    """

    system: System
    command: Sequence[str]
    every: str | None
    name: str
    folder: Path
    log: Path
    options: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(f"{self.name!r} cannot be the name of an entry; use letters, digits, - and _")
        for text in (*self.command, *self.options, str(self.folder), str(self.log)):
            if not text.isprintable():
                raise InputError(f"{text!r} holds a line break or a control character, which no schedule can hold")
        if self.options and self.system != "scrontab":
            raise InputError(f"options of a Slurm job, {self.options[0]}, are for scrontab, not for {self.system}")
        if self.every is not None:
            _take_apart(self.every)
        elif self.system != "systemd":
            raise InputError(f"{self.system} starts a command at set times; say how often, such as --every 10m")

    @property
    def files(self) -> dict[str, str]:
        """What is written: the text of each systemd unit by its file's name, or the entry by the table's program."""
        if self.system != "systemd":
            return {_TABLES[self.system]: self._entry()}
        service = {f"hcskit-{self.name}.service": self._service()}
        return service if self.every is None else service | {f"hcskit-{self.name}.timer": self._timer(self.every)}

    def install(self) -> None:
        """Install the entry in place of one of its name.

        Raises
        ------
        InputError
            If this machine has no such program, or lines of the entry were edited out of shape.
        RunError
            If the program refuses.
        StoreError
            If a unit cannot be written.
        """
        make_folder(self.log.parent)
        if self.system != "systemd":
            self._replace(self._entry())
            return
        self._disable()
        for name, text in self.files.items():
            write_text(make_folder(_units()) / name, text)
        _call("systemctl", "--user", "daemon-reload")
        _call("systemctl", "--user", "enable", "--now", list(self.files)[-1])

    def remove(self) -> None:
        """Remove the entry of this name, if there is one.

        Raises
        ------
        InputError, RunError
            As `install`.
        """
        if self.system != "systemd":
            self._replace("")
        elif self._disable():
            _call("systemctl", "--user", "daemon-reload")

    def _disable(self) -> bool:
        """Stop the units of this name and remove their files; return whether there were any."""
        found = [path for end in ("timer", "service") if (path := _units() / f"hcskit-{self.name}.{end}").exists()]
        for path in found:
            _call("systemctl", "--user", "disable", "--now", path.name)
            path.unlink()
        return bool(found)

    def _entry(self) -> str:
        line = f"cd {shlex.quote(str(self.folder))} && {shlex.join([_hcskit(), *self.command])}"
        line += f" >> {shlex.quote(str(self.log))} 2>&1"
        if self.system == "cron":
            line = line.replace("%", r"\%")  # cron takes a bare one for the end of the line
        options = [f"#SCRON {each}" for each in ("--output=/dev/null", *self.options)]
        lines = [*(options if self.system == "scrontab" else ()), f"{_times(self.every or '')} {line}"]
        return "".join(f"{each}\n" for each in (self._mark("begin"), *lines, self._mark("end")))

    def _mark(self, which: str) -> str:
        return f"# hcskit schedule {self.name}: {which}"

    def _replace(self, entry: str) -> None:
        """Put an entry in the place of one of its name, and leave every other byte of the table as it is."""
        program = _TABLES[self.system]
        before = _read_table(program)
        begin, end = (re.escape(self._mark(which).encode()) + rb"\n" for which in ("begin", "end"))
        found = re.findall(rb"^" + begin + rb"(?:(?!# hcskit schedule ).*\n)*" + end, before, re.MULTILINE)
        marks = re.findall(rb"^" + re.escape(self._mark("").rstrip().encode()), before, re.MULTILINE)
        if len(found) > 1 or len(marks) != 2 * len(found):
            raise InputError(
                f"the lines of {self.name} in `{program} -l` do not lie between one begin and one end; "
                f"remove them with `{program} -e`, then try again"
            )
        if found:
            after = before.replace(found[0], entry.encode())
        else:
            after = before + (b"\n" if entry and before and not before.endswith(b"\n") else b"") + entry.encode()
        if after != before:
            with TemporaryDirectory() as folder:  # scrontab documents a file, not standard input
                path = Path(folder) / program
                path.write_bytes(after)
                _call(program, str(path))

    def _service(self) -> str:
        started = "Type=oneshot\n" if self.every else "Restart=on-failure\nRestartSec=60\n"
        words = " ".join(map(_in_unit, [_hcskit(), *self.command]))
        log = str(self.log).replace("%", "%%")
        text = (
            f"[Unit]\nDescription=hcskit {self.command[0]}\n\n[Service]\n{started}"
            f"WorkingDirectory={str(self.folder).replace('%', '%%')}\nExecStart={words}\n"
            f"StandardOutput=append:{log}\nStandardError=append:{log}\n"
            "KillSignal=SIGINT\nSuccessExitStatus=130\n"
        )
        return text if self.every else f"{text}\n[Install]\nWantedBy=default.target\n"

    def _timer(self, every: str) -> str:
        number, unit = _take_apart(every)
        times = {"m": f"*:0/{number}", "h": f"0/{number}:00", "d": "00:00"}[unit]
        return (
            f"[Unit]\nDescription=hcskit {self.command[0]}, every {every}\n\n"
            f"[Timer]\nOnCalendar=*-*-* {times}:00\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
        )


def _take_apart(every: str) -> tuple[int, str]:
    """Return the number and the unit of an interval that divides an hour or a day."""
    found = re.fullmatch(r"([1-9]\d{0,2})([mhd])", every)
    number, unit = (int(found[1]), found[2]) if found else (0, "d")
    if not number or _UNITS[unit] % number:
        raise InputError(
            f"{every!r} is no interval of a schedule; take minutes that divide an hour, such as 10m, "
            "hours that divide a day, such as 2h, or 1d"
        )
    return (1, {"m": "h", "h": "d"}[unit]) if unit != "d" and number == _UNITS[unit] else (number, unit)


def _times(every: str) -> str:
    """Return the five fields of cron."""
    number, unit = _take_apart(every)
    return {"m": f"*/{number} * * * *", "h": f"0 */{number} * * *", "d": "0 0 * * *"}[unit]


def _hcskit() -> str:
    """Return the absolute path of this installation's command; schedulers know no PATH."""
    own = Path(sysconfig.get_path("scripts")) / "hcskit"
    found = str(own) if own.exists() else shutil.which("hcskit")
    if not found:
        raise InputError(f"there is no command hcskit in {own.parent}, nor on the PATH; install hcskit anew with pip")
    return str(Path(found).absolute())


def _in_unit(word: str) -> str:
    """Quote a word of ``ExecStart=``."""
    for sign, instead in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(sign, instead)
    return f'"{word}"'


def _units() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _read_table(program: str) -> bytes:
    """Return a user's table; an error that does not say that there is none is never taken for an empty one."""
    listed = _start(program, "-l")
    if listed.returncode == 0:
        return listed.stdout
    if b"no crontab for" in listed.stderr + listed.stdout:  # scrontab says it on standard output
        return b""
    raise _refusal((program, "-l"), listed)


def _call(*command: str) -> None:
    done = _start(*command)
    if done.returncode:
        raise _refusal(command, done)


def _start(*command: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - its words are ours, without a shell
            command, capture_output=True, check=False, env=os.environ | {"LC_ALL": "C"}
        )
    except FileNotFoundError:
        raise InputError(
            f"this machine has no {command[0]}; choose another of cron, systemd and scrontab, or install on another one"
        ) from None


def _refusal(command: Sequence[str], done: subprocess.CompletedProcess[bytes]) -> RunError:
    said = " ".join((done.stderr or done.stdout).decode(errors="replace").split())
    return RunError(f"`{shlex.join(command)}` ended with {done.returncode}: {said or 'it says nothing'}")
