"""The OpenAPI definition of an API, read into events, authorizers and gateway responses of SAM.

An integration that is not emulated is refused by its name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.template.api_records import Integration, Validation
from local.template.document import fragment
from local.template.integrations import read_integration
from local.template.intrinsics import PSEUDO_PARAMETERS, UNKNOWN
from local.template.reader import Properties
from local.template.resources import Resources
from local.template.validation import VALIDATOR, VALIDATORS, of_operation

_AMAZON = "x-amazon-"
# Nothing on one machine is asked for permission, and networks are not here.
_WITHOUT_EFFECT = ("-importexport-version", "-policy", "-endpoint-configuration")
_AUTH = "x-amazon-apigateway-auth"
_ANY = "x-amazon-apigateway-any-method"
_CORS = "x-amazon-apigateway-cors"
_INTEGRATION = "x-amazon-apigateway-integration"
_VERBS = ("delete", "get", "head", "options", "patch", "post", "put", _ANY)
_FUNCTION = re.compile(
    r"(?:^|functions/)arn:aws[\w-]*:lambda:[\w-]*:\d*:function:([\w-]+)[:\w$-]*(?:/invoc|$)"
)
# A definition that is a file of its own has them without Fn::Sub.
_PSEUDO = re.compile(r"\$\{(AWS::\w+)\}")
_HEADER = "method.response.header."
_ERROR_HEADER = "gatewayresponse.header."
_SETTINGS = {"timeoutInMillis": "TimeoutInMillis", "payloadFormatVersion": "PayloadFormatVersion"}
_RESPONSE = {"statusCode": "StatusCode", "responseTemplates": "ResponseTemplates"}
_JWT = {"jwtConfiguration": "JwtConfiguration", "identitySource": "IdentitySource"}
_IDENTITY_SETTINGS = {
    "authorizerResultTtlInSeconds": "ReauthorizeEvery",
    "identityValidationExpression": "ValidationExpression",
}
_HTTP_AUTHORIZER = {
    "authorizerPayloadFormatVersion": "AuthorizerPayloadFormatVersion",
    "enableSimpleResponses": "EnableSimpleResponses",
}
_IDENTITY = {
    "method.request.header.": "Headers",
    "method.request.querystring.": "QueryStrings",
    "$request.header.": "Headers",
    "$request.querystring.": "QueryStrings",
    "stageVariables.": "StageVariables",
    "context.": "Context",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path: of a function, or a preflight with the headers of its answer."""

    function: str  # its name; none of a preflight, or of an integration without one
    event: Properties
    preflight: dict[str, str] | None = None
    integration: Integration | None = None
    validation: Validation | None = None


class Definition:
    """An API's DefinitionBody or DefinitionUri, if it has one."""

    def __init__(self, resources: Resources, properties: Properties, *, is_http: bool) -> None:
        self._is_http = is_http
        self._refusals = resources.refusals
        name = "DefinitionUri" if "DefinitionUri" in properties else "DefinitionBody"
        self.exists = name in properties
        definition = properties.left(name) if self.exists else {}
        is_far = isinstance(definition, dict) and "Bucket" in definition
        if definition is UNKNOWN or is_far or str(definition).startswith("s3://"):
            is_unknown = definition is UNKNOWN
            sentence = "only AWS knows where it is; where that is a parameter's, pass --parameter"
            properties.refuse(
                name, sentence if is_unknown else "a definition in S3 is not fetched; name a file"
            )
            self.exists, definition = False, {}
        if isinstance(definition, str):
            definition = fragment((resources.folder / definition).resolve())
        # SAM has the events of such an API only give permissions, unless it is told to merge them.
        self.takes_events = properties.flag("MergeDefinitions", False) or not self.exists
        self._definition = definition
        self._block = properties.item(name, definition)
        self._schemes = self._security_schemes()
        self._keys: set[str] = set()  # schemes that ask for an API key

    def properties_of_sam(self) -> dict[str, Any]:
        """Return the properties that the definition has in the place of the API's own."""
        block = self._block
        properties: dict[str, Any] = {}
        if types := block.sequence("x-amazon-apigateway-binary-media-types"):
            properties["BinaryMediaTypes"] = types
        if "x-amazon-apigateway-api-key-source" in block:
            properties["ApiKeySourceType"] = block.text("x-amazon-apigateway-api-key-source")
        responses = block.block("x-amazon-apigateway-gateway-responses")
        if kinds := responses.names():
            properties["GatewayResponses"] = {
                kind: _response(responses.block(kind)) for kind in kinds
            }
        cors = block.take(_CORS, {})
        if cors and self._is_http:  # a REST API passes over it
            properties["CorsConfiguration"] = {
                name[:1].upper() + name[1:]: cors[name] for name in cors
            }
        if authorizers := dict(self._authorizers()):
            properties["Auth"] = {"Authorizers": authorizers}
        return properties

    def operations(self) -> Iterator[Operation]:
        """Yield every operation that runs here; the others are refused or left out by name."""
        if not self._is_http:
            for name in (VALIDATOR, VALIDATORS):
                self._block.take(name, None)
        paths = self._block.block("paths")
        for path in paths.names():
            methods = paths.block(path)
            for method in methods.names():
                if method in _VERBS:
                    with self._refusals.leaving_out():
                        yield self._operation(path, method, methods.block(method))
        _refuse_extensions(self._block)

    def _security_schemes(self) -> Properties:
        if "securityDefinitions" in self._block:
            return self._block.block("securityDefinitions")
        return self._block.block("components").block("securitySchemes")

    def _authorizers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in self._schemes.names():
            scheme = self._schemes.block(name)
            if f"{_AMAZON}apigateway-authorizer" in scheme:
                yield name, _authorizer(scheme)
            elif scheme.text("name", "").lower() == "x-api-key":
                self._keys.add(name)

    def _place(self, path: str) -> str:
        """Return the path of a route; API Gateway puts the slash before it that is missing."""
        if path.startswith("/"):
            return path
        self._block.item("paths", {}).warn(path, "should begin with a slash; taken as if it did")
        return f"/{path}"

    def _operation(self, path: str, method: str, block: Properties) -> Operation:
        integration = block.block(_INTEGRATION)
        event = {}
        if path != "$default":
            event = {"Path": self._place(path), "Method": "ANY" if method == _ANY else method}
        properties = {**event, **self._auth(block), **_renamed(integration, _SETTINGS)}
        kind = integration.text("type").lower()
        event_block = block.item("", properties)
        if kind == "mock" and method == "options":
            return Operation("", event_block, _preflight(integration))
        validation = None if self._is_http else of_operation(block, self._definition, path, method)
        _refuse_extensions(block)
        function = _FUNCTION.search(_PSEUDO.sub(_pseudo_value, integration.peek("uri")))
        if "integrationSubtype" in integration or kind != "aws_proxy":
            name = function[1] if function and kind == "aws" else ""
            mapped = read_integration(integration.beside({"type": kind}), calls_function=bool(name))
            return Operation(name, event_block, integration=mapped, validation=validation)
        if function is None:
            place = integration.left("uri") if "uri" in integration else None
            raise integration.not_emulated(
                "uri", f"{place} names no function; use !GetAtt NAME.Arn"
            )
        if "requestParameters" in integration:
            integration.refuse("requestParameters", "is not emulated on this machine; remove it")
        return Operation(function[1], event_block, validation=validation)

    def _auth(self, block: Properties) -> dict[str, Any]:
        """Return the security of an operation; one that has none gets the API's default."""
        if _AUTH in block:
            kind = block.block(_AUTH).text("type", "NONE").upper()
            return {"Auth": {"Authorizer": kind}}
        if "security" not in block:
            return {}
        entries = block.sequence("security")
        names = {name for entry in entries for name in entry}
        scopes = [scope for entry in entries for scopes in entry.values() for scope in scopes]
        auth: dict[str, Any] = {"Authorizer": next(iter(sorted(names - self._keys)), "NONE")}
        if names & self._keys:
            auth["ApiKeyRequired"] = True
        if scopes:
            auth["AuthorizationScopes"] = scopes
        return {"Auth": auth}


def _pseudo_value(match: re.Match[str]) -> str:
    return str(PSEUDO_PARAMETERS.get(match[1], match[0]))


def _authorizer(scheme: Properties) -> dict[str, Any]:
    block = scheme.block(f"{_AMAZON}apigateway-authorizer")
    kind = block.text("type").lower()
    if kind == "jwt":
        return _renamed(block, _JWT)
    if kind == "cognito_user_pools":
        arns = block.sequence("providerARNs")
        return {"UserPoolArn": arns, "Identity": {"Header": scheme.text("name", "Authorization")}}
    function = re.search(r"functions/(arn:[^/]+)/invocations", block.text("authorizerUri"))
    identity = _renamed(block, _IDENTITY_SETTINGS)
    if kind == "token":
        identity["Header"] = scheme.text("name", "Authorization")
    for source in re.split(r"[,\s]+", block.text("identitySource", "")):
        for prefix, name in _IDENTITY.items():
            if kind == "request" and source.startswith(prefix):
                identity.setdefault(name, []).append(source.removeprefix(prefix))
    properties = {"FunctionArn": function[1] if function else "", "Identity": identity}
    of_http_api = _renamed(block, _HTTP_AUTHORIZER)
    return {**properties, **(of_http_api or {"FunctionPayloadType": kind.upper()})}


def _preflight(integration: Properties) -> dict[str, str]:
    responses = integration.block("responses")
    headers = {}
    for name in responses.names()[:1]:
        response = responses.block(name)
        if response.text("statusCode", "200") != "200":
            raise response.not_emulated("statusCode", "preflights are answered with 200 only")
        parameters = response.block("responseParameters")
        for header in parameters.names():
            value = parameters.text(header)
            if not header.startswith(_HEADER) or value[:1] != "'":
                sentence = "only headers with a fixed 'text' are emulated"
                raise parameters.not_emulated(header, sentence)
            headers[header.removeprefix(_HEADER)] = value[1:-1]
    return headers


def _response(block: Properties) -> dict[str, Any]:
    parameters = block.take("responseParameters", {})
    headers = {name.removeprefix(_ERROR_HEADER): value for name, value in parameters.items()}
    return {"ResponseParameters": {"Headers": headers}, **_renamed(block, _RESPONSE)}


def _renamed(block: Properties, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the properties of `block` under the names that SAM has for them."""
    return {ours: block.take(theirs) for theirs, ours in names.items() if theirs in block}


def _refuse_extensions(block: Properties) -> None:
    for name in block.names():
        if name.startswith(_AMAZON) and not name.endswith(_WITHOUT_EFFECT):
            block.refuse(name, "is not emulated on this machine; remove it")
