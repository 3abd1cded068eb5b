"""The methods that values of a mapping template have as Java's have them, beside airspeed's own."""

from collections.abc import Callable, Mapping
from typing import Any

Methods = Mapping[str, Callable[..., Any]]


def written(value: Any) -> str:
    """Return a value as Java's toString writes it."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={written(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


_TEXT: Methods = {
    "charAt": lambda text, index: text[index],
    "concat": lambda text, other: text + str(other),
    "endsWith": lambda text, end: text.endswith(end),
    "equals": lambda text, other: text == other,
    "equalsIgnoreCase": lambda text, other: text.lower() == str(other).lower(),
    "indexOf": lambda text, part: text.find(part),
    "isEmpty": lambda text: not text,
    "lastIndexOf": lambda text, part: text.rfind(part),
    "toLowerCase": lambda text: text.lower(),
    "toString": lambda text: text,
    "toUpperCase": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
}
_LIST: Methods = {
    "indexOf": lambda values, value: values.index(value) if value in values else -1,
    "toString": written,
}
_MAP: Methods = {
    "containsKey": lambda values, key: key in values,
    "containsValue": lambda values, value: value in values.values(),
    "entrySet": lambda values: [{"key": key, "value": each} for key, each in values.items()],
    "getOrDefault": lambda values, key, default: values.get(key, default),
    "isEmpty": lambda values: not values,
    "remove": lambda values, key: values.pop(key, None),
    "size": len,
    "toString": written,
}
_NUMBER: Methods = {
    "intValue": int,
    "toString": written,
}


_OF_KIND: Mapping[type, Methods] = {
    str: _TEXT,
    list: _LIST,
    dict: _MAP,
    **dict.fromkeys((int, float, bool), _NUMBER),
}


def add_to(methods: dict[type, dict[str, Any]]) -> None:
    """Give the methods to airspeed's table of them, by type."""
    for kind, added in _OF_KIND.items():
        methods.setdefault(kind, {}).update(added)
