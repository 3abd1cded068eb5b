"""A queue that takes nothing more: what is stored is accepted, and delivered once there is room."""

import redis


def test_a_notification_that_a_full_redis_does_not_take_is_accepted_and_delivered(
    create, show, deliver, due, valkey
):
    with redis.Redis.from_url(valkey) as client:
        client.config_set("maxmemory", 1)
        try:
            accepted = create("k")
            again = create("k")
        finally:
            client.config_set("maxmemory", 0)

    assert (accepted.status, again.status) == (202, 202)
    due(accepted.body["id"])
    deliver()
    assert show(accepted.body["id"])["status"] == "delivered"
