"""Print docs/results.md, or docs/run.schema.json."""

import sys

from hcskit.results._document import document
from hcskit.results._schema import run_schema

sys.stdout.write(run_schema() if sys.argv[1:] == ["run.schema.json"] else document())
