"""The unit for systemd: it starts what the command line knows, again whenever it ends."""

from configparser import RawConfigParser
from pathlib import Path

from local.__main__ import _parser
from local.machine.processes import GRACE_S

UNIT = Path(__file__).parents[4] / "docs" / "spillway.service"


def test_the_unit_restarts_the_supervisor_and_leaves_it_the_time_to_drain():
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    python, module, name, *arguments = service["ExecStart"].split()

    assert (Path(python).name, module, name) == ("python", "-m", "local")
    assert _parser().parse_args(arguments).foreground
    assert (service["Restart"], service["KillMode"]) == ("always", "mixed")
    assert int(service["TimeoutStopSec"]) > sum(GRACE_S.values())
