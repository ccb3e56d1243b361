"""What tests run in each rank."""

from __future__ import annotations

import json
import os
from pathlib import Path


def look(out: str) -> None:
    """Write what this rank may run on, and with how many threads, once TensorFlow has made its own."""
    from hcskit.models.backend import keras  # noqa: F401

    threads = list(Path("/proc/self/task").iterdir())
    seen = {
        "cpus": sorted(os.sched_getaffinity(0)),
        "of_threads": sorted({cpu for thread in threads for cpu in os.sched_getaffinity(int(thread.name))}),
        "inter_op": sum((thread / "comm").read_text() == "tf_Compute\n" for thread in threads),
        "intra_op": int(os.environ["TF_NUM_INTRAOP_THREADS"]),
    }
    Path(out, f"seen-{os.environ['HOROVOD_RANK']}.json").write_text(json.dumps(seen))


def fail_at_length() -> None:
    """Raise more than a pipe holds."""
    raise ValueError("x" * 1_000_000)
