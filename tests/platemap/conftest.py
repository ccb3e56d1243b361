"""What the tests of plate maps share."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from hcskit.platemap import check_plate_map


@pytest.fixture(scope="session")
def dosed() -> pd.DataFrame:
    """A small plate map in its one form, which other forms are compared with."""
    rows = [
        ("A01", "DMSO", "", "", "negative_control"),
        ("A02", "Wortmannin", "0.5", "uM", "treatment"),
        ("A03", "Wortmannin", "10", "uM", "treatment"),
        ("B01", "LY294002", "0", "nM", "positive_control"),
        ("B02", "", "", "", "empty"),
    ]
    return check_plate_map(
        pd.DataFrame(rows, columns=["well", "compound", "concentration", "concentration_unit", "role"])
    )


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of text, in UTF-8 if not told otherwise."""

    def write(text: str | bytes, name: str = "map.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write
