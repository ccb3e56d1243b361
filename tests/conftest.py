"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# TensorFlow reads it once, when it is first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real plates: HCSKIT_TEST_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("HCSKIT_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real plates are not at {folder}; HCSKIT_TEST_DATA names their folder")
    return folder
