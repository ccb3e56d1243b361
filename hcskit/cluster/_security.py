"""Certificates, without which nobody talks to a cluster."""

from __future__ import annotations

from pathlib import Path

from distributed.security import Security

from hcskit.files import replacing

__all__ = ["make_certificates"]


def make_certificates(folder: Path | None = None) -> Security:
    """Make certificates for one cluster; those of its workers in files, where a folder is given for them.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    security: Security = Security.temporary()  # type: ignore[no-untyped-call]
    for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key") if folder else ():
        path = Path(folder or "", f"{name}.pem")
        with replacing(path) as partial:
            partial.touch(mode=0o600)
            partial.write_text(getattr(security, name), encoding="ascii")
        setattr(security, name, str(path))
    return security
