"""An API of a template: its routes with all that is known before a request comes."""

from collections.abc import Mapping
from time import monotonic

from local.gateway import http_api, responses, rest
from local.gateway.authorizer import RequestAuthorizer
from local.gateway.exchange import Dialect, Exchange, Shared
from local.gateway.integrations import Caller
from local.gateway.parts import ProcessParts
from local.gateway.recording import RecentRequests
from local.gateway.request_spans import RequestTracer
from local.gateway.router import MethodRouter, Router
from local.gateway.signature_authorizer import SignatureChecker
from local.gateway.target import Slot, Target
from local.gateway.usage import Keys
from local.gateway.validation import Validator
from local.gateway.variables import compile_template
from local.http.request import Request
from local.lambda_service.dispatch import Pool
from local.lambda_service.metrics import Metrics
from local.lambda_service.throttle import TokenBucket, bucket_for
from local.template import (
    AnyAuthorizer,
    Api,
    Authorizer,
    PoolAuthorizer,
    Route,
    SignatureAuthorizer,
)


class ApiGateway:
    """The gateway of one API, which its functions and integrations answer."""

    def __init__(self, api: Api, parts: ProcessParts, *, port: int) -> None:
        is_rest = api.kind == "REST"
        dialect: Dialect = (rest.RestDialect if is_rest else http_api.HttpDialect)(api, port=port)
        targets = _Targets(api, parts.pools, parts.metrics).all()
        self.recent = RecentRequests()
        self._shared = Shared(
            dialect=dialect,
            router=Router(targets) if is_rest else MethodRouter(targets),
            keys_by_header=api.key_source == "HEADER",
            unrouted=parts.metrics.route("none", "none", "none"),
            access_log=parts.access_log,
            log_line=compile_template(api.log_format) if api.log_format else None,
            output=parts.output,
            record=self.recent.ended,
            tracer=RequestTracer(parts.recorder),
        )

    @property
    def in_flight(self) -> int:
        """Return the number of requests that wait for their answer."""
        return self._shared.in_flight

    def handle(self, request: Request) -> None:
        """Answer `request` when its function has; refuse it where there is none."""
        exchange = Exchange(self._shared, request)
        self._shared.in_flight += 1
        request.dropped = exchange.drop
        exchange.begin()

    def refuse(self, request: Request, status: int) -> None:
        """Answer what is not HTTP as it should be, or too large."""
        self._shared.in_flight += 1
        Exchange(self._shared, request).refuse(responses.malformed(status))


class _Targets:
    """The targets of an API's routes, which share its authorizers, keys and buckets."""

    def __init__(self, api: Api, pools: Mapping[str, Pool], metrics: Metrics) -> None:
        self._api = api
        self._pools = pools
        self._metrics = metrics
        self._keys = Keys(api.usage_plans)
        self._buckets: dict[tuple[str, str], TokenBucket | None] = {}
        self._authorizers = {
            name: self._authorizer(authorizer) for name, authorizer in api.authorizers.items()
        }

    def all(self) -> list[Target]:
        return [*self._routes(), *self._preflights()]

    def _routes(self) -> list[Target]:
        is_rest = self._api.kind == "REST"
        return [
            Target(
                method=route.method,
                path=route.path,
                key=route.key,
                pool=self._pools.get(route.function),
                authorizer=self._authorizers[route.authorizer] if route.authorizer else None,
                keys=self._keys if route.needs_key else None,
                # A REST API's ANY is seven methods with a bucket each, an HTTP API's one route.
                bucket=self._bucket(route.path, route.method if is_rest else _declared(route)),
                meter=self._metrics.route(route.function or "none", route.path, route.method),
                patience_s=route.timeout_ms / 1000,
                slot=None if route.authorizer or route.needs_key else Slot(),
                payload=route.payload,
                scopes=route.scopes,
                validator=Validator(route.validation) if route.validation else None,
                caller=self._caller(route),
            )
            for route in self._api.routes
        ]

    def _caller(self, route: Route) -> Caller | None:
        if route.integration is None:
            return None
        pool = self._pools.get(route.function)
        return Caller(route.integration, pool, route.timeout_ms / 1000)

    def _preflights(self) -> list[Target]:
        return [
            Target(
                method="OPTIONS",
                path=preflight.path,
                key=f"OPTIONS {preflight.path}",
                pool=None,
                authorizer=self._authorizers[preflight.authorizer]
                if preflight.authorizer
                else None,
                keys=self._keys if preflight.needs_key else None,
                bucket=self._bucket(preflight.path, "OPTIONS"),
                meter=self._metrics.route("none", preflight.path, "OPTIONS"),
                patience_s=0.0,
                slot=None,
                fixed=rest.preflight(preflight),
            )
            for preflight in self._api.preflights
        ]

    def _bucket(self, path: str, method: str) -> TokenBucket | None:
        """Return the bucket of a method, the same at every call."""
        if (path, method) not in self._buckets:
            throttles = self._api.throttles
            self._buckets[path, method] = bucket_for(throttles, path, method, monotonic())
        return self._buckets[path, method]

    def _authorizer(self, authorizer: AnyAuthorizer) -> RequestAuthorizer:
        is_rest = self._api.kind == "REST"
        if isinstance(authorizer, SignatureAuthorizer):
            return SignatureChecker(responses.NO_ROUTE if is_rest else responses.IMPLICIT_DENY)
        if not isinstance(authorizer, Authorizer):
            # PyJWT and what it needs are 8 MB that only such an API pays for.
            from local.gateway.jwt_authorizer import JwtChecker, PoolChecker  # noqa: PLC0415

            if isinstance(authorizer, PoolAuthorizer):
                return PoolChecker(authorizer)
            return JwtChecker(authorizer)
        make = rest.authorizer if is_rest else http_api.authorizer
        return make(authorizer, self._pools[authorizer.function], self._api.variables)


def _declared(route: Route) -> str:
    """Return the method of a route's key, which for ANY stands for all."""
    return route.key.rpartition(" ")[0] or "ANY"
