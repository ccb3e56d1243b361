"""A watcher tells of what went wrong: to a real server and real commands, each notice once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest

from hcskit.errors import InputError
from hcskit.results import AS_IN_TRAINING, PHENOTYPE_CONTROLS, PLATE_DRIFT, SET_ASIDE, write_table
from hcskit.watch import Entry
from hcskit.watch._notify import Notice, Receiver, notices_of
from tests.watch.test_watch import Inbox

NOTICE = Notice("failure", "plate'; touch evil;", "/runs/plate", "set aside: Z′\n\nBcc: all@example.org")


@contextmanager
def server(*answers: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the address of a server that answers with these codes in turn, the last one ever after."""
    received: list[dict[str, Any]] = []
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        thread = Thread(target=found.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{found.server_port}/secret", received
        finally:
            found.shutdown()
            thread.join()


@pytest.fixture
def noting(tmp_path: Path) -> str:
    """A command that writes down what it was given."""
    script = tmp_path / "take it.py"
    script.write_text(
        "import os, sys, json\n"
        "with open(sys.argv[1], 'a') as file:\n"
        "    facts = {name: value for name, value in os.environ.items() if name.startswith('HCSKIT_')}\n"
        "    print(json.dumps([sys.stdin.buffer.read().decode('utf-8'), sys.argv[2:], facts]), file=file)\n"
    )
    return f"{sys.executable} '{script}' '{tmp_path / 'noted'}' word"


def noted(tmp_path: Path) -> list[Any]:
    return [json.loads(line) for line in (tmp_path / "noted").read_text().splitlines()]


def tables(run: Path, z_prime: float, verdict: str) -> None:
    numbers = dict.fromkeys(("ssmd", "negative_mean", "negative_sd", "positive_mean", "positive_sd"), 1.0)
    row = {"plate": "P1", **numbers, "n_negative": 4, "n_positive": 4}
    readouts = [row | {"readout": "x", "z_prime": -1.0}, row | {"readout": "y", "z_prime": z_prime}]
    write_table(run, PHENOTYPE_CONTROLS, pd.DataFrame(readouts))
    drift = {"plate": "P1", "quantity": "light", "channel": "DNA", "value": 1.0, "expected": 1.0, "low": 0.0}
    frame = pd.DataFrame([drift | {"high": 2.0, "verdict": verdict}])
    write_table(run, PLATE_DRIFT, frame.set_index(["plate", "quantity", "channel"]))


def test_a_low_best_z_prime_a_drift_and_a_plate_set_aside_are_worth_a_notice(tmp_path: Path) -> None:
    assert list(notices_of(tmp_path, 0.5)) == []
    tables(tmp_path, 0.5, AS_IN_TRAINING)
    assert list(notices_of(tmp_path, 0.5)) == []
    tables(tmp_path, 0.494, "shifted: light by 3")
    assert dict(notices_of(tmp_path, None)) == {"drift": "P1: shifted: light by 3"}
    assert dict(notices_of(tmp_path, 0.5))["z_prime"] == "Z′ is below 0.5: P1: 0.494"
    tables(tmp_path, float("nan"), AS_IN_TRAINING)
    write_table(tmp_path, SET_ASIDE, pd.DataFrame({"reason": ["no images"]}, pd.Index(["P2"], name="plate")))
    assert dict(notices_of(tmp_path, None)) == {"failure": "P2 is set aside: no images"}
    assert dict(notices_of(tmp_path, 0))["z_prime"] == "Z′ is below 0: P1: -1"


def test_a_command_gets_its_text_on_standard_input_and_facts_in_its_environment(noting: str, tmp_path: Path) -> None:
    Receiver(noting).send(NOTICE)
    ((text, words, facts),) = noted(tmp_path)
    assert text.startswith(f"{NOTICE.plate}: {NOTICE.text}")
    assert words == ["word"]
    expected = {"HCSKIT_EVENT": "failure", "HCSKIT_PLATE": NOTICE.plate, "HCSKIT_RUN": NOTICE.run}
    assert expected.items() <= facts.items()


def test_a_mail_has_no_header_from_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f"#!/bin/sh\necho \"$@\" > '{tmp_path}/words'\ncat > '{tmp_path}/mail'\n")
    sendmail.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    Receiver("mailto:lab@example.org").send(Notice("drift", "P\nBcc: x@example.org", "/runs/P", NOTICE.text))
    mail = message_from_bytes((tmp_path / "mail").read_bytes(), policy=policy.default)
    assert mail["To"] == "lab@example.org"
    assert mail["Subject"] == "hcskit: drift: P Bcc: x@example.org"
    assert "Bcc" not in mail
    assert NOTICE.text in mail.get_content()


def test_each_notice_is_sent_once_to_each_receiver_also_over_restarts(lab: Any, tmp_path: Path, noting: str) -> None:
    inbox = Inbox(lab, tmp_path)
    inbox.deliver("bad", a="one")
    with server(500, 200) as (address, received):
        options = {"notify": [noting, address], "min_z_prime": 0.5}
        assert list(inbox.watch(**options)) == ["bad"]
        assert any("http://127.0.0.1 did not take the notice of failure" in line for line in inbox.lines)
        assert "secret" not in "".join(inbox.lines) + (inbox.out / "bad" / ".watch.json").read_text()
        for _ in range(3):  # restarts
            inbox.watch(**options)
        inbox.watch(**options, retry=True)
        assert [each["event"] for each in received] == ["failure"] * 2
        assert received[0] == received[1]
        assert "invalid literal" in received[1]["text"]
        assert len(noted(tmp_path)) == 1
        inbox.deliver("bad", a="1")
        tables(inbox.out / "bad", 0.1, "not this assay")
        inbox.watch(**options)
        inbox.watch(**options)
    assert [each["event"] for each in received[2:]] == ["z_prime", "drift"]
    assert [facts["HCSKIT_EVENT"] for *_, facts in noted(tmp_path)] == ["failure", "z_prime", "drift"]
    entry = Entry.read(inbox.out / "bad")
    assert entry is not None
    assert not any(entry.unsent.values())


def test_a_redirection_is_not_followed() -> None:
    with server(302) as (address, received), pytest.raises(OSError, match="302"):
        Receiver(address).send(NOTICE)
    assert len(received) == 1


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://example.org/hook", "this one is http://…"),
        ("ftp://localhost/hook", "this one is ftp://…"),
        ("https://", "goes to an https:// address"),
        ("mailto:-Xevil@example.org", "is no mailbox"),
        ("mailto:a@example.org\nBcc: b@example.org", "is no mailbox"),
        ("no-such-command-here x", "there is no command 'no-such-command-here'"),
        ("", "there is no command"),
        ("echo 'x", "cannot be taken apart"),
    ],
)
def test_a_receiver_that_cannot_be_one_is_refused_at_the_start(target: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Receiver(target)
