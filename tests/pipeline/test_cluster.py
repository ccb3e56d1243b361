"""One cluster serves all steps of a run."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from hcskit.errors import InputError
from hcskit.pipeline import Pipeline, run_pipeline
from hcskit.simulation import Compound, PlateDesign, simulate

ROOT = Path(__file__).resolve().parents[2]
DESIGN = PlateDesign(
    compounds=(Compound("active", "translocation", ec50=50.0),),
    concentrations=(10.0, 100.0),
    replicates=1,
    fields=1,
    image_size=(96, 96),
)
PARAMETERS = "from pathlib import Path\n\nrun: Path = Path('run')\ncluster: Path | None = None\n"
TELL = (
    "import json\nimport hcskit\nfrom hcskit.cluster import config_of, job_runner\n"
    "def where():\n    from distributed import get_worker\n    return get_worker().address\n"
    "with job_runner(cluster) as do:\n    done = do([where] * 40)\n"
    "json.dump([config_of(cluster).address, sorted(set(done))], Path(f'{NAME}.json').open('w'))"
)
KNOCK = (
    "import json, socket\n"
    "host, port = json.load(Path(run, 'tell4.json').open())[0].rsplit('/')[-1].split(':')\n"
    "Path(run, 'knock.txt').write_text(str(socket.socket().connect_ex((host, int(port)))))"
)


@pytest.mark.slow
def test_all_steps_of_a_run_use_one_cluster_and_find_the_same(lab: Any, tmp_path: Path) -> None:
    export = simulate(tmp_path / "export", DESIGN, seed=1)
    tell = [lab.notebook(f"0{n}_tell{n}", f"NAME = 'tell{n}'", TELL, parameters=PARAMETERS) for n in (3, 4)]
    last = lab.notebook("05_knock", KNOCK, parameters=PARAMETERS.rsplit("cluster", 1)[0])
    steps = [ROOT / "notebooks" / "01_import.ipynb", ROOT / "notebooks" / "02_quality.ipynb"]
    file = tmp_path / "cluster.yaml"
    file.write_text("workers: 2\ncores: 1\n", encoding="utf-8")
    given = {"source": str(export.images), "plate_map": str(export.plate_map)}

    def run(out: str, *steps: Path, **options: Any) -> list[str]:
        path = lab.pipeline(*steps, steps=[str(step) for step in steps])
        said: list[str] = []
        run_pipeline(Pipeline.from_yaml(path), given, tmp_path / out, say=said.append, **options)
        return said

    run("there", *steps, *tell, last, cluster=file)
    assert (tmp_path / "there" / "knock.txt").read_text() == str(errno.ECONNREFUSED)  # no node waits for the last step
    (first, workers), (second, others) = (
        json.loads((tmp_path / "there" / f"tell{n}.json").read_text(encoding="utf-8")) for n in (3, 4)
    )
    assert first == second != ""
    assert first.startswith("tls://127.0.0.1:")
    assert workers == others
    assert len(workers) == 2

    run("here", *steps)
    here, there = (
        {file.name: file.read_bytes() for file in (tmp_path / run / "results").glob("*.csv")}
        for run in ("here", "there")
    )
    assert here == there
    assert here

    # Where it ran is no reason to do it again.
    assert all(line.endswith("done before") for line in run("there", *steps))


def test_a_cluster_file_with_a_fault_is_told_before_the_first_step(lab: Any, tmp_path: Path) -> None:
    step = lab.notebook("01_tell", "NAME = 'tell'", TELL, parameters=PARAMETERS)
    file = tmp_path / "cluster.yaml"
    file.write_text("workers: 2\nnodes: 7\n", encoding="utf-8")
    with pytest.raises(InputError, match="nodes"):
        run_pipeline(Pipeline.from_yaml(lab.pipeline(step)), {}, tmp_path / "run", cluster=file)
    assert not (tmp_path / "run").exists()
