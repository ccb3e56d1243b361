"""Notices of a watcher: what is worth one, and the commands, mailboxes and webhooks that receive it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import pandas as pd

from hcskit.errors import InputError
from hcskit.results import (
    AS_IN_TRAINING,
    IMAGE_CONTROLS,
    PHENOTYPE_CONTROLS,
    PLATE_DRIFT,
    has_table,
    plates_set_aside,
    read_table,
)

__all__ = ["Notice", "Receiver", "notices_of", "z_primes_of"]

_PATIENCE = 60.0  # s for a command or a mail
_TIME_OUT = 10.0  # s for each answer of a webhook
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MAILBOX = re.compile(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*@[A-Za-z0-9.-]+")
_MAILERS = ("/usr/sbin", "/usr/lib")  # where sendmail is; a user's PATH may lack them


@dataclass(frozen=True)
class Notice:
    """Something about a plate that a person should know.

    Attributes
    ----------
    event : str
        ``failure``, ``z_prime`` or ``drift``.
    plate : str
        Name of the delivery.
    run : str
        Folder of its run.
    text : str
        One sentence.
    """

    event: str
    plate: str
    run: str
    text: str


def notices_of(run: Path, min_z_prime: float | None) -> Iterator[tuple[str, str]]:
    """Yield the event and the text of what is worth a notice in the results of a run.

    Parameters
    ----------
    run : pathlib.Path
        Folder of the run. Of tables that it does not have, nothing is said.
    min_z_prime : float, optional
        The least Z′-factor of the best readout of a plate: of the phenotypes, or without these of the plain image
        statistics.

    Raises
    ------
    StoreError
        If a table is damaged.
    """
    if aside := plates_set_aside(run):
        yield "failure", "; ".join(f"{plate} is set aside: {reason}" for plate, reason in aside.items())
    if min_z_prime is not None:
        best = z_primes_of(run)
        low = best[~(best >= min_z_prime)]  # also where it is not known
        if len(low):
            told = ", ".join(f"{plate}: {value:.3g}" for plate, value in low.items())
            yield "z_prime", f"Z′ is below {min_z_prime:g}: {told}"
    if has_table(run, PLATE_DRIFT):
        verdicts = read_table(run, PLATE_DRIFT).reset_index().groupby("plate")["verdict"].first()
        strange = verdicts[verdicts != AS_IN_TRAINING]
        if len(strange):
            yield "drift", "; ".join(f"{plate}: {verdict}" for plate, verdict in strange.items())


def z_primes_of(run: Path) -> pd.Series:
    """Return the Z′-factor of the best readout of each plate of a run; empty where there are no controls.

    Raises
    ------
    StoreError
        If the table is damaged.
    """
    controls = next((table for table in (PHENOTYPE_CONTROLS, IMAGE_CONTROLS) if has_table(run, table)), None)
    if controls is None:
        return pd.Series(dtype=float)
    return read_table(run, controls).reset_index().groupby("plate")["z_prime"].max()


@dataclass(frozen=True)
class Receiver:
    """Where notices go.

    Attributes
    ----------
    target : str
        ``mailto:`` and an address; an ``https`` address, or an ``http`` one of this machine; or a command.

    Raises
    ------
    InputError
        If it is none of these, or this machine lacks the program.
    """

    target: str

    def __post_init__(self) -> None:
        if self.target.startswith("mailto:"):
            if not _MAILBOX.fullmatch(self.target.removeprefix("mailto:")):
                raise InputError(f"{self.target!r} is no mailbox; write it as mailto:lab@example.org")
            _sendmail()
        elif _has_scheme(self.target):
            _check_address(self.target)
        else:
            _check_command(self.target)

    @property
    def key(self) -> str:
        """What stands for it in a record; the address of a webhook is a secret."""
        return hashlib.sha256(self.target.encode(errors="surrogateescape")).hexdigest()[:12]

    @property
    def name(self) -> str:
        """What stands for it in a log: without the secret part of an address, and the words after a command."""
        if _has_scheme(self.target):
            found = urlsplit(self.target)
            return f"{found.scheme}://{found.hostname}"
        return self.target if self.target.startswith("mailto:") else shlex.split(self.target)[0]

    def send(self, notice: Notice) -> None:
        """Send a notice.

        Raises
        ------
        OSError, subprocess.SubprocessError
            If it was not taken.
        """
        if self.target.startswith("mailto:"):
            self._mail(notice)
        elif _has_scheme(self.target):
            self._post(notice)
        else:
            self._call(notice)

    def _mail(self, notice: Notice) -> None:
        message = EmailMessage()
        message["To"] = self.target.removeprefix("mailto:")
        message["Subject"] = f"hcskit: {notice.event}: {' '.join(_clean(notice.plate).split())}"
        message.set_content(_text(notice))
        _start([_sendmail(), "-i", "-t"], message.as_bytes(), os.environ)

    def _post(self, notice: Notice) -> None:
        body = json.dumps({key: _clean(value) for key, value in vars(notice).items()}).encode()
        request = Request(self.target, body, {"Content-Type": "application/json", "User-Agent": "hcskit"})  # noqa: S310
        handlers: list[Any] = [_NoRedirect()]
        if urlsplit(self.target).scheme == "http":  # of this machine: never through a proxy
            handlers.append(ProxyHandler({}))
        with build_opener(*handlers).open(request, timeout=_TIME_OUT):
            pass

    def _call(self, notice: Notice) -> None:
        facts = {f"HCSKIT_{key.upper()}": value for key, value in vars(notice).items() if key != "text"}
        _start(shlex.split(self.target), _text(notice).encode(), os.environ | facts)


class _NoRedirect(HTTPRedirectHandler):
    """Takes a redirection for a failure: a notice goes nowhere but to the address that was given."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _has_scheme(target: str) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", target) is not None


def _check_address(address: str) -> None:
    try:
        found = urlsplit(address)
        safe = found.scheme == "https" or (found.scheme == "http" and found.hostname in _LOOPBACK)
        whole = bool(found.hostname) and found.port != 0 and address.isprintable() and " " not in address
    except ValueError:  # a port that is no number
        safe = whole = False
    if not (safe and whole):
        shown = address.split("://")[0]
        raise InputError(
            f"a notice goes to an https:// address, or to http:// on this machine; this one is {shown}://…"
        )


def _check_command(command: str) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"the command of --notify, {command!r}, cannot be taken apart: {error}") from error
    if not words or not shutil.which(words[0]):
        raise InputError(f"there is no command {words[0] if words else command!r} for --notify; give its path")


def _sendmail() -> str:
    found = shutil.which("sendmail", path=os.pathsep.join([os.environ.get("PATH", ""), *_MAILERS]))
    if not found:
        raise InputError("this machine has no sendmail; give --notify a command or an https:// address")
    return found


def _text(notice: Notice) -> str:
    return _clean(f"{notice.plate}: {notice.text}\n\nrun: {notice.run}\n")


def _clean(text: str) -> str:
    """Replace what no UTF-8 can hold, as names of files can."""
    return text.encode(errors="replace").decode()


def _start(command: Sequence[str], text: bytes, environment: Mapping[str, str]) -> None:
    subprocess.run(  # noqa: S603 - the user's own command, without a shell
        command, input=text, env=environment, capture_output=True, check=True, timeout=_PATIENCE
    )
