"""Data, logs, keys and state: their owner's only, and none that the table of retention lacks."""

import re
import stat
from pathlib import Path

from tests.e2e.conftest import ROOT, Client, System, key

PAYMENT = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}


def test_no_file_or_folder_of_the_state_is_open_to_others(system: System, demo: Client):
    demo.call("POST", "/v1/payments", PAYMENT, key())

    open_to_others = [
        str(path.relative_to(system.state)) for path in system.state.rglob("*") if _is_open(path)
    ]
    names = {path.suffix for path in system.state.rglob("*")}

    assert open_to_others == []
    assert {".log", ".pem"} <= names  # so that it has looked at something


def test_every_file_that_a_running_system_leaves_has_its_row_in_the_table_of_retention(
    system: System, demo: Client
):
    demo.call("POST", "/v1/payments", PAYMENT, key())
    text = (ROOT / "docs" / "retention.md").read_text()
    table = text[text.index("| in `.local/`") : text.index("`loadtest/reports/`")]
    patterns = [
        pattern
        for row in table.splitlines()[2:]
        for pattern in re.findall(r"`([^`]+)`", row.split("|")[1] if row else "")
    ]
    named = {path for pattern in patterns for path in system.state.glob(pattern)}

    files = {path for path in system.state.rglob("*") if not path.is_dir()}

    assert sorted(str(path.relative_to(system.state)) for path in files - named) == []


def _is_open(path: Path) -> bool:
    mode = path.lstat().st_mode
    return not stat.S_ISLNK(mode) and bool(mode & 0o077)
