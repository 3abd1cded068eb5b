"""`make bench`: requests a second, p99 and CPU of the same handler behind each server.

One closed loop, which takes a core's share for itself, asks one server after the other at 1, 16 and
64 connections. Below that: the CPU of a request in each layer of the local AWS, and rounds in which
the local AWS and another server take turns, so that what else the machine does befalls both.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import uvloop

from local.machine.stores import listens
from tests.bench.comparison.contenders import Contender, cpu_s, family, other, ours
from tests.bench.comparison.handler_cost import handler_us
from tests.bench.comparison.load import Answers, closed_loop

CONNECTIONS = (1, 16, 64)
WARM_UP_S = 1.0
ROUNDS = 9
# What this is to be worth at 16 connections, on the Chalice handler.
AIMS = {"FastAPI": 2.0, "chalice local": 8.0}
OTHERS = (
    ("Chalice", "chalice local"),
    ("Powertools", "HttpResolverLocal"),
    ("plain", "FastAPI"),
)


def measure(contender: Contender, seconds: float) -> dict[int, Answers]:
    """Print the line of one server; return what was seen by number of connections."""
    _ask(contender, 16, WARM_UP_S)
    results = {}
    before_s = contender.cpu_s()
    for connections in CONNECTIONS:
        results[connections] = _ask(contender, connections, seconds)
    requests = sum(each.requests for each in results.values())
    used_us = (contender.cpu_s() - before_s) * 1e6 / max(requests, 1)
    figures = "".join(f"{each.per_s:>9.0f} {each.p99_ms:>8.1f}" for each in results.values())
    failed = sum(each.failed for each in results.values())
    name = f"{contender.server} ({contender.handler})"
    print(f"{name:<32}{figures}{used_us:>9.0f}" + (f"  {failed} failed" if failed else ""))
    return results


def layers(contender: Contender, seconds: float) -> str:
    """Return CPU microseconds of a request in front, dispatch, environment and handler.

    The front is what a request costs that the gateway answers itself; dispatch is what the gateway
    uses more for one that goes to a function.
    """
    gateway, host = contender.processes
    before_s = cpu_s(gateway)
    refused = asyncio.run(
        closed_loop(contender.port, "/nowhere", connections=16, seconds=seconds, status=403)
    )
    front_us = (cpu_s(gateway) - before_s) * 1e6 / refused.requests
    before_s, hosts_s = cpu_s(gateway), sum(map(cpu_s, family(host)))
    served = _ask(contender, 16, seconds)
    gateway_us = (cpu_s(gateway) - before_s) * 1e6 / served.requests
    environment_us = (sum(map(cpu_s, family(host))) - hosts_s) * 1e6 / served.requests
    of_handler_us = handler_us(contender.handler)
    return (
        f"{contender.handler:<12} front {front_us:.0f}, dispatch {gateway_us - front_us:.0f},"
        f" environment {environment_us - of_handler_us:.0f}, handler {of_handler_us:.0f} us"
    )


def ratios(ours: Contender, theirs: Contender, seconds: float) -> list[float]:
    """Ask both in turns at 16 connections; return how often ours answered for each of theirs."""
    each_round = []
    for _ in range(ROUNDS):
        pair = [_ask(contender, 16, seconds).per_s for contender in (ours, theirs)]
        each_round.append(pair[0] / pair[1])
    return each_round


def _ask(contender: Contender, connections: int, seconds: float) -> Answers:
    return asyncio.run(
        closed_loop(contender.port, contender.path, connections=connections, seconds=seconds)
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="bin folder of the other servers")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    chosen = parser.parse_args()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    print(f"{'connections':<32}" + "".join(f"{number:>18}" for number in CONNECTIONS))
    print(f"{'':<32}" + f"{'/s':>9} {'p99 ms':>8}" * len(CONNECTIONS) + f"{'CPU us':>9}")
    rounds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as state, ours(Path(state)) as contenders:
        _wait_for_environments(contenders["Powertools"])
        for contender in contenders.values():
            measure(contender, chosen.seconds)
        costs = [layers(contender, chosen.seconds) for contender in contenders.values()]
        for handler, server in OTHERS:
            with other(handler, server, chosen.tools) as contender:
                measure(contender, chosen.seconds)
                if server in AIMS:
                    rounds[server] = ratios(contenders["Chalice"], contender, chosen.seconds / 3)
    print("\nCPU of a request by layer")
    for line in costs:
        print(line)
    print()
    for server, aim in AIMS.items():
        times = median(rounds[server])
        verdict = "as aimed at" if times >= aim else "MISSED"
        spread = f"{min(rounds[server]):.1f} to {max(rounds[server]):.1f}"
        print(
            f"16 connections, in turns: {times:.1f} times {server} ({spread}; {aim:g}: {verdict})"
        )
    return 0


def _wait_for_environments(contender: Contender) -> None:
    """Wait for the environments: the port listens before one has dialled in."""
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        if listens(contender.port) and not _ask(contender, 1, 0.05).failed:
            return
    raise RuntimeError("no environment has dialled in")


sys.exit(main())
