"""The answers of the API's own routes."""

from typing import Literal

from msgspec import Struct

State = Literal["ok", "unavailable"]


class Health(Struct, frozen=True, kw_only=True):
    """The answer of GET /health."""

    status: Literal["ok"] = "ok"


class Readiness(Struct, frozen=True, kw_only=True):
    """The answer of GET /health/ready."""

    status: State
    dependencies: dict[str, State]
    left_alone: list[str]  # by some function, because they failed too often just now


class TokenRequest(Struct, frozen=True, kw_only=True):
    """The form of POST /oauth2/token; the client may name itself by Basic authentication instead.

    Fields that are not known are passed over, as RFC 6749 3.2 wants it.
    """

    grant_type: str
    client_id: str | None = None
    client_secret: str | None = None
    scope: str | None = None


class Token(Struct, frozen=True, kw_only=True):
    """The answer of POST /oauth2/token."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int  # seconds
    scope: str
