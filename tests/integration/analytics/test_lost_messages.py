"""Messages of events that were lost with Redis: nobody has them, so they are counted as unknown."""

import redis

from analytics.losses import TOLD_FOR_MS, WatchedQueue, messages_lost


def test_what_the_queue_held_when_redis_was_emptied_is_counted_as_unknown(
    function, queue, valkey, database, fold
):
    database["analytics_state"].delete_one({"_id": "queue"})
    recounter = function("analytics.app.recounter")
    for number in range(3):
        queue("analytics").send(f'{{"tenant":"t","events":[],"n":{number}}}')
    queue("analytics").receive(1)  # in flight is lost as well
    fold()
    assert recounter.invoke({"all": True})["unknown"] == 0

    _empty(valkey)
    fold()
    fold()
    assert recounter.invoke({"all": True})["unknown"] == 3

    queue("analytics").send('{"tenant":"t","events":[]}')
    fold()
    _empty(valkey)
    fold()
    assert recounter.invoke({"all": True})["unknown"] == 4
    database["analytics_state"].delete_one({"_id": "queue"})


def test_what_was_lost_is_told_as_long_as_events_are_counted_again():
    watched = WatchedQueue(lost=3, lost_at_ms=1_000)

    assert messages_lost(watched, now_ms=1_000 + TOLD_FOR_MS) == 3
    assert messages_lost(watched, now_ms=1_001 + TOLD_FOR_MS) == 0


def _empty(valkey):
    with redis.Redis.from_url(valkey) as server:
        server.flushall()
