"""An inbox is watched: each delivery is handled once, when it is whole, whatever happens to the watcher."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest

import hcskit
from hcskit.errors import InputError, StoreError
from hcskit.locks import locked
from hcskit.watch import Entry
from tests.readers.test_harmony import stamped
from tests.readers.test_harmony import write as write_plate

PARAMETERS = (
    "from pathlib import Path\n\n"
    'run: Path = Path("run")  # folder of the run\n'
    'source: Path = Path("nowhere")  # what came in\n'
    'log: str = ""  # where each run adds a line\n'
)
SUM = (
    "total = sum(int(file.read_text()) for file in Path(source).glob('*.txt'))\n"
    "Path('sum.txt').write_text(str(total))\n"
    "with open(log, 'a') as file:\n"
    "    print(Path(source).name, total, file=file)\n"
)


class Inbox:
    """An inbox, and what was done with it."""

    def __init__(self, lab: Any, folder: Path, *first: str) -> None:
        self.pipeline = lab.pipeline(lab.notebook("01_sum", *first, SUM, parameters=PARAMETERS))
        self.folder, self.out, self.log = folder / "inbox", folder / "runs", folder / "log.txt"
        self.folder.mkdir()
        self.lines: list[str] = []

    def deliver(self, name: str, **files: str) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        for file, text in files.items():
            (self.folder / name / f"{file}.txt").write_text(text)

    def watch(self, **options: Any) -> dict[str, str]:
        """Look once."""
        given = {"log": str(self.log)} | options.pop("parameters", {})
        options = {"quiet": 0, "once": True, "say": self.lines.append} | options
        return hcskit.watch_inbox(self.folder, self.pipeline, self.out, given, **options)

    @property
    def done(self) -> list[str]:
        """The runs of the first step, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def inbox(lab: Any, tmp_path: Path) -> Inbox:
    return Inbox(lab, tmp_path)


def test_each_delivery_is_handled_once_and_again_only_when_it_is_rewritten(inbox: Inbox) -> None:
    inbox.deliver("plate1", a="1", b="2")
    inbox.deliver("plate2", a="10")
    inbox.deliver(".partial", a="100")  # as copying programs name what is not complete
    assert inbox.watch() == {}
    assert inbox.watch() == {}  # another watcher, after a restart
    assert inbox.done == ["plate1 3", "plate2 10"]
    inbox.deliver("plate1", b="5")
    inbox.watch()
    assert inbox.done == ["plate1 3", "plate2 10", "plate1 6"]
    assert (inbox.out / "plate1" / "sum.txt").read_text() == "6"


def test_a_run_that_was_removed_or_asked_for_otherwise_is_done_again(inbox: Inbox, tmp_path: Path) -> None:
    inbox.deliver("plate1", a="1")
    inbox.watch()
    shutil.rmtree(inbox.out / "plate1")
    inbox.watch()
    assert inbox.done == ["plate1 1"] * 2
    inbox.watch(parameters={"log": str(tmp_path / "{name}.txt")})
    assert (tmp_path / "plate1.txt").read_text() == "plate1 1\n"


def test_one_that_fails_is_set_aside_with_its_reason_until_it_changes(inbox: Inbox) -> None:
    inbox.deliver("bad", a="one")
    inbox.deliver("good", a="1")
    assert "invalid literal for int() with base 10: 'one'" in inbox.watch()["bad"]
    assert inbox.done == ["good 1"]
    told = len(inbox.lines)
    assert inbox.watch() == {}  # nothing failed, as nothing was tried
    assert len(inbox.lines) == told + 1
    assert "ValueError" in inbox.watch(retry=True)["bad"]
    inbox.deliver("bad", a="7")
    assert inbox.watch() == {}
    assert inbox.done == ["good 1", "bad 7"]
    entry = Entry.read(inbox.out / "bad")
    assert entry is not None
    assert entry.outcome == "done"


def test_one_that_changes_while_it_is_handled_is_done_again(lab: Any, tmp_path: Path) -> None:
    grow = (
        "late = Path(source) / 'late.txt'\nif not late.exists():\n    late.write_text('4')\n    raise SystemExit(1)\n"
    )
    inbox = Inbox(lab, tmp_path, grow)
    inbox.deliver("plate1", a="1")
    inbox.watch()
    inbox.watch()
    assert inbox.done[-1] == "plate1 5"
    assert (inbox.out / "plate1" / "sum.txt").read_text() == "5"


def test_one_that_is_still_copied_waits(inbox: Inbox) -> None:
    inbox.deliver("slow", a="1")
    inbox.deliver("whole", a="1")
    ended = Event()

    def copy() -> None:
        while not ended.wait(0.01):
            inbox.deliver("slow", b="2")

    copying = Thread(target=copy)
    copying.start()
    try:
        inbox.watch(quiet=0.5)
    finally:
        ended.set()
        copying.join()
    assert inbox.done == ["whole 1"]
    inbox.watch(quiet=0.1)
    assert inbox.done == ["whole 1", "slow 3"]


def test_a_plate_whose_index_names_files_that_are_not_there_waits_and_is_named(inbox: Inbox) -> None:
    image = min(write_plate(inbox.folder / "plate1", stamped(wells=["B02"])).parent.glob("*.tiff"))
    kept = image.read_bytes()
    image.unlink()
    assert inbox.watch() == {}
    assert "plate1: waits: images that its index names are not there: 1, such as " in inbox.lines[-1]
    assert image.name in inbox.watch(patience=0)["plate1"]
    assert inbox.done == []
    image.write_bytes(kept)
    assert inbox.watch() == {}
    assert inbox.done == ["plate1 0"]


def test_a_second_watcher_is_told_of_the_first(inbox: Inbox) -> None:
    inbox.out.mkdir()
    with locked(inbox.out), pytest.raises(StoreError, match=r"runs is being written by process \d+"):
        inbox.watch()


def test_a_run_in_which_another_process_works_is_waited_for(inbox: Inbox) -> None:
    inbox.deliver("plate1", a="1")
    (inbox.out / "plate1").mkdir(parents=True)
    with locked(inbox.out / "plate1"):
        assert inbox.watch() == {}
    assert "plate1: waits: another process works in " in inbox.lines[-1]
    assert inbox.done == []
    inbox.watch()
    assert inbox.done == ["plate1 1"]


def test_what_would_make_every_run_fail_is_said_at_once(inbox: Inbox) -> None:
    for options, said in (
        ({"parameters": {"source": "x"}}, "source is given by the watcher"),
        ({"parameters": {"colour": "red"}}, "has no parameter colour"),
        ({"at_once": 0}, "0 plates at a time are none"),
        ({"min_z_prime": 0.4}, "of use only with --notify"),
    ):
        with pytest.raises(InputError, match=said):
            inbox.watch(**options)
    inbox.out = inbox.folder / "runs"
    with pytest.raises(InputError, match="would lie in the inbox"):
        inbox.watch()


def test_as_many_as_were_asked_for_are_handled_at_a_time_and_one_that_fails_stops_no_other(
    lab: Any, tmp_path: Path
) -> None:
    meet = (
        "import time\n"
        "name, busy, begun = Path(source).name, Path(log).parent / 'busy', Path(log).parent / 'begun'\n"
        "for folder in (busy, begun):\n"
        "    folder.mkdir(exist_ok=True)\n"
        "    (folder / name).touch()\n"
        "end = time.monotonic() + 200\n"
        "while len(list(begun.iterdir())) < 2:\n"
        "    assert time.monotonic() < end, 'alone'\n"
        "    time.sleep(0.05)\n"
        "with open(log + '.at_once', 'a') as file:\n"
        "    print(len(list(busy.iterdir())), file=file)\n"
        "(busy / name).unlink()\n"
    )
    inbox = Inbox(lab, tmp_path, meet)
    inbox.deliver("a", a="one")
    for name in ("b", "c", "d"):
        inbox.deliver(name, a="1")
    failed = inbox.watch(at_once=2)
    assert list(failed) == ["a"]
    assert "invalid literal" in failed["a"]
    assert sorted(inbox.done) == ["b 1", "c 1", "d 1"]
    at_once = Path(f"{inbox.log}.at_once").read_text().split()
    assert len(at_once) == 4
    assert set(at_once) <= {"1", "2"}


@pytest.mark.slow
def test_the_steps_of_several_runs_share_an_open_cluster(lab: Any, tmp_path: Path) -> None:
    where = "cluster: Path | None = None  # where to work\n"
    notebook = lab.notebook(
        "01_ask",
        "import hcskit, os\n"
        "with hcskit.open_cluster(cluster) as there:\n"
        "    found = there.client.submit(os.getpid).result()\n"
        "Path('worker.txt').write_text(str(found))\n",
        parameters=PARAMETERS + where,
    )
    inbox = Inbox(lab, tmp_path)
    inbox.pipeline = lab.pipeline(notebook)
    inbox.deliver("a", a="1")
    inbox.deliver("b", a="1")
    with hcskit.open_cluster(hcskit.cluster.ClusterConfig(cores=1)) as cluster:
        assert inbox.watch(at_once=2, cluster=cluster) == {}
        pid = str(cluster.client.submit(os.getpid).result())
    assert [(inbox.out / name / "worker.txt").read_text() for name in ("a", "b")] == [pid, pid]


@pytest.mark.slow
def test_a_run_whose_process_is_killed_is_set_aside_and_ctrl_c_ends_all_others(
    lab: Any, tmp_path: Path, until: Any
) -> None:
    names, wait = ("plate1", "plate2"), tmp_path / "wait"
    pause = f"import time\nPath('begun').touch()\nwhile Path({str(wait)!r}).exists():\n    time.sleep(0.05)\n"
    inbox = Inbox(lab, tmp_path, pause)
    for name in names:
        inbox.deliver(name, a="1")
    command = ["watch", inbox.folder, "--pipeline", inbox.pipeline, "--out", inbox.out, "-p", f"log={inbox.log}"]
    wait.touch()
    watcher = lab.start(*command, "--quiet", "0", "--at-once", "2", sign=inbox.out / names[0] / "begun")
    until((inbox.out / names[1] / "begun").exists)
    here = psutil.Process(watcher.pid)
    all_of_it = here.children(recursive=True)
    next(each for each in here.children() if "hcskit.watch._crew" in each.cmdline()[-1]).kill()
    entries = [inbox.out / name / ".watch.json" for name in names]
    until(lambda: any(entry.exists() for entry in entries))
    (killed,) = [entry for entry in entries if entry.exists()]
    assert "the process of its run ended with signal SIGKILL" in killed.read_text()
    watcher.send_signal(signal.SIGINT)
    assert "resumes where this one stopped" in watcher.communicate(timeout=120)[0]
    assert watcher.returncode == 130
    until(lambda: not any(map(alive, all_of_it)))
    (stopped,) = [entry.parent for entry in entries if not entry.exists()]
    assert json.loads((stopped / "run.json").read_text())["status"] == "stopped"

    wait.unlink()
    assert inbox.watch(retry=True) == {}
    assert sorted(inbox.done) == ["plate1 1", "plate2 1"]


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
