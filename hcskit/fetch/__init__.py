"""Public plates of the Broad Bioimage Benchmark Collection, fetched and checked.

A download that was cut off, even by a kill, goes on where it stopped. A folder of images appears when it is whole.
"""

from hcskit.fetch._bbbc import BASE_URL, fetch_bbbc013, fetch_bbbc021

__all__ = ["BASE_URL", "fetch_bbbc013", "fetch_bbbc021"]
