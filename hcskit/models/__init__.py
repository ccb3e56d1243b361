"""Networks that read phenotypes from whole fields."""

from hcskit.models._mcnn import mcnn

__all__ = ["mcnn"]
