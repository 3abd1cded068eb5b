"""Data, logs, keys and state are their owner's only, from creation."""

import stat
from pathlib import Path

from tests.e2e.conftest import Client, System, key

PAYMENT = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}


def test_no_file_or_folder_of_the_state_is_open_to_others(system: System, demo: Client):
    demo.call("POST", "/v1/payments", PAYMENT, key())

    open_to_others = [
        str(path.relative_to(system.state)) for path in system.state.rglob("*") if _is_open(path)
    ]
    names = {path.suffix for path in system.state.rglob("*")}

    assert open_to_others == []
    assert {".log", ".pem"} <= names  # so that it has looked at something


def _is_open(path: Path) -> bool:
    mode = path.lstat().st_mode
    return not stat.S_ISLNK(mode) and bool(mode & 0o077)
