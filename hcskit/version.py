"""The version, in one place that every floor can read."""

__version__ = "0.1.0"
