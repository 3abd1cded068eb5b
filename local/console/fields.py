"""The fields of an action's body, each of the type that it must have, or a refusal by its name."""

from collections.abc import Mapping
from typing import Any, TypeVar

from local.console.answers import Refused

T = TypeVar("T")
MISSING: Any = object()


def text(body: Any, name: str, default: T = MISSING) -> str | T:
    """Return a text, or `default` where the field is absent or null. Raises Refused."""
    value = _field(body, name, default)
    if value is not default and not isinstance(value, str):
        raise Refused(400, f"{name} must be a text")
    return value


def number(body: Any, name: str, default: T = MISSING) -> int | T:
    """Return a whole number, or `default` where the field is absent or null. Raises Refused."""
    value = _field(body, name, default)
    if value is not default and (not isinstance(value, int) or isinstance(value, bool)):
        raise Refused(400, f"{name} must be a whole number")
    return value


def texts(body: Any, name: str) -> list[str]:
    """Return a list of texts, empty where the field is absent. Raises Refused."""
    value = _field(body, name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Refused(400, f"{name} must be a list of texts")
    return value


def table(body: Any, name: str) -> Mapping[str, Any]:
    """Return an object, empty where the field is absent. Raises Refused."""
    value = _field(body, name, {})
    if not isinstance(value, dict):
        raise Refused(400, f"{name} must be an object")
    return value


def anything(body: Any, name: str) -> Any:
    """Return a field that has to be there, but may be null. Raises Refused."""
    value = _field(body, name, None)
    if value is None and name not in body:
        raise Refused(400, f"{name} is missing")
    return value


def _field(body: Any, name: str, default: Any) -> Any:
    if not isinstance(body, dict):
        raise Refused(400, "send an object")
    value = body.get(name)
    if value is not None:
        return value
    if default is MISSING:
        raise Refused(400, f"{name} is missing")
    return default
