"""The embedded server's cursors: closed when idle, bounded in number; time is passed in."""

import pytest

from local.documents.errors import DocumentsError
from local.documents.reads import CURSOR_IDLE_S, CURSORS_MAX, Cursors

EMPTY = b"\x05\x00\x00\x00\x00"


def opened(cursors: Cursors, now_s: float) -> int:
    """Open a cursor that has more to give; return its id."""
    cursors.first_reply("app.things", iter([EMPTY] * 3), 1, single=False, now_s=now_s)
    return next(reversed(cursors._open))


def test_a_cursor_idle_for_ten_minutes_is_closed() -> None:
    cursors = Cursors()
    idle, used = opened(cursors, 0), opened(cursors, 0)
    cursors.next_reply(used, "app.things", 1, now_s=CURSOR_IDLE_S - 1)

    cursors.expire(now_s=CURSOR_IDLE_S)

    with pytest.raises(DocumentsError, match="not found"):
        cursors.next_reply(idle, "app.things", 1, now_s=CURSOR_IDLE_S)
    assert cursors.next_reply(used, "app.things", 1, now_s=CURSOR_IDLE_S)


def test_one_cursor_too_many_closes_the_one_idle_longest() -> None:
    cursors = Cursors()
    first, second = opened(cursors, 0), opened(cursors, 1)
    for _ in range(CURSORS_MAX - 1):
        opened(cursors, 2)

    assert not cursors.kill(first)
    assert cursors.kill(second)


def test_a_cursor_answers_only_for_its_own_collection() -> None:
    cursors = Cursors()
    cursor = opened(cursors, 0)

    with pytest.raises(DocumentsError, match="not found"):
        cursors.next_reply(cursor, "app.others", 1, now_s=0)
