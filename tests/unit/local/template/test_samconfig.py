"""Parameters out of `samconfig.toml`: each form in which SAM writes them."""

from pathlib import Path

import pytest

from local.template import TemplateError, samconfig

TEMPLATE = """\
Parameters: {Stage: {Type: String}, Title: {Type: String}}
Resources: {}
"""


def overrides(
    folder: Path,
    text: str,
    environment: str = "default",
    name: str = "samconfig.toml",
    template: str = TEMPLATE,
):
    (folder / "template.yaml").write_text(template)
    (folder / name).write_text(text)
    return samconfig.overrides(folder / "template.yaml", environment)


@pytest.mark.parametrize(
    "value",
    [
        "\"Stage=dev Title='A b=c'\"",
        '["Stage=dev", "Title=\\"A b=c\\""]',
        "\"ParameterKey=Stage,ParameterValue=dev 'ParameterKey=Title,ParameterValue=A b=c'\"",
        '{Stage = "dev", Title = "A b=c"}',
    ],
)
def test_overrides_are_read_in_each_form(tmp_path, value):
    text = f"version = 0.1\n[default.deploy.parameters]\nparameter_overrides = {value}\n"

    assert overrides(tmp_path, text) == {"Stage": "dev", "Title": "A b=c"}


def test_what_the_template_does_not_declare_is_passed_over_as_sam_does(tmp_path):
    text = '[default.global.parameters]\nparameter_overrides = "Stage=dev Other=1"\n'

    assert overrides(tmp_path, text) == {"Stage": "dev"}


def test_another_environment_is_chosen_by_its_name(tmp_path):
    text = """\
[default.deploy.parameters]
parameter_overrides = "Stage=dev"
[live.global.parameters]
parameter_overrides = "Stage=early Title=t"
[live.deploy.parameters]
parameter_overrides = "Stage=live"
"""

    assert overrides(tmp_path, text, "live") == {"Stage": "live", "Title": "t"}
    with pytest.raises(TemplateError, match="dead: is no environment; there are: default, live"):
        overrides(tmp_path, text, "dead")


def test_the_file_may_be_yaml(tmp_path):
    text = "default: {deploy: {parameters: {parameter_overrides: [Stage=dev]}}}"

    assert overrides(tmp_path, text, name="samconfig.yaml") == {"Stage": "dev"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[default", "samconfig.toml: cannot be read"),
        ('[default.deploy.parameters]\nparameter_overrides = "Stage"', "'Stage' is no KEY=VALUE"),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, text, sentence):
    with pytest.raises(TemplateError, match=sentence):
        overrides(tmp_path, text)


def test_a_template_that_says_what_it_takes_gets_nothing_of_its_deployment(tmp_path):
    text = """\
[default.deploy.parameters]
parameter_overrides = "Stage=live Title=t"
[default.local_start_api.parameters]
parameter_overrides = "Stage=here"
"""
    ours = f"Metadata: {{Spillway: {{Provides: [REDIS_URL]}}}}\n{TEMPLATE}"

    assert overrides(tmp_path, text, template=ours) == {"Stage": "here"}


def test_without_a_file_there_is_nothing_to_override(tmp_path):
    assert samconfig.overrides(tmp_path / "template.yaml", "default") == {}
