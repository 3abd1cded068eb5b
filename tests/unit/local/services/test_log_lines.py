"""The lines of a function's log that a subscription filter reads."""

from local.services.log_lines import READ_MAX_BYTES, Tail


def test_what_follows_a_line_longer_than_one_look_is_read(tmp_path):
    path = tmp_path / "Pages.log"
    tail = Tail(path)
    path.write_text(f"{'x' * READ_MAX_BYTES}\nshort\nbegun")

    assert tail.lines() == ["x" * READ_MAX_BYTES]
    assert tail.lines() == ["", "short"]
    assert tail.lines() == []


def test_a_log_that_began_anew_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "Pages.log"
    path.write_text("what was there before\n")
    tail = Tail(path)
    path.write_text("new\n")

    assert tail.lines() == ["new"]
