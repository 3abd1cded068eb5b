"""The readiness of a started system: each function has an environment, its own check passes."""

import http.client
import re

from local.machine.processes import System
from local.template import Route, Template, TemplateError

PROBE_TIMEOUT_S = 5.0
DEFAULT = "$default"  # the route of an HTTP API that takes what no other does
CONNECTED = re.compile(r'^gateway_environments\{function="(\w+)",state="\w+"\} ([\d.]+)', re.M)


def check(template: Template) -> None:
    """Refuse a check of readiness that no route answers. Raises TemplateError."""
    path = template.ready_path
    if path and not any(_answers(route, path) for route in template.api.routes):
        sentence = f"no route of the template answers GET {path}; name the path of one"
        raise TemplateError(template.path, "Metadata", "Spillway.Ready", sentence)


def _answers(route: Route, path: str) -> bool:
    """Return whether a route may answer GET of a path, queries left aside."""
    if route.path == DEFAULT:
        return True
    names, segments = route.path.split("/"), path.partition("?")[0].split("/")
    if names[-1].endswith("+}"):
        segments = segments[: len(names)]
    pairs = zip(names, segments, strict=False)
    fits = all(name == segment or name.startswith("{") for name, segment in pairs)
    return route.method == "GET" and len(names) == len(segments) and fits


def lacks(system: System) -> tuple[str, str] | None:
    """Return what is missing, as a sentence and the process to blame; None when it is ready."""
    _, metrics = _get(system.ports.console, "/metrics")
    connected = {name for name, number in CONNECTED.findall(metrics) if float(number) > 0}
    for function in system.template.hosted:
        if function not in connected:
            return f"no environment of {function} has connected to the gateway", function
    path = system.template.ready_path
    if path:
        status, body = _get(system.ports.gateway, path)
        if status != 200:
            return f"GET {path} answers {status or 'nothing'}: {body}", "gateway"
    return None


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()
