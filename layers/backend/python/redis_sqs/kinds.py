"""The two kinds of queue on Redis: which keys hold one, and the script of each transition."""

from dataclasses import dataclass
from pathlib import Path

from redis_sqs.redis_scripts import Script

_SCRIPTS = Path(__file__).parent / "scripts"
_FIFO = (_SCRIPTS / "fifo.lua").read_text(encoding="utf-8")
_CLOCK = (_SCRIPTS / "clock.lua").read_text(encoding="utf-8")
_MOVING = (_SCRIPTS / "moving.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Scripts, and the keys that each is given; the scripts say what is in them."""

    keys: tuple[str, ...]  # of send and receive
    more_send_keys: tuple[str, ...] = ()
    delete_keys: tuple[str, ...]
    release_keys: tuple[str, ...]
    drop_keys: tuple[str, ...]
    send: Script
    receive: Script
    delete: Script
    release: Script
    drop: Script
    move: Script
    purge: Script
    fields: int  # of each message that is received


_STANDARD_KEYS = ("visible_at", "entries", "progress", "delayed", "wake", "filling", "retrying")
_FIFO_KEYS = (*_STANDARD_KEYS[:5], "groups", "group_of", "sequence")

STANDARD = Kind(
    keys=_STANDARD_KEYS,
    more_send_keys=("turns",),
    delete_keys=("visible_at", "entries", "progress", "retrying"),
    release_keys=("visible_at", "progress", "wake", "retrying"),
    drop_keys=("visible_at", "entries", "progress", "delayed", "retrying"),
    send=Script(_SCRIPTS / "send.lua"),
    receive=Script(_SCRIPTS / "receive.lua", _CLOCK),
    delete=Script(_SCRIPTS / "delete.lua"),
    release=Script(_SCRIPTS / "release.lua"),
    drop=Script(_SCRIPTS / "drop.lua"),
    move=Script(_SCRIPTS / "move.lua", _MOVING),
    purge=Script(_SCRIPTS / "purge.lua"),
    fields=5,
)
FIFO = Kind(
    keys=_FIFO_KEYS,
    delete_keys=_FIFO_KEYS,
    release_keys=_FIFO_KEYS,
    drop_keys=_FIFO_KEYS,
    send=Script(_SCRIPTS / "fifo_send.lua", _FIFO),
    receive=Script(_SCRIPTS / "fifo_receive.lua", _CLOCK + _FIFO),
    delete=Script(_SCRIPTS / "fifo_delete.lua", _FIFO),
    release=Script(_SCRIPTS / "fifo_release.lua", _FIFO),
    drop=Script(_SCRIPTS / "fifo_drop.lua", _FIFO),
    move=Script(_SCRIPTS / "fifo_move.lua", _FIFO + _MOVING),
    purge=Script(_SCRIPTS / "fifo_purge.lua", _FIFO),
    fields=6,
)
MOVE_START = Script(_SCRIPTS / "move_start.lua")
MOVE_END = Script(_SCRIPTS / "move_end.lua")
DEPTH = Script(_SCRIPTS / "depth.lua")
DEPTH_KEYS = ("visible_at", "delayed", "retrying")
PEEK = Script(_SCRIPTS / "peek.lua")
PEEK_KEYS = ("visible_at", "entries", "progress", "delayed", "retrying")


def kind_of(queue: str) -> Kind:
    return FIFO if queue.endswith(".fifo") else STANDARD


def keys(queue: str, names: tuple[str, ...]) -> list[str]:
    """Return the names under which Redis holds these parts of a queue."""
    return [f"queue:{queue}:{name}" for name in names]
