"""Size, memory, time and number of hosts of a training or a production, before it is started."""

from hcskit.planning._memory import Memory, check_memory, memory_of_rank, training_bytes
from hcskit.planning._plan import Plan, amounts, plan, timetable
from hcskit.planning._production import PlateSize, Production, plan_production
from hcskit.planning._scaling import Hosts, Measured, Prediction, Workload, calibrate, predict
from hcskit.planning._size import DataSize

__all__ = [
    "DataSize",
    "Hosts",
    "Measured",
    "Memory",
    "Plan",
    "PlateSize",
    "Prediction",
    "Production",
    "Workload",
    "amounts",
    "calibrate",
    "check_memory",
    "memory_of_rank",
    "plan",
    "plan_production",
    "predict",
    "timetable",
    "training_bytes",
]
