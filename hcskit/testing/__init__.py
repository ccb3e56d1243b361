"""Conformance of a reader: each label gives exactly its own pixels, whatever is missing.

For the readers of hcskit and for yours::

    import pytest
    from hcskit.testing import CASES, check_reader

    @pytest.mark.parametrize("case", CASES)
    def test_conformance(case, tmp_path):
        check_reader(my_reader, write_in_my_layout, tmp_path, case)

``write_in_my_layout(folder, plate)`` writes a `StampedPlate` as the microscope would.
"""

from __future__ import annotations

from hcskit.testing._cases import CASES
from hcskit.testing._checks import check_reader
from hcskit.testing._stamped import Label, Numbering, StampedPlate

__all__ = ["CASES", "Label", "Numbering", "StampedPlate", "check_reader"]
