"""The model file and its card: what the network expects, and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from hcskit.data._fields import Normalisation
from hcskit.data._stand_ins import StandIns
from hcskit.errors import InputError, NotAScreenError, what_is_wrong
from hcskit.files import make_folder, replacing, write_text
from hcskit.inputs import file_sha256, read_json
from hcskit.models import backend
from hcskit.parallel import in_native_precision
from hcskit.recipe._recipe import Recipe
from hcskit.training._archive import check_archive
from hcskit.training._check import LEAST_AUC
from hcskit.training._untreated import Untreated

__all__ = ["ModelCard", "Parent", "load_card", "load_model", "save_model"]


class Parent(BaseModel):
    """The model that another one was adapted from.

    Attributes
    ----------
    name : str
        Of its folder.
    weights_sha256 : str
        SHA-256 of its model file.
    data : dict
        Plates it was trained on: name to number of fields.
    parent : Parent or None
        The model that it was adapted from itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    weights_sha256: str
    data: dict[str, int]
    parent: Parent | None = None


class ModelCard(BaseModel):
    """What is needed to use a network.

    Attributes
    ----------
    classes : tuple of str
        Phenotypes in the order of the network's output.
    negative_class : str or None
        The class of untreated cells, where there is one.
    channels : tuple of str
        Channels in the order of the network's input.
    crop : tuple of int
        Rows and columns of the input, after binning.
    binning : int
        Pixels averaged along each axis.
    pixel_size_um : float or None
        Edge of a camera pixel the network was trained at, in micrometre.
    normalisation : Normalisation
        Constants for each channel.
    recipe : Recipe
        How it was trained.
    data : dict
        Plates it was trained on: name to number of fields.
    dtype : str or None
        Type of the pixels it was trained on, as the camera gave them, such as ``uint16``: what a number means depends
        on it. None in the cards of before it was kept.
    fingerprint : str
        SHA-256 of the labelled list of fields and their split, the images' size, and of each image every 16th pixel
        along each axis.
    metrics : dict
        The history's row of the epoch that was kept, ``held_out_accuracy``, ``held_out_ece`` and
        ``held_out_temperature``: of the network as it predicts, see `finish`; and ``learned_accuracy`` and
        ``learned_auc``: how it reads what it learned from, see `check_learned`.
    hcskit_version : str
        What wrote it.
    untreated : Untreated or None
        What the negative controls look like that it learned from. None if there were none, and in the cards of before
        it was kept.
    stand_ins : tuple of StandIns
        Which treated wells it learned from because there were no controls of a kind.
    parent : Parent or None
        The model that it was adapted from; see `hcskit.finetune`.
    weights_sha256 : str
        SHA-256 of the model file the card belongs to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: tuple[str, ...]
    negative_class: str | None
    channels: tuple[str, ...]
    crop: tuple[int, int]
    binning: int
    pixel_size_um: float | None
    normalisation: Normalisation
    recipe: Recipe
    data: dict[str, int]
    dtype: str | None = None
    fingerprint: str
    metrics: dict[str, float]
    hcskit_version: str
    untreated: Untreated | None = None
    stand_ins: tuple[StandIns, ...] = ()
    parent: Parent | None = None
    weights_sha256: str = ""

    @property
    def doubts(self) -> tuple[str, ...]:
        """What to bear in mind of the readings of this network, in sentences; empty if nothing speaks against them."""
        told = tuple(map(str, self.stand_ins))
        area = self.metrics.get("learned_auc", 1.0)
        if area >= LEAST_AUC or any(own.doses == "all" for own in self.stand_ins):
            return told  # of wells that do nothing, and are called treated, none can be told apart
        return (
            *told,
            f"The network does not tell apart the control wells that it learned from (area under the ROC curve "
            f"{area:.2f}; 1 is perfect, 0.5 is chance), so what it reads of other wells means nothing, and "
            '"inactive" least of all. Look at the controls\' images and roles, and at the training curve; train for '
            "more epochs, or on more control wells.",
        )


def save_model(folder: str | Path, model: Any, card: ModelCard) -> Path:
    """Write ``model.keras``, ``card.json`` and ``recipe.yaml``; the card last, as it makes the model whole."""
    folder = make_folder(folder)
    with replacing(folder / "model.keras") as partial:
        model.save(partial)
    card.recipe.to_yaml(folder / "recipe.yaml")
    signed = card.model_copy(update={"weights_sha256": file_sha256(folder / "model.keras")})
    write_text(folder / "card.json", signed.model_dump_json(indent=1))
    return folder


def load_card(folder: str | Path) -> ModelCard:
    """Load the card of a model.

    Raises
    ------
    NotAScreenError
        If there is no model.
    InputError
        If the card cannot be read, or belongs to another model file.
    """
    folder = Path(folder)
    try:
        card = ModelCard.model_validate(read_json(folder / "card.json"))
        found = file_sha256(folder / "model.keras")
    except FileNotFoundError as error:
        raise NotAScreenError(f"{folder} holds no trained model: {Path(error.filename).name} is missing") from None
    except (OSError, ValueError) as error:  # pydantic's are ValueErrors too
        raise InputError(f"{folder / 'card.json'} is not a model card: {what_is_wrong(error)}") from error
    if found != card.weights_sha256:
        raise InputError(f"{folder}: model.keras is not the file that card.json describes; copy both from one training")
    return card


def load_model(folder: str | Path) -> tuple[Any, ModelCard]:
    """Load a network and its card; runs no code from the file.

    Raises
    ------
    NotAScreenError
        If there is no model.
    InputError
        If card or model cannot be read, or do not belong together.
    """
    card, path = load_card(folder), Path(folder) / "model.keras"
    card.recipe.model.load_layers()  # which module has a layer, the network's kind says, and not the file
    check_archive(path)
    try:
        model = backend.keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras and HDF5 raise errors of any kind
        raise InputError(f"{path} is not a network that can be loaded: {what_is_wrong(error)}") from error
    return in_native_precision(model), card
