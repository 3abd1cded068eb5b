"""The lines of logs that name an object, in their order of time."""

import json
from pathlib import Path

from local.spillway.story.lines import of_logs

REQUEST = "11111111-2222-3333-4444-555555555555"
ACCEPTED = {
    "level": "INFO",
    "message": "payment accepted",
    "timestamp": "2026-11-30T10:41:29.616Z",
    "request_id": REQUEST,
    "payment_id": "pay_1",
}
LOG = f"""\
START RequestId: {REQUEST} Version: $LATEST
{json.dumps(ACCEPTED)}
REPORT RequestId: {REQUEST} Duration: 2 ms
a print of the handler about pay_1
a print about pay_2
"""


def test_lines_about_an_object_are_told_with_those_of_its_request(tmp_path: Path):
    folder = tmp_path / "logs"
    (folder / "functions").mkdir(parents=True)
    (folder / "functions" / "Payments.log").write_text(LOG)

    moments = of_logs(folder, {"pay_1"})

    assert {(each.place, each.text) for each in moments} == {
        ("Payments", "INFO payment accepted: payment_id pay_1"),
        ("Payments", f"REPORT RequestId: {REQUEST} Duration: 2 ms"),
        ("Payments", "a print of the handler about pay_1 (its time is not known)"),
    }
    assert [each.at_ms for each in moments if "print" not in each.text] == [1796035289616.0] * 2
