"""A section says which parts of a run it lacks, by what it declares."""

from __future__ import annotations

import pytest

from hcskit.reporting._findings import Findings
from hcskit.reporting._sections import SECTIONS, Section
from hcskit.results import CURVES, ILLUMINATION, POINTS, QUALITY, RESPONSES, write_illumination, write_table
from hcskit.run import open_run


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_a_whole_run_lacks_nothing(section: Section, run_folder):
    assert section.lacking(Findings(open_run(run_folder))) is None


def test_a_section_needs_all_it_needs_and_one_of_what_it_uses(responses, points, illumination, tmp_path):
    write_table(tmp_path, RESPONSES, responses)
    write_table(tmp_path, POINTS, points)
    findings = Findings(open_run(tmp_path))
    needs = Section("needs", "Needs", lambda *_: None, needs=(RESPONSES, POINTS, CURVES))
    uses = Section("uses", "Uses", lambda *_: None, uses=(QUALITY, ILLUMINATION))

    assert needs.lacking(findings) is CURVES
    assert uses.lacking(findings) is QUALITY
    write_illumination(tmp_path, "P1", illumination)
    assert uses.lacking(findings) is None
