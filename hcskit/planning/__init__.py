"""How much, how long, on how many hosts: a training before it is started."""

from hcskit.planning._describe import amounts, describe, timetable
from hcskit.planning._memory import Memory, check_memory, memory_of_rank
from hcskit.planning._scaling import Hosts, Measured, Prediction, Workload, calibrate, predict
from hcskit.planning._size import DataSize

__all__ = [
    "DataSize",
    "Hosts",
    "Measured",
    "Memory",
    "Prediction",
    "Workload",
    "amounts",
    "calibrate",
    "check_memory",
    "describe",
    "memory_of_rank",
    "predict",
    "timetable",
]
