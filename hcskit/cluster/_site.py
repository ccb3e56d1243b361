"""What a site's own configuration of Dask says about its batch system (``jobqueue.yaml``)."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import dask.config
import yaml

from hcskit.sections import read_yaml

__all__ = ["Site", "own_names", "site_of"]

#: dask-jobqueue's names of what a cluster's file says, old ones among them, and the file's own.
_NAMES = {
    "project": "account",
    "job_script_prologue": "prologue",
    "env_extra": "prologue",
    "job_extra_directives": "job_extra",
    "header_skip": "job_directives_skip",
}
_TAKEN = (
    *("cores", "memory", "queue", "account", "walltime", "interface", "python", "prologue"),
    *("job_extra", "job_directives_skip", "log_directory", "local_directory"),
)
#: What hcskit sets itself, whatever a site says.
_SET = (
    *("name", "processes", "death_timeout", "shared_temp_directory", "extra", "worker_command", "worker_extra_args"),
    "scheduler_options",
)


class Site(NamedTuple):
    """What a site says about a batch system.

    Attributes
    ----------
    fields : dict of str to object
        Fields of a cluster's file.
    others : dict of str to object
        Dask's settings that have no field, such as ``jobqueue.pbs.resource-spec``, and empty ones for those that have.
    files : tuple of str
        Where it was found.
    ignored : tuple of str
        Settings that hcskit makes itself.
    """

    fields: dict[str, Any]
    others: dict[str, Any]
    files: tuple[str, ...]
    ignored: tuple[str, ...]

    def told(self, taken: list[str]) -> str:
        """Say in one line what was taken from where; empty if nothing was."""
        named = [*taken, *(name.rpartition(".")[2] for name, value in self.others.items() if value)]
        left = f"; set by hcskit itself: {', '.join(self.ignored)}" if self.ignored else ""
        if not named and not left:
            return ""
        return f"from {' and '.join(self.files)}: {', '.join(named) or 'nothing'}{left}"


def own_names(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section with the names of a cluster's file: dask-jobqueue's are taken as well, with hyphens or not."""
    plain = {str(name).replace("-", "_"): value for name, value in section.items()}
    return {_NAMES.get(name, name): value for name, value in plain.items() if value not in (None, [], ())}


def site_of(kind: str) -> Site:
    """Read what Dask's configuration files, and the environment, say about a batch system; later ones override.

    Other kinds of cluster have no site.
    """
    found: dict[str, Any] = {}
    files: list[str] = []
    usual = own_names(_section(_defaults(), kind))
    if kind == "local" or not usual:
        return Site({}, {}, (), ())
    for name, content in [*_files(), ("the environment", dask.config.collect_env())]:
        section = {key: value for key, value in own_names(_section(content, kind)).items() if value != usual.get(key)}
        if section:
            found |= section
            files.append(name)
    ignored = tuple(name.replace("_", "-") for name in found if name in _SET)
    fields = {name: found[name] for name in _TAKEN if name in found}
    empty = dict.fromkeys(("project", "env-extra", "job-extra", "header-skip", "extra"))
    rest = {name.replace("_", "-"): value for name, value in found.items() if name not in (*_TAKEN, *_SET)}
    others = {f"jobqueue.{kind}.{name}": value for name, value in {**empty, **rest}.items()}
    return Site(fields, others, tuple(files), ignored)


def _files() -> list[tuple[str, Any]]:
    found = []
    for path, _ in dask.config.collect_yaml(dask.config.paths, return_paths=True):
        try:
            found.append((str(path), read_yaml(path)))  # Dask's own reading takes 12:00:00 for 43200
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue  # Dask has refused it
    return found


@lru_cache
def _defaults() -> Any:
    """Return dask-jobqueue's own settings; without importing it, as that takes over Ctrl-C."""
    package = importlib.util.find_spec("dask_jobqueue")
    return read_yaml(Path(package.origin).with_name("jobqueue.yaml")) if package and package.origin else {}


def _section(content: Any, kind: str) -> dict[str, Any]:
    for name in ("jobqueue", kind):
        content = content.get(name) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}
