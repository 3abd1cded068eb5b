"""`@connections`: a function's messages to a client, and the client's state and end.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

import orjson

from local.http.request import Request
from local.websockets.events import Caller
from local.websockets.socket import MESSAGE_MAX_BYTES, NORMAL, Socket

PREFIX = "@connections/"


def serve(request: Request, path: str, connections: Mapping[str, tuple[Caller, Socket]]) -> None:
    """Answer a signed request for one connection; others are refused, as on AWS."""
    if not request.fields.get("authorization", "").startswith("AWS4-"):
        _refuse(request, 403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        return
    entry = connections.get(unquote(path.removeprefix(PREFIX)))
    if request.method not in ("POST", "GET", "DELETE"):
        _refuse(request, 403, "ForbiddenException", "Forbidden")
    elif entry is None:
        _refuse(request, 410, "GoneException", None)
    elif request.method == "POST":
        _post(request, entry[1])
    elif request.method == "GET":
        request.reply(200, "Content-Type: application/json\r\n", _state(*entry))
    else:
        entry[1].close(NORMAL, "Connection Closed Normally")
        request.reply(204, "", b"")


def _post(request: Request, socket: Socket) -> None:
    if len(request.body) > MESSAGE_MAX_BYTES:
        sentence = f"The message is over {MESSAGE_MAX_BYTES} bytes"
        _refuse(request, 413, "PayloadTooLargeException", sentence)
    elif socket.send(request.body.decode("utf-8", "replace")):
        request.reply(200, "Content-Type: application/json\r\n", b"")
    else:
        _refuse(request, 410, "GoneException", None)


def _state(caller: Caller, socket: Socket) -> bytes:
    return orjson.dumps(
        {
            "connectedAt": _moment(caller.connected_ms / 1000),
            "identity": caller.identity,
            "lastActiveAt": _moment(socket.active_s),
        }
    )


def _moment(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds")


def _refuse(request: Request, status: int, kind: str, message: str | None) -> None:
    lines = f"x-amzn-ErrorType: {kind}\r\nContent-Type: application/json\r\n"
    request.reply(status, lines, orjson.dumps({"message": message}))
