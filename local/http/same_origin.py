"""Web pages of strangers in a browser on this machine: they may not use the ports beside the API.

A page may send a POST to any address, and its host's name may lead to 127.0.0.1 (DNS rebinding).
The API itself is behind API Gateway's rules only, as on AWS.
"""

import re
from functools import lru_cache

from local.http.request import Request

FOREIGN = "not for pages of other sites; ask by an address or a local name, without Origin"

# Addresses, names of one part, and names that nobody can have in the public DNS.
_LOCAL = re.compile(
    r"(\[[^]]*\]|[0-9.]+|[^.:]*|.*\.(localhost|local|internal))(:[0-9]+)?", re.IGNORECASE
)


def is_foreign(request: Request) -> bool:
    """Return whether a browser sends this for a page of another site."""
    host, origin = request.fields.get("host", ""), request.fields.get("origin")
    return not _is_local(host) or origin not in (None, f"http://{host}", f"https://{host}")


@lru_cache(maxsize=100)
def _is_local(host: str) -> bool:
    return _LOCAL.fullmatch(host) is not None
