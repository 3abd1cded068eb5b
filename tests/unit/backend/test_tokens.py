"""A token is good only if every part of it is ours."""

import base64
import json
import os
import subprocess
import sys
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.settings import OAuthClient, Settings

NOW_S = int(time.time())
GOOD = {
    "iss": "https://spillway.example",
    "aud": "spillway",
    "sub": "demo",
    "tenant": "demo",
    "scope": "payments:read payments:write",
    "iat": NOW_S,
    "exp": NOW_S + 600,
}


def _pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def tokens(monkeypatch):
    """The module as it is in a process whose key is KEY."""
    import backend.tokens  # noqa: PLC0415

    settings = Settings.from_env({"TOKEN_PRIVATE_KEY": _pem(KEY)})
    monkeypatch.setattr(backend.tokens, "settings", settings)
    for cached in (backend.tokens._key, backend.tokens.key_id):
        cached.cache_clear()
    yield backend.tokens
    for cached in (backend.tokens._key, backend.tokens.key_id):
        cached.cache_clear()


def _signed(claims=None, *, key=KEY, algorithm="EdDSA", typ="at+jwt", **headers):
    return jwt.encode(
        GOOD if claims is None else claims,
        key,
        algorithm=algorithm,
        headers={"typ": typ, **headers},
    )


def test_a_token_we_issue_says_what_its_client_may_do(tokens):
    client = OAuthClient("demo", "00", "tenant-1", frozenset())

    token = tokens.issue(client, frozenset({"payments:read"}), now_s=NOW_S)

    claims = tokens.verify(token)
    assert (claims.client_id, claims.tenant) == ("demo", "tenant-1")
    assert claims.scopes == {"payments:read"}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "a" * 10_000,
        _signed(key=OTHER_KEY),
        _signed(key=None, algorithm="none"),
        _signed(key="a-shared-secret-of-thirty-two-bytes!", algorithm="HS256"),
        _signed(typ="JWT"),
        _signed(crit=["exp"]),
        _signed(jku="https://attacker.example/keys"),
        _signed({**GOOD, "exp": NOW_S - 31}),
        _signed({**GOOD, "iat": NOW_S + 600}),
        _signed({**GOOD, "iss": "https://spillway.example.attacker"}),
        _signed({**GOOD, "aud": "other"}),
        _signed() + "==",
        _signed() + "=",
        _signed() + "\n",
        _signed() + "!",
        _signed().replace(".", "==.", 1),
        *(_signed({k: v for k, v in GOOD.items() if k != name}) for name in GOOD),
    ],
)
def test_a_token_with_anything_wrong_is_unauthorized(tokens, token):
    with pytest.raises(tokens.Unauthorized):
        tokens.verify(token)


def test_a_token_whose_claims_were_changed_is_unauthorized(tokens):
    head, body, signature = _signed().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = json.dumps({**claims, "tenant": "other"}).encode()
    forged = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()

    with pytest.raises(tokens.Unauthorized):
        tokens.verify(f"{head}.{forged}.{signature}")


def test_the_published_key_checks_our_tokens(tokens):
    token = _signed()

    (key,) = tokens.jwks()["keys"]

    assert "d" not in key
    assert jwt.decode(token, jwt.PyJWK(key), audience="spillway", algorithms=["EdDSA"]) == GOOD


def test_a_key_that_is_no_key_is_named_without_being_shown():
    program = "from backend import tokens; tokens.jwks()"

    failed = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TOKEN_PRIVATE_KEY": "hunter2", "PYTHONPATH": "layers/backend/python"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "TOKEN_PRIVATE_KEY=(hidden)" in failed.stderr
    assert "hunter2" not in failed.stderr.splitlines()[-1]
