"""The console of the gateway's process: its views, its sampling, and its load runs."""

from importlib import import_module

from local.console.answers import Page, as_json
from local.console.load_runs import add_load_runs
from local.console.pages import Console, Parameters
from local.console.parts import Parts
from local.console.sampler import Sampler
from local.console.trace_views import add_trace_views
from local.console.views import add_views
from local.server import story
from local.server.addresses import Addresses
from local.traces.store import TraceStore


class ConsoleSide:
    """The page with all of its views; `views` is the module of an extension that has more."""

    def __init__(self, parts: Parts, traces: TraceStore, views: str, addresses: Addresses) -> None:
        self.page = page = Console(parts.metrics.registry)
        self.sampler = Sampler(parts)
        self._output = parts.output
        add_trace_views(page, traces)
        page.add_view("/api/story/{id}", story.view_of(parts.state))
        page.add_view("/api/flush", self._flush)
        add_views(page, parts, self.sampler.history)
        if views:
            import_module(views).add_views(page, parts.template, parts.state)
        own = {"TARGET": addresses.ports[0], "CONSOLE": addresses.console_port}
        self._loads = add_load_runs(page, parts.template, parts.state, own)

    def end(self) -> None:
        """End the load run that this process has started, if one goes on."""
        if self._loads:
            self._loads.end()

    async def _flush(self, _parameters: Parameters) -> Page:
        """Write what functions have printed so far, for who reads their logs next."""
        self._output.flush()
        return as_json({})
