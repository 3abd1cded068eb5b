"""Subscription filters of a template, and the patterns by which they choose lines."""

import pytest

from local.template.log_patterns import UnknownPattern, compile_pattern
from tests.unit.local.template.template_texts import FUNCTION

FILTER = """
  Wants:
    Type: AWS::Logs::SubscriptionFilter
    Properties:
      LogGroupName: !Sub /aws/lambda/${Pages}
      FilterPattern: ERROR
      DestinationArn: !GetAtt Pages.Arn
"""


def test_a_filter_on_the_log_of_a_function_is_read(read):
    template = read(FUNCTION + FILTER)
    (wanted,) = template.log_subscriptions

    assert (wanted.function, wanted.group, wanted.pattern) == (
        *("Pages", "/aws/lambda/Pages", "ERROR"),
    )
    assert wanted.destination.endswith(":function:Pages")
    assert template.warnings == ()


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("${Pages}", "Other", "LogGroupName: is no function's log here"),
        ("!GetAtt Pages.Arn", "arn:aws:logs:a:b:destination:c", "DestinationArn: is nothing"),
        ("ERROR", '"[ip, user]"', "FilterPattern: [ip, user] is not emulated"),
    ],
)
def test_what_gets_no_lines_here_is_named(read, before, after, sentence):
    template = read(FUNCTION + FILTER.replace(before, after))

    assert template.log_subscriptions == ()
    assert sentence in template.warnings[0]


@pytest.mark.parametrize(
    ("pattern", "line", "is_wanted"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ('"two words"', "one two words three", True),
        ("ERROR -Ignored", "ERROR Ignored", False),
        ("?WARN ?ERROR", "a WARN", True),
        ("?WARN ?ERROR", "fine", False),
        ('{ $.level = "ERROR" }', '{"level": "ERROR"}', True),
        ('{ $.level = "ERR*" }', '{"level": "ERROR"}', True),
        ('{ $.level != "ERROR" }', '{"level": "ERROR"}', False),
        ("{ $.a.b > 3 && $.c = true }", '{"a": {"b": 4}, "c": true}', True),
        ("{ ($.a = 1) || ($.b = 1) }", '{"b": 1}', True),
        ("{ $.a = 1 }", "START RequestId: a = 1", False),
        ("{ $.a > 1 }", f'{{"a": 1{"0" * 400}}}', False),
        ("{ $.a = 1 }", "[" * 200_000, False),
    ],
)
def test_a_pattern_chooses_lines(pattern, line, is_wanted):
    assert compile_pattern(pattern)(line) is is_wanted


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [("{ $.a IS NULL }", "use words"), ("{ $.a = 1 && $.b = 1 || $.c = 1 }", "use one of them")],
)
def test_a_pattern_that_is_not_emulated_says_so(pattern, advice):
    with pytest.raises(UnknownPattern, match=advice):
        compile_pattern(pattern)
