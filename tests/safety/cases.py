"""Small whole files of each kind that the tests damage."""

from __future__ import annotations

import pandas as pd

CARD = {
    "classes": ["a", "b"],
    "negative_class": "a",
    "channels": ["DNA"],
    "crop": [32, 32],
    "binning": 1,
    "pixel_size_um": None,
    "normalisation": {"centre": [1.0], "scale": [1.0]},
    "recipe": {},
    "data": {},
    "fingerprint": "",
    "metrics": {},
    "hcskit_version": "",
}
STEP = {"name": "x", "notebook": "x", "notebook_sha256": "", "parameters": {}, "key": "", "output": "notebooks/x.ipynb"}
RECORD = {"pipeline": "x", "description": "", "parameters": {}, "started": "", "steps": [STEP]}
HARMONY = (
    "<EvaluationInputData><Plates><Plate><Name>P1</Name></Plate></Plates><Images><Image><URL>a.tiff</URL>"
    "<Row>1</Row><Col>1</Col><FieldID>1</FieldID><ChannelID>1</ChannelID></Image></Images></EvaluationInputData>"
)
CELLVOYAGER = '<M><MeasurementRecord Type="IMG" Row="1" Column="1" FieldIndex="1" Ch="1">a.tif</MeasurementRecord></M>'
OME = (
    '<OME><Plate ID="Plate:0" Name="P1"><Well ID="W:0" Row="0" Column="0"><WellSample ID="S:0" Index="0">'
    '<ImageRef ID="Image:0"/></WellSample></Well></Plate><Image ID="Image:0"><Pixels DimensionOrder="XYZCT" '
    'SizeX="5" SizeY="4" SizeC="1" SizeZ="1" SizeT="1"><TiffData IFD="0" PlaneCount="1"><UUID FileName="a.tif"/>'
    "</TiffData></Pixels></Image></OME>"
)
HTD = (
    '"HTSInfoFile", Version 1.0\n"XWells", 12\n"YWells", 8\n"WellsSelection1", TRUE, FALSE\n"Sites", FALSE\n'
    '"NWavelengths", 1\n"WaveName1", "DAPI"\n"TimePoints", 1\n"EndFile"\n'
)


def predictions(phenotype: str) -> pd.DataFrame:
    """Return a table of one row."""
    index = pd.MultiIndex.from_tuples([("P1", "A01", phenotype)], names=["plate", "well", "phenotype"])
    return pd.DataFrame({"probability": [-0.5], "sd": [0.1], "n_fields": [2]}, index)
