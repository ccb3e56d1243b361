"""Plates are dropped in while watcher and runs are disturbed at random: none is lost, and none done is done again."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import psutil
import pytest

from hcskit.watch import Entry
from tests.watch.test_watch import Inbox

PLATES = int(os.environ.get("HCSKIT_SOAK_PLATES", "8"))  # 200 for a soak of some minutes
SEED = int(os.environ.get("HCSKIT_SOAK_SEED", "0")) or int(np.random.default_rng().integers(1, 10**6))


def is_done(run: Path) -> bool:
    entry = Entry.read(run)
    return entry is not None and entry.outcome == "done"


def disturb(watcher: psutil.Process, chance: np.random.Generator) -> None:
    """Kill one of the watcher's processes, or have the system refuse for a while what one of them writes."""
    victim = chance.choice([watcher, *watcher.children(recursive=True)])
    if chance.random() < 0.5 and victim != watcher:
        victim.kill()
        return
    _, most = victim.rlimit(psutil.RLIMIT_FSIZE)
    victim.rlimit(psutil.RLIMIT_FSIZE, (0, most))
    time.sleep(float(chance.uniform(0, 0.5)))
    victim.rlimit(psutil.RLIMIT_FSIZE, (most, most))


@pytest.mark.slow
def test_no_plate_is_lost_or_repeated_when_all_is_disturbed_at_random(lab: Any, tmp_path: Path) -> None:
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
    command += ["--quiet", "0", "--retry", "--at-once"]
    settled: Counter[str] = Counter()  # how often those that were done at the last kill had run then
    for life in range(2 + PLATES // 20):
        sign = inbox.out / str(chance.choice(names)) / str(chance.choice(["run.json", "sum.txt", ".watch.json"]))
        watcher = lab.start(*command, str(1 + life % 2), sign=sign)
        for _ in range(3):
            time.sleep(float(chance.uniform(0, 0.5)))
            with suppress(psutil.Error):  # it has just ended
                disturb(psutil.Process(watcher.pid), chance)
        left = psutil.Process(watcher.pid).children(recursive=True)
        watcher.kill()
        watcher.wait()
        _, alive = psutil.wait_procs(left, timeout=120)  # they end with the watcher, as soon as they notice
        assert not alive
        ran = Counter(line.split()[0] for line in inbox.done)
        assert {name: ran[name] for name in settled} == dict(settled)
        settled = Counter({name: ran[name] for name in names if is_done(inbox.out / name)})
    dropping.join()
    assert inbox.watch(retry=True) == {}
    ran = Counter(line.split()[0] for line in inbox.done)
    assert {name: ran[name] for name in settled} == dict(settled)
    assert all(is_done(inbox.out / name) for name in names)
    assert [(inbox.out / name / "sum.txt").read_text() for name in names] == [str(n) for n in range(PLATES)]
