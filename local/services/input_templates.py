"""The input templates of pipes: texts in which a path such as <$.body.id> stands for its value.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html
"""

import json
import re
from typing import Any

_PATH = re.compile(r'(?P<quote>"?)<(?P<path>\$[^<>]*|aws\.pipes\.[\w.-]+)>(?P<end>"?)')
_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]|\['([^']+)'\]")


def filled(template: str, entry: Any, pipe: str) -> Any:
    """Return what a template makes of an entry: JSON where it is some, else a text."""

    def value(match: re.Match[str]) -> str:
        part = _named(match["path"], entry, pipe)
        if match["quote"] and match["end"]:
            return json.dumps(part)
        before = template[: match.start()].replace('\\"', "")
        is_inside = before.count('"') % 2 == 1 or bool(match["quote"])
        text = _inside(part) if is_inside else json.dumps(part)
        return f"{match['quote']}{text}{match['end']}"

    try:
        return json.loads(_PATH.sub(value, template))
    except ValueError:
        return _PATH.sub(lambda match: _as_text(_named(match["path"], entry, pipe)), template)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _inside(value: Any) -> str:
    """Return a value as a part of a text."""
    return json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)


def _named(path: str, entry: Any, pipe: str) -> Any:
    if path.startswith("aws.pipes."):
        return {"aws.pipes.pipe-name": pipe, "aws.pipes.event": entry}.get(path, "")
    for step in _STEP.finditer(path[1:]):
        name, place, quoted = step.groups()
        try:
            entry = entry[int(place)] if place is not None else entry[name or quoted]
        except (LookupError, TypeError):
            return None
    return entry
