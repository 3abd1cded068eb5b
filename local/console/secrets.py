"""Secrets in what the console shows: they are hidden by their names, and wherever they come again.

A name is one of a header, an environment variable, a form's field or a member of JSON. The value of
a header that is hidden is hidden in the event, the answer and the log as well.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

HIDDEN = "(hidden)"
SECRET_MIN_CHARS = 6  # a shorter value would be found in too much that is none
# `Idempotency-Key` and `X-Amz-...-Key-Id` are names of things, not secrets.
_NAME = (
    r"secret|token|passw|pwd|credential|authorization|cookie|signature|private|api[-_]?key"
    r"|access[-_]?key(?!.?id)|signing[-_]?key|encryption[-_]?key|(?<![a-z])key$"
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_HARMLESS = re.compile(r"idempotency[-_]?key|token_type", re.IGNORECASE)
# A member's name and colon, also in JSON that is a text in JSON: its quotes have slashes then.
_MEMBER = re.compile(r'(\\{0,15})"([^"\\]{1,80})\1"\s*:\s*')
_FIELD = re.compile(r"(^|[&?\s\"])([\w.-]{1,80})=([^&\s\"]+)")
_CREDENTIALS = re.compile(r"(\w://)[^/@\s\"]+@")
_PEM = re.compile(r"-----BEGIN [^-]+-----.*?(-----END [^-]+-----|$)", re.DOTALL)


def is_secret(name: str) -> bool:
    """Return whether the value of that name is to be hidden."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS.search(name)


def without(text: str, values: Iterable[str] = ()) -> str:
    """Return `text` without those values, and without what stands beside names of secrets."""
    for value in values:
        text = text.replace(value, HIDDEN)
    text = _FIELD.sub(_field, _without_members(text))
    return _PEM.sub(HIDDEN, _CREDENTIALS.sub(rf"\1{HIDDEN}@", text))


def of_headers(headers: Iterable[tuple[str, str]]) -> list[str]:
    """Return the values to hide wherever they come, the longest first: tokens and passwords."""
    values: set[str] = set()
    for name, value in headers:
        if is_secret(name):
            scheme, _, credentials = value.partition(" ")
            values |= {value, credentials, *_of_basic(scheme, credentials)}
    return sorted((each for each in values if len(each) >= SECRET_MIN_CHARS), key=len, reverse=True)


def headers_without(headers: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return the headers with those hidden that are secrets."""
    return [[name, HIDDEN if is_secret(name) else without(value)] for name, value in headers]


def variables_without(variables: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables with those hidden that are secrets or hold some."""
    return {
        name: HIDDEN if value and _is_secret_variable(name) else without(value)
        for name, value in variables.items()
    }


def _is_secret_variable(name: str) -> bool:
    return any(word in name.lower() for word in ("key", "secret", "token", "passw", "credential"))


def _of_basic(scheme: str, credentials: str) -> set[str]:
    if scheme.lower() != "basic":
        return set()
    try:
        return {base64.b64decode(credentials, validate=True).decode().partition(":")[2]}
    except (binascii.Error, UnicodeDecodeError):
        return set()


def _without_members(text: str) -> str:
    """Return `text` with the values of secret members hidden, texts and lists of them."""
    pieces, place = [], 0
    for name in _MEMBER.finditer(text):
        if name.start() < place or not is_secret(name[2]):
            continue
        value = _value(name[1]).match(text, name.end())
        if value:
            pieces += [text[place : name.end()], f'{name[1]}"{HIDDEN}{name[1]}"']
            place = value.end()
    return "".join([*pieces, text[place:]])


@lru_cache(maxsize=16)
def _value(slashes: str) -> re.Pattern[str]:
    """Return the pattern of a value whose quotes have those slashes; it may be cut off."""
    quote = re.escape(f'{slashes}"')
    return re.compile(rf"{quote}.*?((?<!\\){quote}|$)|\[\s*{quote}.*?(\]|$)", re.DOTALL)


def _field(match: re.Match[str]) -> str:
    before, name, _ = match.groups()
    return f"{before}{name}={HIDDEN}" if is_secret(name) else match[0]
