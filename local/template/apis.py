"""The one API of a template: declared, or made by SAM for events that name none."""

import dataclasses

from local.template.api import read_api
from local.template.api_keys import read_usage_plans
from local.template.api_model import Api, Route
from local.template.cors import preflights
from local.template.http_api import read_http_api
from local.template.reader import Properties
from local.template.resources import API, FUNCTION, HTTP_API, Resources
from local.template.routes import read_http_route, read_rest_route, repeated, spelled_out

EVENT_KINDS = {"Api": API, "HttpApi": HTTP_API}
_IMPLICIT = {API: "ServerlessRestApi", HTTP_API: "ServerlessHttpApi"}
_REFERENCE = {API: "RestApiId", HTTP_API: "ApiId"}


class ApiBuilder:
    """Takes the events of all functions, and then makes the API of them."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._routes: list[Route] = []
        declared = resources.of_type(API) + resources.of_type(HTTP_API)
        if len(declared) > 1:
            sentence = "one API a template is emulated; remove the others"
            raise resources.error(declared[1], "Type", sentence)
        self._declared = declared[0] if declared else None
        self._use(HTTP_API if resources.of_type(HTTP_API) else API)

    def add(self, event_kind: str, event: Properties, function: str) -> None:
        """Add the route of an event of type Api or HttpApi."""
        kind = EVENT_KINDS[event_kind]
        if self._declared is None and not self._routes:
            self._use(kind)
        given = event.text(_REFERENCE[kind], "")
        if kind != self._kind or (self._declared and given != self._declared):
            # SAM would give such an event an API of its own beside the other one.
            raise event.error(_REFERENCE[kind], f"has to be !Ref {self._name}; one API is emulated")
        read = read_rest_route if kind == API else read_http_route
        self._routes.append(read(event, function, self._api, self._defaults))

    def build(self) -> Api:
        """The whole API. Raises TemplateError where two routes are the same."""
        twice = repeated(self._routes)
        if twice:
            sentence = f"{twice[1].key} is a route of {twice[0].function} already; remove one"
            raise self._resources.error(twice[1].function, "Events", sentence)
        defaults, api = self._defaults, self._api
        plans = read_usage_plans(self._resources, self._name, api.stage)
        return dataclasses.replace(
            api,
            routes=spelled_out(self._routes),
            preflights=preflights(
                dict(defaults.cors),
                self._routes,
                defaults.preflight_authorizer,
                defaults.preflight_needs_key,
            ),
            usage_plans=api.usage_plans + plans,
        )

    def _use(self, kind: str) -> None:
        """Read the API of that type, which SAM makes where none is declared."""
        self._kind, self._name = kind, self._declared or _IMPLICIT[kind]
        if not self._declared:
            self._resources.declare(self._name, kind, {"StageName": "Prod"} if kind == API else {})
        read = read_api if kind == API else read_http_api
        properties = self._resources.properties(self._name)
        functions = self._resources.by_arn(FUNCTION)
        self._api, self._defaults = read(self._name, properties, functions)
