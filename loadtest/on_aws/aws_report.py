"""The estimate for AWS as JSON types: what report.json keeps and report.html shows."""

from collections.abc import Sequence
from typing import Any

from loadtest.on_aws.aws import COLD_START_S, Estimate
from loadtest.on_aws.prices import PRICED, bill, provisioned_usd_per_h, usage_of, warm_gb_s


def as_json(
    estimates: Sequence[Estimate],
    *,
    provisioned: int,
    messages: int,
    bytes_out: int,
    rate_per_s: float,
) -> dict[str, Any]:
    """Return everything that the page shows."""
    usage = usage_of(estimates, messages=messages, bytes_out=bytes_out)
    items = bill(usage, rate_per_s, warm_gb_s=warm_gb_s(estimates))
    return {
        "prices": PRICED,
        "cold_start_s": COLD_START_S,
        "provisioned": provisioned,
        "provisioned_usd_per_h": round(provisioned_usd_per_h(estimates, provisioned), 4),
        "functions": [_function(each) for each in estimates],
        "messages": messages,
        "month_rate_per_s": round(rate_per_s, 2),
        "cost": [
            {
                "item": item.name,
                "formula": item.formula,
                "run_usd": round(item.run_usd, 6),
                "month_usd": round(item.month_usd, 2),
            }
            for item in items
        ],
        "run_usd": round(sum(item.run_usd for item in items), 6),
        "month_usd": round(sum(item.month_usd for item in items), 2),
    }


def _function(each: Estimate) -> dict[str, Any]:
    return {
        "name": each.name,
        "requests": each.requests,
        "memory_mb": each.memory_mb,
        "duration_ms": round(each.duration_ms, 3),
        "concurrency_mean": round(each.plain.concurrency_mean, 3),
        "concurrency_max": each.plain.concurrency_max,
        "cold_starts": each.plain.cold_starts,
        "concurrency_max_provisioned": each.provisioned.concurrency_max,
        "cold_starts_provisioned": each.provisioned.cold_starts,
        "throttled": {str(limit): count for limit, count in each.throttled.items()},
    }
