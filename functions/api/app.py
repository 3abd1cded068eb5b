"""The API's own routes, and the authorizer that API Gateway asks before it lets a request in."""

import functools
import json
import time
from pathlib import Path
from typing import Any

import aws_lambda_powertools
from chalice.app import Response

from api import service
from api.schema import Health, Readiness
from backend import tokens
from backend.clock import now_ms
from backend.entrypoint import Call, api, endpoint, reply
from backend.errors import PROBLEM_CONTENT_TYPE, RETRY_AFTER_S, RequestError, Unauthorized, problem
from backend.problem_answers import request_id_of
from backend.settings import STORED_CLIENT, OAuthClient, settings

app = api("api")

HERE = Path(__file__).parent
# Only its files are used: the module would import pydantic, which the layer is without.
SWAGGER_UI = Path(aws_lambda_powertools.__file__).parent / "event_handler/openapi/swagger_ui"
FORM = "application/x-www-form-urlencoded"
NOT_STORED = {"Cache-Control": "no-store"}
KEYS_KEPT = {"Cache-Control": "max-age=300"}  # a new key may be needed 5 minutes after it appears
# The page has its script and style inside and talks to this API only.
DOCS_HEADERS: dict[str, str | list[str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'",
}


@app.route("/health", methods=["GET"])
@endpoint(app)
def get_health(call: Call) -> Response:
    """Say that the process answers; no dependency is asked."""
    return reply(Health())


@app.route("/health/ready", methods=["GET"])
@endpoint(app)
def get_readiness(call: Call) -> Response:
    """Say whether everything answers that the other routes need."""
    # Imported here, because the authorizer lives in this module too and needs neither store nor
    # queue: PyMongo and Redis would be 300 ms of its cold start.
    from api import dependencies  # noqa: PLC0415

    states = dependencies.states()
    is_ready = all(state == "ok" for state in states.values())
    body = Readiness(
        status="ok" if is_ready else "unavailable",
        dependencies=states,
        left_alone=dependencies.left_alone(),
    )
    if is_ready:
        return reply(body)
    return reply(body, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})


@app.route("/oauth2/token", methods=["POST"], content_types=[FORM])
@endpoint(app)
def create_token(call: Call) -> Response:
    """Give a client an access token (RFC 6749, client credentials)."""
    request = call.request
    raw = request.raw_body
    try:
        grant = service.grant(
            raw.encode() if isinstance(raw, str) else raw,
            request.headers.get("authorization"),
            find=_client,
        )
    except RequestError as error:
        return _refusal(error, request_id=request_id_of(request))
    if grant.client.id.startswith(STORED_CLIENT):
        from backend import clients  # noqa: PLC0415  # as in `_client`

        clients.note_use([grant.client.id], now_ms=now_ms())
    token = tokens.issue(grant.client, grant.scopes, now_s=int(time.time()))
    body = service.answer(token, grant, lifetime_s=settings.token_lifetime_s)
    return reply(body, headers=NOT_STORED)


@app.route("/.well-known/jwks.json", methods=["GET"])
@endpoint(app)
def get_keys(call: Call) -> Response:
    """Give the public keys that access tokens are checked with."""
    return reply(tokens.jwks(), headers=KEYS_KEPT)


@app.route("/openapi.json", methods=["GET"])
@endpoint(app)
def get_openapi(call: Call) -> Response:
    """Describe the API as OpenAPI 3.1."""
    return reply(_file("openapi.json"))


@app.route("/docs", methods=["GET"])
@endpoint(app)
def get_docs(call: Call) -> Response:
    """Show the description as a page from which requests can be sent."""
    return Response(body=_docs(), headers=DOCS_HEADERS)


def authorizer(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer API Gateway's TOKEN authorizer event with a policy.

    It allows every route, because API Gateway keeps it for 300 s and applies it to whatever the
    same token asks for; what the token may do is checked by scope where the route is served.
    """
    kind, _, token = str(event["authorizationToken"]).partition(" ")
    try:
        if kind.lower() != "bearer":
            raise Unauthorized("Not a bearer token.")
        claims = tokens.verify(token)
    except Unauthorized as error:
        raise Exception("Unauthorized") from error  # the very word API Gateway turns into a 401
    stage = "/".join(str(event["methodArn"]).split("/")[:2])
    allow_all = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": f"{stage}/*"}
    return {
        "principalId": claims.client_id,
        "policyDocument": {"Version": "2012-10-17", "Statement": [allow_all]},
        "context": {"tenant": claims.tenant, "scope": " ".join(sorted(claims.scopes))},
    }


def _client(client_id: str) -> OAuthClient | None:
    """Return the client of that id: a configured one, or else one of the store."""
    client = settings.oauth_clients.get(client_id)
    if client is not None or not client_id.startswith(STORED_CLIENT):
        return client
    from backend import clients  # noqa: PLC0415  # PyMongo, which configured clients need not

    return clients.find(client_id)


def _refusal(error: RequestError, *, request_id: str) -> Response:
    """Return RFC 6749's error in the problem shape: `error` for OAuth clients, `code` for ours."""
    headers: dict[str, str | list[str]] = {"Content-Type": PROBLEM_CONTENT_TYPE, **NOT_STORED}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="spillway"'
    body = {**problem(error, request_id=request_id), "error": error.code}
    return Response(body=json.dumps(body), status_code=error.status, headers=headers)


@functools.cache
def _docs() -> str:
    """Return the page with Swagger UI in it, which Powertools brings along."""
    page = _file("docs.html")
    page = page.replace("{style}", (SWAGGER_UI / "swagger-ui.min.css").read_text("utf-8"), 1)
    return page.replace("{script}", (SWAGGER_UI / "swagger-ui-bundle.min.js").read_text("utf-8"), 1)


@functools.cache
def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
