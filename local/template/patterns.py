"""Filter patterns of event source mappings, compiled to functions of a record.

A pattern names fields; each has a list of conditions of which one must hold. What EventBridge knows
beyond that (wildcard, an operator in anything-but) is refused by name.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from itertools import product
from types import UnionType
from typing import Any

Condition = Callable[[Any], bool]
Path = tuple[str, ...]  # the fields above
PATTERN_MAX_CHARS = 4096
ABSENT = {"exists": False}
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}

LOWER, UPPER = (">", ">="), ("<", "<=")
NUMERIC_FORMS = {("=",), *((each,) for each in LOWER + UPPER), *product(LOWER, UPPER)}


class WrittenNumber(float):
    """A number that keeps how it is written, which `float` loses: 3.0e2."""

    def __new__(cls, text: str) -> "WrittenNumber":
        """Return the number that `text` is."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __str__(self) -> str:
        """Return the text as it stood in the JSON."""
        return self.text


class Record:
    """A whole record, and which fields no object of it has.

    That is found out once each: a sender may put a hundred thousand objects into one list.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self._absences: dict[Path, bool] = {}

    def lacks(self, path: Path, name: str) -> bool:
        """Tell whether no object at that path has the field, be it one of a list."""
        field = (*path, name)
        if field not in self._absences:
            nodes = [self.content]
            for part in path:
                nodes = [each for node in nodes for each in _objects(node, part)]
            self._absences[field] = not any(_leaves(node, name) for node in nodes)
        return self._absences[field]


Test = Callable[[Mapping[str, Any], Record], bool]  # of an object, and all the record


class PatternError(Exception):
    """The pattern is none, or uses what is not emulated; one sentence."""


class PatternNotEmulated(PatternError):
    """The pattern has an operator that AWS might take."""


def compile_filters(patterns: Sequence[str]) -> Condition:
    """Return whether a record passes one of `patterns`, JSON texts; raises PatternError."""
    filters = [_of_record(pattern) for pattern in patterns]
    return lambda record: any(passes(record) for passes in filters)


def _of_record(text: str) -> Condition:
    if len(text) > PATTERN_MAX_CHARS:
        raise PatternError(f"a pattern has at most {PATTERN_MAX_CHARS} characters; shorten it")
    try:
        pattern = _load(text)
        if not isinstance(pattern, dict) or not pattern:
            raise PatternError(f"{text!r} is no object with fields; correct it")
        matches = _fields(pattern, ())
    except ValueError as error:
        raise PatternError(f"{text!r} is no JSON; correct it") from error
    except RecursionError as error:
        raise PatternError("the pattern is nested too deep; flatten it") from error
    needs_object = isinstance(pattern.get("body"), dict)

    def passes(record: Mapping[str, Any]) -> bool:
        if "body" not in record:  # of a stream
            return matches(record, Record(record))
        body = _parsed(record["body"])
        if needs_object and not isinstance(body, dict):
            return False
        whole = {**record, "body": body}
        return matches(whole, Record(whole))

    return passes


def _load(text: str) -> Any:
    return json.loads(text, parse_float=WrittenNumber, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _parsed(body: str) -> Any:
    try:
        return _load(body)
    except (ValueError, RecursionError):  # whoever sends may nest as deep as a body is long
        return body


def _fields(pattern: Mapping[str, Any], path: Path) -> Test:
    tests = [_field(name, alternatives, path) for name, alternatives in pattern.items()]
    return lambda node, record: all(test(node, record) for test in tests)


def _field(name: str, alternatives: Any, path: Path) -> Test:
    if name == "$or":
        if (
            not isinstance(alternatives, list)
            or len(alternatives) < 2
            or not _are(dict, alternatives)
        ):
            raise PatternError("$or needs a list of two patterns or more")
        choices = [_fields(each, path) for each in alternatives]
        return lambda node, record: any(choice(node, record) for choice in choices)
    if isinstance(alternatives, dict):
        matches = _fields(alternatives, (*path, name))
        return lambda node, record: any(
            matches(each, record) for each in _objects(node, name) or [{}]
        )
    if not isinstance(alternatives, list) or not alternatives:
        raise PatternError(f"{name} needs a list of values or conditions")
    return _leaf_test(name, alternatives, path)


def _leaf_test(name: str, alternatives: Sequence[Any], path: Path) -> Test:
    conditions = [_condition(each) for each in alternatives if each != ABSENT]
    may_be_absent = ABSENT in alternatives

    def test(node: Mapping[str, Any], record: Record) -> bool:
        leaves = _leaves(node, name)
        if any(holds(leaf) for leaf in leaves for holds in conditions):
            return True
        return may_be_absent and not leaves and record.lacks(path, name)

    return test


def _objects(node: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [each for each in _entries(node, name) if isinstance(each, dict)]


def _leaves(node: Mapping[str, Any], name: str) -> list[Any]:
    return [each for each in _entries(node, name) if not isinstance(each, dict)]


def _entries(node: Mapping[str, Any], name: str) -> list[Any]:
    """Return the value of a field, of a list its entries, of lists in it theirs."""
    if name not in node:
        return []
    entries, rest = [], [node[name]]
    while rest:
        value = rest.pop()
        if isinstance(value, list):
            rest += value
        else:
            entries.append(value)
    return entries


def _condition(expected: Any) -> Condition:
    if isinstance(expected, list):
        raise PatternError(f"{expected!r} is a list in a list; take one of them away")
    if not isinstance(expected, dict):
        return lambda value: _equal(value, expected)
    if len(expected) != 1:
        raise PatternError(f"{expected!r} has to name one operator")
    ((operator, operand),) = expected.items()
    holds = _condition_of(operator, operand)
    if holds is None:
        raise PatternNotEmulated(f"{operator} of {operand!r} is not emulated; leave it out")
    return holds


def _condition_of(operator: str, operand: Any) -> Condition | None:
    match operator, operand:
        case "exists", True if operand is True:
            return lambda value: True
        case "anything-but", _:
            unwanted = operand if isinstance(operand, list) else [operand]
            if unwanted and (_are(str, unwanted) or all(map(_is_number, unwanted))):
                return lambda value: not _is_among(value, unwanted)
        case "numeric", list():
            return _numeric(operand)
        case (("prefix" | "suffix" | "equals-ignore-case" | "cidr"), str()):
            return _of_network(operand) if operator == "cidr" else _of_text(operator, operand)
        case (("prefix" | "suffix"), {"equals-ignore-case": str(text), **others}) if not others:
            holds = _of_text(operator, text.lower())
            return lambda value: isinstance(value, str) and holds(value.lower())
    return None


def _of_network(operand: str) -> Condition:
    """Return the test for an address of a network, of version 4 or 6."""
    try:
        network = ip_network(operand, strict=False)
    except ValueError as error:
        raise PatternError(f"{operand!r} is no network; write it as 10.0.0.0/24") from error

    def holds(value: Any) -> bool:
        try:
            return isinstance(value, str) and ip_address(value) in network
        except ValueError:
            return False

    return holds


def _of_text(operator: str, operand: str) -> Condition:
    holds: Callable[[str], bool] = {
        "prefix": lambda value: value.startswith(operand),
        "suffix": lambda value: value.endswith(operand),
        "equals-ignore-case": lambda value: value.lower() == operand.lower(),
    }[operator]
    return lambda value: isinstance(value, str) and holds(value)


def _numeric(parts: Sequence[Any]) -> Condition:
    """Return the test for a number, `=` it, or a lower bound, an upper one, or both in order."""
    operators, bounds = parts[::2], parts[1::2]
    is_form = _are(str, operators) and tuple(operators) in NUMERIC_FORMS
    is_complete = len(operators) == len(bounds) and all(map(_is_number, bounds))
    if not is_form or not is_complete or (len(bounds) == 2 and bounds[0] >= bounds[1]):
        raise PatternError(
            f"numeric needs = and a number, or a bound, or a lower and a higher one,"
            f" not {list(parts)!r}"
        )
    comparisons = [(COMPARISONS[each], bounds[i]) for i, each in enumerate(operators)]
    return lambda value: _is_number(value) and all(holds(value, b) for holds, b in comparisons)


def _equal(value: Any, expected: Any) -> bool:
    """Compare numbers as they are written, as Lambda does: 300 is not 300.0, nor 3.0e2."""
    if isinstance(value, WrittenNumber) or isinstance(expected, WrittenNumber):
        return _written(value) == _written(expected)
    return type(value) is type(expected) and bool(value == expected)


def _written(value: Any) -> str | None:
    """Return the text of a number, None of anything else."""
    return str(value) if _is_number(value) else None


def _is_among(value: Any, many: Sequence[Any]) -> bool:
    return any(_equal(value, each) for each in many)


def _are(kind: type | UnionType, many: Sequence[Any]) -> bool:
    return all(isinstance(each, kind) for each in many)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
