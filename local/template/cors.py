"""CORS of an API: a REST API's OPTIONS methods as SAM makes them, an HTTP API's configuration."""

from collections.abc import Iterable

from local.template.api_records import Cors, Preflight, Route
from local.template.reader import Properties

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def read_rest_cors(properties: Properties) -> dict[str, str]:
    """Return the headers of every preflight answer; none where the API has no Cors."""
    if "Cors" not in properties:
        return {}
    value = properties.take("Cors")
    if isinstance(value, str):
        value = {"AllowOrigin": value}
    block = properties.item("Cors", value)
    headers = {"Access-Control-Allow-Origin": _quoted(block, "AllowOrigin", "'*'")}
    for name in ("AllowHeaders", "AllowMethods", "MaxAge"):
        if name in block:
            header = f"Access-Control-{'-'.join(_words(name))}"
            headers[header] = _quoted(block, name)
    if _allows_credentials(block):
        headers["Access-Control-Allow-Credentials"] = "true"
    block.finish()
    return headers


def preflights(
    headers: dict[str, str], routes: Iterable[Route], authorizer: str | None, needs_key: bool
) -> tuple[Preflight, ...]:
    """Return an OPTIONS method for every path that has none of its own."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        methods.setdefault(route.path, set()).add(route.method)
    return tuple(
        Preflight(
            path=path,
            headers={"Access-Control-Allow-Methods": _allowed(own), **headers},
            authorizer=authorizer,
            needs_key=needs_key,
        )
        for path, own in methods.items()
        if headers and "OPTIONS" not in own
    )


def read_http_cors(properties: Properties) -> Cors | None:
    """Return the settings of a CorsConfiguration, which may be just `true`."""
    value = properties.take("CorsConfiguration", False)
    if value is False:
        return None
    block = properties.item(
        "CorsConfiguration", {"AllowOrigins": ["*"]} if value is True else value
    )
    cors = Cors(
        origins=block.texts("AllowOrigins"),
        methods=block.texts("AllowMethods"),
        headers=block.texts("AllowHeaders"),
        expose_headers=block.texts("ExposeHeaders"),
        max_age_s=block.optional_integer("MaxAge", lowest=-1, highest=86_400),
        credentials=block.flag("AllowCredentials", False),
    )
    if cors.credentials and "*" in cors.origins:
        raise block.error("AllowCredentials", "needs origins by name; replace * in AllowOrigins")
    block.finish()
    return cors


def _allows_credentials(block: Properties) -> bool:
    """Tell whether credentials are allowed: SAM takes any text but false for true."""
    return str(block.take("AllowCredentials", False)).strip("'\"").lower() not in ("false", "")


def _quoted(block: Properties, name: str, default: str | None = None) -> str:
    value = block.text(name, default)
    if len(value) < 2 or not value[0] == value[-1] == "'":
        raise block.error(name, f"needs single quotes inside the text; write \"'{value}'\"")
    return value[1:-1]


def _words(name: str) -> list[str]:
    return ["Max", "Age"] if name == "MaxAge" else ["Allow", name.removeprefix("Allow")]


def _allowed(methods: set[str]) -> str:
    return ",".join(_METHODS if "ANY" in methods else sorted({*methods, "OPTIONS"}))
