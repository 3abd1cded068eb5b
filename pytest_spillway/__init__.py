"""The pytest plugin: the fixture `aws` runs the system of a test's SAM template.

Nothing of the tool is imported before a test asks for it: pytest loads this in every project of its
environment, also beside a package `local` of the project's own.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_spillway.aws import Aws
    from pytest_spillway.systems import System, Systems

MARK = "spillway"
MARKER = (
    f"{MARK}(template=None, parameters=None, services=None): the SAM template that the fixture"
    " `aws` runs, by default the nearest template.yaml at or above the test's folder; values of"
    " its Parameters; True starts AWS's other services also where the template has none"
)
SYSTEMS: "pytest.StashKey[Systems]" = pytest.StashKey()  # of this session


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> "Aws":
    """The system of the test's template: started once a session, emptied before each test."""
    system = _running(request)
    if isinstance(system, str):
        pytest.fail(system, pytrace=False)
    for title, text in system.remarks():
        request.node.add_report_section("setup", title, text)
    return system.aws


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Show what the functions printed in a test that has failed."""
    system: Aws | None = getattr(item, "funcargs", {}).get("aws")
    if call.when == "call" and call.excinfo and type(system).__module__.startswith(__name__):
        assert system
        item.add_report_section("call", "logs of the functions", system.logs())


def _running(request: pytest.FixtureRequest) -> "System | str":
    """Return the system, emptied, or a sentence about why there is none."""
    try:
        from pytest_spillway.aws import NotIdle  # noqa: PLC0415
        from pytest_spillway.systems import NotStarted, Systems, choice_of  # noqa: PLC0415
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "local":
            raise
        return "a package `local` of this project hides Spillway's; rename it"
    stash = request.config.stash
    if SYSTEMS not in stash:
        stash[SYSTEMS] = Systems(ends_with_parent=hasattr(request.config, "workerinput"))
        request.config.add_cleanup(stash[SYSTEMS].stop)
    try:
        system = stash[SYSTEMS].running(choice_of(request))
        system.aws.reset()
    except (NotStarted, NotIdle) as error:
        return str(error)
    return system
