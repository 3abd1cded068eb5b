"""The words of FAULTS: what is a fault, and the sentence for what is none."""

import pytest

from loadtest.faults.grammar import FaultError, matches, parse, refuse_unknown

PROCESSES = ["valkey", "documents", "PaymentsFunction", "gateway", "worker-0", "worker-1"]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", []),
        ("  ", []),
        ("KILL worker AT 5S", ["kill worker at 5s"]),
        ("kill worker at 100s", ["kill worker at 100s"]),
        ("restart gateway at 5 s;", ["restart gateway at 5s"]),
        ("pause valkey 5s at 130s", ["pause valkey for 5s at 130s"]),
        ("stop documents for  3 s at 150s", ["pause documents for 3s at 150s"]),
        ("pause documents at 1s", ["pause documents for 5s at 1s"]),
        ("slow disk at 150s", ["slow disk for 5s at 150s"]),
        ("disk slow 9s at 150s", ["slow disk for 9s at 150s"]),
        ("KILL worker-1 at 0s", ["kill worker-1 at 0s"]),
        ("kill a at 9s; pause b at 2s", ["pause b for 5s at 2s", "kill a at 9s"]),
    ],
)
def test_faults_are_read_in_the_order_of_time(text: str, faults: list[str]):
    assert [str(each) for each in parse(text, 200)] == faults


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kil worker at 1s", "'kil worker at 1s' is no fault; possible are kill PROCESS at Ns"),
        (" ; ", "';' names no fault; possible are kill PROCESS at Ns"),
        ("kill worker", "possible are"),
        ("kill at 5s", "possible are"),
        ("kill worker at 5", "possible are"),
        ("kill worker at -5s", "possible are"),
        ("kill worker at 1.5s", "possible are"),
        ("kill worker at ٣s", "possible are"),
        ("pause worker for 5m at 1s", "possible are"),
        ("slow valkey at 1s", "possible are"),
        ("kill disk at 1s", "possible are"),
        ("kill worker at 1s, pause valkey at 2s", "possible are"),
        ("kill worker for 5s at 1s", "pause worker takes a length"),
        ("pause worker for 0s at 1s", "takes 0 s; 1 to 60 s are possible"),
        ("pause worker for 61s at 1s", "takes 61 s; 1 to 60 s are possible"),
        ("kill worker at 200s", "would be after the last arrival; the run takes 200 s"),
        ("kill worker at 1s;" * 21, "21 faults are too many for one run; 20 at most"),
    ],
)
def test_other_words_are_refused_with_what_is_possible(text: str, reason: str):
    with pytest.raises(FaultError) as refusal:
        parse(text, 200)

    assert reason in str(refusal.value)


def test_a_process_goes_by_its_name_without_the_number_or_the_word_function():
    names = {
        each: [process for process in PROCESSES if matches(each, process)]
        for each in ("worker", "worker-1", "payments", "Valkey", "work")
    }

    assert names == {
        "worker": ["worker-0", "worker-1"],
        "worker-1": ["worker-1"],
        "payments": ["PaymentsFunction"],
        "Valkey": ["valkey"],
        "work": [],
    }


def test_a_process_that_there_is_none_of_is_refused_with_those_that_there_are():
    refuse_unknown(parse("kill worker at 1s; slow disk at 2s", 200), PROCESSES)
    with pytest.raises(FaultError) as refusal:
        refuse_unknown(parse("kill redis at 1s", 200), PROCESSES)

    assert str(refusal.value) == (
        "'kill redis at 1s' names no process of the system; there are valkey, documents,"
        " PaymentsFunction, gateway, worker"
    )
