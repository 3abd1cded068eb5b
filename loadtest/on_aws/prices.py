"""AWS's list prices, and what a run and a month at its rate would cost. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.on_aws.aws import Estimate

PRICED = "2026-11, us-east-1, arm64, without free tier and without MongoDB"
API_TIERS = ((333e6, 3.50e-6), (667e6, 2.80e-6), (float("inf"), 2.38e-6))  # requests, $ each
LAMBDA_REQUEST = 0.20e-6
LAMBDA_GB_S = 13.3334e-6
PROVISIONED_GB_S = 3.3334e-6  # while it stands ready
SQS_REQUEST = 0.40e-6
LOG_GB = 0.50
OUT_GB = 0.09
BATCH = 10  # messages that a worker takes at once
BATCH_S = 0.1  # which takes so long; not measured, docs/deploy.md says why
WORKER_GB = 0.5
LOG_KB = 1.0  # of each request
MONTH_S = 30 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """All that is paid for."""

    requests: float
    messages: float  # each sent, received and deleted once
    bytes_out: float
    gb_s: float  # of the API's functions, their starts included


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of the bill, with its formula."""

    name: str
    formula: str
    run_usd: float
    month_usd: float


def usage_of(estimates: Sequence[Estimate], *, messages: int, bytes_out: int) -> Usage:
    """Return what the run would have used."""
    return Usage(
        requests=sum(each.requests for each in estimates),
        messages=messages,
        bytes_out=bytes_out,
        gb_s=sum(each.plain.billed_s * each.memory_mb / 1024 for each in estimates),
    )


def warm_gb_s(estimates: Sequence[Estimate]) -> float:
    """Return what the handlers alone would have used."""
    return sum(
        each.requests * each.duration_ms / 1000 * each.memory_mb / 1024 for each in estimates
    )


def bill(run: Usage, rate_per_s: float, *, warm_gb_s: float) -> list[Item]:
    """Return the bill of the run, and of 30 days in which its like arrives at this rate.

    Environments that always have work are not started anew, so the month is without starts.
    """
    factor = rate_per_s * MONTH_S / max(1.0, run.requests)
    month = Usage(
        requests=run.requests * factor,
        messages=run.messages * factor,
        bytes_out=run.bytes_out * factor,
        gb_s=warm_gb_s * factor,
    )
    return [
        Item(name=name, formula=formula, run_usd=price(run), month_usd=price(month))
        for name, formula, price in LINES
    ]


def provisioned_usd_per_h(estimates: Sequence[Estimate], environments: int) -> float:
    """Return the price of an hour in which so many environments of each function stand ready."""
    gb = sum(each.memory_mb / 1024 for each in estimates) * environments
    return gb * 3600 * PROVISIONED_GB_S


def _api(use: Usage) -> float:
    cost, left = 0.0, use.requests
    for requests, price in API_TIERS:
        cost += min(left, requests) * price
        left = max(0.0, left - requests)
    return cost


def _lambda(use: Usage) -> float:
    return use.requests * LAMBDA_REQUEST + use.gb_s * LAMBDA_GB_S


def _workers(use: Usage) -> float:
    return use.messages / BATCH * (LAMBDA_REQUEST + BATCH_S * WORKER_GB * LAMBDA_GB_S)


def _sqs(use: Usage) -> float:
    return use.messages * (1 + 2 / BATCH) * SQS_REQUEST


LINES: tuple[tuple[str, str, Callable[[Usage], float]], ...] = (
    (
        "API Gateway, REST",
        "requests * $3.50 per million up to 333 M a month, then $2.80, above 1 B $2.38",
        _api,
    ),
    (
        "Lambda, functions of the API",
        "requests * $0.20 per million + billed seconds * GB * $0.0000133334",
        _lambda,
    ),
    (
        "Lambda, workers",
        "messages / 10 * ($0.20 per million + 0.1 s * 0.5 GB * $0.0000133334)",
        _workers,
    ),
    ("SQS", "messages * 1.2 * $0.40 per million: one send; receive and delete by tens", _sqs),
    (
        "CloudWatch Logs",
        "requests * 1 KB * $0.50 per GB",
        lambda use: use.requests * LOG_KB * 1e-6 * LOG_GB,
    ),
    (
        "data out",
        "bytes of the answers' bodies * $0.09 per GB",
        lambda use: use.bytes_out * 1e-9 * OUT_GB,
    ),
)
