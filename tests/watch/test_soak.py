"""Plates are dropped in at random while the watcher is killed at random: none is lost, and none done is done again."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from hcskit.watch import Entry
from tests.watch.test_watch import Inbox

PLATES = int(os.environ.get("HCSKIT_SOAK_PLATES", "8"))  # 200 for a soak of some minutes
SEED = int(os.environ.get("HCSKIT_SOAK_SEED", "0")) or int(np.random.default_rng().integers(1, 10**6))


def is_done(run: Path) -> bool:
    entry = Entry.read(run)
    return entry is not None and entry.outcome == "done"


@pytest.mark.slow
def test_no_plate_is_lost_or_repeated_when_the_watcher_is_killed_at_random(lab: Any, tmp_path: Path) -> None:
    chance = np.random.default_rng(SEED)
    print(f"HCSKIT_SOAK_SEED={SEED}")  # shown where the test fails
    inbox = Inbox(lab, tmp_path)
    names = [f"plate{number:03}" for number in range(PLATES)]
    dropped = list(zip(chance.permutation(names).tolist(), chance.uniform(0, 0.5, PLATES).tolist(), strict=True))

    def drop() -> None:
        for name, pause in dropped:
            time.sleep(pause)
            inbox.deliver(f".{name}", a=str(names.index(name)))
            (inbox.folder / f".{name}").rename(inbox.folder / name)

    dropping = Thread(target=drop)
    dropping.start()
    command = ["watch", inbox.folder, "--pipeline", inbox.pipeline, "--out", inbox.out, "-p", f"log={inbox.log}"]
    settled: Counter[str] = Counter()  # how often those that were done at the last kill had run then
    for _ in range(2 + PLATES // 20):
        sign = inbox.out / str(chance.choice(names)) / str(chance.choice(["run.json", "sum.txt", ".watch.json"]))
        watcher = lab.start(*command, "--quiet", "0", sign=sign)
        time.sleep(float(chance.uniform(0, 0.7)))
        watcher.kill()
        watcher.wait()
        ran = Counter(line.split()[0] for line in inbox.done)
        assert {name: ran[name] for name in settled} == dict(settled)
        settled = Counter({name: ran[name] for name in names if is_done(inbox.out / name)})
    dropping.join()
    ended = lab.hcskit(*command, "--quiet", "0", "--once")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ran = Counter(line.split()[0] for line in inbox.done)
    assert {name: ran[name] for name in settled} == dict(settled)
    assert all(is_done(inbox.out / name) for name in names)
    assert [(inbox.out / name / "sum.txt").read_text() for name in names] == [str(n) for n in range(PLATES)]
