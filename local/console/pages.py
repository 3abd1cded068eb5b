"""The console port: the page's files, `/metrics` for Prometheus, JSON views and actions.

A view answers GET and changes nothing. An action answers POST and changes something, so a browser
must not send it for another site: besides the rules of `same_origin`, which hold for all, it wants
JSON and a header of its own, which no page of another site can send without being asked first.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from local.console import static
from local.console.answers import ACTION_HEADER, Page, Refused
from local.console.paths import Paths
from local.http.request import Request
from local.http.same_origin import FOREIGN, is_foreign

log = logging.getLogger(__name__)

VIEW_TIMEOUT_S = 10.0  # a view asks other processes and must not wait for them forever
ACTION_TIMEOUT_S = 930.0  # the longest function runs 15 minutes
VIEWS_MAX = 16  # at a time
ACTIONS_MAX = 8  # at a time, so that slow ones leave the views alone
QUERY_MAX = 20  # parameters
ACCEPT = "accept"  # the parameter of a view with the header of that name

Parameters = Mapping[str, str]  # of the path and the query
View = Callable[[Parameters], Awaitable[Page]]
Action = Callable[[Parameters, Any], Awaitable[Page]]  # with the body's JSON


class _Kind(NamedTuple):
    """The bounds of all views, or of all actions."""

    methods: tuple[str, ...]
    most: int  # at a time
    timeout_s: float
    running: set[asyncio.Task[None]]


class Console:
    """Answers GET of the paths that have a view, and POST of those that have an action."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._view_kind = _Kind(("GET", "HEAD"), VIEWS_MAX, VIEW_TIMEOUT_S, set())
        self._action_kind = _Kind(("POST",), ACTIONS_MAX, ACTION_TIMEOUT_S, set())
        self._views: Paths[View] = Paths()
        self._actions: Paths[Action] = Paths()
        self.add_view("/metrics", self._metrics)
        for path, page in static.pages():
            self.add_view(path, _always(page))

    def add_view(self, path: str, view: View) -> None:
        """Serve `view` at `path`, which may have parameters: `/api/functions/{name}`.

        It runs on the gateway's loop, so it must not block. It may raise Refused.
        """
        self._views.add(path, view)

    def add_action(self, path: str, action: Action) -> None:
        """Serve `action` at POST of `path`; the same holds for it as for a view."""
        self._actions.add(path, action)

    @property
    def view_paths(self) -> list[str]:
        """Return the path of each view, as it was added."""
        return self._views.paths

    def handle(self, request: Request) -> None:
        path, _, query = request.target.partition("?")
        view, action = self._views.match(path), self._actions.match(path)
        if is_foreign(request):
            _say(request, 403, FOREIGN)
        elif view is None and action is None:
            _say(request, 404, "Not Found")
        elif view is not None and request.method in self._view_kind.methods:
            serve, of_path = view
            accept = request.fields.get("accept", "")
            parameters = {**_of_query(query), **of_path, ACCEPT: accept}
            self._run(request, self._view_kind, lambda: serve(parameters))
        elif action is not None and request.method in self._action_kind.methods:
            act, of_path = action
            self._act(request, act, {**_of_query(query), **of_path})
        else:
            _say(request, 405, "Method Not Allowed")

    def refuse(self, request: Request, status: int) -> None:
        _say(request, status, "the body is too large" if status == 413 else "Bad Request")

    def _act(self, request: Request, act: Action, parameters: Parameters) -> None:
        content_type = request.fields.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            _say(request, 415, "send JSON, with Content-Type: application/json")
            return
        if ACTION_HEADER not in request.fields:
            _say(request, 403, f"what changes something needs the header {ACTION_HEADER}")
            return
        try:
            body = orjson.loads(request.body or b"{}")
        except orjson.JSONDecodeError as error:
            _say(request, 400, f"the body is no JSON: {error}")
            return
        self._run(request, self._action_kind, lambda: act(parameters, body))

    def _run(self, request: Request, kind: _Kind, make: Callable[[], Awaitable[Page]]) -> None:
        if len(kind.running) >= kind.most:
            _say(request, 503, "too much is going on at a time; try again")
            return
        client = [request]
        request.dropped = client.clear
        task = asyncio.get_running_loop().create_task(_answer(client, make, kind.timeout_s))
        kind.running.add(task)
        task.add_done_callback(kind.running.discard)

    async def _metrics(self, parameters: Parameters) -> Page:
        """Return all metrics, in OpenMetrics' form with exemplars where the client takes it."""
        encode, content_type = choose_encoder(parameters[ACCEPT])
        return Page(encode(self._registry), content_type)


def _always(page: Page) -> View:
    async def view(parameters: Parameters) -> Page:
        return page

    return view


def _of_query(query: str) -> dict[str, str]:
    """Return the parameters of a query; those beyond QUERY_MAX are left out."""
    return dict(parse_qsl(query, keep_blank_values=True)[:QUERY_MAX])


async def _answer(
    client: list[Request], make: Callable[[], Awaitable[Page]], timeout_s: float
) -> None:
    """Answer the client, unless it has gone meanwhile."""
    target = client[0].target if client else ""
    try:
        page = await asyncio.wait_for(make(), timeout_s)
    except Refused as refused:
        page = sentence_page(refused.status, str(refused))
    except TimeoutError:
        log.warning("%s was not ready within %g s", target, timeout_s)
        page = sentence_page(503, f"it was not ready within {timeout_s:g} s; try again")
    except OSError as error:
        log.warning("%s failed: %s", target, error)
        page = sentence_page(503, "Service Unavailable")
    except Exception:  # edge: a request; its client is answered, and the loop logs the error
        _reply(client, sentence_page(500, "Internal Server Error"))
        raise
    _reply(client, page)


def sentence_page(status: int, sentence: str) -> Page:
    """Return the answer that only says a sentence."""
    return Page(orjson.dumps({"message": sentence}), status=status)


def _say(request: Request, status: int, sentence: str) -> None:
    _reply([request], sentence_page(status, sentence))


def _reply(client: list[Request], page: Page) -> None:
    for request in client:
        request.dropped = None
        request.reply(page.status, page.header_lines, page.body)
