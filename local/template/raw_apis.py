"""APIs that are written resource by resource, without SAM, in the form that SAM gives them.

Each becomes one API with an OpenAPI definition.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/AWS_ApiGateway.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/AWS_ApiGatewayV2.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from local.template import raw_websocket_api
from local.template.generated import IMPLICIT_APIS, WEBSOCKET_API, is_websocket_api
from local.template.references import referred
from local.template.validation import VALIDATOR, VALIDATORS

_REST = "AWS::ApiGateway::"
_HTTP = "AWS::ApiGatewayV2::"
REST_API, HTTP_API = _REST + "RestApi", _HTTP + "Api"
_PARTS_OF_REST = (
    *("Resource", "Method", "Authorizer", "Deployment", "Stage", "GatewayResponse"),
    *("Model", "RequestValidator"),
)
_PARTS_OF_HTTP = ("Route", "Integration", "Authorizer", "Deployment", "Stage")
_PARTS_OF_WEBSOCKETS = ("RouteResponse", "IntegrationResponse")
PARTS = (
    *(_REST + part for part in _PARTS_OF_REST),
    *(_HTTP + part for part in (*_PARTS_OF_HTTP, *_PARTS_OF_WEBSOCKETS)),
)
KINDS = (REST_API, HTTP_API, *PARTS)

_OF_SAM = ("AWS::Serverless::Api", "AWS::Serverless::HttpApi", WEBSOCKET_API)
_INTEGRATION = "x-amazon-apigateway-integration"
_AUTHORIZER = "x-amazon-apigateway-authorizer"
_KEY_SCHEME = "api_key"
_PLACES = {"querystring": "query", "header": "header", "path": "path"}
_OF_REST_API = ("BinaryMediaTypes", "ApiKeySourceType")
_OF_HTTP_API = ("CorsConfiguration",)
_OF_REST_STAGE = ("StageName", "Variables", "MethodSettings", "AccessLogSetting")
_OF_HTTP_STAGE = (
    *("StageName", "StageVariables", "DefaultRouteSettings", "RouteSettings"),
    "AccessLogSettings",
)

Resource = dict[str, Any]


def with_apis_of_sam(resources: Mapping[str, Resource]) -> dict[str, Resource]:
    """Return the resources, each API with its parts in one resource of SAM's."""
    result = {name: each for name, each in resources.items() if each["Type"] not in PARTS}
    for name, resource in resources.items():
        if resource["Type"] == REST_API:
            rest = _RestApi(name, resource, resources)
            result[name] = _api("AWS::Serverless::Api", rest.as_sam())
        elif resource["Type"] == HTTP_API and _properties(resource).get("ProtocolType") == "HTTP":
            api = _HttpApi(name, resource, resources)
            result[name] = _api("AWS::Serverless::HttpApi", api.as_sam())
        elif resource["Type"] == HTTP_API and is_websocket_api(resource):
            parts = _Parts(name, "ApiId", _HTTP, resources)
            properties = raw_websocket_api.as_sam(_properties(resource), parts.of)
            result[name] = _api(WEBSOCKET_API, properties)
    return result


def parts_of_no_api(resources: Mapping[str, Resource]) -> Iterator[tuple[str, str]]:
    """Yield each part whose API is not in the template, and the property that names it."""
    for name, resource in resources.items():
        if resource["Type"] in PARTS:
            property = "RestApiId" if resource["Type"].startswith(_REST) else "ApiId"
            names = referred(_properties(resource).get(property))
            kinds = {resources[api]["Type"] for api in names & resources.keys()}
            if not names & IMPLICIT_APIS.keys() and not kinds & {*_OF_SAM, REST_API, HTTP_API}:
                yield name, property


class _Parts:
    """The parts of one API by type; an API is named in each by `property`."""

    def __init__(
        self, api: str, property: str, prefix: str, resources: Mapping[str, Resource]
    ) -> None:
        self._by_kind: dict[str, dict[str, Resource]] = {}
        for name, resource in resources.items():
            kind = resource["Type"].removeprefix(prefix)
            properties = _properties(resource)
            if resource["Type"] in PARTS and api in referred(properties.get(property)):
                self._by_kind.setdefault(kind, {})[name] = properties

    def of(self, kind: str) -> dict[str, Resource]:
        """Return the properties of each part of that type by logical id."""
        return self._by_kind.get(kind, {})


class _RestApi:
    """A REST API and its parts."""

    def __init__(self, name: str, resource: Resource, resources: Mapping[str, Resource]) -> None:
        self._properties = _properties(resource)
        self._parts = _Parts(name, "RestApiId", _REST, resources)

    def as_sam(self) -> Resource:
        """Return the properties of an AWS::Serverless::Api."""
        definition = self._properties.get("Body") or {
            "paths": self._paths(),
            "securityDefinitions": self._schemes(),
            "definitions": self._models(),
            VALIDATORS: {
                name: _lower_first(each)
                for name, each in self._parts.of("RequestValidator").items()
            },
            "x-amazon-apigateway-gateway-responses": self._gateway_responses(),
        }
        if "BodyS3Location" in self._properties:
            definition = self._properties["BodyS3Location"]
        return {
            "StageName": "default",
            **_selection(self._properties, _OF_REST_API),
            **self._stage(),
            "DefinitionBody": definition,
        }

    def _stage(self) -> Resource:
        """Return the settings of the stage, which a deployment may make by itself."""
        for deployment in self._parts.of("Deployment").values():
            if "StageName" in deployment:
                description = deployment.get("StageDescription") or {}
                return _selection({**description, **deployment}, _OF_REST_STAGE)
        for stage in self._parts.of("Stage").values():
            return _selection(stage, _OF_REST_STAGE)
        return {}

    def _paths(self) -> Resource:
        paths: Resource = {}
        for method in self._parts.of("Method").values():
            path = self._path(method.get("ResourceId"))
            name = str(method.get("HttpMethod", "ANY")).lower()
            verb = "x-amazon-apigateway-any-method" if name == "any" else name
            paths.setdefault(path, {})[verb] = self._operation(method)
        return paths

    def _path(self, reference: Any) -> str:
        """Return the path of a resource, by its parents up to the root."""
        parts: list[str] = []
        resources = self._parts.of("Resource")
        while (names := referred(reference) & resources.keys()) and len(parts) < len(resources):
            resource = resources[names.pop()]
            parts.append(str(resource.get("PathPart")))
            reference = resource.get("ParentId")
        return "/" + "/".join(reversed(parts))

    def _operation(self, method: Resource) -> Resource:
        integration = dict(method.get("Integration") or {"Type": "MOCK"})
        responses = integration.pop("IntegrationResponses", None) or []
        operation = {
            "security": _security(method),
            _INTEGRATION: {
                **_lower_first(integration),
                "responses": {
                    str(each.get("SelectionPattern") or "default"): _lower_first(each)
                    for each in responses
                    if isinstance(each, dict)
                },
            },
        }
        if validator := method.get("RequestValidatorId"):
            operation[VALIDATOR] = next(iter(referred(validator)), str(validator))
        return {**operation, **self._wanted(method)}

    def _wanted(self, method: Resource) -> Resource:
        """Return the parameters and the body that a method describes, as OpenAPI has them."""
        parameters = [
            {"in": _PLACES.get(name.split(".")[2]), "name": name.split(".", 3)[3], "required": on}
            for name, on in (method.get("RequestParameters") or {}).items()
            if name.count(".") > 2
        ]
        content = {
            kind: {"schema": {"$ref": f"#/definitions/{name}"}}
            for kind, reference in (method.get("RequestModels") or {}).items()
            for name in referred(reference) or {str(reference)}
        }
        return {"parameters": parameters, "requestBody": {"content": content}}

    def _models(self) -> Resource:
        """Return the schemas by logical id and by name."""
        models = {}
        for name, model in self._parts.of("Model").items():
            models[name] = models[str(model.get("Name", name))] = model.get("Schema") or {}
        return models

    def _schemes(self) -> Resource:
        schemes: Resource = {_KEY_SCHEME: {"type": "apiKey", "name": "x-api-key", "in": "header"}}
        for name, authorizer in self._parts.of("Authorizer").items():
            source = str(authorizer.get("IdentitySource", "method.request.header.Authorization"))
            schemes[name] = {
                "type": "apiKey",
                "name": source.rpartition(".")[2],
                _AUTHORIZER: _lower_first(authorizer),
            }
        return schemes

    def _gateway_responses(self) -> Resource:
        return {
            str(each.get("ResponseType")): _lower_first(each)
            for each in self._parts.of("GatewayResponse").values()
        }


class _HttpApi:
    """An HTTP API and its parts."""

    def __init__(self, name: str, resource: Resource, resources: Mapping[str, Resource]) -> None:
        self._properties = _properties(resource)
        self._parts = _Parts(name, "ApiId", _HTTP, resources)

    def as_sam(self) -> Resource:
        """Return the properties of an AWS::Serverless::HttpApi."""
        stages = self._parts.of("Stage").values()
        definition = self._properties.get("Body") or {
            "paths": self._paths(),
            "components": {"securitySchemes": self._schemes()},
        }
        if "BodyS3Location" in self._properties:
            definition = self._properties["BodyS3Location"]
        return {
            **_selection(self._properties, _OF_HTTP_API),
            **next((_selection(stage, _OF_HTTP_STAGE) for stage in stages), {}),
            "DefinitionBody": definition,
        }

    def _paths(self) -> Resource:
        paths: Resource = {}
        for route in self._routes():
            method, _, path = str(route.get("RouteKey", "$default")).rpartition(" ")
            verb = method.lower() or "any"
            verb = "x-amazon-apigateway-any-method" if verb == "any" else verb
            integration = self._integration(route.get("Target"))
            paths.setdefault(path, {})[verb] = {
                "security": _security(route),
                _INTEGRATION: integration,
            }
        return paths

    def _routes(self) -> Iterator[Resource]:
        yield from self._parts.of("Route").values()
        if "Target" in self._properties:  # which makes a route and its integration
            yield {"RouteKey": "$default", **self._properties}

    def _integration(self, target: Any) -> Resource:
        integrations = self._parts.of("Integration")
        for name in referred(target) & integrations.keys():
            integration = dict(integrations[name])
            fields = {
                "type": integration.pop("IntegrationType", ""),
                "uri": integration.pop("IntegrationUri", ""),
            }
            return {**_lower_first(integration), **fields}
        return {"type": "AWS_PROXY", "uri": target, "payloadFormatVersion": "2.0"}

    def _schemes(self) -> Resource:
        schemes = {}
        for name, authorizer in self._parts.of("Authorizer").items():
            scheme = dict(authorizer)
            scheme["type"] = scheme.pop("AuthorizerType", "")
            if isinstance(sources := scheme.get("IdentitySource"), list):
                scheme["IdentitySource"] = ",".join(map(str, sources))
            schemes[name] = {"type": "oauth2", _AUTHORIZER: _lower_first(scheme)}
        return schemes


def _security(method: Resource) -> list[Resource]:
    """Return the security of a method or route in OpenAPI's form."""
    kind = method.get("AuthorizationType", "NONE")
    scopes = method.get("AuthorizationScopes") or []
    entry: Resource = {}
    if kind == "AWS_IAM":
        entry[kind] = []
    elif kind != "NONE":
        entry |= dict.fromkeys(referred(method.get("AuthorizerId")) or ("?",), scopes)
    if str(method.get("ApiKeyRequired", "false")).lower() == "true":
        entry[_KEY_SCHEME] = []
    return [entry] if entry else []


def _api(kind: str, properties: Resource) -> Resource:
    return {"Type": kind, "IgnoreGlobals": "*", "Properties": properties}


def _properties(resource: Resource) -> Resource:
    return dict(resource.get("Properties") or {})


def _selection(properties: Resource, names: tuple[str, ...]) -> Resource:
    return {name: properties[name] for name in names if name in properties}


def _lower_first(properties: Resource) -> Resource:
    """Return properties under the names that OpenAPI's extensions have for them."""
    return {name[:1].lower() + name[1:]: value for name, value in properties.items()}
