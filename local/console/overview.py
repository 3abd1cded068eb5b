"""The last hour of the whole machine as JSON, and the marks that others put into it."""

from typing import Any

from local.console.answers import Page, Refused, as_json
from local.console.history import MARK_MAX_CHARS, History
from local.console.pages import Console, Parameters


def add(console: Console, history: History) -> None:
    """Serve the history, and take marks: what begins now, such as a load run or a fault."""

    async def view(parameters: Parameters) -> Page:
        """Return what came after `since`, or in the last seconds of the history."""
        if "last" in parameters:
            return as_json(history.last(_seconds(parameters, "last")))
        return as_json(history.since(_seconds(parameters, "since")))

    async def mark(parameters: Parameters, body: Any) -> Page:
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str) or not text.strip() or len(text) > MARK_MAX_CHARS:
            raise Refused(400, f"a mark is {{'text': ...}} of 1 to {MARK_MAX_CHARS} characters")
        history.mark(text.strip())
        return as_json({"marked": text.strip()}, 201)

    console.add_view("/api/history", view)
    console.add_action("/api/marks", mark)


def _seconds(parameters: Parameters, name: str) -> float:
    try:
        return float(parameters.get(name, "0"))
    except ValueError:
        raise Refused(400, f"{name} must be a number of seconds") from None
