"""The second rung: a Chalice view."""

from chalice.app import Chalice

app = Chalice(app_name="ladder", configure_logs=False)


@app.route("/chalice")
def view() -> dict[str, str]:
    return {}
