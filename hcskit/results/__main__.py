"""Print docs/results.md."""

import sys

from hcskit.results._document import document

sys.stdout.write(document())
