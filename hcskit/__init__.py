"""High-content screening from a microscope's export folder to effective concentrations."""

__version__ = "0.1.0"
