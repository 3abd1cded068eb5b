"""The image installs what its requirements ask for, directly or not, and nothing else."""

import pytest

from local.compose.runtime_lock import needed

LOCK = """\
alpha==1.0 ; sys_platform == 'linux' \\
    --hash=sha256:aa
    # via -r requirements.in
beta[extra]==2.0 \\
    --hash=sha256:bb
    # via
    #   -r requirements.in
    #   alpha
gamma-ray==3.0 \\
    --hash=sha256:cc
    # via beta
only-tests==4.0 \\
    --hash=sha256:dd
    # via pytest
"""


def test_what_is_asked_for_by_another_package_comes_along_with_its_hashes():
    assert needed(LOCK, ["alpha"]) == LOCK[: LOCK.index("only-tests")]


def test_names_are_compared_as_indexes_do():
    assert needed(LOCK, ["Gamma_Ray"]).startswith("gamma-ray==3.0")


def test_a_requirement_that_the_lock_lacks_is_refused_by_name():
    with pytest.raises(SystemExit, match="the lock lacks delta"):
        needed(LOCK, ["delta"])
