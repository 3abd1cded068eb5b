"""One load run from the token to the report: drive, drain, resolve, audit, judge, write."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import gevent
from locust.event import EventHook

from loadtest.faults import window
from loadtest.faults.grammar import FaultError
from loadtest.faults.injection import Injection
from loadtest.faults.window import Happening, Rest
from loadtest.generator.driver import Driver
from loadtest.generator.profile import ONE_K, schedule
from loadtest.generator.scenarios import new_run_id, workload
from loadtest.on_aws import aws, aws_report
from loadtest.options import DEMO_CLIENT, LOAD_CLIENT, OTHER_CLIENT, REPORTS, Options, UsageError
from loadtest.recording import causes
from loadtest.recording.causes import Evidence
from loadtest.recording.measure import Figures, figures, milliseconds
from loadtest.recording.monitor import TICK_S, CpuMeter, Progress, QueueWatch, say
from loadtest.recording.recorder import Record, Recorder
from loadtest.reporting import report, report_html
from loadtest.start import driver_of, log_in, requests_of
from loadtest.under_locust import locust_events
from loadtest.under_locust.fleet import Fleet, FleetCpu
from loadtest.verdict import Facts, Verdict, judge
from loadtest.witnesses import console, dead_letters, servers, traces
from loadtest.witnesses.api import Api, ApiError, fetch_token
from loadtest.witnesses.audit import Audit, Period, audit, payment_event_counts
from loadtest.witnesses.claims import Claims, claims_of, resolve
from loadtest.witnesses.dead_letters import Letters
from loadtest.witnesses.records import Sources
from loadtest.wording import counted

TELL_S = 0.1  # Locust hears of arrivals this often: a longer burst would hold up the pump
LAST_GOOD_1K = Path(__file__).parent / "report-1k.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    verdict: Verdict
    folder: Path
    report: dict[str, Any]


class LoadRun:
    """A run that fires Locust's `request` event. ApiError when made: it cannot begin, and why."""

    def __init__(self, options: Options, request: EventHook, fleet: Fleet | None = None):
        self._options = options
        self._injection = _injection(options)
        self._happenings: list[Happening] = []
        self._request = request
        self._id = new_run_id()
        self._work = workload(schedule(options.profile))
        client, token = log_in(options)
        self._client_id = client[0]
        self._sources = Sources(
            system=Api(options.target, token=token, ca_file=options.ca_file),
            console=_api(options, options.console),
            provider=_api(options, options.provider),
            mailbox=_api(options, options.mailbox),
            other_tenants=_other_tenants(options, client) if options.provider else (),
        )
        self._requests = requests_of(options, self._work, run=self._id, token=token)
        self._driver: Driver | Fleet
        self._cpu: CpuMeter | FleetCpu
        if fleet is None:
            self._driver, self._cpu = driver_of(options, self._work, self._requests), CpuMeter()
        else:
            fleet.prepare(self._work, run=self._id, token=token)
            self._driver, self._cpu = fleet, fleet.cpu
        self._queues = QueueWatch(self._sources.console)
        self._recorder = Recorder(options.console, options.ca_file)
        self._origin_s = 0.0  # perf_counter of the run's second 0
        self._started_at_s = 0.0
        self._load_before = 0.0
        self._payment_events_before: Mapping[str, int] = {}

    def execute(self) -> Outcome:
        """Run it all; takes the profile's duration, two drains and the audit."""
        # The event of an earlier payment, counted during the run, would look like one too many.
        self._queues.begin()
        self._load_before = os.getloadavg()[0]
        servers_before = servers.look(self._sources.console)
        self._started_at_s = time.time()
        self._payment_events_before = self._payment_events()
        letters_before = dead_letters.look(self._sources.console)
        self._recorder.start()
        console.mark(self._sources.console, f"load {self._options.profile.name} begins")
        self._drive()
        console.mark(self._sources.console, f"load {self._options.profile.name} ends")
        say("all arrivals ended; waiting until the queues are empty")
        self._queues.drain(say)
        self._recorder.stop()
        traced = traces.slowest(
            self._sources.console, self._work, self._driver.journal, run=self._id
        )
        servers_after = servers.look(self._sources.console)
        readings = figures(self._work, self._driver.journal)
        rest = window.rest(self._work, self._driver.journal, self._happenings)
        record = self._recorder.record(self._origin_s, self._queues.history)
        evidence = self._evidence(readings, record, rest)
        claims = claims_of(self._work, self._driver.journal, self._id)
        audited = self._audit(claims)
        of_others = self._dead_of_others(letters_before, claims, audited)
        facts = self._facts(readings, audited, evidence, of_others, rest)
        verdict = judge(facts)
        used = servers.between(servers_before, servers_after, readings.sent)
        record.machine.extend(causes.condition(evidence))
        run = replace(
            self._run(used, record, self._queues.leftovers(of_others)),
            aws=self._on_aws(readings, audited, record),
            traces=traced,
        )
        return self._write(report.document(run, readings, audited, facts, verdict), verdict)

    def stop(self) -> None:
        """Send no more arrivals; what was sent is still drained, audited and reported."""
        self._driver.stop()

    def _drive(self) -> None:
        watchers = [gevent.spawn(watch) for watch in (self._tick, self._tell, self._queues.watch)]
        self._cpu.sample()
        self._injection.start(lambda: self._driver.elapsed_s)
        try:
            self._driver.run()
        finally:
            self._origin_s = perf_counter() - self._driver.elapsed_s
            gevent.killall(watchers)
            self._cpu.sample()
            self._tell_locust()
            self._happenings = self._injection.finish(self._driver.elapsed_s)

    def _tick(self) -> None:
        progress = Progress(self._driver, self._work)
        while True:
            gevent.sleep(TICK_S)
            self._cpu.sample()
            if self._driver.elapsed_s:
                progress.show()

    def _tell(self) -> None:
        while True:
            gevent.sleep(TELL_S)
            self._tell_locust()

    def _tell_locust(self) -> None:
        completed, self._driver.completed = self._driver.completed, []
        locust_events.tell(self._request, self._work, self._driver.journal, completed)

    def _dead_of_others(self, before: Letters, claims: Claims, audited: Audit) -> Mapping[str, int]:
        """Count the new dead letters that are not the run's: none, where it misses anything."""
        if audited.differing:
            return {}
        marks = dead_letters.marks_of(claims, self._client_id)
        return dead_letters.of_others(before, dead_letters.look(self._sources.console), marks)

    def _audit(self, claims: Claims) -> Audit:
        if claims.unresolved:
            say(
                f"asking again about {counted(len(claims.unresolved), 'arrival')} without an answer"
            )
            resolve(claims, self._work, self._requests, self._sources.system)
            self._queues.drain(say)
        say("comparing every accepted key with what was recorded")
        period = Period(
            since_s=self._started_at_s,
            until_s=time.time(),
            payment_events_before=self._payment_events_before,
        )
        return audit(claims, self._sources, period)

    def _evidence(self, readings: Figures, record: Record, rest: Rest) -> Evidence:
        profile = self._work.schedule.profile
        return Evidence(
            seconds=window.without_explained(readings.seconds, self._happenings),
            moments=record.moments,
            judged=profile.seconds_of(profile.judged_phase),
            worst_window=rest.worst_window,
            slo_p99_ms=self._options.slo_p99_ms,
            processors=os.cpu_count() or 1,
        )

    def _facts(
        self,
        readings: Figures,
        audited: Audit,
        evidence: Evidence,
        of_others: Mapping[str, int],
        rest: Rest,
    ) -> Facts:
        judged = self._work.schedule.profile.judged_phase
        p99_ms = milliseconds(readings.phase(judged).times.latency)["p99"]
        return Facts(
            scheduled=readings.scheduled,
            sent=readings.sent,
            failed=rest.failed,
            skipped=rest.skipped,
            errors=rest.errors,
            worst_window_s=rest.worst_window.start_s,
            reached=rest.worst_window.reached,
            judged_phase=judged,
            p99_ms=rest.p99_ms if self._happenings else p99_ms,
            slo_p99_ms=self._options.slo_p99_ms,
            lag_p99_ms=milliseconds(readings.total.times.lag)["p99"],
            generator_cpu=self._cpu.busiest,
            differences=audited.differences(),
            undrained=self._queues.undrained(accounted=not audited.differing),
            doubts=self._driver.doubts,
            died=self._queues.died(of_others),
            undone=window.undone(self._happenings),
            has_faults=bool(self._happenings),
            skipped_by_faults=rest.skipped_by_faults,
            causes=causes.causes(evidence),
            disturbance=causes.disturbance(evidence),
        )

    def _on_aws(self, readings: Figures, audited: Audit, record: Record) -> dict[str, Any]:
        profile = self._work.schedule.profile
        judged = profile.judged_phase
        messages = (
            *(audited.payments_accepted, audited.payment_events_expected, audited.events_accepted),
            *(audited.notifications_accepted, audited.receipts_expected),
        )
        return aws_report.as_json(
            aws.estimates(
                self._work,
                self._driver.journal,
                record,
                provisioned=self._options.aws_provisioned,
                limits=self._options.aws_limits,
            ),
            provisioned=self._options.aws_provisioned,
            messages=sum(messages),
            bytes_out=readings.bytes_received,
            rate_per_s=readings.phase(judged).scheduled / len(profile.seconds_of(judged)),
        )

    def _run(self, used: servers.ServerUsage, record: Record, notes: list[str]) -> report.Run:
        return report.Run(
            id=self._id,
            profile=_profile_name(self._options),
            faults=window.as_rows(self._happenings, self._work, self._driver.journal),
            target=self._options.target,
            connections="reuse" if self._options.keep_alive else "per-arrival",
            started_at_s=self._started_at_s,
            duration_s=max(0.0, *self._driver.journal.done_s),
            generator_cpu_s=self._cpu.total_s,
            generator_cpu_mean=self._cpu.mean,
            in_flight_max=self._driver.in_flight_max,
            generators=self._driver.generators,
            load_before=self._load_before,
            servers=used.rows,
            servers_note=used.trouble,
            queues=self._queues.rows(),
            client=self._client_id,
            notes=notes,
            record=record,
        )

    def _write(self, document: dict[str, Any], verdict: Verdict) -> Outcome:
        folder = report.write(self._options.reports, document, report_html.page(document))
        is_1k = self._options.profile is ONE_K and self._options.reports == REPORTS
        if is_1k and verdict.name == "passed" and not self._happenings:
            LAST_GOOD_1K.write_bytes(report.as_bytes(document))
        return Outcome(verdict, folder, document)

    def _payment_events(self) -> Mapping[str, int]:
        start_s = self._started_at_s
        try:
            return payment_event_counts(self._sources.system, since_s=start_s, until_s=start_s)
        except (ApiError, KeyError, TypeError):
            return {}  # the audit asks the same question later and reports that it failed


def _api(options: Options, base: str) -> Api | None:
    return Api(base, ca_file=options.ca_file) if base else None


def _injection(options: Options) -> Injection:
    try:
        return Injection(options.faults, options.console)
    except FaultError as error:
        raise UsageError(f"FAULTS: {error}") from error


def _profile_name(options: Options) -> str:
    """Return the name by which reports are told apart: a run with faults is compared with such."""
    return f"{options.profile.name}-faults" if options.faults else options.profile.name


def _other_tenants(options: Options, client: tuple[str, str]) -> tuple[Api, ...]:
    """Return the system as the other clients of embedded stores see it, those that it knows."""
    tenants = []
    for other in {LOAD_CLIENT, DEMO_CLIENT, OTHER_CLIENT} - {client}:
        with suppress(ApiError):
            token = fetch_token(options.target, *other, ca_file=options.ca_file)
            tenants.append(Api(options.target, token=token, ca_file=options.ca_file))
    return tuple(tenants)


def summary(outcome: Outcome) -> str:
    """Return the last lines a person reads: the outcome, and where the rest is."""
    document = outcome.report
    totals, audited = document["totals"], document["audit"]
    judged = report.judged(document)
    latency = judged["latency_ms"]
    lines = [
        f"{outcome.verdict.name.upper()}  {totals['ok']:,} of {totals['scheduled']:,} answered, "
        f"{totals['failed']:,} failed, {totals['skipped']:,} skipped",
        f"  {judged['name']}: p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms, "
        f"p99.9 {latency['p99_9']:.1f} ms, max {latency['max']:.1f} ms from the scheduled start",
        f"  audit: {counted(audited['payments_accepted'], 'payment')} accepted, "
        f"{audited['payments_stored']:,} stored, {audited['provider_effects']:,} charged, "
        f"{audited['lost']:,} lost, {audited['doubled']:,} doubled; "
        f"{audited['events_counted']:,} of {audited['events_accepted']:,} events counted; "
        f"{audited['notifications_delivered']:,} of {audited['notifications_accepted']:,} "
        "notifications delivered",
        *(f"  fault: {_fault_line(row)}" for row in document["faults"]),
        *(f"  {reason}" for reason in outcome.verdict.reasons),
        *(f"  machine: {sentence}" for sentence in document["recorded"]["machine"]),
        *(f"  note: {note}" for note in (*document["notes"], *audited["notes"])),
        f"  report: {outcome.folder / 'report.html'}",
    ]
    return "\n".join(lines)


def _fault_line(row: Mapping[str, Any]) -> str:
    """Return one fault's line: what was done, and the failures that it explains."""
    if not row["happened"]:
        return f"{row['fault']}: did not happen"
    return (
        f"{row['fault']}: {row['sentence']}; {counted(row['failed'], 'arrival')} failed "
        f"in the time that it explains, from {row['began_s']:.0f} s to {row['explains_until_s']} s"
    )
