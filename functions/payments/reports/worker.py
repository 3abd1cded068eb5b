"""The schedule that builds reports, in a function of its own: it may take long, and needs a store
of files that nobody else writes to."""

import time

from backend.clock import now_ms
from backend.entrypoint import scheduled
from backend.settings import settings
from backend.telemetry import metrics_of
from payments import balance_store
from payments import store as payment_store
from payments.outside import providers
from payments.reports import building, files, store
from payments.reports.sources import Sources

RUN_MS = 40_000  # in which steps begin; one takes STEP_MS and what it takes to write
metrics = metrics_of("payments")
sources = Sources(payment_store, balance_store, store, list(providers))
contents = files.connect(settings.reports_url)


@scheduled("payments")
def reporter(event: object) -> None:
    """Build what is asked for, as far as one run comes."""
    steps = building.build_due(
        reports=store,
        sources=sources,
        files=contents,
        clock_ms=now_ms,
        until_ms=now_ms() + RUN_MS,
    )
    metrics.count("ReportSteps", steps)
    contents.drop_old(time.time())
