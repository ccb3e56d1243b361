"""Results for other programs: everything by its well's name, nothing lost, nothing half written."""

import resource
from collections.abc import Callable
from itertools import product
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from hcskit.actions import import_plates
from hcskit.errors import InputError, NotAScreenError, StoreError
from hcskit.export import export_screen
from hcskit.platemap import check_plate_map
from hcskit.readers import read_folder
from hcskit.response import fit_responses
from hcskit.results import PREDICTIONS, PROFILES, QUALITY, READOUTS, RESPONSES, Table, write_table

WELLS = ("A01", "A02", "B01")
#: A table of the lab's own.
CULTURE = Table("culture", "What was seen", "the lab", index=PROFILES.index, columns=PROFILES.columns)
PHENOTYPES = ("wild", "sick")  # not in the order of the alphabet


@pytest.fixture
def screen(tmp_path: Path, export: Callable[..., Path]) -> Path:
    """A plate with treatments and columns of the lab's own, and one that has no plate map."""
    folder = tmp_path / "screen"
    table = pd.DataFrame(
        {
            "well": ["A02", "A01", "B01"],
            "compound": ["Wortmannin", "DMSO", "Wortmannin"],
            "concentration": [0.3, np.nan, 10.0],
            "concentration_unit": ["uM", "", "uM"],
            "role": ["treatment", "negative_control", "treatment"],
            "passage w/o antibiotics": ["", "12", "13"],
        }
    )
    for plate, plate_map in (("P1", check_plate_map(table)), ("P 2", None)):
        labels = product(WELLS if plate == "P1" else ("A01",), (1,), ("DNA", "GFP"))
        found = read_folder(export(tmp_path / plate, labels, plate=plate))
        import_plates(found.plates, folder, plate_map, progress=False)
    return folder


def predictions(wells: list[tuple[str, str]]) -> pd.DataFrame:
    rows = [(*well, phenotype) for well in wells for phenotype in PHENOTYPES]
    table = pd.DataFrame(rows, columns=["plate", "well", "phenotype"])
    table["probability"] = np.arange(len(rows)) / 10
    return table.assign(sd=0.1, n_fields=4).set_index(PREDICTIONS.labels)


def profiles() -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples([("P1", "B01"), ("P 2", "A01"), ("P1", "A01")], names=["plate", "well"])
    return pd.DataFrame({"nucleus/area": [1.5, np.nan, 3.0], "count": [7, 8, 9], "cluster": ["x", None, "y"]}, index)


def quality() -> pd.DataFrame:
    rows = [
        ("P1", well, 1, channel, 0.5, 0.0, 0.0, 100.0, 9.0, "", well == "B01")
        for well in WELLS
        for channel in ("DNA", "GFP")
    ]
    columns = [column.name for column in (*QUALITY.index, *QUALITY.columns)]
    return pd.DataFrame(rows, columns=columns).set_index(QUALITY.labels)


def readouts() -> pd.DataFrame:
    """A tidy table that has the treatments of its wells already."""
    treated = {"role": "treatment", "compound": "Wortmannin", "concentration_unit": "uM", "readout": "sick"}
    control = {"role": "negative_control", "compound": "", "concentration_unit": "", "readout": "sick"}
    rows = [
        {"plate": "P1", "well": "A02", **treated, "concentration": 0.3, "value": 0.2},
        {"plate": "P1", "well": "B01", **treated, "concentration": 10.0, "value": 0.9},
        {"plate": "P1", "well": "A01", **control, "concentration": np.nan, "value": 0.1},
    ]
    return pd.DataFrame(rows)


def write_all(screen: Path) -> None:
    write_table(screen, PREDICTIONS, predictions([("P1", "B01"), ("P1", "A01"), ("P 2", "A01")]))
    write_table(screen, QUALITY, quality())
    write_table(screen, READOUTS, readouts())
    write_table(screen, RESPONSES, fit_responses(readouts()).responses)


def test_csv_has_every_result_beside_its_treatments(screen: Path, tmp_path: Path) -> None:
    write_all(screen)
    out = tmp_path / "out" / "csv"
    written = export_screen(screen, out)
    assert sorted(written) == sorted(out.iterdir())
    assert {path.name for path in written} == {
        f"{name}.csv" for name in ("wells", "predictions", "quality", "readouts", "responses")
    }
    wells = pd.read_csv(out / "wells.csv", keep_default_na=False)
    assert [*zip(wells["plate"], wells["well"], strict=True)] == [("P 2", "A01"), *(("P1", well) for well in WELLS)]
    columns = ["plate", "well", "row", "column", "compound", "concentration", "concentration_unit", "role", "moa"]
    assert list(wells.columns) == [*columns, "passage w_o antibiotics"]
    assert list(wells["compound"]) == ["", "DMSO", "Wortmannin", "Wortmannin"]
    assert list(wells["concentration"]) == ["", "", "0.3", "10.0"]
    table = pd.read_csv(out / "predictions.csv").set_index(["plate", "well", "phenotype"])
    pd.testing.assert_frame_equal(
        table[["probability", "sd", "n_fields"]], predictions([("P1", "B01"), ("P1", "A01"), ("P 2", "A01")])
    )
    assert table.loc[("P1", "B01", "sick"), ["compound", "concentration", "row", "column"]].tolist() == [
        "Wortmannin",
        10.0,
        "B",
        1,
    ]
    assert list(table.reset_index().columns[:5]) == ["plate", "well", "phenotype", "row", "column"]
    table = pd.read_csv(out / "readouts.csv")
    assert sorted(table.columns) == sorted({*wells.columns, "readout", "value"})
    assert "compound" in pd.read_csv(out / "responses.csv").columns
    assert len(pd.read_csv(out / "quality.csv")) == 6


@pytest.mark.slow
def test_anndata_has_profiles_as_its_matrix(screen: Path, tmp_path: Path) -> None:
    write_all(screen)
    write_table(screen, PROFILES, profiles())
    (path,) = export_screen(screen, tmp_path / "out", "anndata")
    assert path == tmp_path / "out" / "screen.h5ad"
    data = anndata.read_h5ad(path)
    assert list(data.obs_names) == ["P 2:A01", "P1:A01", "P1:A02", "P1:B01"]
    assert list(data.var_names) == ["nucleus/area", "count"]
    np.testing.assert_array_equal(data.X, [[np.nan, 8], [3, 9], [np.nan, np.nan], [1.5, 7]])
    assert list(data.obsm["profiles"]["cluster"]) == ["", "y", "", "x"]
    assert list(data.obs["compound"].cat.categories) == ["", "DMSO", "Wortmannin"]
    np.testing.assert_array_equal(data.obs["concentration"], [np.nan, np.nan, 0.3, 10.0])
    assert list(data.obs["column"]) == [1, 1, 2, 1]
    assert list(data.obs["passage w_o antibiotics"]) == ["", "12", "", "13"]
    probabilities = data.obsm["predictions"]["sick probability"]
    np.testing.assert_array_equal(probabilities, [0.5, 0.3, np.nan, 0.1])
    np.testing.assert_array_equal(data.obsm["readouts"]["sick value"], [np.nan, 0.1, 0.2, 0.9])
    assert set(data.uns) == {"quality", "responses"}
    assert list(data.uns["responses"]["compound"]) == ["Wortmannin"]
    assert list(data.uns["quality"]["excluded"]) == [False] * 4 + [True] * 2


def test_anndata_has_phenotypes_where_there_are_no_profiles(screen: Path, tmp_path: Path) -> None:
    write_table(screen, PREDICTIONS, predictions([("P1", "B01"), ("P 2", "A01")]))
    data = anndata.read_h5ad(*export_screen(screen, tmp_path / "out", "anndata"))
    assert list(data.var_names) == list(PHENOTYPES)
    np.testing.assert_array_equal(data.X, [[0.2, 0.3], [np.nan] * 2, [np.nan] * 2, [0, 0.1]])
    np.testing.assert_array_equal(data.layers["n_fields"], [[4, 4], [np.nan] * 2, [np.nan] * 2, [4, 4]])


def test_wells_alone(screen: Path, tmp_path: Path) -> None:
    assert [path.name for path in export_screen(screen, tmp_path / "out")] == ["wells.csv"]
    data = anndata.read_h5ad(*export_screen(screen, tmp_path / "out", "anndata"))
    assert data.shape == (4, 0)


def test_columns_of_any_kind_can_be_written(screen: Path, tmp_path: Path) -> None:
    """Dates, nullable numbers, categories, and text where others have a number or nothing."""
    index = pd.MultiIndex.from_tuples([("P1", "A01"), ("P1", "B01")], names=["plate", "well"])
    table = pd.DataFrame(
        {
            "day": pd.to_datetime(["2026-05-04", None]),
            "passage": pd.array([3, None], dtype="Int64"),
            "flag": pd.array([True, None], dtype="boolean"),
            "line": pd.Categorical(["U2OS", None]),
            "note": ["seen", None],
            "empty": [None, None],
        },
        index,
    )
    write_table(screen, CULTURE, table)
    culture = anndata.read_h5ad(*export_screen(screen, tmp_path / "out", "anndata")).obsm["culture"]
    assert culture.loc["P1:A01"].tolist() == ["2026-05-04 00:00:00", "3", "True", "U2OS", "seen", ""]
    assert culture.loc["P1:B01"].tolist() == [""] * 6
    export_screen(screen, tmp_path / "out")
    assert pd.read_csv(tmp_path / "out" / "culture.csv")["passage"].tolist()[0] == 3


@pytest.mark.slow
def test_a_second_export_replaces_the_first_and_leaves_other_files(screen: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for format in ("csv", "anndata"):
        write_table(screen, PREDICTIONS, predictions([("P1", "B01")]))
        export_screen(screen, out, format)
    (out / "mine.csv").write_text("mine")
    write_table(screen, PREDICTIONS, predictions([("P1", "B01"), ("P1", "A02")]))
    for format in ("csv", "anndata"):
        export_screen(screen, out, format)
    assert len(pd.read_csv(out / "predictions.csv")) == 4
    assert {path.name for path in out.iterdir()} == {"mine.csv", "wells.csv", "predictions.csv", "screen.h5ad"}
    assert (out / "mine.csv").read_text() == "mine"


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "anndata"])
def test_what_cannot_be_written_leaves_the_old(screen: Path, tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    export_screen(screen, out, format)
    before = state(out)
    random = np.random.default_rng(0).random((3, 3000))
    index = pd.MultiIndex.from_product([["P1"], WELLS], names=["plate", "well"])
    write_table(screen, PROFILES, pd.DataFrame(random, index, [f"f{number}" for number in range(3000)]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"could not be written.*make room"):
            export_screen(screen, out, format)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert state(out) == before


def test_what_is_asked_for_must_make_sense(screen: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'xml' is no format of export; expected csv or anndata"):
        export_screen(screen, tmp_path / "out", "xml")
    with pytest.raises(InputError, match="where the screen keeps its own tables"):
        export_screen(screen, screen / "results")
    with pytest.raises(NotAScreenError, match="there is no folder"):
        export_screen(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="could not be written"):
        export_screen(screen, tmp_path / "file")
    write_table(screen, PREDICTIONS, predictions([("P1", "A02"), ("P1", "H12")]))
    for format in ("csv", "anndata"):
        with pytest.raises(
            InputError, match=r"predictions.parquet has 1 well.* such as plate P1, well H12; run hcskit predict again"
        ):
            export_screen(screen, tmp_path / "out", format)
    assert not (tmp_path / "out").exists()
