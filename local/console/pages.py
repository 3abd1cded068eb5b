"""The console port: a page, `/metrics` for Prometheus, and views of the machine as JSON."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from local.http.request import Request
from local.http.same_origin import FOREIGN, is_foreign

log = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("console.html")
VIEW_TIMEOUT_S = 10.0  # a view asks other processes and must not wait for them forever
VIEWS_MAX = 16  # at a time


@dataclass(frozen=True, slots=True)
class Page:
    """The answer of a view."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200


Parameters = Mapping[str, str]  # of the path and the query
View = Callable[[Parameters], Awaitable[Page]]


class Console:
    """Answers GET of the paths it has a view for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._views: dict[str, View] = {"/": self._page, "/metrics": self._metrics}
        self._html = PAGE.read_bytes()
        self._tasks: set[asyncio.Task[None]] = set()

    def add_view(self, path: str, view: View) -> None:
        """Serve `view` at `path`, which may end in a parameter: `/api/traces/{id}`.

        It runs on the gateway's loop, so it must not block.
        """
        self._views[path] = view

    def handle(self, request: Request) -> None:
        path, _, query = request.target.partition("?")
        folder, _, last = path.rpartition("/")
        view = self._views.get(path) or self._views.get(f"{folder}/{{id}}")
        if is_foreign(request):
            _reply(request, 403, Page(orjson.dumps({"message": FOREIGN})))
        elif view is None:
            _reply(request, 404, Page(orjson.dumps({"message": "Not Found"})))
        elif request.method not in ("GET", "HEAD"):
            _reply(request, 405, Page(orjson.dumps({"message": "Method Not Allowed"})))
        elif len(self._tasks) >= VIEWS_MAX:
            _reply(request, 503, Page(orjson.dumps({"message": "Service Unavailable"})))
        else:
            parameters = {**dict(parse_qsl(query)), "id": unquote(last)}
            task = asyncio.get_running_loop().create_task(self._show(request, view(parameters)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def refuse(self, request: Request, status: int) -> None:
        _reply(request, status, Page(orjson.dumps({"message": "Bad Request"})))

    async def _page(self, parameters: Parameters) -> Page:
        return Page(self._html, "text/html; charset=utf-8")

    async def _metrics(self, parameters: Parameters) -> Page:
        return Page(generate_latest(self._registry), CONTENT_TYPE_LATEST)

    async def _show(self, request: Request, view: Awaitable[Page]) -> None:
        try:
            page = await asyncio.wait_for(view, VIEW_TIMEOUT_S)
        except (TimeoutError, OSError) as error:
            log.warning("the view %s failed: %s", request.target, error)
            _reply(request, 503, Page(orjson.dumps({"message": "Service Unavailable"})))
        except Exception:
            # The client is answered in any case; the error goes on to the loop, which logs it.
            _reply(request, 500, Page(orjson.dumps({"message": "Internal Server Error"})))
            raise
        else:
            _reply(request, page.status, page)


def _reply(request: Request, status: int, page: Page) -> None:
    request.reply(status, f"Content-Type: {page.content_type}\r\n", page.body)
