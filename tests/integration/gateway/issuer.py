"""An issuer of JSON Web Tokens: its configuration and keys over HTTP, and tokens it signs."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key


class Issuer:
    """An issuer that serves until it is closed; counts the requests for its keys."""

    def __init__(self) -> None:
        self.key = generate_private_key(public_exponent=65537, key_size=2048)
        self.requests = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(issuer.document(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def document(self, path: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            return {"jwks_uri": f"{self.url}/keys"}
        self.requests += 1
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "one", "alg": "RS256", "use": "sig"}]}

    def token(
        self, *, key: Any = None, kid: str = "one", algorithm: str = "RS256", **claims: Any
    ) -> str:
        """Return a token for the audience `api`, good for a minute, with `claims` in place."""
        usual = {"iss": self.url, "aud": "api", "exp": time.time() + 60, "sub": "ann"}
        claims_left = {name: value for name, value in (usual | claims).items() if value is not None}
        signing = self.key if key is None else key
        return jwt.encode(claims_left, signing, algorithm=algorithm, headers={"kid": kid})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
