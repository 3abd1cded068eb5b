"""A WebSocket API: the handshake that a function accepts, and each message to its route."""

import asyncio
import base64
import json
import os
from collections.abc import Coroutine
from functools import partial
from time import monotonic, time
from typing import Any

import orjson

from local.gateway import responses
from local.gateway.events import Context, request_time, split_target
from local.gateway.parts import ProcessParts
from local.gateway.recording import RecentRequests
from local.gateway.responses import Refusal
from local.http.connections import Connections
from local.http.request import Request
from local.template import Api, Route
from local.websockets import callbacks, events
from local.websockets.events import Caller
from local.websockets.opening import Opening, judge_of
from local.websockets.routing import Answer, call, message_of, wanted_route
from local.websockets.socket import BadHandshake, Ends, Socket

_FORBIDDEN = Refusal("ACCESS_DENIED", 403, "Forbidden", "ForbiddenException")
_BAD = Refusal("DEFAULT_4XX", 400, "Bad Request", "BadRequestException")
_UPGRADE = "websocket"
ID_BYTES = 11  # of a connection; 15 letters and the equals sign that AWS's have


class WebSocketGateway:
    """The gateway of one WebSocket API."""

    def __init__(self, api: Api, parts: ProcessParts, *, port: int) -> None:
        self.recent = RecentRequests()  # of HTTP; there are none
        self.connections: Connections | None = None  # its server's, who says it
        self._api = api
        self._port = port
        self._parts = parts
        self._routes = {route.key: route for route in api.routes}
        self._meters = {
            key: parts.metrics.route(route.function or "none", key, route.method)
            for key, route in self._routes.items()
        }
        self._judge = judge_of(api, parts.pools)
        self._open: dict[str, tuple[Caller, Socket]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        """Return the number of handshakes and messages whose functions have not answered."""
        return len(self._tasks)

    def handle(self, request: Request) -> None:
        """Open a connection, or do what a function asks of one."""
        path = split_target(request.target)[0]
        rest = path.removeprefix(f"/{self._api.stage}").strip("/")
        if rest.startswith(callbacks.PREFIX):
            callbacks.serve(request, rest, self._open)
        elif rest or request.fields.get("upgrade", "").lower() != _UPGRADE:
            self._refuse(request, _FORBIDDEN)
        else:
            self._begin(self._opened(request))

    def refuse(self, request: Request, status: int) -> None:
        """Answer what is not HTTP as it should be, or too large."""
        self._refuse(request, responses.malformed(status))

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _opened(self, request: Request) -> None:
        """Answer a handshake as the authorizer and the function of $connect want it."""
        if self.connections is None or request.switch is None:
            self._refuse(request, _BAD)
            return
        connection_id = base64.urlsafe_b64encode(os.urandom(ID_BYTES)).decode()
        caller = Caller(connection_id, request, f"127.0.0.1:{self._port}", self._api.stage)
        try:
            ends = Ends(partial(self._on_message, caller), partial(self._on_end, caller))
            socket = Socket(request, ends, self.connections)
        except BadHandshake:
            self._refuse(request, _BAD)
            return
        context = Context(request.fields, time())
        event = events.connect_event(caller, context, self._port)
        if self._judge is not None:
            question = events.question(event, self._api.stage, dict(self._api.variables))
            grant = await Opening(request, context, question, caller).judged(self._judge)
            if isinstance(grant, Refusal):
                self._refuse(request, grant)
                return
            caller.authorizer = dict(grant.caller)
            event["requestContext"]["authorizer"] = caller.authorizer
        answer = await self._called("$connect", caller, context, event)
        if not 200 <= answer.status < 300:
            text = orjson.dumps({"message": answer.reason, "connectionId": caller.id})
            request.reply(answer.status, "Content-Type: application/json\r\n", text)
            return
        accepted = socket.accepts(answer.header("sec-websocket-protocol"))
        if request.switch(socket):
            self._open[caller.id] = (caller, socket)
            socket.begin(accepted)

    def _on_message(self, caller: Caller, text: str) -> None:
        self._begin(self._answered(caller, text))

    async def _answered(self, caller: Caller, text: str) -> None:
        """Give a message to its route, and send what the route says."""
        _, socket = self._open[caller.id]
        context = Context({}, time())
        key = wanted_route(text, self._api.selection, self._routes)
        try:
            if key is None:
                socket.send(message_of("Forbidden", caller, context))
                return
            event = events.message_event(caller, context, key, text)
            answer = await self._called(key, caller, context, event)
            if answer.has_failed:
                socket.send(message_of(answer.reason, caller, context))
            elif self._routes[key].responds and answer.body:
                socket.send(answer.body)
        finally:
            socket.done()

    def _on_end(self, caller: Caller, code: int, reason: str) -> None:
        if self._open.pop(caller.id, None) is None or "$disconnect" not in self._routes:
            return
        context = Context({}, time())
        event = events.disconnect_event(caller, context, code, reason)
        self._begin(self._told(caller, context, event))

    async def _told(self, caller: Caller, context: Context, event: dict[str, Any]) -> None:
        await self._called("$disconnect", caller, context, event)

    async def _called(
        self, key: str, caller: Caller, context: Context, event: dict[str, Any]
    ) -> Answer:
        """Return the answer of a route; a route that is not there says yes."""
        route = self._routes.get(key)
        if route is None:
            return Answer(200)
        began_s = monotonic()
        is_traced = self._parts.recorder.decide(None, context.epoch_s)
        answer = await call(
            route, self._parts.pools.get(route.function), event, context, is_traced=is_traced
        )
        latency_s = monotonic() - began_s
        if answer.fault and route.function:
            self._parts.output.failed(
                route.function, context.invocation_id, {"errorMessage": answer.fault}
            )
        self._meters[key].answered(answer.status, latency_s)
        self._log(route, caller, context, answer.status, latency_s)
        return answer

    def _log(
        self, route: Route, caller: Caller, context: Context, status: int, latency_s: float
    ) -> None:
        line = {
            "requestId": context.extended_request_id,
            "ip": caller.request.peer,
            "requestTime": request_time(context.epoch_s),
            "routeKey": route.key,
            "connectionId": caller.id,
            "status": status,
            "responseLatency": int(latency_s * 1000),
        }
        self._parts.access_log.append(f"{json.dumps(line)}\n".encode())

    def _refuse(self, request: Request, refusal: Refusal) -> None:
        body = orjson.dumps({refusal.key: refusal.message})
        lines = f"x-amzn-ErrorType: {refusal.error_type}\r\nContent-Type: application/json\r\n"
        request.reply(refusal.status, lines, body)
