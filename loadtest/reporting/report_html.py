"""report.html: one report for a person, self-contained, made of report.json alone."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from loadtest.on_aws import aws_html
from loadtest.reporting.charts import Line, chart
from loadtest.reporting.recorded_html import length_s, marks, recorded
from loadtest.reporting.report import judged
from loadtest.reporting.traces_html import waterfalls

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
HEADLINES = {
    "passed": "Passed",
    "failed": "Failed",
    "invalid": "Invalid: this says nothing about the system, for the first reason below",
}
LATENCY_COLUMNS = ("p50", "p90", "p95", "p99", "p99_9", "max")

Report = dict[str, Any]


def page(report: Report) -> str:
    """Return the whole page."""
    title = f"Load report {report['profile']}, {report['started_at']}: {report['verdict']}"
    sections = (
        _verdict,
        _faults,
        _throughput,
        _latency,
        _traces,
        _errors,
        _audit,
        _groups,
        _generator,
        _servers,
        _queues,
        _aws,
        _machine,
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"{''.join(section(report) for section in sections)}</main></body></html>\n"
    )


def _verdict(report: Report) -> str:
    totals = report["totals"]
    phase = judged(report)
    tiles = (
        (f"{totals['ok']:,}", f"of {totals['scheduled']:,} arrivals answered"),
        (f"{totals['failed']:,}", "failed"),
        (f"{totals['skipped']:,}", "skipped"),
        (_ms(phase["latency_ms"]["p50"]), f"p50 in the {phase['name']}"),
        (_ms(phase["latency_ms"]["p99"]), f"p99, {report['slo_p99_ms']:g} ms allowed"),
        (f"{report['audit'].get('lost', 0):,}", "payments lost"),
        (f"{report['audit'].get('doubled', 0):,}", "payments doubled"),
    )
    shown = "".join(f"<div><b>{value}</b>{escape(label)}</div>" for value, label in tiles)
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in report["reasons"])
    return (
        f'<header class="{report["verdict"]}"><h1>{escape(HEADLINES[report["verdict"]])}</h1>'
        f"<p>Profile {escape(report['profile'])} against {escape(report['target'])}, "
        f"{report['started_at']}, {report['duration_s']:.0f} s, "
        f"connections: {escape(report['connections'])}</p>"
        f'{f"<ul>{reasons}</ul>" if reasons else ""}</header><div class="tiles">{shown}</div>'
    )


def _faults(report: Report) -> str:
    rows = [
        (
            row["fault"],
            row["sentence"] if row["happened"] else f"did not happen: {row['sentence']}",
            f"{row['began_s']:.0f} s to {row['explains_until_s']} s" if row["happened"] else "-",
            f"{row['failed']:,}",
        )
        for row in report.get("faults", ())
    ]
    if not rows:
        return ""
    note = "What failed in these spans is explained by the fault; all else is judged as ever."
    head = ("fault", "what was done", "explains failures from, to", "failed in that time")
    return _section("Faults", _table(head, rows), note)


def _throughput(report: Report) -> str:
    seconds = report["seconds"]
    lines = [
        Line("scheduled", "offered", [second["offered"] for second in seconds]),
        Line("answered well", "ok", [second["ok"] for second in seconds]),
        Line("failed", "failed", [second["failed"] for second in seconds]),
    ]
    drawn = chart(lines, unit="arrivals/s", length_s=length_s(report), marks=marks(report))
    return _section("Throughput", drawn)


def _latency(report: Report) -> str:
    seconds = report["seconds"]
    lines = [
        Line("p50", "p50", [second["p50_ms"] for second in seconds]),
        Line("p99", "p99", [second["p99_ms"] for second in seconds]),
    ]
    note = (
        "From the scheduled start to the last byte, failures included, "
        "by the second in which the arrival was due."
    )
    latency = chart(
        lines,
        unit="ms",
        limit=report["slo_p99_ms"],
        length_s=length_s(report),
        marks=marks(report),
    )
    return _section("Latency, and what went on meanwhile", latency + recorded(report), note)


def _traces(report: Report) -> str:
    traces = report.get("traces")  # reports of earlier versions have none
    if not traces:
        return ""
    return _section("The slowest traced arrivals", waterfalls(traces))


def _errors(report: Report) -> str:
    if not report["errors"]:
        return _section("Errors", "<p>None.</p>")
    total = sum(report["errors"].values())
    rows = [(name, f"{n:,}", f"{n / total:.1%}") for name, n in report["errors"].items()]
    return _section("Errors", _table(("kind", "arrivals", "share"), rows))


def _audit(report: Report) -> str:
    audit = report["audit"]
    if not audit:
        return _section("Audit", "<p>Not made.</p>")
    pairs = (
        ("payments accepted", "stored", "payments_accepted", "payments_stored"),
        ("payments accepted", "charged at the provider", "payments_accepted", "provider_effects"),
        ("events accepted", "counted", "events_accepted", "events_counted"),
        (
            "payment events expected",
            "counted",
            "payment_events_expected",
            "payment_events_counted",
        ),
        (
            "notifications accepted",
            "delivered",
            "notifications_accepted",
            "notifications_delivered",
        ),
        ("receipts expected", "delivered", "receipts_expected", "receipts_delivered"),
    )
    rows = [
        (f"{claim}, {record}", f"{audit[a]:,}", f"{audit[b]:,}", _difference(audit[b] - audit[a]))
        for claim, record, a, b in pairs
    ]
    zeros = ("lost", "doubled", "ledger_imbalance", "notifications_doubled", "unresolved")
    rows += [
        (name.replace("_", " "), "0", f"{audit[name]:,}", _difference(audit[name]))
        for name in zeros
    ]
    lines = "".join(f"<li>{escape(line)}</li>" for line in (*audit["differences"], *audit["notes"]))
    note = "Every accepted key, compared one by one with what was recorded."
    table = _table(("", "claimed", "found", "difference"), rows)
    return _section("Audit", table + (f"<ul>{lines}</ul>" if lines else ""), note)


def _groups(report: Report) -> str:
    parts = []
    for title, groups in (("Phases", report["phases"]), ("Scenarios", report["scenarios"])):
        rows = [
            (
                group["name"],
                f"{group['scheduled']:,}",
                f"{group['ok']:,}",
                f"{group['failed']:,}",
                *(_ms(group["latency_ms"][column]) for column in LATENCY_COLUMNS),
                _ms(group["service_ms"]["p99"]),
                _ms(group["lag_ms"]["p99"]),
            )
            for group in groups
        ]
        head = ("", "scheduled", "ok", "failed", *LATENCY_COLUMNS, "service p99", "lag p99")
        parts.append(_section(title, _table([name.replace("_", ".") for name in head], rows)))
    return "".join(parts)


def _generator(report: Report) -> str:
    generator = report["generator"]
    window = generator["worst_window"]
    rows = [
        ("CPU, busiest ten seconds", f"{generator['cpu']:.1%} of a core"),
        ("CPU, whole run", f"{generator['cpu_mean']:.1%} of a core"),
        ("CPU per arrival", f"{generator['cpu_us_per_arrival']:,.0f} µs"),
        (
            "lateness, p50 / p99 / max",
            " / ".join(_ms(generator["lag_ms"][k]) for k in ("p50", "p99", "max")),
        ),
        ("most arrivals in flight", f"{generator['in_flight_max']:,}"),
        (
            "least of the scheduled rate in 5 s",
            f"{window['reached']:.2%}, from second {window['start_s']}",
        ),
    ]
    return _section("Generator", _table(("", ""), rows), "Whether this run can be trusted.")


def _servers(report: Report) -> str:
    if not report["servers"]:
        return _section("Servers", f"<p>Not seen: {escape(report['servers_note'])}</p>")
    rows = [
        (
            server["process"],
            f"{server['cpu_s']:,.1f} s",
            f"{server['cpu_us_per_arrival']:,.0f} µs",
            f"{server['rss_mb']:,.0f} MB",
            f"{server['restarts']:,}",
        )
        for server in sorted(report["servers"], key=lambda each: -each["cpu_s"])
    ]
    total = sum(server["cpu_us_per_arrival"] for server in report["servers"])
    head = ("process", "CPU", "CPU per arrival", "memory", "restarts")
    return _section("Servers", _table(head, rows), f"{total:,.0f} µs of CPU per arrival in all.")


def _queues(report: Report) -> str:
    rows = [
        (
            queue["name"],
            f"{queue['depth_max']:,}",
            f"{queue['age_max_s']:,.1f} s",
            "never" if queue["drained_after_s"] is None else f"{queue['drained_after_s']:,.1f} s",
            f"{queue['dlq']:,}",
        )
        for queue in report["queues"]
    ]
    if not rows:
        return ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in report["notes"])
    head = ("queue", "deepest", "oldest message", "empty after the last arrival", "dead letters")
    return _section("Queues", _table(head, rows) + (f"<ul>{notes}</ul>" if notes else ""))


def _aws(report: Report) -> str:
    aws = report.get("aws")
    if not aws or not aws["functions"]:
        return ""
    tables = _table(*aws_html.functions(aws)) + _table(*aws_html.bill(aws))
    return _section("What it would be on AWS", tables, aws_html.note(aws))


def _machine(report: Report) -> str:
    facts = report["machine"] | report["versions"] | {"run": report["run"]}
    rows = [(name.replace("_", " "), str(value)) for name, value in facts.items()]
    return _section(
        "Machine", _table(("", ""), rows), "Generator and system share it, if both are here."
    )


def _section(title: str, content: str, note: str = "") -> str:
    shown = f"<p>{escape(note)}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{shown}{content}</section>"


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="table"><table><tr>{top}</tr>{body}</table></div>'


def _cell(text: str) -> str:
    return escape(text, quote=False)


def _difference(amount: int) -> str:
    return f"{amount:+,} ✗" if amount else "0 ✓"


def _ms(value: float) -> str:
    return f"{value:,.1f} ms" if value < 1000 else f"{value / 1000:,.2f} s"
