"""The readiness of a started system: each function has an environment, its own check passes."""

import http.client
import re

from local.machine.processes import System

PROBE_TIMEOUT_S = 5.0
CONNECTED = re.compile(r'^gateway_environments\{function="(\w+)",state="\w+"\} ([\d.]+)', re.M)


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
