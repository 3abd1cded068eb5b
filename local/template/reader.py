"""One block of properties, read by type; what nobody asked for is refused at the end."""

import math
from collections.abc import Container, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from local.template.intrinsics import UNKNOWN
from local.template.model import NotEmulated, TemplateError
from local.template.plain_values import is_function


@dataclass(slots=True)
class Refusals:
    """The treatment of what is not emulated: it is raised, or noted where that is allowed."""

    file: Path
    allowed: bool
    warnings: list[TemplateError] = field(default_factory=list)

    def refuse(self, resource: str, property: str, sentence: str) -> None:
        """Raise NotEmulated, or keep it as a warning."""
        with self.leaving_out():
            raise NotEmulated(self.file, resource, property, sentence)

    @contextmanager
    def leaving_out(self) -> Iterator[None]:
        """Make a warning of what raises NotEmulated, where the user allowed that."""
        try:
            yield
        except NotEmulated as error:
            if not self.allowed:
                raise
            self.warnings.append(error)


class Properties:
    """The properties of one resource or of a block inside it, already resolved."""

    def __init__(self, refusals: Refusals, resource: str, values: Any, prefix: str = "") -> None:
        self._refusals = refusals
        self.resource = resource
        self._prefix = prefix
        if not isinstance(values, dict):
            raise self.error("", "has to be a block of names and values")
        self._left: dict[str, Any] = dict(values)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def names(self) -> tuple[str, ...]:
        """Return the names nobody has asked for yet."""
        return tuple(self._left)

    def error(self, name: str, sentence: str) -> TemplateError:
        """Return the error that refuses property `name` of this block."""
        return TemplateError(self._refusals.file, self.resource, self._path(name), sentence)

    def warn(self, name: str, sentence: str) -> None:
        """Note what a user has to know of property `name`."""
        self._refusals.warnings.append(self.error(name, sentence))

    def not_emulated(self, name: str, sentence: str) -> NotEmulated:
        """Return the error that leaves out the whole thing that has this block, or refuses it."""
        return NotEmulated(self._refusals.file, self.resource, self._path(name), sentence)

    def refuse(self, name: str, sentence: str) -> None:
        """Refuse property `name` as not emulated (a warning where the user allowed that)."""
        self._left.pop(name, None)
        self._refusals.refuse(self.resource, self._path(name), sentence)

    def beside(self, values: dict[str, Any]) -> "Properties":
        """Return the same block with `values` where it has nothing of its own."""
        return Properties(self._refusals, self.resource, merged(values, self._left), self._prefix)

    def leaving_out(self) -> AbstractContextManager[None]:
        """Make a warning of what is not emulated inside, where the user allowed that."""
        return self._refusals.leaving_out()

    def take(self, name: str, default: Any = None) -> Any:
        """Return the value as it stands. Raises where only AWS would know it."""
        value = self._left.pop(name, default)
        if value is UNKNOWN:
            sentence = "only AWS knows this value; where it is a parameter's, pass --parameter"
            raise self.not_emulated(name, sentence)
        return default if value is None else value

    def look(self, name: str) -> Any:
        """Return the value of a property that stays to be asked for, None where it is none."""
        return self._left.get(name)

    def peek(self, name: str) -> str:
        """Return the text of a property that stays to be asked for, empty where it is none."""
        value = self._left.get(name, "")
        return value if isinstance(value, str) else ""

    def starts(self, name: str, text: str) -> bool:
        """Tell whether a property that nobody has asked for yet begins with `text`."""
        return str(self._left.get(name, "")).startswith(text)

    def left(self, name: str) -> Any:
        """Return the value as it stands, UNKNOWN and null included."""
        return self._left.pop(name)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string; required where there is no default."""
        return self.as_text(name, self.take(name, default))

    def as_text(self, name: str, value: Any) -> str:
        """Return `value`, which was taken from `name`, as a string."""
        if value is None:
            raise self.error(name, "is missing; add it")
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise self.error(name, f"has to be text, not {value!r}")
        return str(value)

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false; a parameter's value is a text."""
        value = self.take(name, default)
        text = str(value).strip("'\"").lower()  # SAM takes what stands in quotes twice
        if text not in ("true", "false"):
            raise self.error(name, f"has to be true or false, not {value!r}")
        return text == "true"

    def integer(self, name: str, default: int, *, lowest: int, highest: int) -> int:
        """Return a whole number within AWS's own limits."""
        value = self.take(name, default)
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = lowest - 1
        if isinstance(value, bool | float) or not lowest <= number <= highest:
            raise self.error(name, f"has to be a whole number {lowest} to {highest}, not {value!r}")
        return number

    def optional_integer(self, name: str, *, lowest: int, highest: int) -> int | None:
        """Return what `integer` does, None where the property does not stand."""
        if name not in self._left:
            return None
        return self.integer(name, lowest, lowest=lowest, highest=highest)

    def decimal(self, name: str, default: float) -> float:
        """Return a number that is not negative."""
        value = self.take(name, default)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = -1.0
        if not 0 <= number < math.inf:  # neither is "not a number"
            raise self.error(name, f"has to be a number from 0, not {value!r}")
        return number

    def block(self, name: str) -> "Properties":
        """Return a block inside this one, empty where it does not stand."""
        return Properties(self._refusals, self.resource, self.take(name, {}), self._path(name))

    def item(self, name: str, values: Any) -> "Properties":
        """Return a block that is an entry of a list, under the name it shall have in errors."""
        return Properties(self._refusals, self.resource, values, self._path(name))

    def sequence(self, name: str) -> list[Any]:
        """Return a list, empty where it does not stand."""
        value = self.take(name, [])
        if not isinstance(value, list):
            raise self.error(name, f"has to be a list, not {value!r}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings, empty where it does not stand."""
        values = self.sequence(name)
        if UNKNOWN in values:
            raise self.not_emulated(name, "has a value that only AWS knows")
        return tuple(map(str, values))

    def finish(self, without_effect: Mapping[str, str] = MappingProxyType({})) -> None:
        """Refuse by name whatever nobody has asked for and has an effect."""
        for name in tuple(self._left):
            if name not in without_effect:
                self.refuse(name, "is not emulated on this machine; remove it")

    def pass_over(self, known: Container[str]) -> None:
        """Leave out whatever SAM does not know in this block, as it does; a warning names it."""
        for name in [name for name in self._left if name not in known]:
            del self._left[name]
            self.warn(name, "SAM knows no such property here, and passes over it")

    def _path(self, name: str) -> str:
        return ".".join(part for part in (self._prefix, name) if part)


def merged(shared: Any, own: Any) -> Any:
    """Merge by SAM's rule for Globals: dictionaries merge, lists add up, the rest is replaced.

    Nothing is resolved yet: a function such as `!Ref` is a value, though written as a dictionary.
    """
    if is_function(shared) or is_function(own):
        return own
    if isinstance(shared, dict) and isinstance(own, dict):
        return {**shared, **{k: merged(shared[k], v) if k in shared else v for k, v in own.items()}}
    if isinstance(shared, list) and isinstance(own, list):
        return shared + own
    return own
