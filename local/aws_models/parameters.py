"""The check of a call's JSON against the parameters that botocore's model gives an action."""

import base64
import binascii
from pathlib import Path
from typing import Any

import orjson

Shape = dict[str, Any]

_FOLDER = Path(__file__).parent
# JSON's types by the model's; a boolean is an integer to Python, but not to AWS.
_TYPES = {
    "string": str,
    "blob": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "structure": dict,
    "map": dict,
    "list": list,
}
_NAMES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "structure",
    list: "list",
}


class ParameterError(Exception):
    """A parameter that the action has not, or not like this."""


class MissingParameter(ParameterError):
    """A parameter that the action requires is not there, or null."""


class WrongType(ParameterError):
    """A value of another type than the parameter's."""


class UnknownParameter(ParameterError):
    """A name that is no parameter's."""


def table(name: str) -> dict[str, Any]:
    """Return a table that `generate` has made."""
    content: dict[str, Any] = orjson.loads((_FOLDER / f"{name}.json").read_bytes())
    return content


def check(value: object, shape: Shape, name: str = "") -> Any:
    """Return `value` without what is null, or raise a ParameterError that names the parameter."""
    kind: str = shape["type"]
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        raise WrongType(f"{name or 'The body'} is {_kind_of(value)}, not {_article(kind)}.")
    if kind == "structure":
        assert isinstance(value, dict)
        return _structure(value, shape, name)
    if isinstance(value, list):
        return [check(each, shape["member"], f"{name}.{at}") for at, each in enumerate(value, 1)]
    if isinstance(value, dict):
        return {key: check(each, shape["value"], f"{name}.{key}") for key, each in value.items()}
    if kind == "blob":
        _check_base64(str(value), name)
    return value


def _structure(value: dict[str, Any], shape: Shape, name: str) -> dict[str, Any]:
    members: dict[str, Shape] = shape["members"]
    prefix = f"{name}." if name else ""
    present = {key: each for key, each in value.items() if each is not None}
    if unknown := sorted(present.keys() - members.keys()):
        names = ", ".join(members)
        raise UnknownParameter(f"{prefix}{unknown[0]} is no parameter; there are {names}.")
    for key in shape["required"]:
        if key not in present:
            raise MissingParameter(f"The request must contain the parameter {prefix}{key}.")
    return {key: check(each, members[key], prefix + key) for key, each in present.items()}


def _check_base64(text: str, name: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WrongType(f"{name} is no base64.") from error


def _kind_of(value: object) -> str:
    return "null" if value is None else f"of type {_NAMES[type(value)]}"


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "integer" else f"a {kind}"
