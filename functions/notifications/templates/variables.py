"""The variables that a tenant's template declares, and what a notification gives for them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from backend import strict_json
from backend.errors import Fault, InvalidRequest
from backend.shapes import END
from notifications.templates.built_in import LINK, ONE_LINE, of_variable

LIST_MAX = 100  # items of one list: more than a mail shows
INTEGER_MAX = 2**53  # what JSON's readers agree on
# Words of the language, and names that are not the tenant's to give.
WORDS = (
    "and block call caller context elif else endfor endif false filter for if import in include is "
    "loop macro none not or raw recursive self set super true unsubscribe_url with without"
)
RESERVED = frozenset(WORDS.split())
NO_LINKS = (
    "A text holds no links; declare the variable as a url, or leave out http:// and the like."
)

Name = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z][A-Za-z0-9_]{0,39}" + END,
        extra={"expected": "1 to 40 letters, digits and _, beginning with a letter"},
    ),
]
Default = Annotated[str, Meta(max_length=1_000)] | int | float | bool
_KINDS: Mapping[str, Any] = {
    "string": Annotated[
        str,
        Meta(
            max_length=1_000,
            pattern=ONE_LINE,
            extra={"expected": "up to 1,000 characters in one line"},
        ),
    ],
    "integer": Annotated[int, Meta(ge=-INTEGER_MAX, le=INTEGER_MAX)],
    "number": float,
    "boolean": bool,
    "url": Annotated[
        str,
        Meta(
            max_length=2_000,
            # Nothing that ends an attribute of HTML, or a line.
            pattern=r"^https://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?(?:[/?#][!#-;=?-~]*)?" + END,
            extra={"expected": "an address that begins with https://"},
        ),
    ],
}


class Scalar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The declaration of a text, number, boolean or address; with a default it may be left out."""

    type: Literal["string", "integer", "number", "boolean", "url"]
    required: bool = True
    default: Default | UnsetType = UNSET


class Variable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The declaration of a variable: a scalar, an object, or a list of up to 100 objects.

    Objects have `fields`.
    """

    type: Literal["string", "integer", "number", "boolean", "url", "object", "list"]
    required: bool = True
    default: Default | UnsetType = UNSET
    fields: Annotated[dict[Name, Scalar], Meta(min_length=1, max_length=16)] | UnsetType = UNSET


Declarations = Annotated[dict[Name, Variable], Meta(max_length=32)]


def faults_of(declared: Mapping[str, Variable]) -> Iterator[Fault]:
    """Yield what is wrong with declarations of which each has the right form."""
    for name, variable in declared.items():
        param = f"variables.{name}"
        if name.lower() in RESERVED:
            yield Fault(param, "invalid_value", f"`{name}` is a word of templates; use another.")
        if (variable.type in ("object", "list")) != (variable.fields is not UNSET):
            detail = "An object or a list, and nothing else, has fields."
            yield Fault(f"{param}.fields", "invalid_value", detail)
        yield from _wrong_default(variable, param)
        for field, scalar in (variable.fields or {}).items():
            yield from _wrong_default(scalar, f"{param}.fields.{field}")


def _wrong_default(declared: Variable | Scalar, param: str) -> Iterator[Fault]:
    if declared.default is UNSET:
        return
    try:
        msgspec.convert(declared.default, _KINDS.get(declared.type, UnsetType))
    except msgspec.ValidationError:
        detail = f"The default is no {declared.type}, or too long, or not in one line."
        yield Fault(f"{param}.default", "invalid_value", detail)
        return
    if declared.type == "string" and LINK.search(str(declared.default)):
        yield Fault(f"{param}.default", "invalid_value", NO_LINKS)


def shape_of(declared: Mapping[str, Variable]) -> type[Struct]:
    """Return the shape of what a notification gives for these variables."""
    return _shape(
        {
            name: (_with_fields(each) if each.fields else _KINDS[each.type], each)
            for name, each in declared.items()
        }
    )


def values_of(
    arguments: Mapping[str, Any], declared: Mapping[str, Variable], shape: type[Struct]
) -> dict[str, Any]:
    """Return the values to fill in; raises InvalidRequest naming every one that is wrong."""
    try:
        values: dict[str, Any] = msgspec.to_builtins(strict_json.convert(dict(arguments), shape))
    except InvalidRequest as error:
        raise InvalidRequest.of([of_variable(each) for each in error.faults]) from error
    linked = dict.fromkeys(name for name, text in _texts(values, declared) if LINK.search(text))
    if linked:
        raise InvalidRequest.of([of_variable(Fault(each, "", NO_LINKS)) for each in linked])
    return values


def _texts(
    values: Mapping[str, Any], declared: Mapping[str, Variable | Scalar], within: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the texts among values, which are not addresses, by the names that faults give them."""
    for name, value in values.items():
        declaration = declared[name]
        if declaration.type == "string":
            yield within + name, value
        elif isinstance(declaration, Variable) and declaration.fields:
            for item in value if isinstance(value, list) else [value]:
                yield from _texts(item, declaration.fields, f"{within}{name}.")


def _with_fields(variable: Variable) -> Any:
    fields = variable.fields or {}
    item = _shape({name: (_KINDS[each.type], each) for name, each in fields.items()})
    if variable.type == "object":
        return item
    return Annotated[list[item], Meta(max_length=LIST_MAX)]  # type: ignore[valid-type]  # made here


def _shape(fields: Mapping[str, tuple[Any, Variable | Scalar]]) -> type[Struct]:
    parts: list[Any] = []
    for name, (kind, declared) in fields.items():
        if declared.default is not UNSET:
            parts.append((name, kind, declared.default))
        elif declared.required:
            parts.append((name, kind))
        else:
            parts.append((name, kind | UnsetType, UNSET))
    return msgspec.defstruct(
        "Variables", parts, kw_only=True, frozen=True, forbid_unknown_fields=True
    )
