"""Two kept reports side by side, the history of all, and reports that cannot be read."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from loadtest.reporting import compare, history
from loadtest.reporting.comparison import conditions, rows
from tests.unit.loadtest.reporting.earlier_reports import a_group, a_report

LAST_GOOD = Path(__file__).parents[4] / "loadtest" / "report-1k.json"


def marks(a: dict[str, Any], b: dict[str, Any]) -> dict[str, str]:
    """Return what is marked, by group and name."""
    return {f"{row.group}: {row.name}": row.mark for row in rows(a, b) if row.mark}


def keep(reports: Path, name: str, report: dict[str, Any]) -> Path:
    (reports / name).mkdir(parents=True)
    (reports / name / "report.json").write_text(json.dumps(report))
    return reports / name


def with_cpu(documents_us: float) -> dict[str, Any]:
    servers = [{"process": "documents", "cpu_us_per_arrival": documents_us}]
    return a_report(servers=servers)


def test_a_comparison_is_given_to_programs_as_json(tmp_path: Path, capfdbinary):
    for name, documents_us in (("a", 100.0), ("b", 200.0)):
        keep(tmp_path, name, with_cpu(documents_us))
    names = [str(tmp_path / name) for name in "ab"]
    exit_code = compare.main(["--json", *names])
    printed = json.loads(capfdbinary.readouterr().out)

    (row,) = [each for each in printed["rows"] if each["name"] == "documents"]
    assert exit_code == 0
    assert (row["a"], row["b"], row["unit"], row["mark"]) == (100.0, 200.0, "µs", "worse")
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".html"] == []


def test_two_runs_of_one_kind_differ_in_nothing_that_is_marked():
    a = a_report()
    b = a_report(
        duration_s=120.2,
        scenarios=[a_group("health", p50=1.1, p99=6.9), a_group("payments", p99=60.0)],
    )

    assert marks(a, b) == {}


@pytest.mark.parametrize(
    ("change", "marked"),
    [
        (
            {"scenarios": [a_group("health", p50=1.0, p99=6.0), a_group("payments", p99=90.0)]},
            {"latency, p99: payments": "worse"},
        ),
        (
            {"phases": [a_group("peak", p50=2.0)]},
            {"latency, p50: judged phase": "better"},
        ),
        ({"duration_s": 150.0}, {"rate: answered a second": "worse"}),
        ({"errors": {"ETIMEDOUT": 40}}, {"errors: ETIMEDOUT": "worse"}),
        ({"errors": {"ETIMEDOUT": 3}}, {}),
        (
            {"servers": [{"process": "gateway", "cpu_us_per_arrival": 220.0}]},
            {
                "CPU an arrival: documents": "only in one",
                "CPU an arrival: all": "better",
            },
        ),
    ],
)
def test_what_changed_beyond_noise_is_marked(change: dict[str, Any], marked: dict[str, str]):
    assert marks(a_report(), a_report(**change)) == marked


def test_a_run_that_was_restless_in_itself_hides_a_difference_that_a_calm_one_shows():
    slower = a_report(phases=[a_group("peak", p99=60.0)])
    restless = a_report()
    for second in restless["seconds"]:
        second["p99_ms"] = 200.0 if second["at_s"] < 20 else 10.0

    assert marks(a_report(), slower) == {"latency, p99: judged phase": "worse"}
    assert marks(restless, slower) == {}


def test_cpu_is_held_against_what_each_second_recorded():
    recorded = {
        "machine": [],
        "seconds": [
            {"at_s": at_s, "processes": {"documents": 0.1 if at_s < 20 else 0.4}}
            for at_s in range(120)
        ],
    }
    a, b = with_cpu(270.0), with_cpu(300.0)

    assert marks(a, b)["CPU an arrival: documents"] == "worse"
    assert "CPU an arrival: documents" not in marks(a | {"recorded": recorded}, b)


def test_runs_that_were_no_equals_say_in_what():
    a = a_report(recorded={"machine": ["the disk stood still for 1 s, at 8 s"], "seconds": []})
    b = a_report(profile="smoke", machine={"cpus": 8, "cpu_model": "AMD EPYC"})

    assert conditions(a, b) == [
        "profile is 1k in A and smoke in B",
        "cpus is 2 in A and 8 in B",
        "in A the disk stood still for 1 s, at 8 s",
    ]


def test_the_comparison_is_printed_and_kept_as_a_page_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("REPORTS", str(tmp_path))
    keep(tmp_path, "before", a_report())
    keep(tmp_path, "after", a_report(phases=[a_group("peak", p99=90.0)], target="http://<b>"))
    code = compare.main(["before", "after"])
    printed = capsys.readouterr().out
    page = next(tmp_path.glob("compare-*.html")).read_text()

    assert code == 0
    assert re.search(r"judged phase +36\.0 ms +90\.0 ms +\+150 %  worse", printed)
    assert f"page: {tmp_path}" in printed
    assert "<td>+150 %</td><td>worse</td>" in page
    assert "<b>" not in page
    assert not re.search(r"<(link|script|img|iframe)|@import|url\(", page)


def test_the_committed_report_compares_though_it_recorded_nothing_by_the_second(tmp_path: Path):
    page = tmp_path / "page.html"

    assert compare.main([str(LAST_GOOD), str(LAST_GOOD), "--page", str(page)]) == 0
    assert page.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such report, here or in"),
        ("", "it has no report.json, so it is no report's folder"),
        ('{"verdict": "pas', "it is no JSON, or was cut off"),
        ("[]", "the whole is no object"),
        ("{}", "verdict is missing, so an older version or another program wrote it"),
        (json.dumps(a_report(seconds="none")), "seconds is no list"),
        (json.dumps(a_report(scenarios=[{"name": "x"}])), "scenarios[0].scheduled is missing"),
        (json.dumps(a_report(duration_s="long")), "duration_s is no number"),
        (json.dumps(a_report(errors={"ETIMEDOUT": "many"})), "errors.ETIMEDOUT is no number"),
        (
            json.dumps(
                a_report(seconds=[{"at_s": 0, "offered": 1, "p50_ms": None, "p99_ms": "x"}])
            ),
            "seconds[0].p99_ms is no number",
        ),
        (json.dumps(a_report(judged_phase="noon")), "its judged_phase is none of its phases"),
        (json.dumps(a_report(recorded={"seconds": [1]})), "recorded.machine is missing"),
    ],
)
def test_a_report_that_cannot_be_read_is_named_in_one_sentence_with_exit_code_2(
    content: str | None, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    whole = keep(tmp_path, "whole", a_report())
    broken = tmp_path / "broken"
    if content is not None:
        broken.mkdir()
    if content:
        (broken / "report.json").write_text(content)
    code = compare.main([str(whole), str(broken), "--page", str(tmp_path / "page.html")])
    errors = capsys.readouterr().err

    assert code == 2
    assert sentence in errors
    assert errors.startswith(f"compare: {broken}")
    assert len(errors.splitlines()) == 1


def test_a_page_that_cannot_be_written_is_said_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    whole = str(keep(tmp_path, "whole", a_report()))

    assert compare.main([whole, whole, "--page", f"{whole}/report.json/page.html"]) == 2
    assert "it cannot be written" in capsys.readouterr().err


def test_the_history_lists_reports_oldest_first_and_names_what_left_the_usual(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for day in range(1, 5):
        slow = {"phases": [a_group("peak", p99=72.0)]} if day == 4 else {}
        moment = {"started_at": f"2026-11-0{day}T10:00:00.000Z"}
        keep(tmp_path, f"2026110{day}-1k", a_report(**moment, **slow))
    keep(tmp_path, "20261105-smoke", a_report(profile="smoke", phases=[a_group("peak", p99=9.0)]))
    code = history.main(["--reports", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()

    assert code == 0
    assert [line.split()[0] for line in lines[1:]] == [
        *(f"2026110{day}-1k" for day in range(1, 5)),
        "20261105-smoke",
    ]
    assert lines[4].endswith("p99 +100 %")
    assert all("%" not in lines[number] for number in (1, 2, 3, 5))


def test_the_history_names_each_report_that_it_cannot_read_and_shows_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    keep(tmp_path, "good", a_report())
    (keep(tmp_path, "search", {}) / "report.json").rename(tmp_path / "search" / "capacity.json")
    keep(tmp_path, "older", {"verdict": "passed"})
    (tmp_path / "empty").mkdir()
    code = history.main(["--reports", str(tmp_path)])
    printed = capsys.readouterr()

    assert code == 2
    assert "good" in printed.out
    assert len(printed.err.splitlines()) == 2
    assert "older/report.json: profile is missing" in printed.err


@pytest.mark.parametrize(
    ("folder", "sentence"), [("", "has no report"), ("none", "no such folder")]
)
def test_a_history_of_nothing_says_what_makes_one(
    folder: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert history.main(["--reports", str(tmp_path / folder)]) == 2
    assert sentence in capsys.readouterr().err
