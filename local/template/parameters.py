"""The values of Parameters: given, or their defaults, and as their declaration allows."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.template.model import TemplateError

_OF_SSM = "AWS::SSM::Parameter::Value<"  # whose value is the name of a parameter of SSM


class Unfit(Exception):
    """A value that the declaration does not allow; the message is the rest of a sentence."""


def read_parameters(
    file: Path, declared: Mapping[str, Any], overrides: Mapping[str, str], unknown: object
) -> dict[str, Any]:
    """Return every parameter's value by name, `unknown` for one that only AWS has."""
    for name in overrides:
        if name not in declared:
            there = ", ".join(declared) or "none"
            raise TemplateError(file, "Parameters", name, f"is not declared; there are: {there}")
    values = {}
    for name, about in declared.items():
        if not isinstance(about, dict):
            raise TemplateError(file, "Parameters", str(name), "has to be a block with a Type")
        try:
            values[name] = _value(name, about, overrides.get(name), unknown)
        except Unfit as error:
            raise TemplateError(file, "Parameters", name, str(error)) from error
    return values


def without_value(declared: Mapping[str, Any], values: Mapping[str, str]) -> set[str]:
    """Return the names of the parameters that AWS would ask for."""
    return {
        name
        for name, about in declared.items()
        if about.get("Default") is None and name not in values
    }


def _value(name: str, about: Mapping[str, Any], override: str | None, unknown: object) -> Any:
    kind = str(about.get("Type", "String"))
    value = about.get("Default") if override is None else override
    is_list = "List" in kind
    if kind.startswith(_OF_SSM):
        return unknown if is_list else f"{{{{resolve:ssm:{_text(value or name)}}}}}"
    if value is None:
        return unknown
    text = _text(value)
    entries = [part.strip() for part in text.split(",")] if is_list else [text]
    for entry in entries:
        _check(about, kind, entry)
    return entries if is_list else text


def _check(about: Mapping[str, Any], kind: str, text: str) -> None:
    listed = about.get("AllowedValues") or []
    if not isinstance(listed, list):
        raise Unfit("needs a list as AllowedValues")
    allowed = [_text(each) for each in listed]
    if allowed and text not in allowed:
        raise Unfit(f"{text!r} is not one of {', '.join(allowed)}")
    pattern = about.get("AllowedPattern")
    if pattern and not re.fullmatch(str(pattern), text):
        raise Unfit(str(about.get("ConstraintDescription") or f"{text!r} does not match {pattern}"))
    if "Number" in kind:
        _check_bounds(about, _number(text), text, "Value")
    else:
        _check_bounds(about, len(text), text, "Length")


def _check_bounds(about: Mapping[str, Any], measure: float, text: str, of: str) -> None:
    least, most = about.get(f"Min{of}"), about.get(f"Max{of}")
    if least is not None and measure < _number(_text(least)):
        raise Unfit(f"{text!r} is below Min{of} {least}")
    if most is not None and measure > _number(_text(most)):
        raise Unfit(f"{text!r} is above Max{of} {most}")


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Unfit(f"{text!r} is no number")
    return number


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
