"""The columns that tables have in common."""

from __future__ import annotations

from hcskit.results._table import Column

__all__ = ["COMPOUND", "FIELD", "NETWORKS", "PHENOTYPE", "PLATE", "READOUT", "SPLIT", "WELL"]

PLATE = Column("plate", "text", "name of the plate")
WELL = Column("well", "text", "name of the well: B07")
FIELD = Column("field", "integer", "number of the field in its well, from 1")
PHENOTYPE = Column("phenotype", "text", "name of the phenotype, a class of the model")
COMPOUND = Column("compound", "text", "name of the compound")
READOUT = Column("readout", "text", "what was read from the wells: a phenotype, or an image statistic")
SPLIT = Column(
    "columns that split a compound", "any", "such as a cell line, where one curve is fitted for each", pattern=r".+"
)
NETWORKS = Column("network_1, network_2 …", "number", "what each of an ensemble gives", pattern=r"network_[1-9]\d*")
