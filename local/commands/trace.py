"""The commands `trace` and `traces`: one trace as a waterfall, and the newest in a line each."""

import argparse
import http.client
import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from local.daemon import arguments
from local.daemon.arguments import PROGRAM
from local.daemon.logs import printable
from local.machine.plan import BadInput
from local.machine.running import running
from local.traces.reading import LIMIT_MAX
from local.traces.waterfall import lines

ANSWER_S = 10.0
ID_MAX_CHARS = 200
ROW = "{:<13}{:<34}{:>12}{:>7}  {:<34}  {}"
HEAD = ROW.format("at (UTC)", "name", "duration", "spans", "trace", "")


def add(parser: argparse.ArgumentParser) -> None:
    """Give `trace` its options."""
    parser.add_argument(
        "id", help="32 digits, AWS's 1-........-........................, or a request's id"
    )


def add_list(parser: argparse.ArgumentParser) -> None:
    """Give `traces` its options."""
    parser.add_argument("--route", default="", help="of this route, or with a part of it")
    parser.add_argument("--status", default="", help="such as 201, 5xx or error")
    parser.add_argument("--text", default="", help="with this in name, services or ids")
    parser.add_argument("--min-ms", default="", metavar="MS", help="that took at least so long")
    arguments.add_number(
        parser,
        *("-n", "--limit"),
        bounds=(1, LIMIT_MAX),
        default=20,
        what="how many",
        unit="TRACES",
    )


def show(options: argparse.Namespace) -> int:
    """Print one trace as a waterfall; 1 where it is not known."""
    if not 0 < len(options.id) <= ID_MAX_CHARS:
        raise BadInput(f"an id has 1 to {ID_MAX_CHARS} characters")
    status, trace = _ask(options.state, f"/api/traces/{quote(options.id, safe='')}")
    if status == 404:
        sys.stderr.write(
            f"no trace is kept by {printable(options.id)}: give the id of a trace or a request;"
            " under load one request in a hundred is traced, and all that fail or are slow"
            f" (`{PROGRAM} traces` lists the newest)\n"
        )
        return 1
    width = shutil.get_terminal_size((110, 24)).columns
    sys.stdout.writelines(f"{line}\n" for line in lines(trace, width))
    return 0


def show_list(options: argparse.Namespace) -> int:
    """Print the newest traces, a line each; 1 where there is none."""
    query = {
        "route": options.route,
        "status": options.status,
        "text": options.text,
        "min_ms": options.min_ms,
        "limit": str(options.limit),
    }
    status, answer = _ask(options.state, f"/api/traces?{urlencode(query)}")
    if status == 400:
        raise BadInput(answer["message"])
    if not answer["traces"]:
        sys.stderr.write("no trace fits\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in (HEAD, *_rows(answer["traces"])))
    return 0


def _rows(traces: list[dict[str, Any]]) -> Iterator[str]:
    for trace in traces:
        at = datetime.fromtimestamp(trace["start_ms"] / 1000, UTC)
        words = [str(trace["status"] or ""), "error" if trace["error"] else ""]
        words.append("slow" if trace["slow"] else "")
        yield ROW.format(
            f"{at:%H:%M:%S}.{at.microsecond // 1000:03}",
            printable(trace["name"])[:33],
            f"{trace['duration_ms']:,.1f} ms",
            trace["spans"],
            trace["id"],
            " ".join(filter(None, words)),
        ).rstrip()


def _ask(state: Path, path: str) -> tuple[int, Any]:
    """Return the status and the JSON that the running system's console answers."""
    last, _ = running(state)
    gateway = next(each for each in last.processes if each.name == "gateway")
    console = urlsplit(gateway.address.split()[-3])  # before those of Lambda and of spans
    connection = http.client.HTTPConnection(
        console.hostname or "", console.port or 80, timeout=ANSWER_S
    )
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise BadInput(
            f"the console at {console.netloc} does not answer ({error}); see `{PROGRAM} status`"
        ) from error
    finally:
        connection.close()
