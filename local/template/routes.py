"""Routes of an API, read from events of type Api and HttpApi, checked, and ANY spelled out."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from local.template import support
from local.template.api_records import (
    HTTP_TIMEOUT_MS,
    REST_TIMEOUT_MS,
    Api,
    JwtAuthorizer,
    PoolAuthorizer,
    Route,
)
from local.template.authorizers import IAM
from local.template.reader import Properties
from local.template.validation import read_validation

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")  # what ANY stands for
DEFAULT = "$default"  # the route of an HTTP API that takes what no other does

# What SAM reads of the Auth of an event; of anything else it says nothing.
_KNOWN_OF_AUTH = (
    *("ApiKeyRequired", "AuthorizationScopes", "Authorizer", "InvokeRole", "OverrideApiAuth"),
    "ResourcePolicy",
)
_PATH = re.compile(r"(/([A-Za-z0-9._~:@!$&'()*,;=%-]+|\{[A-Za-z0-9._-]+\}))*(/|/\{[\w.-]+\+\})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The settings of an API for all its routes."""

    authorizer: str | None
    left_out: frozenset[str] = frozenset()  # authorizers that let everybody in
    needs_key: bool = False
    cors: Mapping[str, str] = field(default_factory=dict)  # headers of preflight answers
    preflight_authorizer: str | None = None
    preflight_needs_key: bool = False


def read_rest_route(event: Properties, function: str, api: Api, defaults: Defaults) -> Route:
    """Return the route of an event of type Api."""
    path, method = _path(event), _method(event)
    auth = event.block("Auth")
    auth.pass_over(_KNOWN_OF_AUTH)
    authorizer = _authorizer(auth, api, defaults)
    scopes = _scopes(auth, api, authorizer)
    needs_key = auth.flag("ApiKeyRequired", defaults.needs_key)
    auth.finish(support.AUTH_PROPERTIES_WITHOUT_EFFECT)
    route = Route(
        method=method,
        path=path,
        function=function,
        authorizer=authorizer,
        key=f"{method} {path}",
        needs_key=needs_key,
        scopes=scopes,
        validation=read_validation(event, api.models),
        timeout_ms=event.integer(
            "TimeoutInMillis", REST_TIMEOUT_MS, lowest=50, highest=REST_TIMEOUT_MS
        ),
    )
    event.finish()
    return route


def read_http_route(event: Properties, function: str, api: Api, defaults: Defaults) -> Route:
    """Return the route of an event of type HttpApi; without a path it is the default one."""
    is_default = "Path" not in event
    path = DEFAULT if is_default else _path(event)
    method = _method(event) if "Method" in event else "ANY"
    auth = event.block("Auth")
    auth.pass_over(_KNOWN_OF_AUTH)
    authorizer = _authorizer(auth, api, defaults)
    scopes = _scopes(auth, api, authorizer)
    auth.finish()
    payload = event.text("PayloadFormatVersion", "2.0")
    if payload not in ("1.0", "2.0"):
        raise event.error("PayloadFormatVersion", f"{payload} is neither 1.0 nor 2.0")
    route = Route(
        method=method,
        path=path,
        function=function,
        authorizer=authorizer,
        key=DEFAULT if is_default else f"{method} {path}",
        timeout_ms=event.integer(
            "TimeoutInMillis", HTTP_TIMEOUT_MS, lowest=50, highest=HTTP_TIMEOUT_MS
        ),
        payload=payload,
        scopes=scopes,
    )
    event.finish()
    return route


def repeated(routes: Iterable[Route]) -> tuple[Route, Route] | None:
    """Return two routes for the same method and path, whatever their parameters are called."""
    routes_by_key: dict[tuple[str, str], Route] = {}
    for route in routes:
        key = (route.method, _shape(route.path))
        if key in routes_by_key:
            return routes_by_key[key], route
        routes_by_key[key] = route
    return None


def spelled_out(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Return each route of ANY as one for every method that its path has not by name."""
    routes = tuple(routes)
    named = {(route.method, _shape(route.path)) for route in routes}
    single: list[Route] = []
    for route in routes:
        if route.method != "ANY":
            single.append(route)
            continue
        shape = _shape(route.path)
        single += [
            dataclasses.replace(route, method=method)
            for method in METHODS
            if (method, shape) not in named
        ]
    return tuple(single)


def _path(event: Properties) -> str:
    path = event.text("Path")
    if not _PATH.fullmatch(path) or not path.startswith("/"):
        raise event.error("Path", f"{path!r} is no resource path; write it as /a/{{b}}/{{c+}}")
    return path


def _method(event: Properties) -> str:
    method = event.text("Method").upper()
    if method not in (*METHODS, "ANY"):
        raise event.error("Method", f"{method!r} is none of {', '.join(METHODS)}, ANY")
    return method


def _authorizer(auth: Properties, api: Api, defaults: Defaults) -> str | None:
    authorizer = auth.text("Authorizer", defaults.authorizer or "NONE")
    if authorizer == "NONE" or authorizer in defaults.left_out:
        return None
    if authorizer not in (IAM, *api.authorizers):
        raise auth.error("Authorizer", f"{authorizer!r} is not an authorizer of the API; add it")
    return authorizer


def _scopes(auth: Properties, api: Api, authorizer: str | None) -> tuple[str, ...]:
    """Return the scopes of which a token has to have one: a route's own, or its authorizer's."""
    scopes = auth.texts("AuthorizationScopes")
    reader = api.authorizers.get(authorizer or "")
    if scopes or not isinstance(reader, JwtAuthorizer | PoolAuthorizer):
        return scopes
    return reader.scopes


def _shape(path: str) -> str:
    """Return a path without the names of its parameters and its last slash."""
    shape = re.sub(r"\{[^}+]+\}", "{}", re.sub(r"\{[^}]+\+\}", "{+}", path))
    return shape.rstrip("/")
