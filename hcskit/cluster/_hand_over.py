"""An open cluster, for other processes of this user on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from hcskit.cluster._open import Cluster

__all__ = ["Handover", "hand_over"]

_TLS = "DASK_DISTRIBUTED__COMM__TLS__"
# What only concerns how the workers were started.
_OURS = {
    "kind", "placement", "address", "queue", "account", "python", "prologue", "job_extra", "job_directives_skip",
    "walltime", "log_directory", "local_directory", "dashboard",
}  # fmt: skip


@dataclass(frozen=True)
class Handover:
    """How another process reaches a cluster.

    Attributes
    ----------
    file : pathlib.Path
        The cluster's file for that process, of kind ``address``.
    environment : dict of str to str
        Environment variables that it must have: where the certificates are.
    """

    file: Path
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def hand_over(cluster: Cluster) -> Iterator[Handover]:
    """Yield how other processes of this user reach a cluster, as long as the context is open.

    The certificates are in a folder that only the user can open.
    """
    config = cluster.config
    told = config.model_dump(mode="json", exclude=_OURS, exclude_defaults=True)
    if config.kind == "local":
        told |= {"interface": "lo", "driver_interface": "lo"}
    told |= {"kind": "address", "address": cluster.client.scheduler_info(n_workers=0)["address"]}
    with tempfile.TemporaryDirectory(prefix="hcskit-cluster-") as private:
        file = Path(private, "cluster.yaml")
        file.write_text(yaml.safe_dump(told), encoding="utf-8")
        yield Handover(file, {} if config.kind == "address" else _certificates(cluster, Path(private)))


def _certificates(cluster: Cluster, folder: Path) -> dict[str, str]:
    security, files = cluster.client.security, {}
    parts = {
        "CA_FILE": security.tls_ca_file,
        "CLIENT__CERT": security.tls_client_cert,
        "CLIENT__KEY": security.tls_client_key,
    }
    for name, content in parts.items():
        path = folder / f"{name.lower()}.pem"
        text = content if "\n" in content else Path(content).read_text(encoding="ascii")
        path.write_text(text, encoding="ascii")
        files[_TLS + name] = str(path)
    return files
