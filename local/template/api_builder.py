"""The one API of a template: declared, or made by SAM for events that name none.

A function's URL is such an API too, with one route.
"""

import dataclasses
from typing import Any

from local.template.api_keys import read_usage_plans
from local.template.api_records import Api, Preflight, Route
from local.template.cors import preflights
from local.template.http_api import read_http_api, read_route_throttle
from local.template.openapi import Definition
from local.template.reader import Properties
from local.template.resources import API, FUNCTION, HTTP_API, Resources
from local.template.rest_api import read_api
from local.template.routes import read_http_route, read_rest_route, repeated, spelled_out

EVENT_KINDS = {"Api": API, "HttpApi": HTTP_API}
_IMPLICIT = {API: "ServerlessRestApi", HTTP_API: "ServerlessHttpApi"}
_REFERENCE = {API: "RestApiId", HTTP_API: "ApiId"}


class ApiBuilder:
    """The builder that takes the events of all functions, then makes the API of them."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._routes: list[Route] = []
        self._urls: list[tuple[Properties, str]] = []
        declared = resources.of_type(API) + resources.of_type(HTTP_API)
        for name in declared[1:]:
            sentence = "one API a template is emulated; move it to a template of its own"
            resources.refusals.refuse(name, "Type", sentence)
        self._declared = declared[0] if declared else None
        self._use(HTTP_API if self._declared in resources.of_type(HTTP_API) else API)

    def add(self, event_kind: str, event: Properties, function: str) -> None:
        """Add the route of an event of type Api or HttpApi."""
        kind = EVENT_KINDS[event_kind]
        if self._declared is None and not self._routes:
            self._use(kind)
        reference = event.text(_REFERENCE[kind], "")
        if kind != self._kind or (self._declared and reference != self._declared):
            # SAM would give such an event an API of its own beside the other one.
            sentence = f"has to be !Ref {self._name}; one API is emulated"
            raise event.not_emulated(_REFERENCE[kind], sentence)
        if self._definition.takes_events:
            self._add(event, function)

    def add_url(self, url: Properties, function: str) -> None:
        """Add the URL of a function, which all routes of events come before."""
        self._urls.append((url, function))

    def build(self) -> Api:
        """Return the whole API. Raises TemplateError where two routes are the same."""
        for url, function in self._urls:
            with self._resources.refusals.leaving_out():
                self._serve_url(url, function)
        twice = repeated(self._routes)
        if twice:
            sentence = f"{twice[1].key} is a route of {twice[0].function} already; remove one"
            raise self._resources.error(twice[1].function, "Events", sentence)
        plans = read_usage_plans(
            self._resources, self._name, self._api.stage, self._api.usage_plans
        )
        return dataclasses.replace(
            self._api,
            routes=spelled_out(self._routes),
            preflights=self._preflights(),
            usage_plans=plans,
        )

    def _preflights(self) -> tuple[Preflight, ...]:
        """Return the preflights of the definition, and those that Cors adds to the other paths."""
        defined, defaults = self._api.preflights, self._defaults
        paths = {each.path for each in defined}
        added = preflights(
            dict(defaults.cors),
            self._routes,
            defaults.preflight_authorizer,
            defaults.preflight_needs_key,
        )
        return defined + tuple(each for each in added if each.path not in paths)

    def _serve_url(self, url: Properties, function: str) -> None:
        if self._declared or self._routes:
            sentence = "one API a template is emulated, and there is another; remove one of them"
            raise url.not_emulated("", sentence)
        if url.text("AuthType") != "NONE":
            raise url.not_emulated("AuthType", "nobody is asked for permission here; use NONE")
        if url.text("InvokeMode", "BUFFERED") != "BUFFERED":
            raise url.not_emulated("InvokeMode", "responses are not streamed; use BUFFERED")
        self._use(HTTP_API, {"CorsConfiguration": url.take("Cors", False)})
        url.finish()
        self._add(url.item("", {}), function)

    def _use(self, kind: str, properties: dict[str, Any] | None = None) -> None:
        """Read the API of that type, which SAM makes where none is declared."""
        self._kind, self._name = kind, self._declared or _IMPLICIT[kind]
        if not self._declared:
            made = {"StageName": "Prod"} if kind == API else properties or {}
            self._resources.declare(self._name, kind, made)
        read = read_api if kind == API else read_http_api
        block = self._resources.properties(self._name)
        self._definition = Definition(self._resources, block)
        block = block.beside(self._definition.said_as_sam())
        functions = self._resources.by_arn(FUNCTION)
        self._api, self._defaults = read(self._name, block, functions)
        if self._definition.exists:
            self._take_definition()

    def _take_definition(self) -> None:
        names = self._resources.by_name(FUNCTION)
        for operation in self._definition.operations():
            with self._resources.refusals.leaving_out():
                if operation.preflight is not None:
                    self._add_preflight(operation.event, operation.preflight)
                elif function := names.get(operation.function):
                    self._add(operation.event, function)
                else:
                    sentence = f"{operation.function} is no function of this template; add it"
                    raise operation.event.not_emulated("uri", sentence)

    def _add(self, event: Properties, function: str) -> None:
        if self._kind == API:
            self._routes.append(read_rest_route(event, function, self._api, self._defaults))
            return
        settings = event.block("RouteSettings")
        route = read_http_route(event, function, self._api, self._defaults)
        throttles = self._api.throttles + read_route_throttle(settings, route.path, route.method)
        self._api = dataclasses.replace(self._api, throttles=throttles)
        self._routes.append(route)

    def _add_preflight(self, event: Properties, headers: dict[str, str]) -> None:
        route = read_rest_route(event, "", self._api, self._defaults)
        preflight = Preflight(
            path=route.path, headers=headers, authorizer=route.authorizer, needs_key=route.needs_key
        )
        self._api = dataclasses.replace(self._api, preflights=(*self._api.preflights, preflight))
