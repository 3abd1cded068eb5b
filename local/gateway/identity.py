"""The identity of a request's caller: an authorizer's sources of identity (rows 1.53 and 1.58)."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from local.gateway.events import query_pairs, split_target
from local.gateway.variables import Situation, variable
from local.http.request import Request
from local.template import Authorizer


class Incoming(Protocol):
    """A request whose caller is to be known."""

    request: Request

    def situation(self) -> Situation: ...


Source = Callable[[Incoming], str | None]
Identity = tuple[str, ...]  # the values of an authorizer's sources, in their order


def identity_of(
    authorizer: Authorizer, variables: Mapping[str, str], *, is_required: bool
) -> Callable[[Incoming], Identity | None]:
    """Return a reader of the values of all sources, or of None where one is missing.

    Unless it `is_required`, a missing value is an empty one.
    """
    if authorizer.kind == "TOKEN":
        return _token(authorizer)
    sources = [source_of(source, variables) for source in authorizer.sources]

    def identify(incoming: Incoming) -> Identity | None:
        values = tuple([source(incoming) or "" for source in sources])
        return None if is_required and not all(values) else values

    return identify


def _token(authorizer: Authorizer) -> Callable[[Incoming], Identity | None]:
    header = authorizer.sources[0].removeprefix("header.").lower()
    fits = re.compile(authorizer.validation).fullmatch if authorizer.validation else None

    def identify(incoming: Incoming) -> Identity | None:
        token = incoming.request.fields.get(header)
        return (token,) if token and (fits is None or fits(token)) else None

    return identify


def source_of(source: str, variables: Mapping[str, str]) -> Source:
    """Return a reader of one source. All values of a repeated name count, joined by commas.

    Were it one of them, an authorizer might look at another, and its answer be kept for this one.
    """
    kind, _, name = source.partition(".")
    if kind == "header":
        return partial(_header, name.lower())
    if kind == "querystring":
        return partial(_parameter, name)
    if kind == "stageVariables":
        return lambda incoming: variables.get(name)
    value = variable(name)
    return lambda incoming: str(value(incoming.situation()))


def _header(lower: str, incoming: Incoming) -> str | None:
    request = incoming.request
    if len(request.fields) == len(request.headers):  # nothing is there twice
        return request.fields.get(lower)
    return ",".join([value for _, name, value in request.headers if name == lower])


def _parameter(name: str, incoming: Incoming) -> str:
    pairs = query_pairs(split_target(incoming.request.target)[1])
    return ",".join([value for key, value in pairs if key == name])
