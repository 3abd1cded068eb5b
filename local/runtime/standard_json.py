"""The part of orjson that frames use, by the standard library: for a Python without it."""

import json


class Fragment:
    """JSON that is part of a message as it is."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


def dumps(message: object) -> bytes:
    """Return the JSON of `message`, which may have fragments as its own values."""
    if not isinstance(message, dict):
        return _encode(message).encode()
    members = (f"{_encode(name)}:".encode() + _value(each) for name, each in message.items())
    return b"{%b}" % b",".join(members)


def loads(payload: bytes) -> object:
    """Return the value of JSON. Raises ValueError for what is none, or is nested too deep."""
    try:
        return json.loads(payload, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deep for this Python") from error


def _value(value: object) -> bytes:
    return value.payload if isinstance(value, Fragment) else _encode(value).encode()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


JSONDecodeError = ValueError
_encode = json.JSONEncoder(separators=(",", ":")).encode
