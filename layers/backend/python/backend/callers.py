"""The callers of the API: the client that a request's access token names, and its scopes."""

from dataclasses import dataclass, replace

from chalice.app import Request

from backend.errors import Forbidden, Unauthorized
from backend.settings import STORED_CLIENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The client of a request, by the authorizer's context, never by the body or path."""

    tenant: str
    client_id: str
    scopes: frozenset[str]


ANYBODY = Caller(tenant="", client_id="", scopes=frozenset())


def caller_of(request: Request, scope: str) -> Caller:
    """Return the client of a request; raises Unauthorized, or Forbidden where it lacks `scope`."""
    caller = _authorized(request) or _verified(request)
    if scope not in caller.scopes:
        raise Forbidden(f"The token lacks the scope {scope}.")
    if caller.client_id.startswith(STORED_CLIENT):
        caller = _as_stored(caller)
    if scope not in caller.scopes:
        raise Forbidden(f"The client of the access token no longer has the scope {scope}.")
    return caller


def _authorized(request: Request) -> Caller | None:
    context = request.context.get("authorizer")
    if not context or "tenant" not in context:
        return None
    return Caller(
        tenant=context["tenant"],
        client_id=context["principalId"],
        scopes=frozenset(context["scope"].split()),
    )


def _verified(request: Request) -> Caller:
    """Check the token here: `chalice local` has no authorizer of ours in front of it."""
    from backend import tokens  # noqa: PLC0415  # cryptography is slow to import, AWS never needs it

    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Unauthorized("Send a valid access token as Authorization: Bearer.")
    claims = tokens.verify(token)
    return Caller(tenant=claims.tenant, client_id=claims.client_id, scopes=claims.scopes)


def _as_stored(caller: Caller) -> Caller:
    """Return a client of the store with those of its token's scopes that it still has."""
    from backend import clients  # noqa: PLC0415  # it needs the store, open routes need not

    scopes = clients.scopes_left(caller.client_id, caller.scopes)
    if scopes is None:
        raise Unauthorized("The client of the access token is disabled.", code="invalid_token")
    return replace(caller, scopes=scopes)
