"""The third rung: the backend's edge, and a counter of Powertools."""

from chalice.app import Response

from backend.entrypoint import Call, api, endpoint, reply
from backend.telemetry import metrics_of

app = api("ladder")


@app.route("/powertools")
@endpoint(app)
def view(_call: Call) -> Response:
    metrics_of("ladder").count("Requests")
    return reply({})
