"""The estimate for AWS as tables of the report's page."""

from collections.abc import Mapping, Sequence
from typing import Any

Table = tuple[Sequence[str], list[Sequence[str]]]  # its head and its rows


def functions(aws: Mapping[str, Any]) -> Table:
    """Return a row for each function."""
    limits = list(aws["functions"][0]["throttled"])
    head = (
        *("function", "requests", "duration", "environments, mean / most", "cold starts"),
        f"with {aws['provisioned']} provisioned",
        *(f"throttled at {limit}" for limit in limits),
    )
    rows = [
        (
            each["name"],
            f"{each['requests']:,}",
            f"{each['duration_ms']:,.1f} ms, {each['memory_mb']:,} MB",
            f"{each['concurrency_mean']:,.2f} / {each['concurrency_max']:,}",
            f"{each['cold_starts']:,}",
            f"{each['cold_starts_provisioned']:,}",
            *(f"{each['throttled'][limit]:,}" for limit in limits),
        )
        for each in aws["functions"]
    ]
    return head, list(rows)


def bill(aws: Mapping[str, Any]) -> Table:
    """Return a row for each item, with its formula, and one for all."""
    head = ("", "this run", f"30 days at {aws['month_rate_per_s']:,.0f}/s", "formula")
    rows = [
        (item["item"], f"${item['run_usd']:,.4f}", f"${item['month_usd']:,.0f}", item["formula"])
        for item in aws["cost"]
    ]
    return head, [*rows, ("all", f"${aws['run_usd']:,.4f}", f"${aws['month_usd']:,.0f}", "")]


def note(aws: Mapping[str, Any]) -> str:
    """Return what the estimate rests on."""
    return (
        "An estimate: this run's arrivals through Lambda's rules, "
        f"{aws['cold_start_s']:g} s a cold start; CPU takes longer there, as the memory gives less "
        "than a processor. The month is without cold starts. Prices of "
        f"{aws['prices']}. The provisioned environments cost "
        f"${aws['provisioned_usd_per_h']:,.2f} an hour more. {aws['messages']:,} messages."
    )
