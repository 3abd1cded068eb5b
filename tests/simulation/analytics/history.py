"""One history: clients, workers and schedules of analytics, and what must hold at its end."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import bson
import msgspec

from analytics import groups, ingestion, queries, recount, service, store, upkeep
from analytics.groups import OTHER_SHOWN, Groups
from analytics.periods import LENGTHS_MS, Granularity
from analytics.schema import EventMessage, MetricQuery, Point
from analytics.tallies import DAY_MS, HOUR_MS, MINUTE_MS, StoredEvent
from backend.clock import rfc3339
from backend.errors import Unavailable
from redis_sqs import QueueUnavailable
from tests.simulation.analytics.doubles import Database, Redis, Redrive
from tests.simulation.world import Crash, Faults, World

CLIENTS, WORKERS, FOLDERS = 3, 3, 3
LIVE_MS = 1_800_000
QUIET_MS = 3_600_000
PATIENCE = 8
START_MS = 1_700_000_000_000
TENANT = "t"
NAMES = ("page_view", "checkout")
GROUP_BY = ("currency",)
VALUES_MAX = 2  # of three currencies
GRANULARITIES: tuple[Granularity, ...] = ("minute", "hour", "day")


class History:
    """The system of one seed; `run` gives the violations."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.world.now_ms = START_MS
        # A queue that loses everything loses events; nothing else holds them.
        self.world.faults = replace(self.world.faults, wiped=0.0)
        self.database = Database(self.world)
        self.queue = Redrive(self.world, "analytics")
        self.redis = Redis(self.world)
        self.accepted: set[str] = set()
        self.sent: set[str] = set()
        self.wrong: list[str] = []
        self._busy = CLIENTS

    def run(self) -> list[str]:
        """Live with faults, then without, until nothing is left to do; returns the violations."""
        with (
            patch.object(store, "collection", self.database.collection),
            patch.object(groups, "VALUES_MAX", VALUES_MAX),
        ):
            return self._run()

    def _run(self) -> list[str]:
        for number in range(CLIENTS):
            self.world.start(partial(self._client, number))
        for _ in range(WORKERS):
            self.world.start(self._worker)
        for _ in range(FOLDERS):
            self.world.start(self._folder)
        self.world.start(self._recounter)
        self.world.start(self._reader)
        finished = self.world.run(lambda: self._busy == 0, at_most_ms=LIVE_MS)
        self.world.faults = Faults()
        quiet = finished and self.world.run(self._is_quiet, at_most_ms=QUIET_MS)
        self.world.start(self._check)
        checked = self.world.run(lambda: self._busy < 0, at_most_ms=QUIET_MS)
        self.world.end()
        return self.wrong + ([] if quiet and checked else ["something is left to do for ever"])

    def stored(self) -> list[StoredEvent]:
        """Return the raw events."""
        documents = self.database.collection("analytics_events", None).documents.values()
        return [msgspec.convert(bson.decode(each), StoredEvent) for each in documents]

    @property
    def happened(self) -> Counter[str]:
        """The make-up of the history: faults and events."""
        return self.world.happened + Counter(events=len(self.stored()))

    def _is_quiet(self) -> bool:
        folded = ("analytics_buckets", "analytics_hours")
        return (
            not len(self.queue)
            and self.redis.is_complete
            and not self.database.collection("analytics_state", None).documents
            and not any(
                b"unfolded" in raw
                for name in folded
                for raw in self.database.collection(name, None).documents.values()
            )
        )

    # Who acts.

    def _client(self, number: int) -> None:
        dice = self.world.dice
        for turn in range(dice.randrange(1, 4)):
            events = [self._event(f"{number}-{turn}-{i}") for i in range(dice.randrange(1, 5))]
            if dice.random() < 0.3:  # somebody else has sent this one, perhaps in other words
                events.append(self._event(f"{dice.randrange(CLIENTS)}-0-0"))
            self._until_accepted(events)
            if dice.random() < 0.2:
                self._until_accepted(events)
            self.world.sleep(dice.choice((0, 1_000, 5_000, 70_000)))
        self._busy -= 1

    def _event(self, event_id: str) -> dict[str, object]:
        dice = self.world.dice
        late_ms = dice.choice((0, 0, 0, 4_000, MINUTE_MS, 50 * MINUTE_MS, DAY_MS))
        return {
            "name": dice.choice(NAMES),
            "event_id": event_id,
            "occurred_at": rfc3339(self.world.now_ms - late_ms),
            "user_id": f"u{dice.randrange(20)}",
            "value": dice.randrange(100),
            "properties": {"currency": dice.choice(("EUR", "USD", "GBP"))},
        }

    def _until_accepted(self, events: list[dict[str, object]]) -> None:
        ids = {f"{TENANT}:{event['event_id']}" for event in events}
        for _ in range(PATIENCE):
            self.sent |= ids
            try:
                answer = ingestion.accept_batch(
                    events,
                    sent_at=None,
                    tenant=TENANT,
                    queue=self.queue,  # type: ignore[arg-type]
                    now_ms=self.world.now_ms,
                )
            except (Unavailable, QueueUnavailable, Crash):
                self.world.sleep(500)
                continue
            assert not answer.rejected, answer
            self.accepted |= ids
            return

    def _worker(self) -> None:
        while True:
            groups = Groups(GROUP_BY)  # of a new process
            self._again_after_crash(partial(self._consume, groups))

    def _consume(self, groups: Groups) -> None:
        while True:
            bodies = self.queue.receive_sent()
            decode = partial(msgspec.json.decode, type=EventMessage)
            messages = [(decode(body), sent_ms) for body, sent_ms in bodies.values()]
            try:
                service.count(
                    messages,
                    counts=store,
                    users=self.redis,
                    groups=groups,
                    now_ms=self.world.now_ms,
                )
            except (Unavailable, QueueUnavailable):
                for receipt in bodies:
                    self.queue.release(receipt)
            else:
                for receipt in bodies:
                    self.queue.delete(receipt)
            self.world.sleep(300)

    def _folder(self) -> None:
        def folding() -> None:
            upkeep.fold(counts=store)
            upkeep.restore_users(counts=store, users=self.redis)

        while True:
            self.world.sleep(self.world.dice.randrange(4_000 if self._busy else 20_000))
            self._again_after_crash(folding)

    def _recounter(self) -> None:
        """Count again: whatever is under way, nothing is counted that its events do not say."""

        def recounting() -> None:
            report = recount.recount_all(counts=store, now_ms=self.world.now_ms)
            self.world.happened["recounted"] += report.events
            self.wrong += [
                f"{each.id}: {each.kind}"
                for each in report.differences
                if each.kind != "it lacks events"  # it waits for its message to come again
            ]

        while True:
            self.world.sleep(self.world.dice.randrange(60_000))
            self._again_after_crash(recounting)

    def _reader(self) -> None:
        """Read: an answer has what was counted before it was asked for, and nothing else."""

        def reading() -> None:
            name = self.world.dice.choice(NAMES)
            granularity = self.world.dice.choice(GRANULARITIES)
            before = self._counted(name)
            count = sum(point.count for point in self._points(name, granularity, None))
            if not before <= count <= self._counted(name):
                self.wrong.append(f"{name} by {granularity}: {count} of {before} and more")

        while True:
            self.world.sleep(self.world.dice.randrange(1_500 if self._busy else 30_000))
            self._again_after_crash(reading)

    def _counted(self, name: str) -> int:
        buckets = self.database.collection("analytics_buckets", None).documents.values()
        return sum(each["count"] for each in map(bson.decode, buckets) if each["name"] == name)

    def _again_after_crash(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (Unavailable, QueueUnavailable, Crash):
            self.world.sleep(500)

    # What must hold.

    def _check(self) -> None:
        stored = self.stored()
        ids = {event.id for event in stored}
        self.wrong += [f"{each} is lost" for each in self.accepted - ids]
        self.wrong += [f"{each} comes from nowhere" for each in ids - self.sent]
        report = recount.recount_all(counts=store, now_ms=self.world.now_ms + DAY_MS)
        self.wrong += [f"{each.id}: {each.kind}" for each in report.differences]
        for name in NAMES:
            mine = [event for event in stored if event.name == name]
            for granularity in GRANULARITIES:
                self._check_points(name, granularity, mine)
        self._busy = -1

    def _check_points(self, name: str, granularity: Granularity, events: list[StoredEvent]) -> None:
        length_ms = LENGTHS_MS[granularity]
        expected: dict[str, list[StoredEvent]] = defaultdict(list)
        for event in events:
            expected[rfc3339(event.occurred_at_ms // length_ms * length_ms)].append(event)
        points = self._points(name, granularity, None)
        answered = {point.at: (point.count, point.sum) for point in points}
        sums = {at: (len(e), sum(each.value or 0 for each in e)) for at, e in expected.items()}
        if answered != sums:
            self.wrong.append(f"{name} by {granularity} is {answered}, not {sums}")
        for point in points:
            users = {event.user_id for event in expected.get(point.at, ())}
            if length_ms >= HOUR_MS and point.uniques != len(users):
                self.wrong.append(f"{name} at {point.at}: {point.uniques} users of {len(users)}")
        grouped: Counter[str] = Counter()
        groups_of: dict[str, set[object]] = defaultdict(set)
        for point in self._points(name, granularity, "currency"):
            grouped[point.at] += point.count
            groups_of[point.at[: len("2026-11-23")]].add(point.group)
        if any(len(each - {OTHER_SHOWN}) > VALUES_MAX for each in groups_of.values()):
            self.wrong.append(f"{name}: too many groups, {groups_of}")
        if grouped != {point.at: point.count for point in points}:
            self.wrong.append(f"{name} by {granularity}: the groups are {grouped}")

    def _points(self, name: str, granularity: Granularity, group_by: str | None) -> list[Point]:
        """Return all points, asked for a day at a time."""
        all_points = []
        for day_ms in range(START_MS // DAY_MS - 1, self.world.now_ms // DAY_MS + 1):
            query = MetricQuery(
                name=name,
                start=rfc3339(day_ms * DAY_MS),
                end=rfc3339((day_ms + 1) * DAY_MS),
                granularity=granularity,
                group_by=group_by,
            )
            metric = queries.measure(
                query,
                tenant=TENANT,
                counts=store,
                users=self.redis,
                group_by=GROUP_BY,
                now_ms=self.world.now_ms,
            )
            all_points += metric.points
        return all_points
