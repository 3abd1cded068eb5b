"""The carrier of the queues, as the environment of a running system names it."""

from collections.abc import Mapping
from pathlib import Path

from redis_sqs import REGION
from redis_sqs.carrier import DEPTH_MAX, Carrier

SCHEMES = ("redis:", "rediss:", "unix:")
REDIS_URL = "redis://127.0.0.1:6379/0"


class CarrierError(ValueError):
    """A variable that says how queues are carried has no usable value; the message names it."""


def carrier_of(variables: Mapping[str, str]) -> Carrier:
    """Return the carrier that `variables` name. Raises CarrierError.

    REDIS_URL is an address, or REDIS_URL_FILE a file that holds it; QUEUE_BACKEND is redis or sqs;
    QUEUE_DEPTH_MAX bounds each Redis queue; QUEUE_DISORDER (0 to 1) doubles and delays deliveries.
    """
    redis_url = redis_url_of(variables)
    if not redis_url.startswith(SCHEMES):
        raise CarrierError(f"REDIS_URL=(hidden): must begin with {', '.join(SCHEMES)}")
    kind = variables.get("QUEUE_BACKEND", "redis")
    if kind not in ("redis", "sqs"):
        raise CarrierError(f"QUEUE_BACKEND={kind!r}: must be redis or sqs")
    depth_max = variables.get("QUEUE_DEPTH_MAX", str(DEPTH_MAX))
    if not (depth_max.isascii() and depth_max.isdigit() and int(depth_max) > 0):
        raise CarrierError(f"QUEUE_DEPTH_MAX={depth_max!r}: must be a whole number of at least 1")
    return Carrier(
        kind="sqs" if kind == "sqs" else "redis",
        redis_url=redis_url,
        region=variables.get("AWS_REGION") or REGION,
        depth_max=int(depth_max),
        disorder=_disorder(variables.get("QUEUE_DISORDER", "0")),
    )


def redis_url_of(variables: Mapping[str, str]) -> str:
    """Return the address that REDIS_URL or the file in REDIS_URL_FILE has. Raises CarrierError."""
    path = variables.get("REDIS_URL_FILE")
    if path is None:
        return variables.get("REDIS_URL", REDIS_URL)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CarrierError(f"REDIS_URL_FILE={path!r}: {error.strerror}") from error


def _disorder(text: str) -> float:
    try:
        disorder = float(text)
    except ValueError:
        disorder = -1
    if not 0 <= disorder <= 1:
        raise CarrierError(f"QUEUE_DISORDER={text!r}: must be a number from 0 to 1")
    return disorder
