"""The choice of what is traced."""

from local.traces.sampling import Clock, Recorder
from local.traces.span import Span
from tests.unit.local.traces.spans import span

NOON_S = 1_732_966_000


def chosen(recorder: Recorder, count: int, second: int, wish: bool | None = None) -> int:
    """Return how many of so many requests of one second are traced."""
    return sum(recorder.decide(wish, NOON_S + second + 0.5) for _ in range(count))


def test_all_are_traced_while_little_comes():
    recorder = Recorder(list)

    assert [chosen(recorder, 20, second) for second in range(3)] == [20, 20, 20]


def test_one_in_a_hundred_is_traced_under_load():
    recorder = Recorder(list)
    chosen(recorder, 1_000, 0)

    assert [chosen(recorder, 1_000, second) for second in range(1, 4)] == [10, 10, 10]


def test_the_first_second_of_a_load_is_bounded_too():
    assert chosen(Recorder(list), 1_000, 0) == 30


def test_after_a_load_all_are_traced_again():
    recorder = Recorder(list)
    chosen(recorder, 1_000, 0)

    assert chosen(recorder, 5, 2) == 5


def test_a_caller_decides_itself_within_a_bound():
    recorder = Recorder(list)

    assert chosen(recorder, 1_000, 0, wish=False) == 0
    assert chosen(recorder, 100, 0, wish=True) == 100
    assert chosen(recorder, 1_000, 0, wish=True) == 10


def test_nothing_is_traced_or_kept_where_tracing_is_switched_off():
    spans: list[Span] = []
    recorder = Recorder(spans.extend, {"OTEL_SDK_DISABLED": "True"})
    recorder.keep([span(1)])

    assert chosen(recorder, 5, 0) == chosen(recorder, 5, 0, wish=True) == 0
    assert spans == []
    assert chosen(Recorder(list, {"OTEL_SDK_DISABLED": "false"}), 5, 0) == 5


def test_a_clock_reads_the_time_of_day_at_a_moment_of_the_monotonic_one():
    clock = Clock()

    assert clock.ns(2.5) - clock.ns(1.0) == 1_500_000_000
