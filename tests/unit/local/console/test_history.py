"""The last hour in memory."""

from local.console.history import COLUMNS_MAX, History


def test_a_reader_gets_what_came_since_and_gaps_where_nothing_was():
    history = History()
    history.add(1.0, {"requests": 10.0})
    history.add(3.0, {"requests": 12.0, "cpu:worker-0": 50.0})
    history.mark("load run smoke", 2.0)

    everything, newest = history.since(0.0), history.since(1.0)

    assert everything["times"] == [1.0, 3.0]
    assert everything["columns"]["requests"] == [10.0, 12.0]
    assert str(everything["columns"]["cpu:worker-0"]) == "[nan, 50.0]"
    assert history.last(1.5)["times"] == [3.0]
    assert newest["columns"] == {"requests": [12.0], "cpu:worker-0": [50.0]}
    assert newest["marks"] == [{"at": 2.0, "text": "load run smoke"}]


def test_what_is_older_than_the_ring_goes_and_so_do_columns_without_a_value():
    history = History(samples_max=3)
    history.add(0.0, {"depth:gone": 1.0, "requests": 0.0})
    for second in range(1, 5):
        history.add(second, {"requests": second})

    assert history.since(0.0)["times"] == [2.0, 3.0, 4.0]
    assert history.since(0.0)["columns"] == {"requests": [2.0, 3.0, 4.0]}


def test_columns_and_marks_have_a_bound():
    history = History()
    history.add(0.0, {f"cpu:{number}": 1.0 for number in range(2 * COLUMNS_MAX)})
    for number in range(500):
        history.mark(f"mark {number}" + "!" * 500, number)

    assert len(history.since(-1.0)["columns"]) == COLUMNS_MAX
    assert len(history.since(-1.0)["marks"]) == 200
    assert len(history.since(-1.0)["marks"][0]["text"]) == 200
