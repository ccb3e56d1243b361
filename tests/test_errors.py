"""Errors of a worker reach the user as they were raised."""

from __future__ import annotations

import pickle

import distributed  # noqa: F401 - it changes how errors are pickled
import pytest

from hcskit import errors

KINDS = [kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_the_way_from_a_worker(kind: type[errors.HcskitError]) -> None:
    sent = kind("what was found")
    sent.add_note("This was rank 1.")
    come = pickle.loads(pickle.dumps(sent))  # noqa: S301
    assert (type(come), str(come)) == (kind, "what was found")
    assert come.__notes__ == ["This was rank 1."]
