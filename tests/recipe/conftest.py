"""A distribution of somebody else's, made of the examples in docs/extend."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCS = Path(__file__).parents[2] / "docs" / "extend"
PAGES = [(DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("network", "optimiser", "schedule")]
#: Networks that cannot be, each in its own way.
FAULTY = """
from typing import Literal
from hcskit.models import Network

class NoNetwork(Network):
    kind: Literal["no_network"] = "no_network"

class NoKind(Network):
    def make_network(self, image_shape, n_classes): ...

class OwnBuild(NoKind):
    kind: Literal["own_build"] = "own_build"
    def build(self, image_shape, n_classes): ...
"""
BROKEN = """
[hcskit.models]
broken = my_package.absent:Nothing
no_kind = my_package.faulty:NoKind
no_network = my_package.faulty:NoNetwork
own_build = my_package.faulty:OwnBuild
resnet = my_package.network:Squeezed
wrong = my_package.schedule:Cooldown
"""


def _blocks(language: str) -> list[str]:
    return [block for page in PAGES for block in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)]


@pytest.fixture(scope="session")
def sections() -> dict[str, Any]:
    """Return the sections of a recipe that the pages show."""
    return {key: value for block in _blocks("yaml") for key, value in yaml.safe_load(block).items()}


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run Python in a process that finds the distribution, and return what it prints."""
    site = tmp_path_factory.mktemp("site")
    (site / "my_package").mkdir()
    (site / "my_package" / "__init__.py").touch()
    for block in _blocks("python"):
        if match := re.match(r"# (my_package/\w+\.py)\n", block):
            (site / match[1]).write_text(block, encoding="utf-8")
    (site / "my_package" / "faulty.py").write_text(FAULTY)
    info = site / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    points = re.sub(r'\[project\.entry-points\."(.*?)"\]', r"[\1]", "\n".join(_blocks("toml"))).replace('"', "")
    (info / "entry_points.txt").write_text(BROKEN + points.replace("[hcskit.models]\n", ""))

    def run(code: str, *arguments: object) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        command = [sys.executable, "-c", code, *map(str, arguments)]
        path = {"PYTHONPATH": str(site), "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, env=environment | path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
