"""The reading of JSON into records.

A member that this version does not know is passed over, so that a newer API does no harm.
"""

import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

R = TypeVar("R")


class UnreadableRecord(Exception):
    """A value that is not of the shape that a record has."""


def record(kind: type[R], members: Mapping[str, Any]) -> R:
    """Return the record that a JSON object stands for."""
    if not isinstance(members, Mapping):
        raise UnreadableRecord(f"a {kind.__name__} is an object, not {members!r:.100}")
    shape: Any = kind  # mypy takes no type for hashable
    hints = _hints(shape)
    try:
        return kind(
            **{each: _value(hints[each], members[each]) for each in hints if each in members}
        )
    except (TypeError, ValueError) as error:
        raise UnreadableRecord(f"not a {kind.__name__}: {error}") from error


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(kind) in (Union, types.UnionType):
        kind = _alternative(get_args(kind), value)
    if get_origin(kind) is tuple:
        return tuple(_value(get_args(kind)[0], each) for each in value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    return record(kind, value) if isinstance(kind, type) and is_dataclass(kind) else value


def _alternative(kinds: tuple[Any, ...], value: Any) -> Any:
    """Return the kind of a union that a value is of: a record where it is an object."""
    named = [each for each in kinds if each is not type(None)]
    is_object = isinstance(value, Mapping)
    return next((each for each in named if is_dataclass(each) == is_object), named[0])
