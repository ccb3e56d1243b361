"""What a library hardly ever uses is imported when it is used, and not at the start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hcskit.later import put_off


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module that can be imported, and is not yet."""
    (tmp_path / "rarely_used.py").write_text("def double(number, plus=0): return 2 * number + plus\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "rarely_used", raising=False)
    return "rarely_used"


def test_a_module_is_imported_by_the_first_call(library: str) -> None:
    with put_off(library):
        from rarely_used import double
    assert library not in sys.modules
    assert double(3, plus=1) == 7
    assert library in sys.modules


def test_a_module_that_is_imported_or_missing_is_left_alone(library: str) -> None:
    import rarely_used

    with put_off(library):
        assert sys.modules[library] is rarely_used
    assert sys.modules[library] is rarely_used
    with put_off("not_installed"), pytest.raises(ModuleNotFoundError):
        import not_installed  # noqa: F401


def test_a_pipeline_loads_nothing_slow_that_it_may_not_need() -> None:
    slow = {"matplotlib.pyplot", "rfc3987_syntax", "scipy.stats"}
    code = f"import sys, hcskit.pipeline; loaded = {slow} & sys.modules.keys(); assert not loaded, loaded"
    subprocess.run([sys.executable, "-c", code], check=True)
