"""The faults of a request: every wrong field at once, each in a sentence that says what is right.

A type says by `Meta(extra=...)` what its annotations cannot: `expected` is a pattern in words,
`values` what a Literal lists, and `check` a function of value and field that raises InvalidRequest
where the form is right and the value is not. A Struct whose fields depend on one another has
`cross_check`, a function of those that hold by themselves; it returns faults.
"""

import functools
import json
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, Meta, UnsetType

from backend.errors import Fault, InvalidRequest

FAULTS_MAX = 20  # of one request: whoever mends these learns of the rest
INSIDE_MAX = 5  # of one object or list in it, so that there is room for other fields
SHOWN_MAX = 40  # characters of a wrong value in a sentence
CARD_NUMBER = re.compile(r"(?:\d[ -]?){12,}")  # what looks like one is not repeated
KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}

Check = Callable[[Any, str], object]


@functools.cache
def checks_of(shape: Any) -> tuple[tuple[str, Check], ...]:
    """Return the checks that a shape's fields need besides their form, with the fields' names."""
    return tuple(
        (field.name, check)
        for field in msgspec.structs.fields(shape)
        if (check := _extra(field.type).get("check"))
    )


def holds(converted: Any) -> bool:
    """Tell whether what has the right form passes all other checks of its shape."""
    shape = type(converted)
    for name, check in checks_of(shape):  # type: ignore[arg-type]  # classes are hashable
        value = getattr(converted, name)
        if value is not None and value is not UNSET and any(caught(check, value, name)):
            return False
    cross_check = getattr(shape, "cross_check", None)
    return cross_check is None or not any(cross_check(msgspec.structs.asdict(converted)))


def caught(check: Callable[..., object], *arguments: Any) -> Iterator[Fault]:
    """Return the faults that a check raises, or none."""
    try:
        check(*arguments)
    except InvalidRequest as error:
        yield from error.faults


def find(value: object, shape: type[Any], *, strict: bool) -> list[Fault]:
    """Return what is wrong with parsed JSON, or with texts where not `strict`, as `shape`."""
    return list(islice(_of_struct(value, shape, "", strict), FAULTS_MAX))


def _of_struct(value: object, shape: type[Any], prefix: str, strict: bool) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield Fault(None, "wrong_type", "The body must be an object.")
        return
    right: dict[str, Any] = {}
    for field in msgspec.structs.fields(shape):
        yield from _of_field(value, field, prefix, strict, right)
    if cross_check := getattr(shape, "cross_check", None):
        yield from cross_check(right)
    if shape.__struct_config__.forbid_unknown_fields:
        yield from _unknown(value, shape, prefix)


def _of_field(
    value: Mapping[str, Any],
    field: msgspec.structs.FieldInfo,
    prefix: str,
    strict: bool,
    right: dict[str, Any],
) -> Iterator[Fault]:
    """Find what is wrong with one field, or add what is right."""
    name = prefix + field.encode_name
    if field.encode_name in value:
        content = value[field.encode_name]
        faults = list(_of_value(content, field.type, name, strict))
        yield from faults
        if not faults:
            right[field.name] = msgspec.convert(content, field.type, strict=strict)
    elif field.required:
        yield Fault(name, "field_required", f"`{name}` is missing.")
    else:
        right[field.name] = _default(field)


def _unknown(value: Mapping[str, Any], shape: type[Any], prefix: str) -> Iterator[Fault]:
    names = [field.encode_name for field in msgspec.structs.fields(shape)]
    for name in (each for each in value if each not in names):
        detail = f"There is no field {_shown(name) or 'of that name'}; use {_listed(names, 'or')}."
        yield Fault(f"{prefix}{_shortened(name)}", "unknown_field", detail)


def _of_value(value: object, kind: Any, name: str, strict: bool) -> Iterator[Fault]:
    try:
        msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError:
        yield from _of_form(value, kind, name, strict)
        return
    check = _extra(kind).get("check")
    if check and value is not None:
        for fault in caught(check, value, name):
            yield msgspec.structs.replace(fault, param=name)


def _of_form(value: object, kind: Any, name: str, strict: bool) -> Iterator[Fault]:
    """Find what is wrong with a value that is not of its kind, in its parts where it has some."""
    inner = _within(kind)
    origin, of = get_origin(inner), get_args(inner)
    inside: Iterator[Fault] = iter(())
    if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        inside = _of_struct(value, inner, f"{name}.", strict)
    elif isinstance(value, dict) and origin is dict:
        inside = _of_items(value, of[0], of[1], name)
    elif isinstance(value, list) and origin in (list, tuple):
        wrong = (each for each in value if not _is(each, of[0]))
        inside = (_fault(name, f"each of `{name}`", each, of[0]) for each in wrong)
    faults = list(islice(inside, INSIDE_MAX))
    yield from faults or [_fault(name, f"`{name}`", value, kind, strict=strict)]


def _of_items(value: dict[str, Any], key: Any, item: Any, name: str) -> Iterator[Fault]:
    for each, content in value.items():
        if not _is(each, key):
            yield _fault(name, f"each name in `{name}`", each, key)
        elif not _is(content, item):
            yield _fault(name, f"{_shown(each)} in `{name}`", content, item)


def _fault(name: str, subject: str, value: object, kind: Any, *, strict: bool = True) -> Fault:
    base = _within(kind)
    is_literal = get_origin(base) is Literal
    shown = _shown(value)
    if is_literal and isinstance(value, str):
        values = _extra(kind).get("values", f"an allowed value of `{name}`")
        use = f"use {_listed([str(each) for each in get_args(base)], 'or')}"
        return Fault(name, "invalid_value", f"{shown or 'This'} is not {values}; {use}.")
    is_right = not (is_literal or isinstance(value, bool)) and _is(value, base, strict=strict)
    detail = f"{subject} must be {_expected(kind)}{f', not {shown}' if shown else ''}."
    code = "invalid_value" if is_right else "wrong_type"
    return Fault(name, code, detail[0].upper() + detail[1:])


def _expected(kind: Any) -> str:
    """Return in words what a kind is."""
    metas, base = _metas(kind), _without_metas(kind)
    if words := _own_extra(metas).get("expected"):
        return str(words)
    origin, of = get_origin(base), get_args(base)
    if origin in (Union, types.UnionType):
        named = [each for each in of if each is not UnsetType and each is not type(None)]
        words = [_expected(each) for each in named]
        return _listed([*words, "null"] if type(None) in of else words, "or")
    if origin is Literal:
        return f"one of {_listed([str(each) for each in of], 'or')}"
    if origin in (list, tuple):
        return f"a list{_bounds(metas, 'of', 'items')}"
    if base in KINDS:
        return KINDS[base] + _bounds(metas, "of", "characters")
    return f"an object{_bounds(metas, 'of', 'fields')}"


def _bounds(metas: Sequence[Meta], of: str, unit: str) -> str:
    def bound(name: str) -> Any:
        return next((v for meta in metas if (v := getattr(meta, name)) is not None), None)

    low, high = bound("ge"), bound("le")
    if low is not None and high is not None:
        return f" from {int(low):,} to {int(high):,}"
    low, high = bound("min_length"), bound("max_length")
    if high is None:
        return ""
    return f" {of} {low} to {high:,} {unit}" if low else f" {of} at most {high:,} {unit}"


def _metas(kind: Any) -> list[Meta]:
    return (
        [each for each in get_args(kind)[1:] if isinstance(each, Meta)]
        if _is_annotated(kind)
        else []
    )


def _own_extra(metas: Sequence[Meta]) -> dict[str, Any]:
    return {name: value for meta in metas for name, value in (meta.extra or {}).items()}


def _extra(kind: Any) -> dict[str, Any]:
    """Return what a kind, or the one alternative that it has to nothing, says of itself."""
    extra = _own_extra(_metas(kind))
    base = _without_metas(kind)
    if get_origin(base) in (Union, types.UnionType) and (alternative := _only(base)):
        return {**_extra(alternative), **extra}
    return extra


def _within(kind: Any) -> Any:
    """Return the bare type of a kind, without None where that is the alternative."""
    base = _without_metas(kind)
    if get_origin(base) in (Union, types.UnionType) and (alternative := _only(base)):
        return _within(alternative)
    return base


def _only(union: Any) -> Any:
    named = [each for each in get_args(union) if each not in (UnsetType, type(None))]
    return named[0] if len(named) == 1 else None


def _without_metas(kind: Any) -> Any:
    return get_args(kind)[0] if _is_annotated(kind) else kind


def _is_annotated(kind: Any) -> bool:
    return get_origin(kind) is Annotated


def _is(value: object, kind: Any, *, strict: bool = True) -> bool:
    try:
        msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError:
        return False
    return True


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not NODEFAULT else field.default_factory()


def _shortened(name: object) -> str:
    text = str(name)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def _shown(value: object) -> str:
    """Return a value as it stands in a sentence; nothing where it is long or may be a card's."""
    text = json.dumps(value, ensure_ascii=False)
    return "" if len(text) > SHOWN_MAX or CARD_NUMBER.search(text) else text


def _listed(words: Sequence[str], last: str) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
