"""The project's own files agree with one another, and nothing is committed that must not be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 2**20
#: What conda-forge calls a distribution, where it is not the name on the package index.
CONDA_NAMES = {"dask": "dask-core", "lazy-loader": "lazy_loader", "matplotlib": "matplotlib-base"}
#: What containers/horovod/build.sh builds with; elsewhere the system or requirements.lock has it.
BUILD = {name: SpecifierSet() for name in ("cxx-compiler", "make", "setuptools", "wheel")}
BUILD["cmake"] = SpecifierSet(">=3.13")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
RUNTIME = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
LAB = [Requirement(line) for line in EXTRAS["lab"]]
ALL = [
    *RUNTIME,
    *(Requirement(line) for lines in EXTRAS.values() for line in lines),
    *(Requirement(line) for line in PYPROJECT["dependency-groups"]["dev"]),
]

# Put together from parts, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("anaconda", "org"))]
PRIVATE_PATH = re.compile(r"(?<![\w.~}-])/" + "(?:home|root|Users|work)" + r"/[\w.]")


def locked_versions() -> Mapping[str, set[Version]]:
    """Versions of each distribution in requirements.lock; several where they depend on the Python version."""
    versions: defaultdict[str, set[Version]] = defaultdict(set)
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([\w.-]+)==([^ ;]+)", line):
            versions[canonicalize_name(match[1])].add(Version(match[2]))
    return versions


def conda_dependencies(file: str) -> tuple[dict[str, str], list[str]]:
    """Conda packages with their version constraints, and the lines that are left to pip."""
    environment = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    packages: dict[str, str] = {}
    pip: list[str] = []
    for entry in environment["dependencies"]:
        if isinstance(entry, dict):
            pip += entry["pip"]
        else:
            name, _, constraint = entry.partition(" ")
            packages[name] = constraint
    return packages, pip


@cache
def committed() -> dict[str, bytes]:
    """Content of the files that git tracks, by path; links and files deleted but not yet committed are left out."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are committed is not known")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [path for path in listing.stdout.split("\0") if path and (ROOT / path).is_file()]
    assert "pyproject.toml" in paths
    return {path: (ROOT / path).read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize("requirement", ALL, ids=lambda requirement: requirement.name)
def test_lock_holds_every_dependency(requirement: Requirement) -> None:
    versions = locked_versions()[canonicalize_name(requirement.name)]
    assert versions, f"{requirement.name} is not in requirements.lock: make lock"
    wrong = [str(version) for version in versions if version not in requirement.specifier]
    assert not wrong, f"requirements.lock has {requirement.name} {wrong}, pyproject wants {requirement.specifier}"


def test_conda_environment_matches_pyproject() -> None:
    packages, pip = conda_dependencies("environment.yml")
    expected = {CONDA_NAMES.get(r.name, r.name): r.specifier for r in [*RUNTIME, *LAB]}
    expected |= {"python": SpecifierSet(PYPROJECT["project"]["requires-python"]), "pip": SpecifierSet()}
    assert {name: SpecifierSet(constraint) for name, constraint in packages.items()} == expected | BUILD
    assert pip == ["-e ."]


def test_binder_environment_matches_conda_environment() -> None:
    packages, _ = conda_dependencies("environment.yml")
    binder, pip = conda_dependencies("binder/environment.yml")
    python = Version(binder.pop("python").removeprefix("="))
    assert python in SpecifierSet(packages.pop("python"))
    assert binder == packages
    assert pip == []


def test_no_committed_file_is_large() -> None:
    large = {path: len(content) for path, content in committed().items() if len(content) > MEGABYTE}
    assert not large, f"larger than 1 MB: {large}; make such data in the test, or leave it in the shared folder"


def test_no_committed_file_names_a_private_path_or_a_registry() -> None:
    found = []
    for path, content in committed().items():
        for number, line in enumerate(content.decode("utf-8", errors="ignore").splitlines(), start=1):
            if PRIVATE_PATH.search(line) or any(host in line for host in REGISTRY_HOSTS):
                found.append(f"{path}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "private"),
    [
        ("/" + "home/ada/plates", True),
        ("source: '/" + "work/plate1'", True),
        ("file:///" + "Users/ada", True),
        ("shared/work/plate1", False),
        ("${HOME}/work/plate", False),
    ],
)
def test_private_path_pattern(line: str, private: bool) -> None:
    assert (PRIVATE_PATH.search(line) is not None) == private


def test_notebooks_are_stored_without_outputs() -> None:
    kept = []
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        for number, cell in enumerate(json.loads(path.read_bytes())["cells"], start=1):
            if cell.get("outputs") or cell.get("execution_count") is not None:
                kept.append(f"{path.relative_to(ROOT)}, cell {number}")
    assert not kept, f"clear the outputs of {kept}"


def test_modules_are_short() -> None:
    lines = {
        path: len(content.decode("utf-8").splitlines())
        for path, content in committed().items()
        if path.startswith("hcskit/") and path.endswith((".py", ".pyi"))
    }
    long = {path: count for path, count in lines.items() if count > 300}
    assert not long, f"split what has grown past 300 lines: {long}"


@pytest.mark.slow
def test_documents_are_wrapped() -> None:
    """Prose has at most 100 columns. Tables and code cannot be wrapped, nor can a long address."""
    wide = [
        f"{path}:{number}: {len(line)} columns"
        for path, content in committed().items()
        if path.endswith(".md") and path != "CHANGELOG.md"
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1)
        if len(line) > 100 and " " in line.strip() and not line.startswith(("|", "    "))
    ]
    assert not wide, "\n".join(wide)


@pytest.mark.slow
def test_benchmarks_and_what_they_start_import() -> None:
    asked = [sys.executable, "-m", "pytest", "benchmarks", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_every_promise_names_a_test_that_there_is() -> None:
    page = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 30
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8") if test else (ROOT / file).exists(), test
