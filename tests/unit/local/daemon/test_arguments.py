"""Arguments that several programs take."""

import argparse
from pathlib import Path

import pytest

from local.daemon import arguments


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        ((), "template.yaml"),
        (("template.json", "template.yml"), "template.yml"),
        (("template.yml", "template.yaml"), "template.yaml"),
    ],
)
def test_the_template_is_found_under_the_names_that_sam_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], chosen: str
):
    for name in files:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    arguments.add_template(parser)

    assert parser.parse_args([]).template == Path(chosen)
