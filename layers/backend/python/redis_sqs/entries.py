"""The content of a message in Redis: its attributes as JSON, a newline, its body.

In the JSON a plain string stands for itself, another type as [type, value]. SQS's own attributes
are among them under a prefix that it forbids to everybody else.
"""

import base64
import json
from collections.abc import Mapping

from redis_sqs import Attributes, Typed

SYSTEM = "AWS."
MOVED_FROM = "MovedFrom"  # what move.lua gives; SQS's own consumers are not shown it


def encode(body: str, attributes: Attributes, system: Mapping[str, str]) -> str:
    """Return the entry of a message."""
    if not attributes and not system:
        return f"\n{body}"
    about: dict[str, object] = {SYSTEM + name: value for name, value in system.items()}
    for name, value in attributes.items():
        about[name] = [value.data_type, _text(value)] if isinstance(value, Typed) else value
    return f"{json.dumps(about)}\n{body}"


def decode(about: str) -> tuple[dict[str, str | Typed], dict[str, str]]:
    """Return the attributes and SQS's own ones of what stands before an entry's newline."""
    attributes: dict[str, str | Typed] = {}
    system: dict[str, str] = {}
    for name, value in json.loads(about).items():
        if name.startswith(SYSTEM):
            system[name.removeprefix(SYSTEM)] = value
        else:
            attributes[name] = value if isinstance(value, str) else _typed(*value)
    return attributes, system


def _text(typed: Typed) -> str:
    if isinstance(typed.value, bytes):
        return base64.b64encode(typed.value).decode()
    return typed.value


def _typed(data_type: str, text: str) -> Typed:
    is_binary = data_type.startswith("Binary")
    return Typed(data_type, base64.b64decode(text) if is_binary else text)
