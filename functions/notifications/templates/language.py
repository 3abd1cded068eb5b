"""The language of tenants' templates: Jinja's, as far as it fills in, chooses and repeats.

Nothing in it reaches Python or other templates, and its longest run is counted before it is stored:
it goes over declared lists only, whose length is bounded, so each template ends.
"""

import re
from collections.abc import Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from backend.errors import InvalidRequest
from notifications.templates.built_in import money
from notifications.templates.variables import LIST_MAX, Scalar, Variable

STEPS_MAX = 100_000  # of the longest run, some 20 ms
NODES_MAX = 2_000  # of a part's tree: Jinja takes 0.1 ms to compile each
DEPTH_MAX = 40  # of blocks and expressions in one another
# What a filter takes for each value in its words, in steps: it goes over all of their characters.
FILTER_STEPS, TITLE_STEPS = 10, 100  # `title` takes the words apart
VALUE_CHARACTERS = 1_000  # of a variable; a longer text in the source counts as several
# But tabs and line ends; and halves of characters, which no mail can have.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
TAG = re.compile(r"""<[a-z](?:[^<>"']|"[^"]*"|'[^']*')*""", re.IGNORECASE)  # of HTML
QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
# Each by itself does a bounded amount of work; what has calls, arithmetic or blocks has not.
PLAIN = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.If, nodes.CondExpr),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Concat),
    *(nodes.Filter, nodes.Test),  # those that the environment has; their arguments are nodes
)
LOOP = ("index", "index0", "first", "last", "length")
NUMBER = Scalar(type="integer")

# Variables by their names, and items of loops: what they have instead of a value.
Scope = Mapping[str, Variable | Mapping[str, Scalar]]


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja with few filters, no functions, and fields of items that are never attributes."""

    def __init__(self, *, escapes: bool) -> None:
        super().__init__(autoescape=escapes, keep_trailing_newline=True, finalize=_shown)
        few = ("upper", "lower", "capitalize", "title", "length", "default")
        self.filters = {**{name: self.filters[name] for name in few}, "money": _money}
        self.tests = {"defined": self.tests["defined"]}
        self.globals = {}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return the field of an item, or what is known of a loop."""
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(name=attribute)
        return super().getattr(obj, attribute)


class Part:
    """One part of a template, such as its text, ready to be filled in."""

    def __init__(self, name: str, source: str, declared: Scope, *, length_max: int) -> None:
        """Raise InvalidRequest where the source is not of the language, or might take too long."""
        self._name = name
        self._length_max = length_max
        try:
            environment = _ESCAPING if name == "html" else _VERBATIM
            tree = environment.parse(source)
            if name == "html":
                _require_quotes(source)
            if sum(1 for _ in tree.find_all(nodes.Node)) > NODES_MAX:
                raise _Refused(f"it has more than {NODES_MAX:,} tags and values", 1)
            if _steps(tree, declared, DEPTH_MAX) > STEPS_MAX:
                raise _Refused("it might take too long; put fewer loops in one another", 1)
            self._template = environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise self._invalid(f"Line {error.lineno}: {error.message}") from error
        except _Refused as refused:
            raise self._invalid(f"Line {refused.line}: {refused}.") from refused
        except (RecursionError, ValueError) as error:  # of Jinja's parser: depth, long numbers
            raise self._invalid("It is nested too deep, or has too long a number.") from error

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the part filled in; raises InvalidRequest where that becomes no part of a mail."""
        chunks: list[str] = []
        length = 0
        try:
            for chunk in self._template.generate(values):
                length += len(chunk)
                if length > self._length_max:
                    raise self._invalid(f"Filled in, it is over {self._length_max:,} characters.")
                chunks.append(chunk)
        except (TypeError, jinja2.UndefinedError) as error:  # numbers compared with texts, money
            raise self._invalid(f"It cannot be filled in: {error}.") from error
        text = "".join(chunks)
        if CONTROL.search(text) or (self._name == "subject" and "\n" in text):
            raise self._invalid("Filled in, it has control characters, or a subject of two lines.")
        return text

    def _invalid(self, detail: str) -> InvalidRequest:
        return InvalidRequest(detail, code="invalid_template", param=self._name)


class _Refused(Exception):
    """What the language has not, and the line that it stands in."""

    def __init__(self, detail: str, line: int) -> None:
        super().__init__(detail)
        self.line = line


def _steps(node: nodes.Node, scope: Scope, depth: int, *, is_test: bool = False) -> int:
    """Return how many steps a node takes at most; raises _Refused for what is not allowed.

    A list or object by itself can only be a test, of being there.
    """
    if depth == 0:
        raise _Refused("it is nested too deep", node.lineno)
    match node:
        case nodes.For():
            return _steps_of_loop(node, scope, depth)
        case nodes.Getattr(node=nodes.Name(name=name), attr=field):
            _require_field(name, field, scope, node.lineno)
            return 1
        case nodes.Name(name=name) if is_test and _fields_of(name, scope) is not None:
            return 1
        case nodes.Filter(name="length", node=nodes.Name(name=name)) if _is_list(name, scope):
            return 1
        case nodes.Name(name=name):
            _require_scalar(name, scope, node.lineno)
            return 1
        case _ if isinstance(node, PLAIN):
            goes_on = is_test and isinstance(node, nodes.And | nodes.Or | nodes.Not)
            test = getattr(node, "test", None)
            return _own_steps(node) + sum(
                _steps(each, scope, depth - 1, is_test=goes_on or each is test)
                for each in node.iter_child_nodes()
            )
    kind = type(node).__name__  # as Jinja calls it, such as Add or Include
    raise _Refused(
        f"{kind} is not part of the language; values, filters, if and for are", node.lineno
    )


def _require_quotes(source: str) -> None:
    """Raise _Refused for a value in an attribute without quotes: a space in it begins another."""
    for tag in TAG.finditer(source):
        attributes = QUOTED.sub("''", tag[0]).split("=")[1:]
        if any("{{" in word for each in attributes for word in each.split(maxsplit=1)[:1]):
            line = source.count("\n", 0, tag.start()) + 1
            raise _Refused("put the values of attributes in quotes", line)


def _own_steps(node: nodes.Node) -> int:
    """Return the steps of a node without those of the nodes in it."""
    if not isinstance(node, nodes.Filter | nodes.Concat):
        return 1
    each_value = 1
    if isinstance(node, nodes.Filter):
        each_value = TITLE_STEPS if node.name == "title" else FILTER_STEPS
    constants = [str(each.value) for each in node.find_all(nodes.Const)]
    count = sum(1 for _ in node.find_all(nodes.Name))
    count += sum(1 + len(each) // VALUE_CHARACTERS for each in constants)
    return 1 + each_value * count


def _steps_of_loop(loop: nodes.For, scope: Scope, depth: int) -> int:
    if not (isinstance(loop.iter, nodes.Name) and _is_list(loop.iter.name, scope)):
        raise _Refused("a loop goes over a declared list", loop.lineno)
    if not isinstance(loop.target, nodes.Name) or loop.recursive:
        raise _Refused("a loop has one name for the item, and is not recursive", loop.lineno)
    fields = _fields_of(loop.iter.name, scope) or {}
    inside = {**scope, loop.target.name: fields, "loop": dict.fromkeys(LOOP, NUMBER)}
    tests = [loop.test] if loop.test else []
    each_time = sum(_steps(each, inside, depth - 1) for each in (*loop.body, *tests))
    return 1 + LIST_MAX * (1 + each_time) + sum(_steps(x, scope, depth - 1) for x in loop.else_)


def _is_list(name: str, scope: Scope) -> bool:
    variable = scope.get(name)
    return isinstance(variable, Variable) and variable.type == "list"


def _fields_of(name: str, scope: Scope) -> Mapping[str, Scalar] | None:
    """Return the fields of an object, of an item, or of a list's items; None of a single value."""
    variable = scope.get(name)
    return (variable.fields or None) if isinstance(variable, Variable) else variable


def _require_scalar(name: str, scope: Scope, line: int) -> None:
    if name not in scope:
        raise _Refused(f"`{name}` is not among the declared variables", line)
    if _fields_of(name, scope) is not None:
        raise _Refused(f"`{name}` is no single value; say which field of it", line)


def _require_field(name: str, field: str, scope: Scope, line: int) -> None:
    fields = _fields_of(name, scope)
    if fields is None or _is_list(name, scope):
        raise _Refused(f"`{name}` is no object, and has no fields", line)
    if field not in fields:
        raise _Refused(f"`{name}` has no field `{field}`", line)


def _shown(value: Any) -> Any:
    """Return a value as readers of a mail expect it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _money(amount: int, currency: str) -> str:
    if not isinstance(amount, int) or not isinstance(currency, str):
        raise TypeError("money is of a whole number and a currency")
    return money(amount, currency)


_ESCAPING, _VERBATIM = _Environment(escapes=True), _Environment(escapes=False)
