"""An inbox watched: each plate is handled when it has arrived whole, exactly once, whatever stops in between."""

from hcskit.watch._arrival import Contents, look_into, what_lacks
from hcskit.watch._ledger import Entry
from hcskit.watch._schedule import Scheduled, System
from hcskit.watch._summary import summarise_runs
from hcskit.watch._watch import watch_inbox

__all__ = ["Contents", "Entry", "Scheduled", "System", "look_into", "summarise_runs", "watch_inbox", "what_lacks"]
