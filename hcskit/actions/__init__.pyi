from ._apply import embed, predict
from ._assess import Assessment, assess
from ._finetune import finetune
from ._fit import fit_wells
from ._import import import_plates
from ._join import join_plates
from ._mask import as_fitted, mask_wells, masked_as_fitted, masked_readouts, read_masks, unmask_wells
from ._note import note_compounds, read_notes
from ._saliency import saliency
from ._train import cross_validate, train

__all__ = [
    "Assessment",
    "as_fitted",
    "assess",
    "cross_validate",
    "embed",
    "finetune",
    "fit_wells",
    "import_plates",
    "join_plates",
    "mask_wells",
    "masked_as_fitted",
    "masked_readouts",
    "note_compounds",
    "predict",
    "read_masks",
    "read_notes",
    "saliency",
    "train",
    "unmask_wells",
]
