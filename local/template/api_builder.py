"""The APIs of a template: declared, or made by SAM for events that name none.

A function's URL is such an API too, with one route. Each API has an address of its own.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from local.template.api_keys import read_usage_plans
from local.template.api_records import Api, Integration, Preflight, Route, SignatureAuthorizer
from local.template.authorizers import IAM
from local.template.cors import preflights
from local.template.generated import WEBSOCKET_API, url_api
from local.template.http_api import read_http_api, read_route_throttle
from local.template.openapi import Definition, Operation
from local.template.reader import Properties
from local.template.resources import API, FUNCTION, HTTP_API, Resources
from local.template.rest_api import read_api
from local.template.routes import read_http_route, read_rest_route, repeated, spelled_out
from local.template.websocket_api import read_websocket_api

EVENT_KINDS = {"Api": API, "HttpApi": HTTP_API}
APIS_MAX = 16  # each has a port of its own
_IMPLICIT = {API: "ServerlessRestApi", HTTP_API: "ServerlessHttpApi"}
_REFERENCE = {API: "RestApiId", HTTP_API: "ApiId"}


class ApiBuilders:
    """The APIs of one template by logical id, and the events and URLs of functions for them."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._apis: dict[str, ApiBuilder] = {}
        self._urls: list[tuple[Properties, str]] = []
        for kind in (API, HTTP_API):
            for name in resources.of_type(kind):
                with resources.refusals.leaving_out():
                    self._apis[name] = ApiBuilder(resources, name, kind)

    def add(
        self,
        event_kind: str,
        event: Properties,
        function: str,
        integration: Integration | None = None,
    ) -> None:
        """Add the route of an event of type Api or HttpApi to the API that it names, or SAM's.

        What it calls is the function's proxy, or the integration.
        """
        kind = EVENT_KINDS[event_kind]
        name = event.text(_REFERENCE[kind], _IMPLICIT[kind])
        if name == _IMPLICIT[kind] and name not in self._apis:
            self._declare(name, kind, {"StageName": "Prod"} if kind == API else {})
        api = self._apis.get(name)
        if api is None or api.kind != kind:
            sentence = f"{name} is no {kind} of this template; use !Ref of one"
            raise event.not_emulated(_REFERENCE[kind], sentence)
        api.add(event, function, integration)

    def add_url(self, url: Properties, function: str) -> None:
        """Add the URL of a function, an API that comes after those with events."""
        self._urls.append((url, function))

    def build(self) -> tuple[Api, ...]:
        """Return the APIs that have routes, at least one; the first has the main address."""
        for url, function in self._urls:
            with self._resources.refusals.leaving_out():
                self._serve_url(url, function)
        if not self._apis and not self._resources.of_type(WEBSOCKET_API):
            self._declare(_IMPLICIT[API], API, {"StageName": "Prod"})
        apis = [each.build() for each in self._apis.values()]
        with_routes = [api for api in (*apis, *self._websocket_apis()) if api.routes]
        if len(with_routes) > APIS_MAX:
            sentence = f"{APIS_MAX} APIs and URLs of functions are served; remove the others"
            raise self._resources.error(with_routes[APIS_MAX].name, "", sentence)
        return tuple(with_routes) or (apis[0],)

    def _websocket_apis(self) -> Iterator[Api]:
        functions = self._resources.by_arn(FUNCTION)
        for name in self._resources.of_type(WEBSOCKET_API):
            with self._resources.refusals.leaving_out():
                yield read_websocket_api(name, self._resources.properties(name), functions)

    def _declare(self, name: str, kind: str, properties: dict[str, Any]) -> None:
        self._resources.declare(name, kind, properties)
        self._apis[name] = ApiBuilder(self._resources, name, kind)

    def _serve_url(self, url: Properties, function: str) -> None:
        kind = url.text("AuthType")
        if kind not in ("NONE", "AWS_IAM"):
            raise url.error("AuthType", f"{kind} is neither NONE nor AWS_IAM")
        if url.text("InvokeMode", "BUFFERED") != "BUFFERED":
            raise url.not_emulated("InvokeMode", "responses are not streamed; use BUFFERED")
        name = url_api(function)
        self._declare(name, HTTP_API, {"CorsConfiguration": url.take("Cors", False)})
        url.finish()
        self._apis[name].add(url.item("", {"Auth": {"Authorizer": kind}}), function)


class ApiBuilder:
    """The builder that takes the events for one API, then makes the API of them."""

    def __init__(self, resources: Resources, name: str, kind: str) -> None:
        self.kind = kind
        self._resources = resources
        self._name = name
        self._routes: list[Route] = []
        read = read_api if kind == API else read_http_api
        block = resources.properties(name)
        self._definition = Definition(resources, block, is_http=kind == HTTP_API)
        block = block.beside(self._definition.properties_of_sam())
        self._api, self._defaults = read(name, block, resources.by_arn(FUNCTION))
        if self._definition.exists:
            self._take_definition()

    def add(self, event: Properties, function: str, integration: Integration | None = None) -> None:
        """Add the route of an event; one of an API with a definition stands there already."""
        if self._definition.takes_events:
            self._add(event, function, integration)

    def build(self) -> Api:
        """Return the whole API. Raises TemplateError where two routes are the same."""
        twice = repeated(self._routes)
        if twice:
            sentence = f"{twice[1].key} is a route of {twice[0].function} already; remove one"
            raise self._resources.error(twice[1].function, "Events", sentence)
        plans = read_usage_plans(
            self._resources, self._name, self._api.stage, self._api.usage_plans
        )
        needs_signature = any(route.authorizer == IAM for route in self._routes)
        signed = {IAM: SignatureAuthorizer()} if needs_signature else {}
        return dataclasses.replace(
            self._api,
            authorizers={**self._api.authorizers, **signed},
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

    def _take_definition(self) -> None:
        names = self._resources.by_name(FUNCTION)
        for operation in self._definition.operations():
            with self._resources.refusals.leaving_out():
                if operation.preflight is not None:
                    self._add_preflight(operation.event, operation.preflight)
                elif not operation.function and operation.integration:
                    self._add_operation(operation, "")
                elif function := names.get(operation.function):
                    self._add_operation(operation, function)
                else:
                    sentence = f"{operation.function} is no function of this template; add it"
                    raise operation.event.not_emulated("uri", sentence)

    def _add_operation(self, operation: Operation, function: str) -> None:
        self._add(operation.event, function, operation.integration)
        if operation.validation:
            route = dataclasses.replace(self._routes[-1], validation=operation.validation)
            self._routes[-1] = route

    def _add(
        self, event: Properties, function: str, integration: Integration | None = None
    ) -> None:
        if self.kind == API:
            route = read_rest_route(event, function, self._api, self._defaults)
            self._routes.append(dataclasses.replace(route, integration=integration))
            return
        settings = event.block("RouteSettings")
        route = read_http_route(event, function, self._api, self._defaults)
        throttles = self._api.throttles + read_route_throttle(settings, route.path, route.method)
        self._api = dataclasses.replace(self._api, throttles=throttles)
        self._routes.append(dataclasses.replace(route, integration=integration))

    def _add_preflight(self, event: Properties, headers: dict[str, str]) -> None:
        route = read_rest_route(event, "", self._api, self._defaults)
        preflight = Preflight(
            path=route.path, headers=headers, authorizer=route.authorizer, needs_key=route.needs_key
        )
        self._api = dataclasses.replace(self._api, preflights=(*self._api.preflights, preflight))
