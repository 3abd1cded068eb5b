"""The cost of the handlers themselves, called in a loop with the event of the comparison."""

import subprocess
import sys
from pathlib import Path

HANDLERS = Path(__file__).parent / "handlers"
WHERE = {
    "Chalice": ("chalice_app", "app", "/hello/{name}", "/hello/ada"),
    "Powertools": (
        "powertools_app",
        "handler",
        "/powertools/hello/{name}",
        "/powertools/hello/ada",
    ),
}
MEASURE = """
import sys, time
import app
handler, resource, path = getattr(app, sys.argv[1]), sys.argv[2], sys.argv[3]
event = {
    "resource": resource, "path": path, "httpMethod": "GET",
    "headers": {"Accept": "*/*", "Host": "127.0.0.1"},
    "multiValueHeaders": {"Accept": ["*/*"], "Host": ["127.0.0.1"]},
    "queryStringParameters": None, "multiValueQueryStringParameters": None,
    "pathParameters": {"name": "ada"}, "stageVariables": None,
    "requestContext": {"resourcePath": resource, "httpMethod": "GET", "path": path,
                       "stage": "Prod", "requestId": "1", "identity": {"sourceIp": "127.0.0.1"}},
    "body": None, "isBase64Encoded": False,
}
for _ in range(500):
    assert handler(event, None)["statusCode"] == 200
before = time.process_time()
for _ in range(5000):
    handler(event, None)
print((time.process_time() - before) / 5000 * 1e6)
"""


def handler_us(handler: str) -> float:
    """Return CPU microseconds of one call."""
    folder, *arguments = WHERE[handler]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments],
        cwd=HANDLERS / folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)
