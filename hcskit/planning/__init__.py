"""Size, memory, time and number of hosts of a training, before it is started."""

from hcskit.planning._memory import Memory, check_memory, memory_of_rank, training_bytes
from hcskit.planning._plan import Plan, amounts, plan, timetable
from hcskit.planning._scaling import Hosts, Measured, Prediction, Workload, calibrate, predict
from hcskit.planning._size import DataSize

__all__ = [
    "DataSize",
    "Hosts",
    "Measured",
    "Memory",
    "Plan",
    "Prediction",
    "Workload",
    "amounts",
    "calibrate",
    "check_memory",
    "memory_of_rank",
    "plan",
    "predict",
    "timetable",
    "training_bytes",
]
