"""The console's views of traces: the newest that fit a query, and one with its spans."""

from collections.abc import Mapping

import orjson

from local.console.answers import Page
from local.console.pages import Console
from local.traces.reading import BadQuery, detail, rows
from local.traces.store import TraceStore


def add_trace_views(console: Console, store: TraceStore) -> None:
    """Serve the traces that `store` keeps."""

    async def traces(parameters: Mapping[str, str]) -> Page:
        try:
            return Page(orjson.dumps(rows(store, parameters)))
        except BadQuery as error:
            return Page(orjson.dumps({"message": str(error)}), status=400)

    async def trace(parameters: Mapping[str, str]) -> Page:
        shown = detail(store, parameters["id"])
        if shown is None:
            sentence = f"no trace is known by {parameters['id'][:100]!r}"
            return Page(orjson.dumps({"message": sentence}), status=404)
        return Page(orjson.dumps(shown))

    console.add_view("/api/traces", traces)
    console.add_view("/api/traces/{id}", trace)
