"""Assay layouts of Harmony and Columbus."""

from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pandas as pd
import pytest

from hcskit.errors import PlateMapError
from hcskit.plate import parse_well
from hcskit.platemap import read_plate_map

LAYERS = {
    "Compound": {"A1": "DMSO", "A2": "Wortmannin", "A3": "Wortmannin", "B1": "LY294002"},
    "Concentration": {"A2": "0.5", "A3": "10", "B1": "0"},
    "Concentration Unit": {"A2": "µM", "A3": "µM", "B1": "nM"},
    "Well Type": {"A1": "neg", "A2": "sample", "A3": "sample", "B1": "pos", "B2": "empty"},
}
HARMONY = "http://www.perkinelmer.com/PEHH/HarmonyV5"


def harmony(
    layers: dict[str, dict[str, str]],
    units: dict[str, str] | None = None,
    *,
    nested: bool = False,
    xmlns: str = HARMONY,
) -> str:
    """Write an assay layout of Harmony: a layer a variable."""
    said = [
        f"<Layer><Name>{escape(name)}</Name><ValueType>string</ValueType><ValueUnit>{(units or {}).get(name, '')}"
        "</ValueUnit>"
        + "".join(
            f"<Well><Row>{parse_well(well).row + 1}</Row><Col>{parse_well(well).column + 1}</Col>"
            f"<Value>{escape(value)}</Value></Well>"
            for well, value in wells.items()
        )
        + "</Layer>"
        for name, wells in layers.items()
    ]
    layout = f"<Name>Unnamed</Name><PlateRows>8</PlateRows><PlateCols>12</PlateCols>{''.join(said)}"
    inner = f"<AssayLayoutEntry><AssayLayout>{layout}</AssayLayout></AssayLayoutEntry>" if nested else layout
    namespace = f' xmlns="{xmlns}"' if xmlns else ""
    return f'<?xml version="1.0" encoding="utf-8"?>\r\n<AssayLayout{namespace} Version="1">{inner}</AssayLayout>'


def columbus(layers: dict[str, dict[str, str]]) -> str:
    """Write an assay definition of Columbus: a well with its contents."""
    contents = "".join(
        f'<Content ID="Layer_{number}" Type="AREA" Category="VARIATION" GroupName={quoteattr(name)} />'
        for number, name in enumerate(layers)
    )
    contents += (
        '<Content ID="AcquisitionQuality_9" Type="ERROR" Category="UNDEFINED" GroupName="Acquisition Quality" />'
    )
    wells = "".join(
        f'<Well Row="{parse_well(well).row + 1}" Column="{parse_well(well).column + 1}" WellID="{well}">'
        + "".join(
            f'<Content ContentID="Layer_{number}"><Value Type="string">{escape(values[well])}</Value>'
            "<Color>4294967295</Color></Content>"
            for number, values in enumerate(layers.values())
            if well in values
        )
        + "</Well>"
        for well in sorted({well for values in layers.values() for well in values})
    )
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes" ?><AssayDefinition xmlns="AssayDefinition/Columbus" '
        'version="1" code_version="2011-08-20"><Plate><PlateRows>8</PlateRows><PlateColumns>12</PlateColumns></Plate>'
        f"<Registration>{contents}</Registration><Wells>{wells}</Wells></AssayDefinition>"
    )


@pytest.mark.parametrize(
    "text",
    [
        harmony(LAYERS),
        harmony(LAYERS, nested=True, xmlns="http://www.perkinelmer.com/PEHH/HarmonyV6"),
        harmony(LAYERS, xmlns=""),
        "\N{ZERO WIDTH NO-BREAK SPACE}" + harmony(LAYERS),
        harmony(LAYERS).replace("utf-8", "utf-16").encode("utf-16"),
        columbus(LAYERS),
    ],
    ids=["layers", "an entry", "no namespace", "BOM", "UTF-16", "Columbus"],
)
def test_a_layout(text: str | bytes, save: Callable[..., Path], dosed: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(read_plate_map(save(text, "Unnamed.XML")), dosed)


def test_a_layers_unit_is_the_concentrations(save: Callable[..., Path]) -> None:
    layers = {name: wells for name, wells in LAYERS.items() if name != "Concentration Unit"}
    layers["Cell line & clone"] = {"A1": "U2OS <7>"}
    table = read_plate_map(save(harmony(layers, {"Concentration": "µM"})))
    assert list(table["concentration_unit"]) == ["", "uM", "uM", "uM", ""]
    assert list(table["Cell line & clone"]) == ["U2OS <7>", "", "", "", ""]
    with pytest.raises(PlateMapError, match="concentration_unit is missing"):
        read_plate_map(save(harmony(layers)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (harmony(LAYERS)[:-200], "is not whole XML: unclosed token"),
        (harmony(LAYERS).replace("utf-8", "klingon"), "is not whole XML: unknown encoding"),
        ("<html><body><table/></body></html>", "expected an assay layout of Harmony or Columbus"),
        (harmony({"Compound": {"A1": "", "B1": " "}}), "has no well with a value; expected an assay layout"),
        (
            harmony(LAYERS).replace("<Row>1</Row>", "<Row>A</Row>"),
            "a well is in row 'A', column '1'; expected two numbers",
        ),
        (harmony(LAYERS).replace("<Row>1</Row>", "<Row>0</Row>"), "a well is in row '0', column '1'; expected two"),
        (harmony(LAYERS).replace("<Row>1</Row>", "<Row>33</Row>"), "'AG01' is not the name of a well"),
        (harmony(LAYERS).replace("<Col>2</Col>", "<Col>1</Col>"), "layer Compound has two values in row 1, column 1"),
        (harmony(LAYERS).replace("<Name>Compound</Name>", ""), "a layer has no name"),
        (columbus(LAYERS).replace(' ID="Layer_0"', ' ID="Other"'), "'Layer_0' is not among the registered contents"),
        (harmony({"Compound": LAYERS["Compound"]}), "concentration, concentration_unit, role is missing"),
    ],
)
def test_a_bad_layout_is_refused(text: str, message: str, save: Callable[..., Path]) -> None:
    with pytest.raises(PlateMapError, match=message) as caught:
        read_plate_map(save(text, "Unnamed.xml"))
    assert "Unnamed.xml" in str(caught.value)


def test_entities_are_refused(save: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("DMSO")
    bomb = '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY x "&b;&b;&b;&b;&b;&b;&b;&b;">'
    external = f'<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">'
    for entities in (bomb, external):
        text = (
            harmony(LAYERS).replace("<AssayLayout ", f"<!DOCTYPE a [{entities}]><AssayLayout ").replace("DMSO", "&x;")
        )
        with pytest.raises(PlateMapError, match=r"Unnamed.xml is not read: it defines XML entities"):
            read_plate_map(save(text, "Unnamed.xml"))
