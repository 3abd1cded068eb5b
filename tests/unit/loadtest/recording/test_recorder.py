"""From the kernel's counters, and the console's, to what happened in each second."""

from pathlib import Path

import pytest

from loadtest.recording import machine
from loadtest.recording.recorder import Recorder
from loadtest.recording.syncs import Syncs
from loadtest.recording.timeline import Sample, as_row, moments
from loadtest.witnesses.console import Pool

STAT = "cpu  {user} 0 100 {idle} {wait} 0 0 {stolen} 0 0\ncpu0 1 1 1 1\nprocs_running {running}\n"
DISK = (
    " 254 0 vda 100 0 800 50 {writes} 0 4096 {write_ms} {in_flight} 90 95 3 0 9 1 {flushes} "
    "{flush_ms}\n 254 1 vda1 100 0 800 50 999 0 4096 999 9 90 95 3 0 9 1 999 999\n"
    " 7 0 loop0 5 0 0 0 7 0 0 0 1 0 0 0 0 0 0 7 7\n"
)
PRESSURE = "some avg10=0 avg60=0 avg300=0 total={some}\nfull avg10=0 avg60=0 total={full}\n"
QUIET = {
    **{"user": 1000, "idle": 5000, "wait": 10, "stolen": 0, "running": 3},
    **{"writes": 40, "write_ms": 80, "in_flight": 0, "flushes": 4, "flush_ms": 20},
    **{"some": 0, "full": 0},
}
POOL = Pool(
    environments=8,
    busy=2,
    queued=0,
    throttled=0,
    timed_out=0,
    invocations=100,
    worked_s=3.0,
    waits=(100, 0, 0),
    bounds_ms=(5, 100),
    waited_s=0.01,
    memory_mb=512,
    concurrency=1000,
)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "pressure").mkdir()
    return tmp_path


def look(proc: Path, at_s: float, **changes: int) -> machine.Counters:
    """Write what the kernel would show now, and read it."""
    values = QUIET | changes
    (proc / "stat").write_text(STAT.format(**values))
    (proc / "diskstats").write_text(DISK.format(**values))
    for name in ("cpu", "io"):
        (proc / "pressure" / name).write_text(PRESSURE.format(**values))
    return machine.counters(at_s, proc)


def a_sample(counters: machine.Counters, **changes: object) -> Sample:
    return Sample(**{"counters": counters, "process_s": {}, "pools": {}} | changes)  # type: ignore[arg-type]


def a_process(proc: Path, pid: int, parent: int, ticks: int) -> None:
    (proc / str(pid)).mkdir()
    fields = ["S", str(parent), *["0"] * 9, str(ticks), "0", "0", "0", "20"]
    (proc / str(pid) / "stat").write_text(f"{pid} (a) b ( c) {' '.join(fields)}\n")


def test_a_second_shows_how_busy_the_processors_were_and_what_was_stolen(proc: Path):
    early = look(proc, 100.0)
    late = look(proc, 101.0, user=1120, idle=5050, wait=20, stolen=20, running=9, some=250_000)
    (moment,) = moments([a_sample(early), a_sample(late)], origin_s=60.0)

    assert (moment.at_s, moment.cpu, moment.stolen, moment.disk_wait) == (40, 0.6, 0.1, 0.05)
    assert (moment.runnable, moment.cpu_pressure) == (9, 0.25)


def test_a_second_shows_the_disks_syncs_without_those_of_its_partitions(proc: Path):
    early = look(proc, 0.0)
    late = look(proc, 1.0, writes=50, write_ms=110, flushes=10, flush_ms=236, full=40_000)
    (moment,) = moments([a_sample(early), a_sample(late)], origin_s=0.0)

    assert (moment.syncs, moment.sync_ms, moment.longest_sync_ms) == (6, 234.0, 39.0)
    assert (moment.syncs_of, moment.disk_stop_ms, moment.disk_stood) == ("", 40.0, False)


def test_a_disk_that_has_work_and_completes_none_for_a_second_stands_still(proc: Path):
    looks = [
        look(proc, 0.0, in_flight=2),
        look(proc, 1.0, in_flight=3),
        look(proc, 2.0, in_flight=1, writes=43),
    ]
    seconds = moments([a_sample(each) for each in looks], origin_s=0.0)

    assert [moment.disk_stood for moment in seconds] == [True, False]


def test_the_documents_servers_own_syncs_stand_before_the_disks(proc: Path):
    counters = [look(proc, 0.0), look(proc, 1.0, flushes=90)]
    waits = [
        Syncs(count=10, total_ms=20.0, up_to=((5.0, 10), (250.0, 10))),
        Syncs(count=16, total_ms=254.0, up_to=((5.0, 15), (250.0, 16))),
    ]
    samples = [a_sample(c, syncs=each) for c, each in zip(counters, waits, strict=True)]
    (moment,) = moments(samples, origin_s=0.0)

    assert (moment.syncs_of, moment.syncs, moment.sync_ms) == ("documents", 6, 234.0)
    assert moment.longest_sync_ms == 234.0


def test_the_cpu_of_a_process_is_that_of_all_that_descends_from_it(proc: Path):
    for pid, parent, ticks in ((2, 0, 900), (9, 2, 900), (10, 1, 100), (11, 10, 200), (12, 11, 50)):
        a_process(proc, pid, parent, ticks)
    processes = machine.Processes({10: "gateway", 12: "worker", 99: "ended"}, proc)
    before = processes.cpu_s()
    a_process(proc, 13, 11, 40)

    assert before == {"gateway": 3.0, "worker": 0.5}
    assert processes.cpu_s() == {"gateway": 3.4, "worker": 0.5}


def test_a_process_that_is_gone_is_named_in_the_second_in_which_it_ended(proc: Path):
    looks = [look(proc, float(at_s)) for at_s in range(3)]
    cpu_s = [{"gateway": 1.0, "documents": 5.0}, {"gateway": 1.5}, {"gateway": 1.5}]
    samples = [a_sample(c, process_s=each) for c, each in zip(looks, cpu_s, strict=True)]
    first, second = moments(samples, origin_s=0.0)

    assert (first.ended, first.processes) == (["documents"], {"gateway": 0.5})
    assert second.ended == []
    assert as_row(second)["processes"] == {}


def test_a_pool_shows_the_waits_and_the_work_of_one_second(proc: Path):
    later = {
        **{"busy": 8, "queued": 4, "invocations": 150, "worked_s": 9.5},
        **{"waits": (120, 29, 1), "waited_s": 3.01},
    }
    late = Pool(**{name: getattr(POOL, name) for name in Pool.__slots__} | later)
    counters = [look(proc, 0.0), look(proc, 1.0)]
    pools = [{"Pay": POOL, "Idle": POOL}, {"Pay": late, "Idle": POOL}]
    samples = [a_sample(c, pools=each) for c, each in zip(counters, pools, strict=True)]
    (moment,) = moments(samples, origin_s=0.0)

    pay = moment.pools["Pay"]
    assert (pay.busy, pay.queued, pay.invocations, pay.worked_s) == (8, 4, 50, 6.5)
    assert (pay.wait_ms, pay.longest_wait_ms) == (60.0, 100.0)


def test_what_this_kernel_does_not_show_is_unknown_and_no_error(tmp_path: Path):
    (tmp_path / "stat").write_text("intr 1\n")
    looks = [machine.counters(float(at_s), tmp_path) for at_s in range(2)]
    (moment,) = moments([a_sample(each) for each in looks], origin_s=0.0)

    assert (moment.cpu, moment.runnable, moment.syncs, moment.disk_stop_ms) == (None,) * 4


def test_a_system_that_is_elsewhere_is_recorded_without_its_processes():
    recorder = Recorder("")
    recorder.start()
    recorder.stop()

    assert recorder.record(0.0, []).notes == [
        "processes could not be recorded: they are not known to run on this machine"
    ]
