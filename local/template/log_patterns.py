"""Filter patterns of log groups: words, and comparisons of JSON lines.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import json
import re
from collections.abc import Callable
from typing import Any

Matches = Callable[[str], bool]

_WORD = re.compile(r'([?-]?)(?:"([^"]*)"|(\S+))')
_TERM = re.compile(r'\$\.([\w.-]+)\s*(!=|>=|<=|=|>|<)\s*(?:"([^"]*)"|([\w.*-]+))')


class UnknownPattern(ValueError):
    """A pattern that is not emulated."""


def compile_pattern(pattern: str) -> Matches:
    """Return what tells whether a line has what a pattern wants. Raises UnknownPattern."""
    pattern = pattern.strip()
    if pattern[:1] in ("[", "%"):
        raise UnknownPattern(f"{pattern} is not emulated; use words, or {{ $.field = value }}")
    return _of_json(pattern) if pattern[:1] == "{" else _of_words(pattern)


def _of_words(pattern: str) -> Matches:
    """All words have to be there, one of those with a question mark, and none with a minus."""
    words = [(sign, quoted or plain) for sign, quoted, plain in _WORD.findall(pattern)]
    choices = [word for sign, word in words if sign == "?"]
    return lambda line: (
        all(word in line for sign, word in words if not sign)
        and not any(word in line for sign, word in words if sign == "-")
        and (not choices or any(word in line for word in choices))
    )


def _of_json(pattern: str) -> Matches:
    inside = pattern.strip("{} ")
    terms = [_term(each, pattern) for each in re.split(r"&&|\|\|", inside)]
    is_any = "||" in inside
    if is_any and "&&" in inside:
        raise UnknownPattern(f"{pattern} has && and ||, which is not emulated; use one of them")

    def matches(line: str) -> bool:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):  # a function may print anything
            return False
        results = (term(entry) for term in terms)
        return any(results) if is_any else all(results)

    return matches


def _term(text: str, pattern: str) -> Callable[[Any], bool]:
    match = _TERM.fullmatch(text.strip().strip("()").strip())
    if match is None:
        raise UnknownPattern(f"{pattern} is not emulated; use words, or {{ $.field = value }}")
    path, operator, quoted, plain = match.groups()
    expected = plain if quoted is None else quoted

    def holds(entry: Any) -> bool:
        for name in path.split("."):
            entry = entry.get(name) if isinstance(entry, dict) else None
        return entry is not None and _compares(entry, operator, expected)

    return holds


def _compares(value: Any, operator: str, expected: str) -> bool:
    if operator in ("=", "!="):
        text = json.dumps(value) if isinstance(value, bool) else str(value)
        fits = re.fullmatch(re.escape(expected).replace(r"\*", ".*"), text) is not None
        return fits is (operator == "=")
    try:
        left, right = float(value), float(expected)
    except (TypeError, ValueError, OverflowError):
        return False
    return {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[
        operator
    ]
