"""Typed parts of YAML files: a recipe, a cluster, a pipeline, a pattern of file names."""

from __future__ import annotations

import difflib
import math
import re
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from hcskit.errors import InputError, what_is_wrong
from hcskit.files import write_text
from hcskit.inputs import read_bytes
from hcskit.plugins import Plugins

__all__ = ["Kinds", "Section", "YamlFile", "read_yaml"]

S = TypeVar("S", bound="Section")

_MOST_BYTES, _MOST_PARTS = 1_000_000, 20_000  # of a YAML file; a recipe has a hundred parts


class _Loader(yaml.SafeLoader):
    """Takes 12:00:00 for text: YAML 1.1 has numbers to the base of 60, which nobody means."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        first: [("tag:yaml.org,2002:str", re.compile(r"[0-9]+(:[0-9]+)+$")), *others]
        for first, others in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_yaml(path: str | Path) -> Any:
    """Read YAML of a size that a person writes, and build nothing but numbers, text, lists and mappings.

    Aliases may repeat parts of it, but not without end.

    Raises
    ------
    OSError, ValueError, yaml.YAMLError
        If it cannot be read, is not YAML, is too large once its aliases are followed, or is nested too deeply.
    """
    loader = _Loader(read_bytes(path, _MOST_BYTES).decode("utf-8-sig"))
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > _MOST_PARTS:
            raise ValueError(f"with its aliases it has more than {_MOST_PARTS:,} parts, or has itself as a part")
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (AttributeError, OverflowError, TypeError) as error:  # of a value that says a tag it has not the form of
        raise ValueError(f"a value is not what its tag says: {error}") from error
    finally:
        loader.dispose()


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
            return cls.model_validate(read_yaml(path) or {})
        except FileNotFoundError:
            raise cls.fault(f"there is no file {path}; expected {cls.content}") from None
        except ValidationError as error:
            faults = [_fault(one, cls) for one in error.errors()]
            listed = f" {faults[0]}" if len(faults) == 1 else "".join(f"\n  - {fault}" for fault in faults)
            raise cls.fault(f"{path} is not {cls.content}:{listed}") from error
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise cls.fault(f"{path} is not {cls.content}: {what_is_wrong(error)}") from error

    @classmethod
    def of(cls, given: Self | str | Path) -> Self:
        """Return what is given, or read the file if it is a path; raises what `from_yaml` raises."""
        return cls.from_yaml(given) if isinstance(given, str | Path) else given

    def to_yaml(self, path: str | Path) -> None:
        """Write the file, with every default spelled out."""
        write_text(path, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))


def _size(node: yaml.Node, sizes: dict[int, float]) -> float:
    """Count the parts of a YAML node as if each alias were written out; a node that has itself as a part has no end."""
    if id(node) not in sizes:
        sizes[id(node)] = math.inf
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        each = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
        sizes[id(node)] = 1 + sum(_size(one, sizes) for one in each)
    return sizes[id(node)]


class Kinds(Plugins[type[S]], Generic[S]):
    """The kinds of a section that a file can name: ours, and those of other packages.

    The metadata of a field: its section is of the class that the entry point of its ``kind`` names.

    Parameters
    ----------
    group : str
        Group of entry points, such as ``hcskit.models``.
    word : str
        What one of them is called in messages: ``network``.
    base : type
        Class that they derive from; each adds a field ``kind``.
    default : str
        The kind of a section that does not say.

    Examples
    --------
    >>> from hcskit.models import NETWORKS
    >>> type(NETWORKS.choose({"features": 4})).__name__
    'MCNNSection'
    """

    def __init__(self, group: str, word: str, base: type[Any], default: str) -> None:
        super().__init__(group, word)
        self.base, self.default = base, default

    def __getitem__(self, name: str) -> type[S]:
        """Load the class of a kind.

        Raises
        ------
        InputError
            If there is none, it cannot be loaded, or is not what its group asks for.
        """
        section: object = super().__getitem__(name)  # whatever another package has put there
        wanted = f"expected a subclass of {self.base.__module__.partition('._')[0]}.{self.base.__name__}"
        if not (isinstance(section, type) and issubclass(section, self.base)):
            raise InputError(f"the {self.word} {name!r} is {section!r}; {wanted}")
        if missing := sorted(getattr(section, "__abstractmethods__", ())):
            raise InputError(f"the {self.word} {name!r}, {section.__name__}, does not define {', '.join(missing)}")
        kept = {key: value for key, value in vars(self.base).items() if getattr(value, "__final__", False)}
        if changed := [key for key, value in kept.items() if getattr(section, key) is not value]:
            raise InputError(f"the {self.word} {name!r}, {section.__name__}, overrides {changed[0]}, which is final")
        if "kind" not in cast("type[S]", section).model_fields:
            raise InputError(f"the {self.word} {name!r}, {section.__name__}, has no field kind; {wanted} with one")
        return cast("type[S]", section)

    def choose(self, given: Any) -> S:
        """Return the section that a file describes.

        Raises
        ------
        pydantic.ValidationError
            If there is no such kind, or the section is wrong; each fault with its place.
        """
        if isinstance(given, self.base):
            return cast("S", given)
        if not isinstance(given, dict):
            like = f"{{kind: {self.default}}}"
            raise PydanticCustomError("section", "Input should be a section, such as {like}", {"like": like})
        name = str(given.get("kind", self.default))
        try:
            section = self[name]
        except InputError as error:
            fault = PydanticCustomError("kind", "{fault}", {"fault": str(error)})
            place = InitErrorDetails(type=fault, loc=("kind",), input=name)
            raise ValidationError.from_exception_data(self.word, [place]) from error
        return section.model_validate({**given, "kind": name})

    def make(self, name: str, options: dict[str, Any]) -> S:
        """Return a section of a kind.

        Raises
        ------
        InputError
            If there is no such kind, or it does not take these options.
        """
        try:
            return self[name].model_validate({**options, "kind": name})
        except ValidationError as error:
            raise InputError(f"the {self.word} {name!r} does not take these options: {what_is_wrong(error)}") from error

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Tell pydantic how a field with this metadata is read and written: as what it is, not as its base."""
        written = core_schema.simple_ser_schema("any")
        return core_schema.no_info_plain_validator_function(self.choose, serialization=written)


def _fault(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Describe a fault in one sentence: the field, what was found, what it may be."""
    *sections, name = error["loc"] or ("",)
    place, found = ".".join(map(str, error["loc"])), error["input"]
    if error["type"] == "missing":
        return f"{place}: is missing"
    if error["type"] == "extra_forbidden":
        known: list[str] = [] if sections else sorted(model.model_fields)
        meant = difflib.get_close_matches(str(name), known, n=1)
        others = f"; it can be {', '.join(known)}" if known else ""
        return f"{place}: there is no such field{f'; did you mean {meant[0]}?' if meant else others}"
    told = error["msg"].removeprefix("Value error, ")
    if told.startswith("Input "):
        told = told.partition(", unable to parse")[0].replace("Input should", "it must").replace("Input", "it")
        told = f"found {repr(found)[:60]}; {told}"
    return f"{place}: {told}" if place else told
