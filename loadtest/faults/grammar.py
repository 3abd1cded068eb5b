"""The words of FAULTS: `kill worker at 100s; pause valkey for 5s at 130s`. Pure."""

import re
from dataclasses import dataclass

DEFAULT_S = 5  # of a pause without a length
MAX_S = 60  # of one fault: the queues' drain, which follows, waits no longer
MAX_FAULTS = 20
LASTING = ("pause", "stop", "slow")  # stop is another word for pause
SUDDEN = ("kill", "restart")
POSSIBLE = (
    "kill PROCESS at Ns, restart PROCESS at Ns, pause PROCESS for Ns at Ns, or slow disk for Ns at"
    " Ns, with semicolons between"
)
_SENTENCE = re.compile(
    r"(?P<first>\S+) +(?P<second>\S+)(?: +(?:for +)?(?P<length>\d+) *s)? +at +(?P<at>\d+) *s",
    re.ASCII | re.IGNORECASE,
)


class FaultError(ValueError):
    """Words that are no fault; the text says which, and what is possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a run."""

    verb: str  # kill, restart, pause or slow
    target: str  # a process as `status` names it, its number left out or not, or disk
    at_s: int  # from the first arrival
    length_s: int  # 0 for a fault that is over at once

    def __str__(self) -> str:
        length = f" for {self.length_s}s" if self.length_s else ""
        return f"{self.verb} {self.target}{length} at {self.at_s}s"


def parse(text: str, duration_s: int) -> tuple[Fault, ...]:
    """Return the faults of a run that takes `duration_s`, in the order of time."""
    sentences = [" ".join(each.split()) for each in text.split(";") if each.strip()]
    if text.strip() and not sentences:
        raise FaultError(f"{text.strip()!r} names no fault; possible are {POSSIBLE}")
    if len(sentences) > MAX_FAULTS:
        raise FaultError(f"{len(sentences)} faults are too many for one run; {MAX_FAULTS} at most")
    faults = [_fault(each, duration_s) for each in sentences]
    return tuple(sorted(faults, key=lambda fault: fault.at_s))


def _fault(sentence: str, duration_s: int) -> Fault:
    match = _SENTENCE.fullmatch(sentence)
    if match is None:
        raise FaultError(f"{sentence!r} is no fault; possible are {POSSIBLE}")
    verb, target = match["first"].lower(), match["second"]
    if target.lower() == "slow":  # "disk slow" is "slow disk"
        verb, target = "slow", match["first"]
    if verb not in (*LASTING, *SUDDEN) or (verb == "slow") is not (target.lower() == "disk"):
        raise FaultError(f"{sentence!r} is no fault; possible are {POSSIBLE}")
    if verb in SUDDEN and match["length"]:
        raise FaultError(
            f"{sentence!r} has a length, but {verb} is over at once, since the process is started"
            f" again; pause {target} takes a length"
        )
    length_s = int(match["length"] or DEFAULT_S) if verb in LASTING else 0
    at_s = int(match["at"])
    if verb in LASTING and not 1 <= length_s <= MAX_S:
        raise FaultError(f"{sentence!r} takes {length_s} s; 1 to {MAX_S} s are possible")
    if at_s >= duration_s:
        raise FaultError(
            f"{sentence!r} would be after the last arrival; the run takes {duration_s} s"
        )
    verb = "pause" if verb == "stop" else verb
    return Fault(verb=verb, target=target, at_s=at_s, length_s=length_s)


def matches(target: str, process: str) -> bool:
    """Return whether a process goes by this name: `worker` is every `worker-0`, `worker-1`, …"""
    target, process = target.lower(), process.lower()
    return target in {process, re.sub(r"-\d+$", "", process), process.removesuffix("function")}


def refuse_unknown(faults: tuple[Fault, ...], processes: list[str]) -> None:
    """Raise FaultError for the first fault whose process there is none of."""
    for fault in faults:
        if fault.verb != "slow" and not any(matches(fault.target, each) for each in processes):
            names = dict.fromkeys(re.sub(r"-\d+$", "", each) for each in processes)
            raise FaultError(
                f"{str(fault)!r} names no process of the system; there are {', '.join(names)}"
            )
