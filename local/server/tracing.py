"""The traces of the gateway's process: their store, the port that takes spans, the way on."""

import asyncio
import errno
import os
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from local.http.limits import Limits
from local.http.server import Server
from local.traces import export
from local.traces.intake import BODY_MAX_BYTES, WAITING_MAX_BYTES, Intake
from local.traces.sampling import Recorder
from local.traces.span import Span
from local.traces.store import TraceStore

PORT = 4318  # OpenTelemetry's usual one
PORTS_TRIED = 100  # after it, where it is taken
LIMITS = Limits(
    connections_max=256,  # an exporter in each environment has one
    body_max_bytes=BODY_MAX_BYTES,
    buffered_max_bytes=2 * WAITING_MAX_BYTES,
)


class Tracing(Collector):
    """The store of traces with all that fills and empties it."""

    def __init__(self) -> None:
        self.store = TraceStore()
        self.recorder = Recorder(self.keep, os.environ)
        self.server = Server(Intake(self.keep), LIMITS)
        self._exporter: export.Exporter | None = None

    def keep(self, spans: list[Span]) -> int:
        """Keep spans and send them on; return how many were refused."""
        if self._exporter is not None:
            self._exporter.add(spans)
        return self.store.add(spans)

    async def listen(self, host: str, port: int | None) -> asyncio.AbstractServer:
        """Listen at a port, or at the usual one, or the next that is free. Raises OSError."""
        loop = asyncio.get_running_loop()
        number, last = port or PORT, port or PORT + PORTS_TRIED
        while True:
            try:
                listener = await loop.create_server(self.server.connection, host, number)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE or number >= last:
                    raise
                number += 1
        # For the functions that this process starts hosts of; `up` tells the other processes.
        os.environ.setdefault(export.URL, f"http://127.0.0.1:{number}")
        self._exporter = export.exporter_to_collector(os.environ, number)
        return listener

    def stop(self) -> None:
        """Send on what has not been sent."""
        if self._exporter is not None:
            self._exporter.stop()

    def collect(self) -> Iterable[Metric]:
        traces = GaugeMetricFamily("traces_kept", "Traces that are kept in memory")
        traces.add_metric((), len(self.store))
        size = GaugeMetricFamily("traces_kept_bytes", "Memory that they take, about")
        size.add_metric((), self.store.size)
        lost = CounterMetricFamily(
            "trace_spans_lost", "Spans that were not kept, or not sent on", labels=("why",)
        )
        lost.add_metric(("refused",), self.store.refused)
        lost.add_metric(("not_forwarded",), self._exporter.dropped if self._exporter else 0)
        return traces, size, lost
