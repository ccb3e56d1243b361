"""The result tables of a screen or a run, beside its plates."""

from hcskit.results._tables import read_profiles, read_result, result_path, write_profile, write_result, write_table

__all__ = ["read_profiles", "read_result", "result_path", "write_profile", "write_result", "write_table"]
