"""Saved states: whole copies of the data, put back whole."""

import shutil
from pathlib import Path

import pytest

from local.machine import saved_states


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "data" / "services").mkdir(parents=True)
    (tmp_path / "keys").mkdir()
    (tmp_path / "data" / "services" / "s3").write_text("first")
    (tmp_path / "keys" / "secret").write_text("of the first")
    return tmp_path


def contents(state: Path) -> dict[str, str]:
    files = [path for part in saved_states.PARTS for path in (state / part).rglob("*")]
    return {path.name: path.read_text() for path in files if path.is_file()}


def test_what_was_saved_comes_back_with_its_keys_and_without_what_came_since(state: Path):
    saved_states.save(state, "before", "template.yaml")
    (state / "data" / "services" / "s3").write_text("second")
    (state / "data" / "more").write_text("since")
    (state / "keys" / "secret").write_text("of the second")
    saved_states.load(state, "before")

    assert contents(state) == {"s3": "first", "secret": "of the first"}
    (saved,) = saved_states.listed(state)
    assert (saved.name, saved.template, saved.size_bytes > 0) == ("before", "template.yaml", True)


def test_a_load_that_is_killed_while_it_copies_has_changed_nothing(state: Path):
    saved_states.save(state, "before", "")
    (state / "data" / "services" / "s3").write_text("second")
    unfinished = state / ".loading.new" / "data"
    unfinished.mkdir(parents=True)
    (unfinished / "s3").write_text("half")
    saved_states.finish(state)

    assert contents(state) == {"s3": "second", "secret": "of the first"}
    saved_states.load(state, "before")
    assert contents(state) == {"s3": "first", "secret": "of the first"}


def test_a_load_that_is_interrupted_afterwards_is_finished_by_whoever_comes_next(state: Path):
    saved_states.save(state, "before", "")
    (state / "data" / "services" / "s3").write_text("second")
    (state / "keys" / "secret").write_text("of the second")
    saved = state / "saved" / "before"
    saved.rename(state / ".loading")
    shutil.rmtree(state / "data")
    (state / ".loading" / "data").rename(state / "data")
    saved_states.finish(state)

    assert contents(state) == {"s3": "first", "secret": "of the first"}
    assert not (state / ".loading").exists()


def test_a_reset_deletes_the_data_and_nothing_that_is_saved(state: Path):
    saved_states.save(state, "before", "")
    saved_states.reset(state)

    assert contents(state) == {}
    assert [each.name for each in saved_states.listed(state)] == ["before"]
    saved_states.delete(state, "before")
    assert not list(saved_states.listed(state))


@pytest.mark.parametrize("name", ["", ".", "../data", "a/b", "a b", "-x", "x" * 65, ".new"])
def test_a_name_that_is_no_name_is_refused(state: Path, name: str):
    with pytest.raises(saved_states.Refused, match="is no name of a state"):
        saved_states.save(state, name, "")


def test_a_name_twice_and_one_that_is_not_there_are_refused(state: Path):
    saved_states.save(state, "before", "")

    with pytest.raises(saved_states.Refused, match="there is a state 'before' already"):
        saved_states.save(state, "before", "")
    with pytest.raises(saved_states.Refused, match="no state 'after'; there are: before"):
        saved_states.load(state, "after")
