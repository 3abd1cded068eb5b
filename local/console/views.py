"""The console's views and actions, a module a subject; each serves its own paths."""

from local.console import functions, invoking, overview, processes, queues, readiness, requests
from local.console.answers import Page, as_json
from local.console.history import History
from local.console.pages import Console, Parameters
from local.console.parts import Parts


def add_views(console: Console, parts: Parts, history: History) -> None:
    """Serve everything below `/api/`."""
    overview.add(console, history)
    for subject in (functions, invoking, processes, queues, readiness, requests):
        subject.add(console, parts)

    async def system(parameters: Parameters) -> Page:
        name = parts.template.path.parent.name
        return as_json({"name": name, "paths": console.view_paths})

    console.add_view("/api/system", system)
