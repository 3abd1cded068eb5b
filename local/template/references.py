"""The logical ids that a value of a template refers to."""

import re
from typing import Any

_VARIABLE = re.compile(r"\$\{([A-Za-z0-9]+)(\.[\w.]+)?\}")


def referred(value: Any) -> set[str]:
    """Return the logical ids that a value refers to, wherever in it."""
    if isinstance(value, list):
        return set().union(*map(referred, value))
    if isinstance(value, str):
        return {match[1] for match in _VARIABLE.finditer(value)}
    if not isinstance(value, dict):
        return set()
    if "Ref" in value:
        return {str(value["Ref"])}
    if "Fn::GetAtt" in value:
        path = value["Fn::GetAtt"]
        return {str(path[0] if isinstance(path, list) else path).partition(".")[0]}
    return set().union(*map(referred, value.values()))
