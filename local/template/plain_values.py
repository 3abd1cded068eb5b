"""CloudFormation's functions of values that are known; TypeError or ValueError for others."""

import base64
from typing import Any


def text_of(value: Any) -> str:
    """Return a value as CloudFormation writes it: lists and objects are no text."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise TypeError(value)
    return str(value)


def joined(value: Any) -> str:
    separator, parts = value
    if not isinstance(parts, list):
        raise TypeError(parts)
    return text_of(separator).join(map(text_of, parts))


def split(value: Any) -> list[str]:
    separator, text = value
    return text_of(text).split(separator)


def base64_of(value: Any) -> str:
    return base64.b64encode(text_of(value).encode()).decode()


def is_function(value: Any) -> bool:
    """Tell whether a value of a document is one of CloudFormation's functions."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    name = str(next(iter(value)))
    return name in ("Ref", "Condition") or name.startswith("Fn::")
