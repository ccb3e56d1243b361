"""Typed parts of YAML files: a recipe, a cluster, a pipeline, a pattern of file names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from hcskit.errors import InputError, what_is_wrong
from hcskit.files import write_text

__all__ = ["Section", "YamlFile", "kind_or"]


class Section(BaseModel):
    """A part of a file: it cannot be changed, and refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class YamlFile(Section):
    """A whole file. A subclass says in `content` what the file holds, and in `fault` what error a bad file raises."""

    content: ClassVar[str]
    fault: ClassVar[type[InputError]] = InputError

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read the file; an empty one stands for all defaults.

        Raises
        ------
        InputError
            If it is missing, is not YAML, or does not hold what it should.
        """
        try:
            return cls.model_validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})
        except FileNotFoundError:
            raise cls.fault(f"there is no file {path}; expected {cls.content}") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            raise cls.fault(f"{path} is not {cls.content}: {what_is_wrong(error)}") from error

    @classmethod
    def of(cls, given: Self | str | Path) -> Self:
        """Return what is given, or read the file if it is a path; raises what `from_yaml` raises."""
        return cls.from_yaml(given) if isinstance(given, str | Path) else given

    def to_yaml(self, path: str | Path) -> None:
        """Write the file, with every default spelled out."""
        write_text(path, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))


def kind_or(default: str) -> Callable[[Any], str]:
    """Tell the kind of a section, which may be left out."""

    def kind(section: Any) -> str:
        found = section.get("kind", default) if isinstance(section, dict) else getattr(section, "kind", default)
        return str(found)

    return kind
