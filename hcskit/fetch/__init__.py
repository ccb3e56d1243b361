"""Public plates of the Broad Bioimage Benchmark Collection, fetched and checked.

An interrupted download resumes where it stopped, even after a kill. A folder of images appears once it is complete.
"""

from hcskit.fetch._bbbc import BASE_URL, fetch_bbbc013, fetch_bbbc021

__all__ = ["BASE_URL", "fetch_bbbc013", "fetch_bbbc021"]
