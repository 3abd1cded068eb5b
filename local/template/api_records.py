"""Records of what a template says of its API: routes, authorizers, keys, limits and words."""

from collections.abc import Mapping as ReadOnlyDict
from dataclasses import dataclass, field
from typing import Any

REST_TIMEOUT_MS = 29_000  # 1.33: what a REST API waits for a function
HTTP_TIMEOUT_MS = 30_000  # 1.75: and an HTTP API


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationResponse:
    """The answer to a request whose integration's status, or error, fits a pattern."""

    pattern: str  # a regular expression; empty for all that no other fits
    status: int
    parameters: ReadOnlyDict[str, str]  # method.response.header.NAME and its source
    templates: ReadOnlyDict[str, str]  # by content type


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """The integration of a route that is not the proxy of a function."""

    kind: str  # aws, http, http_proxy, mock; subtype is an HTTP API's with a service
    uri: str = ""
    service: str = ""  # none where a function is called
    action: str = ""  # of the service, or a path that begins with a slash
    method: str = "POST"
    parameters: ReadOnlyDict[str, str] = field(default_factory=dict)
    templates: ReadOnlyDict[str, str] = field(default_factory=dict)  # by content type
    passthrough: str = "when_no_match"
    responses: tuple[IntegrationResponse, ...] = ()  # the default one last

    @property
    def place(self) -> str:
        """The name of the called service, URL or function, for people."""
        return f"{self.service} {self.action}".strip() or self.uri or self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What a request to a route has to have."""

    parameters: tuple[str, ...]  # method.request.querystring.NAME, .header.NAME, .path.NAME
    schemas: ReadOnlyDict[str, Any]  # of bodies, by content type; each stands by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one resource; `function` and `authorizer` are names in the same template."""

    method: str
    path: str
    function: str  # logical id; none where an integration calls no function
    authorizer: str | None
    key: str = ""  # as the template has it: GET /a, ANY /a, $default
    needs_key: bool = False  # an API key
    timeout_ms: int = REST_TIMEOUT_MS
    payload: str = "1.0"  # format of the event; an HTTP API has 2.0 too
    scopes: tuple[str, ...] = ()  # of a JWT or a pool's token: one of them is needed
    integration: Integration | None = None
    validation: Validation | None = None
    responds: bool = False  # of a WebSocket API: the function's body goes back to the client


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The OPTIONS method of a REST API's resource that CORS asks first."""

    path: str
    headers: ReadOnlyDict[str, str]
    authorizer: str | None
    needs_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """The answers of an HTTP API to other origins."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    expose_headers: tuple[str, ...]
    max_age_s: int | None
    credentials: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorizer:
    """A Lambda authorizer."""

    name: str
    function: str  # logical id
    kind: str  # TOKEN or REQUEST
    sources: tuple[str, ...]  # of identity: header.NAME, querystring.NAME, stageVariables.NAME, …
    validation: str | None  # a regular expression the token must match
    ttl_s: int  # 0 switches the cache off
    payload: str = "1.0"  # of an HTTP API's authorizer
    is_simple: bool = False  # it answers isAuthorized, no policy


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtAuthorizer:
    """An authorizer of an HTTP API that checks tokens by the keys of their issuer."""

    name: str
    source: str  # header.NAME or querystring.NAME
    issuer: str
    audience: tuple[str, ...]
    scopes: tuple[str, ...] = ()  # of routes that name none


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolAuthorizer:
    """An authorizer of a REST API that checks tokens by the keys of Cognito user pools."""

    name: str
    source: str  # header.NAME
    issuers: tuple[str, ...]  # the pools' own
    validation: str | None  # a regular expression the token must match
    scopes: tuple[str, ...] = ()  # of routes that name none


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureAuthorizer:
    """AWS_IAM: a request has to be signed; whose signature it is nobody asks here."""

    name: str = "AWS_IAM"


AnyAuthorizer = Authorizer | JwtAuthorizer | PoolAuthorizer | SignatureAuthorizer


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayResponse:
    """The wording of one kind of the gateway's own errors; texts may have `$context.` variables."""

    kind: str
    status: int | None  # None keeps the status of the kind
    headers: ReadOnlyDict[str, str]
    body_template: str | None  # None keeps AWS's own body


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """A token bucket for one method of one resource; `*` stands for any."""

    path: str
    method: str
    rate_per_s: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that clients send."""

    id: str  # logical id
    value: str
    is_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Requests of one key in a period."""

    limit: int
    period: str  # DAY, WEEK or MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePlan:
    """The limits of each of its keys."""

    name: str
    keys: tuple[ApiKey, ...]
    throttles: tuple[Throttle, ...]
    quota: Quota | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """An API of the template, of kind REST, HTTP or WEBSOCKET."""

    name: str  # logical id
    kind: str
    stage: str
    routes: tuple[Route, ...]
    authorizers: ReadOnlyDict[str, AnyAuthorizer]
    gateway_responses: ReadOnlyDict[str, GatewayResponse]
    throttles: tuple[Throttle, ...]
    binary_types: tuple[str, ...]
    variables: ReadOnlyDict[str, str]  # of the stage
    log_format: str | None  # of the access log's lines, with `$context.` variables
    preflights: tuple[Preflight, ...] = ()
    cors: Cors | None = None
    usage_plans: tuple[UsagePlan, ...] = ()
    models: ReadOnlyDict[str, Any] = field(default_factory=dict)  # JSON schemas by name
    key_source: str = "HEADER"  # of API keys; AUTHORIZER takes them from its answer
    selection: tuple[str, ...] = ()  # of a WebSocket API: where a message names its route
