"""`Fn::ForEach` in a template."""

import pytest

from local.template import TemplateError, load

LOOPS = """
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Parameters: {Names: {Type: CommaDelimitedList, Default: "a-b,c"}}
Resources:
  Fn::ForEach::Functions:
    - Name
    - !Ref Names
    - "&{Name}Function":
        Type: AWS::Serverless::Function
        Properties:
          Handler: app.handler
          Runtime: python3.13
          FunctionName: !Sub "${Name}-${AWS::StackName}"
          Environment:
            Variables:
              NAME: !Ref Name
              Fn::ForEach::Colours: [Colour, [RED, BLUE], {"${Colour}": "${Name} ${Colour}"}]
"""


def test_a_loop_makes_a_resource_each_turn_and_the_loop_in_it_its_entries(write):
    functions = load(write(LOOPS)).functions

    assert {each.logical_id: each.name for each in functions.values()} == {
        "abFunction": "a-b-local",
        "cFunction": "c-local",
    }
    assert functions["abFunction"].environment == {
        "NAME": "a-b",
        "RED": "a-b RED",
        "BLUE": "a-b BLUE",
    }


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("    - !Ref Names\n", "    - !Ref Nothing\n", "no parameter that has one"),
        ("    - !Ref Names\n", "", "a loop is a list of an identifier"),
        ("[RED, BLUE]", f"[{'a,' * 3000}]", "more than 5000 turns together"),
    ],
)
def test_a_loop_that_cannot_be_is_one_sentence(write, before, after, sentence):
    with pytest.raises(TemplateError, match=f"Fn::ForEach: .*{sentence}"):
        load(write(LOOPS.replace(before, after)))
