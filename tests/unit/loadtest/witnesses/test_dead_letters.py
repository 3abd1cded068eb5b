"""The dead letters of a run, told from those of others by what they mention."""

import pytest

from loadtest.recording.monitor import QueueWatch
from loadtest.witnesses.claims import Claims
from loadtest.witnesses.dead_letters import marks_of, of_others

RUN = "20261123t101500abcd"
MARKS = marks_of(Claims(RUN, payments={1: "pay_1"}, notifications={2: "ntf_2"}), "load")


@pytest.mark.parametrize(
    "body",
    [
        '{"payment_id":"pay_1"}',
        '{"id":"ntf_2"}',
        f'{{"tenant":"demo","events":[{{"name":"load.{RUN}.checkout"}}]}}',
        '{"tenant":"load","events":[{"name":"payment.succeeded"}]}',
    ],
)
def test_a_letter_that_mentions_something_of_the_run_is_the_runs(body: str):
    assert of_others({}, {("payments", "a"): body}, MARKS) == {}


@pytest.mark.parametrize(
    "body",
    ['{"payment_id":"pay_12"}', '{"id":"ntf_3"}', '{"tenant":"demo","events":[]}', "", "no JSON"],
)
def test_a_letter_that_mentions_nothing_of_it_is_somebody_elses(body: str):
    assert of_others({}, {("payments", "a"): body}, MARKS) == {"payments": 1}


def test_a_tenant_that_the_run_shares_with_others_is_no_mark():
    shared = marks_of(Claims(RUN), "demo")

    assert of_others({}, {("a", "b"): '{"tenant":"demo"}'}, shared) == {"a": 1}


def test_a_letter_of_before_the_run_is_not_counted_again():
    before = {("payments", "a"): "old"}
    after = {**before, ("payments", "b"): "new"}

    assert of_others(before, after, MARKS) == {"payments": 1}


def test_letters_of_others_are_taken_off_and_the_rest_fails_the_run():
    watch = QueueWatch(None, dead={"payments": 5}, dead_before={"payments": 2})

    assert watch.died({"payments": 2}) == ("1 message of payments is in its dead-letter queue",)
    assert watch.died({"payments": 3}) == ()
    assert watch.died({}) == ("3 messages of payments are in its dead-letter queue",)
