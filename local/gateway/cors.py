"""Other origins at an HTTP API: the preflight, and headers for the function's (row 1.63)."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from local.template import Cors

Pairs = list[tuple[str, str]]

_PREFIX = "access-control-"


class Origins:
    """The CORS configuration of an API, by the origin of a request."""

    def __init__(self, cors: Cors) -> None:
        self._cors = cors
        self._expose: Pairs = []
        if cors.expose_headers:
            self._expose.append(("access-control-expose-headers", ",".join(cors.expose_headers)))
        self._allow = [
            (f"access-control-allow-{name}", ",".join(values))
            for name, values in (("methods", cors.methods), ("headers", cors.headers))
            if values
        ]
        if cors.max_age_s is not None:
            self._allow.append(("access-control-max-age", str(cors.max_age_s)))

    def replaced(self, pairs: Pairs, origin: str | None) -> Pairs:
        """Return `pairs` of an answer with the configured headers instead of any of their kind."""
        others = [pair for pair in pairs if not pair[0].lower().startswith(_PREFIX)]
        allowed = self._allowed(origin)
        return [*others, *allowed, *self._expose] if allowed else others

    def preflight(self, fields: Mapping[str, str]) -> tuple[int, str, bytes]:
        """Return the answer to an OPTIONS request that no route takes."""
        allowed = self._allowed(fields.get("origin"))
        pairs = [*allowed, *self._allow] if allowed else []
        return 204, "".join(f"{name}: {value}\r\n" for name, value in pairs), b""

    def _allowed(self, origin: str | None) -> Pairs:
        if not origin:
            return []
        if "*" in self._cors.origins:
            return [("access-control-allow-origin", "*")]
        if not any(fnmatchcase(origin, pattern) for pattern in self._cors.origins):
            return []
        headers = [("access-control-allow-origin", origin), ("vary", "Origin")]
        if self._cors.credentials:
            headers.append(("access-control-allow-credentials", "true"))
        return headers
