"""Schedules: one worker invokes the function at its rate, and another when that one has gone."""

import pytest

from tests.conftest import wait_until
from tests.integration.queue_workers.site import TEMPLATE, Site

CLOCK = """
  Clock:
    Type: AWS::Serverless::Function
    Metadata: {Spillway: {EverySeconds: 1}}
    Properties:
      Handler: clock.handler
      Runtime: python3.13
      CodeUri: code/
      Timeout: 1
      Events:
        Minutely:
          Type: ScheduleV2
          Properties: {ScheduleExpression: rate(1 minute), Input: '{"who": "clock"}'}
"""
HANDLER = """
import os, time

def handler(event, context):
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(f"{event['who']} {time.time()} {os.getppid()}\\n")
    if os.path.exists(os.environ["JOURNAL"] + ".fail"):
        raise ValueError("not today")
"""


@pytest.fixture
def clock(site: Site) -> Site:
    (site.folder / "template.yaml").write_text(TEMPLATE + CLOCK)
    (site.folder / "code" / "clock.py").write_text(HANDLER)
    return site


def runs(site: Site) -> list[tuple[str, float, int]]:
    journal = site.folder / "journal"
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [(who, float(at), int(host)) for who, at, host in map(str.split, lines)]


def test_of_two_workers_one_invokes_the_function_at_its_rate(clock: Site):
    clock.start(index=0)
    clock.start(index=1)
    wait_until(lambda: len(runs(clock)) >= 4, timeout_s=20)

    times = runs(clock)
    assert {who for who, _, _ in times} == {"clock"}
    assert len({host for _, _, host in times}) == 1
    assert times[3][1] - times[0][1] > 1


def test_each_of_a_functions_schedules_runs(clock: Site):
    second = CLOCK.replace("Minutely", "Hourly").replace("1 minute", "1 hour").split("Events:")[1]
    template = TEMPLATE + CLOCK + second.replace("clock", "other").removeprefix("\n")
    (clock.folder / "template.yaml").write_text(template)
    clock.start()

    wait_until(lambda: {who for who, _, _ in runs(clock)} == {"clock", "other"}, timeout_s=20)


def test_another_worker_takes_the_schedule_of_a_killed_one(clock: Site):
    first, _ = clock.start(index=0)
    wait_until(lambda: runs(clock), timeout_s=20)
    clock.start(index=1)
    first.kill()
    host = runs(clock)[-1][2]

    wait_until(lambda: runs(clock)[-1][2] != host, timeout_s=20)


def test_a_run_that_fails_is_followed_by_the_next(clock: Site):
    (clock.folder / "journal.fail").touch()
    worker, _ = clock.start()
    wait_until(lambda: len(runs(clock)) >= 2, timeout_s=20)
    worker.terminate()

    assert worker.wait(timeout=10) == 0
    assert "schedule of Clock: ValueError: not today" in clock.log()
