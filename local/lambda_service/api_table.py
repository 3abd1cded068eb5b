"""The operations of Lambda's API and the parameters of Invoke, from botocore's service model."""

import functools
import re

from local.aws_models.parameters import table

_TABLE = table("lambda")
INVOKE: dict[str, list[str]] = _TABLE["invoke"]  # place and name in the request, by parameter
# The form of a name and of a qualifier, and the most characters.
PATTERNS: dict[str, tuple[re.Pattern[str], int]] = {
    name: (re.compile(pattern), most) for name, (pattern, most) in _TABLE["patterns"].items()
}
# Parameters that no code here reads: durable functions and tenants are not emulated.
UNREAD = ("DurableExecutionName", "TenantId")


def _pattern(path: str) -> re.Pattern[str]:
    """Return the form of a path whose {Name} is one segment and {Name+} any number of them."""
    parts = re.split(r"(\{[^}]+\})", path.rstrip("/"))
    forms = [_form(part) if part.startswith("{") else re.escape(part) for part in parts]
    return re.compile("".join(forms) + "/?")


def _form(variable: str) -> str:
    return ".+" if variable.endswith("+}") else "[^/]+"


@functools.cache  # made when it is first needed: it takes ten milliseconds
def _operations() -> list[tuple[str, re.Pattern[str], str]]:
    return [(method, _pattern(path), name) for name, (method, path) in _TABLE["operations"].items()]


def operation(method: str, path: str) -> str | None:
    """Return the name of the operation of Lambda at a path, or None."""
    for verb, pattern, name in _operations():
        if verb == method and pattern.fullmatch(path):
            return name
    return None
