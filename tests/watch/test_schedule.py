"""A command of hcskit is started at set times: the entries are read back by the programs that they are for."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hcskit.errors import InputError, RunError
from hcskit.watch import Scheduled
from hcskit.watch._schedule import _hcskit, _in_unit

AWKWARD = ("watch", "in box", "--pipeline", "p", "--out", "100% 'of' \"it\"", "-p", "a=$HOME\\n;#`id`")
TABLE = (
    b"# mine, with \xe9 and no end of line\n  5 4 * * *   echo 100\\%  \n\n"
    b"# hcskit schedule other: begin\n1 1 * * * x\n# hcskit schedule other: end\nMAILTO=me"
)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that keep their table in a file, as crontab and scrontab do, and a systemctl that notes its orders."""
    folder = tmp_path / "bin"
    folder.mkdir()
    table = (
        '[ "$1" != -l ] && exec cp "$1" "$0.table"\n'
        'cat "$0.table" 2>/dev/null || {{ echo no crontab for me{}; exit 1; }}\n'
    )
    scripts = {
        "crontab": table.format(" >&2"),
        "scrontab": table.format(""),  # on standard output (Slurm 22.05 to 25.05, src/scrontab/scrontab.c)
        "systemctl": 'echo "$*" >> "$0.log"\n',
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


def entry(system: Any, folder: Path, *command: str, every: str | None = "10m", **other: Any) -> Scheduled:
    return Scheduled(system, command or AWKWARD, every, "watch", folder, folder / "the log.txt", **other)


@pytest.mark.parametrize("system", ["cron", "scrontab"])
def test_a_table_gains_and_loses_one_entry_and_keeps_all_other_bytes(
    programs: Path, tmp_path: Path, system: Any
) -> None:
    table = programs / f"{'s' * (system == 'scrontab')}crontab.table"
    entry(system, tmp_path).install()
    assert table.read_bytes().startswith(b"# hcskit schedule watch: begin\n")
    table.write_bytes(TABLE)
    entry(system, tmp_path).install()
    once = table.read_bytes()
    assert once.startswith(TABLE + b"\n# hcskit schedule watch: begin\n")
    entry(system, tmp_path).install()
    assert table.read_bytes() == once
    entry(system, tmp_path, every="2h").install()
    assert table.read_bytes().count(b"schedule watch: begin") == 1
    assert b"\n0 */2 * * * cd " in table.read_bytes()
    entry(system, tmp_path).remove()
    entry(system, tmp_path).remove()
    assert table.read_bytes() == TABLE + b"\n"


def test_a_table_that_cannot_be_read_or_was_edited_out_of_shape_is_left_alone(programs: Path, tmp_path: Path) -> None:
    table = programs / "crontab.table"
    entry("cron", tmp_path).install()
    broken = table.read_bytes().replace(b"# hcskit schedule watch: end\n", b"")
    table.write_bytes(broken)
    with pytest.raises(InputError, match="do not lie between one begin and one end"):
        entry("cron", tmp_path).install()
    assert table.read_bytes() == broken
    (programs / "crontab").write_text("#!/bin/sh\necho you are not allowed >&2\nexit 1\n")
    with pytest.raises(RunError, match="`crontab -l` ended with 1: you are not allowed"):
        entry("cron", tmp_path).install()
    (programs / "crontab").unlink()
    if not shutil.which("crontab"):
        with pytest.raises(InputError, match="this machine has no crontab"):
            entry("cron", tmp_path).install()


@pytest.mark.parametrize("system", ["cron", "scrontab"])
def test_the_shell_starts_the_command_word_for_word_in_its_folder(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: Any
) -> None:
    stand_in = programs / "hc skit"
    stand_in.write_text('#!/bin/sh\npwd\nfor each; do printf "%s\\n" "$each"; done\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr("hcskit.watch._schedule._hcskit", lambda: str(stand_in))
    folder = tmp_path / "100% 'mine'"
    folder.mkdir()
    (text,) = entry(system, folder).files.values()
    line = text.splitlines()[-2].split(maxsplit=5)[5]
    if system == "cron":
        assert "%" not in line.replace(r"\%", "")
        line = line.replace(r"\%", "%")  # as cron does
    subprocess.run(["sh", "-c", line], check=True)
    assert (folder / "the log.txt").read_text().splitlines() == [str(folder), *AWKWARD]


def test_systemd_takes_the_units(programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a 100% folder"
    folder.mkdir()
    units = tmp_path / "config" / "systemd" / "user"
    for every, last in (("10m", "hcskit-watch.timer"), (None, "hcskit-watch.service")):
        for _ in range(2):
            entry("systemd", folder, every=every).install()
        assert (programs / "systemctl.log").read_text().splitlines()[-1] == f"--user enable --now {last}"
        written = sorted(units.iterdir())
        assert [path.name for path in written] == sorted({"hcskit-watch.service", last})
        if shutil.which("systemd-analyze"):
            done = subprocess.run(
                ["systemd-analyze", "verify", *written], capture_output=True, text=True, check=False, timeout=60
            )
            assert "hcskit-watch" not in done.stderr, done.stderr
    entry("systemd", folder).remove()
    assert not list(units.iterdir())


def test_words_of_a_unit_are_quoted_as_systemd_reads_them() -> None:
    assert _in_unit("a b") == '"a b"'
    assert _in_unit('50% "$x" \\') == '"50%% \\"$$x\\" \\\\"'


@pytest.mark.parametrize(
    ("every", "times", "calendar"),
    [
        ("10m", "*/10 * * * *", "*-*-* *:0/10:00"),
        ("60m", "0 */1 * * *", "*-*-* 0/1:00:00"),
        ("6h", "0 */6 * * *", "*-*-* 0/6:00:00"),
        ("24h", "0 0 * * *", "*-*-* 00:00:00"),
        ("1d", "0 0 * * *", "*-*-* 00:00:00"),
    ],
)
def test_intervals(tmp_path: Path, every: str, times: str, calendar: str) -> None:
    assert f"\n{times} cd " in entry("cron", tmp_path, every=every).files["crontab"]
    assert f"OnCalendar={calendar}\n" in entry("systemd", tmp_path, every=every).files["hcskit-watch.timer"]


@pytest.mark.parametrize("every", ["7m", "0m", "90m", "5h", "2d", "1w", "10", ""])
def test_an_interval_that_cron_could_not_keep_is_refused(tmp_path: Path, every: str) -> None:
    with pytest.raises(InputError, match="is no interval of a schedule"):
        entry("cron", tmp_path, every=every)


def test_what_no_entry_can_mean_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line break"):
        entry("cron", tmp_path, "watch", "a\n* * * * * evil")
    with pytest.raises(InputError, match="say how often"):
        entry("cron", tmp_path, every=None)
    with pytest.raises(InputError, match="are for scrontab, not for cron"):
        entry("cron", tmp_path, options=["--time=1"])
    assert "#SCRON --time=1:00\n*/10 " in entry("scrontab", tmp_path, options=["--time=1:00"]).files["scrontab"]


def test_the_command_prints_by_default_and_finds_slips(
    hcskit: Any, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["schedule", "cron", "--every", "10m"]
    command = ["--", "watch", "in box", "--pipeline", "p", "--out", "runs", "--once"]
    printed = hcskit(*given, *command)
    assert f"cd {shlex.quote(str(tmp_path))} && {shlex.quote(_hcskit())} watch 'in box'" in printed.stdout
    assert "Nothing was changed" in printed.stderr
    assert not (programs / "crontab.table").exists()
    hcskit(*given, "--install", *command)
    assert (programs / "crontab.table").read_text() in printed.stdout
    assert hcskit("schedule", "cron", "--remove", "--name", "watch").exit_code == 0
    assert (programs / "crontab.table").read_bytes() == b""
    for slip, said in ((["wach"], "no command 'wach'"), (["watch", "x", "--pipelin", "p"], "No such option")):
        done = hcskit(*given, "--", *slip)
        assert done.exit_code == 2
        assert said in done.stderr
