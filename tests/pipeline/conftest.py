"""A lab: tiny notebooks and pipelines, and the hcskit command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

RUN = 'from pathlib import Path\n\nrun: Path = Path("run")  # folder of the run\n'
COMMAND = [sys.executable, "-c", "from hcskit.cli import main; main(prog_name='hcskit')"]


@dataclass
class Lab:
    """Notebooks and pipelines in one folder."""

    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def notebook(self, name: str, *cells: str, parameters: str | None = RUN) -> Path:
        """Write a notebook; its first cell is the parameters cell."""
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
        if parameters is not None:
            notebook.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number}"
        path = self.folder / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    def pipeline(self, *steps: Path, **content: Any) -> Path:
        """Write a pipeline."""
        path = self.folder / "pipeline.yaml"
        path.write_text(yaml.safe_dump({"name": "tiny", "steps": [step.name for step in steps]} | content), "utf-8")
        return path

    def hcskit(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(
            [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=900, check=False, **options
        )

    def start(self, *arguments: str | Path, sign: Path) -> subprocess.Popen[str]:
        """Start the command, and return when a notebook has written the file `sign`."""
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.started.append(process)
        while not sign.exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        return process


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    for process in lab.started:
        process.kill()
        process.communicate()
