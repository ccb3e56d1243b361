"""The catalogue is the one place where tables are named and described."""

import ast
import re
from pathlib import Path

import pytest

from hcskit.results import CATALOGUE, PARTS, WELLS, Table
from hcskit.results._document import document

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("table", [*CATALOGUE.values(), WELLS], ids=lambda table: table.name)
def test_every_column_is_described_once(table: Table) -> None:
    names = [column.name for column in (*table.index, *table.columns)]
    assert len(names) == len(set(names))
    assert all(column.meaning and not column.meaning.endswith(".") for column in (*table.index, *table.columns))
    assert table.meaning
    assert table.writer


def test_names_and_places_are_unique() -> None:
    assert len({part.name for part in PARTS}) == len(PARTS)
    assert len({part.where for part in PARTS}) == len(PARTS)
    assert [part for part in PARTS if isinstance(part, Table)] == [*CATALOGUE.values()]


#: Where a word that is also the name of a table means something else.
OTHERWISE = {
    ("app/_curves.py", "curves"),
    ("cli/_runs.py", "hits"),
    ("cli/_screens.py", "readouts"),
    ("pipeline/_checks.py", "quality"),
    ("provenance/_list.py", "hits"),
    ("reporting/_compounds.py", "curves"),
    ("reporting/_compounds.py", "readouts"),
    ("reporting/_overview.py", "quality"),
    ("reporting/_sections.py", "quality"),
    ("server/_index.py", "hits"),
    ("views/_still.py", "quality"),
    ("watch/_summary.py", "hits"),
}


@pytest.mark.slow
def test_no_table_is_named_elsewhere() -> None:
    """Whoever writes, reads or joins a table takes its name from the catalogue."""
    found = set()
    for path in sorted((ROOT / "hcskit").rglob("*.py")):
        if path.parent.name == "results":
            continue
        code = ast.parse(path.read_text(encoding="utf-8"))
        exported = {id(node) for one in code.body if _is_all(one) for node in ast.walk(one)}
        for node in ast.walk(code):
            if id(node) in exported:
                continue
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if text in CATALOGUE or re.search(rf"results/({'|'.join(CATALOGUE)})\b", text):
                found.add((path.relative_to(ROOT / "hcskit").as_posix(), text))
    assert found == OTHERWISE


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def test_no_notebook_names_a_table() -> None:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        calls = re.findall(r"(?:read|write|has)_table\([^)]*\\\"", path.read_text(encoding="utf-8"))
        assert not calls, path.name


def test_the_page_is_that_of_the_catalogue() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert page == document(), "python -m hcskit.results > docs/results.md"
