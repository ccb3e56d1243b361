from . import (
    actions,
    app,
    assay,
    cluster,
    data,
    export,
    fetch,
    inference,
    models,
    optimisers,
    parallel,
    pipeline,
    planning,
    platemap,
    preprocess,
    provenance,
    readers,
    recipe,
    reporting,
    response,
    results,
    schedules,
    simulation,
    store,
    testing,
    training,
    views,
    watch,
)
from .actions import (
    assess,
    cross_validate,
    embed,
    finetune,
    fit_wells,
    import_plates,
    join_plates,
    mask_wells,
    predict,
    saliency,
    train,
    unmask_wells,
)
from .cluster import ClusterConfig, open_cluster, tune_ranks
from .data import open_data
from .export import export_screen
from .fetch import fetch_bbbc013, fetch_bbbc021
from .models import get_model, list_models
from .pipeline import run_pipeline
from .planning import plan
from .platemap import read_plate_map
from .provenance import compare_runs, list_runs, rerun
from .readers import read_folder
from .recipe import Recipe
from .reporting import report
from .response import fit_responses
from .run import open_run
from .simulation import simulate
from .store import open_plates, open_screen
from .training import lr_range, open_model
from .version import __version__
from .watch import watch_inbox

__all__ = [
    "ClusterConfig",
    "Recipe",
    "__version__",
    "actions",
    "app",
    "assay",
    "assess",
    "cluster",
    "compare_runs",
    "cross_validate",
    "data",
    "embed",
    "export",
    "export_screen",
    "fetch",
    "fetch_bbbc013",
    "fetch_bbbc021",
    "finetune",
    "fit_responses",
    "fit_wells",
    "get_model",
    "import_plates",
    "inference",
    "join_plates",
    "list_models",
    "list_runs",
    "lr_range",
    "mask_wells",
    "models",
    "open_cluster",
    "open_data",
    "open_model",
    "open_plates",
    "open_run",
    "open_screen",
    "optimisers",
    "parallel",
    "pipeline",
    "plan",
    "planning",
    "platemap",
    "predict",
    "preprocess",
    "provenance",
    "read_folder",
    "read_plate_map",
    "readers",
    "recipe",
    "report",
    "reporting",
    "rerun",
    "response",
    "results",
    "run_pipeline",
    "saliency",
    "schedules",
    "simulate",
    "simulation",
    "store",
    "testing",
    "train",
    "training",
    "tune_ranks",
    "unmask_wells",
    "views",
    "watch",
    "watch_inbox",
]
