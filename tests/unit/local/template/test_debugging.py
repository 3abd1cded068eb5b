"""A template one function of which a person debugs."""

from typing import Any

import pytest

from local.template import TemplateError
from local.template.debugging import UNHURRIED_S, debugged
from tests.unit.local.template.template_texts import FUNCTION


def test_a_function_that_is_debugged_has_one_unhurried_environment_behind_the_gateway(read: Any):
    template = debugged(read(FUNCTION), "Pages")
    function = template.functions["Pages"]

    assert (function.environments, function.timeout_s) == (1, UNHURRIED_S)
    assert "Pages" in template.hosted
    assert template.options[-2:] == ("--debug", "Pages")


def test_a_debugger_for_what_is_not_there_names_what_is(read: Any):
    with pytest.raises(TemplateError, match="there is no function Other; there are: Pages"):
        debugged(read(FUNCTION), "Other")


def test_a_function_with_a_runtime_client_of_its_own_cannot_be_debugged(read: Any):
    client = "    Metadata: {Spillway: {RuntimeClient: awslambdaric}}\n"

    with pytest.raises(TemplateError, match="Pages: its own runtime client runs it"):
        debugged(read(FUNCTION + client), "Pages")
