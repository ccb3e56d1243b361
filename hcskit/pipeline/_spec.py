"""A pipeline is a YAML file: its steps (notebooks) in order, and values for their parameters.

::

    name: dose_response
    description: One plate, from an export folder to effective concentrations.
    steps:                       # by name, or by path from this file
      - import
      - ../notebooks/02_quality.ipynb
    parameters:                  # each goes to every step that has a parameter of that name
      recipe: recipes/controls.yaml
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from hcskit.errors import InputError
from hcskit.pipeline._find import find_pipeline, find_step
from hcskit.pipeline._notebook import StepNotebook
from hcskit.sections import YamlFile

__all__ = ["Pipeline"]

#: The parameter that the pipeline itself gives to every step: the folder of the run.
RUN = "run"


class Pipeline(YamlFile):
    """Steps and parameters.

    Attributes
    ----------
    name, description : str
        What it is for.
    steps : tuple of pathlib.Path
        Notebooks in order, by path or by name (`find_step`); each takes the parameter ``run``.
    parameters : dict
        Values that differ from the notebooks' own.
    required : tuple of str
        Parameters that the user must give.
    folder : pathlib.Path
        Where the YAML file is; its paths start there.
    """

    content = "a pipeline"

    name: str
    description: str = ""
    steps: tuple[Path, ...]
    parameters: dict[str, Any] = Field(default_factory=dict)
    required: tuple[str, ...] = ()
    folder: Path = Path()

    @classmethod
    def open(cls, pipeline: str | Path) -> Self:
        """Read a pipeline by its path or its name, such as ``dose_response``.

        Raises
        ------
        InputError
            If there is none of that name, or the file is missing or is not a pipeline.
        """
        return cls.from_yaml(find_pipeline(pipeline))

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a pipeline.

        Raises
        ------
        InputError
            If the file is missing or is not a pipeline.
        """
        return super().from_yaml(path).model_copy(update={"folder": Path(path).resolve().parent})

    @cached_property
    def notebooks(self) -> list[StepNotebook]:
        """The steps."""
        return [find_step(step, self.folder) for step in self.steps]

    def describe(self) -> dict[str, list[str]]:
        """List each step's parameters: name, type, and default."""
        told: dict[str, list[str]] = {}
        for notebook in self.notebooks:
            lines = told[notebook.name] = []
            for name, parameter in notebook.parameters.items():
                if name != RUN:
                    required = name in self.required or (parameter.required and name not in self.parameters)
                    value = "required" if required else self.parameters.get(name, parameter.default)
                    lines.append(f"{name}: {parameter.type_name} = {value}")
        return told

    def bind(self, given: Mapping[str, Any], run: Path) -> list[tuple[StepNotebook, dict[str, Any]]]:
        """Check all parameters of all steps before anything runs.

        Parameters
        ----------
        given : mapping
            Values from the user; they override the pipeline's own. Their paths start at the working directory.
        run : pathlib.Path
            Folder of the run.

        Returns
        -------
        list of (StepNotebook, dict)
            Each step with all of its parameters, paths absolute.

        Raises
        ------
        InputError
            If no step has a parameter of that name, or a value is of the wrong type or missing.
        """
        known = {name for notebook in self.notebooks for name in notebook.parameters} - {RUN}
        unknown = [name for name in (*given, *self.parameters) if name not in known]
        if unknown:
            raise InputError(
                f"the pipeline {self.name} has no parameter {', '.join(unknown)}; it has {', '.join(sorted(known))}"
            )
        lacking = [name for name in self.required if name not in given]
        if lacking:
            raise InputError(
                f"the pipeline {self.name} needs {', '.join(lacking)}: give "
                + " ".join(f"-p {name}=…" for name in lacking)
            )
        return [(notebook, self._values(notebook, {**given, RUN: run})) for notebook in self.notebooks]

    def _values(self, notebook: StepNotebook, given: Mapping[str, Any]) -> dict[str, Any]:
        values = {}
        for name, parameter in notebook.parameters.items():
            if name in given:
                values[name] = parameter.convert(given[name], Path.cwd())
            elif name in self.parameters:
                values[name] = parameter.convert(self.parameters[name], self.folder)
            elif parameter.required:
                raise InputError(f"the step {notebook.name} needs a value for {name}: give it with -p {name}=…")
            else:
                values[name] = parameter.convert(parameter.default, notebook.path.parent)
        return values
