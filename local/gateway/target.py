"""The target of a route: all that can be known of it before a request comes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from local.gateway.authorizer import RequestAuthorizer
from local.gateway.responses import Refusal
from local.gateway.usage import Keys
from local.lambda_service.dispatch import Pool
from local.lambda_service.metrics import RouteMeter
from local.lambda_service.throttle import TokenBucket

if TYPE_CHECKING:
    from local.gateway.exchange import Exchange

Answer = tuple[int, str, bytes]  # status, header lines (each ended by CRLF) and body


class Slot:
    """The place of one request of a route that anybody may call, whatever others have in flight.

    `/health` and the route that gives out tokens answer while callers without a valid token use up
    the account's concurrency.
    """

    __slots__ = ("is_taken",)

    def __init__(self) -> None:
        self.is_taken = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A route with everything that can be known before a request comes."""

    method: str
    path: str
    key: str  # of the route
    pool: Pool | None  # None where `fixed` is answered instead
    authorizer: RequestAuthorizer | None
    keys: Keys | None  # where an API key is needed
    bucket: TokenBucket | None
    meter: RouteMeter
    patience_s: float  # of the gateway, once the function has started
    slot: Slot | None  # None where an authorizer or a key is needed
    payload: str = "1.0"
    scopes: tuple[str, ...] = ()
    fixed: Answer | None = None
    validator: "RequestValidator | None" = None
    caller: "Integrated | None" = None  # what is called instead of a function's proxy


class RequestValidator(Protocol):
    """The validation of the requests of a route."""

    def refusal(self, exchange: "Exchange") -> Refusal | None:
        """Return why a request is refused, None where it is valid."""


class Integrated(Protocol):
    """An integration with something else than a function's proxy."""

    place: str  # what is called, for people

    def serve(self, exchange: "Exchange") -> None:
        """Answer or refuse the request, now or later."""
