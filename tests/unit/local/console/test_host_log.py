"""The lines about one function in the logs of hosts and workers."""

from pathlib import Path

from local.console import host_log

HOST = """2026-11-30T19:40:59Z Pages: environment 7 had printed:
asking <b>the shop</b> with token=abcdefgh
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIA
-----END PRIVATE KEY-----
2026-11-30T19:40:59Z Pages: environment 7 ended at its deadline
"""
WORKER = """2026-11-30 19:40:41,138 INFO queue_workers.worker: worker 0 polls jobs
2026-11-30T19:41:00Z Keeper: environment 8 had printed:
two
lines
2026-11-30 19:41:01,138 INFO queue_workers.worker: worker 0 has drained
2026-11-30T19:41:02Z Other: environment 9 ended with status 3
"""


def test_what_an_ended_environment_had_printed_is_told_of_its_function_alone(tmp_path: Path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "Pages.log").write_text(HOST)
    (tmp_path / "logs" / "worker-0.log").write_text(WORKER)

    pages = host_log.last_lines(tmp_path, "Pages")

    assert len(pages) == 4
    assert "<b>the shop</b>" in pages[1]
    assert "abcdefgh" not in "".join(pages)
    assert "MC4CAQ" not in "".join(pages)
    assert host_log.last_lines(tmp_path, "Keeper") == WORKER.splitlines()[1:4]
    assert host_log.last_lines(tmp_path, "Nobody") == []
