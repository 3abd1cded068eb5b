"""Functions, parameters and conditions of CloudFormation in a template."""

import re
from typing import Any

import pytest

from local.template import TemplateError
from tests.unit.local.template.template_texts import FUNCTION, property_of_function


def environment(read: Any, value: str, before: str = "", **options: Any) -> dict[str, str]:
    resources = f"""{property_of_function("Environment:")}
        Variables:
          VALUE: {value}
  Work: {{Type: AWS::SQS::Queue, Properties: {{QueueName: !Sub "work-${{Stage}}"}}}}
  Cache: {{Type: AWS::ElastiCache::ServerlessCache}}
"""
    sections = f"Parameters:\n  Stage: {{Type: String, Default: dev}}\n{before}"
    return dict(read(resources, before=sections, **options).functions["Pages"].environment)


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("!Ref Stage", "dev"),
        ("!Ref Work", "http://sqs.local/000000000000/work-dev"),
        ("!GetAtt Work.Arn", "arn:aws:sqs:eu-west-1:000000000000:work-dev"),
        ("!GetAtt Work.QueueName", "work-dev"),
        ("{Fn::GetAtt: [Work, QueueUrl]}", "http://sqs.local/000000000000/work-dev"),
        ("!Ref Pages", "Pages"),
        ("!GetAtt Pages.Arn", "arn:aws:lambda:eu-west-1:000000000000:function:Pages"),
        ("!Sub '${Stage}:${Work.Arn}:${AWS::Region}'", "dev:arn:aws:sqs:eu-west-1:000000000000:"),
        ("!Sub ['${A}-${!B}', {A: !Ref Stage}]", "dev-${B}"),
        ("!Join ['-', [a, !Ref Stage]]", "a-dev"),
        ("!Select [1, !Split [',', 'a,b,c']]", "b"),
        ("!If [IsDev, yes it is, no]", "yes it is"),
        ("!If [IsLive, a, b]", "b"),
        ("!FindInMap [Sizes, !Ref Stage, memory]", "512"),
        ("{Fn::Base64: abc}", "YWJj"),
        ("!FindInMap [Sizes, live, memory, {DefaultValue: 64}]", "64"),
        ("{Fn::Length: [a, b]}", "2"),
        ("{Fn::ToJsonString: {a: !Ref Stage}}", '{"a":"dev"}'),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_intrinsic_functions_are_resolved(read, value, resolved):
    before = """
Conditions:
  IsDev: !Equals [!Ref Stage, dev]
  IsLive: !And [!Not [!Condition IsDev], !Or [!Condition IsDev, !Equals [a, a]]]
Mappings:
  Sizes: {dev: {memory: 512}}
"""
    assert environment(read, value, before)["VALUE"].startswith(resolved)


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("!Join ['', [1, true, 1.5, a]]", "1true1.5a"),
        ("!Sub ['${A}', {A: false}]", "false"),
        ("!If [IsTrue, same, other]", "same"),
    ],
)
def test_a_value_that_is_no_text_is_written_as_cloudformation_writes_it(read, value, resolved):
    before = "Conditions: {IsTrue: !Equals [true, 'true']}"

    assert environment(read, value, before) == {"VALUE": resolved}


@pytest.mark.parametrize(
    ("value", "before"),
    [
        ("!Select [-1, [a, b]]", ""),
        ("!Select [2, [a, b]]", ""),
        ("!Join [',', [[a, b]]]", ""),
        ("!Join [',', abc]", ""),
        ("!Sub '${Many}'", "  Many: {Type: CommaDelimitedList, Default: 'a,b'}"),
        ("!Sub ['${A}', {A: {b: c}}]", ""),
        ("!Sub [a]", ""),
        ("!If [Is, a, b]", "Conditions: {Is: !Not [!Equals [a, a], !Equals [a, b]]}"),
        ("!If [Is, a, b]", "Conditions: {Is: !And [!Equals [a, a]]}"),
        ("!If [Is, a, b]", "Conditions: {Is: !Or [!Equals [a, a]]}"),
        ("!If [Is, a, b]", "Conditions: {Is: !Equals [a, [a]]}"),
    ],
)
def test_arguments_that_cloudformation_refuses_are_refused(read, value, before):
    with pytest.raises(TemplateError, match="has arguments it cannot take"):
        environment(read, value, before)


def test_a_parameter_can_be_given(read):
    assert environment(read, "!Ref Stage", parameters={"Stage": "live"}) == {"VALUE": "live"}


def test_what_only_aws_knows_is_left_out_of_the_environment_with_a_warning(read):
    resources = f"""{property_of_function("Environment:")}
        Variables:
          HOST: !GetAtt Cache.Endpoint.Address
          SECRET: "{{{{resolve:ssm:a}}}}"
          OTHER: !Sub "{{{{resolve:secretsmanager:${{AWS::StackName}}:SecretString:A}}}}"
          A: b
  Cache: {{Type: AWS::ElastiCache::ServerlessCache}}
"""
    template = read(resources)

    assert template.functions["Pages"].environment == {"A": "b"}
    left_out = [warning.split(": ")[-2].split(".")[-1] for warning in template.warnings]
    assert left_out == ["HOST", "SECRET", "OTHER"]


def test_aws_novalue_removes_a_property(read):
    assert (
        read(property_of_function("Timeout: !Ref AWS::NoValue")).functions["Pages"].timeout_s == 3
    )


def test_a_resource_whose_condition_is_false_does_not_exist(read):
    before = "Conditions: {Never: !Equals [a, b]}"

    template = read(
        FUNCTION + "  Table: {Type: AWS::DynamoDB::Table, Condition: Never}\n", before=before
    )

    assert set(template.functions) == {"Pages"}


@pytest.mark.parametrize(
    ("declared", "argument", "sentence"),
    [
        ("Type: String, AllowedValues: [small, big]", "large", "'large' is not one of small, big"),
        ("Type: Number", "many", "'many' is no number"),
        ("Type: Number", "nan", "'nan' is no number"),
        ("Type: Number, MinValue: 2", "1", "'1' is below MinValue 2"),
        ("Type: Number, MaxValue: 9.5", "10", "'10' is above MaxValue 9.5"),
        ("Type: List<Number>, MaxValue: 3", "1, 4", "'4' is above MaxValue 3"),
        ("Type: String, MinLength: 2", "a", "'a' is below MinLength 2"),
        ("Type: String, MaxLength: 2", "abc", "'abc' is above MaxLength 2"),
        ("Type: String, AllowedPattern: '[a-z]+'", "A1", "'A1' does not match"),
        (
            "Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: Lower case please",
            "A1",
            "Size: Lower case please",
        ),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(read, declared, argument, sentence):
    before = f"Parameters: {{Size: {{{declared}, Default: small}}}}"

    with pytest.raises(TemplateError, match=re.escape(sentence)):
        read(FUNCTION, before=before, parameters={"Size": argument})


def test_a_parameter_that_is_not_declared_is_answered_with_those_that_are(read):
    with pytest.raises(TemplateError, match="Parameters: Other: is not declared; there are: Size"):
        read(FUNCTION, before="Parameters: {Size: {Type: String}}", parameters={"Other": "x"})


def test_a_parameter_where_none_is_declared_is_no_line_of_the_globals(read):
    with pytest.raises(TemplateError, match="Parameters: Other: is not declared") as caught:
        read(FUNCTION, before="Globals: {Function: {Timeout: 3}}", parameters={"Other": "x"})

    assert caught.value.line == 0


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        (
            "!Sub 'https://${ServerlessRestApi}.example.com'",
            "https://ServerlessRestApi.example.com",
        ),
        ("!Ref Table", "orders"),
        ("!Ref Bucket", "bucket"),
    ],
)
def test_names_of_what_is_not_here_are_told_where_they_are_known(read, value, resolved):
    resources = f"""{property_of_function("Environment:")}
        Variables: {{VALUE: {value}}}
  Table: {{Type: AWS::Serverless::SimpleTable, Properties: {{TableName: orders}}}}
  Bucket: {{Type: AWS::S3::Bucket}}
"""
    template = read(resources, allow_unsupported=True)

    assert template.functions["Pages"].environment == {"VALUE": resolved}


@pytest.mark.parametrize("value", ["!ImportValue shared", "!GetAZs ''"])
def test_what_sam_or_another_stack_makes_is_left_out_of_the_environment(read, value):
    template = read(property_of_function(f"Environment: {{Variables: {{VALUE: {value}}}}}"))

    assert template.functions["Pages"].environment == {}
    assert "has no value here" in template.warnings[0]


def test_a_parameter_without_a_value_is_missed_only_where_it_is_needed(read):
    before = "Parameters: {Size: {Type: Number}}"
    template = read(property_of_function("Description: !Ref Size"), before=before)

    assert template.functions["Pages"].memory_mb == 128
    assert template.warnings == ()
    with pytest.raises(TemplateError, match="only AWS knows this value"):
        read(property_of_function("MemorySize: !Ref Size"), before=before)


def test_a_parameter_that_lacks_a_value_is_asked_for_once(read):
    before = "Parameters: {Stage: {Type: String}}"
    variables = "Environment: {Variables: {A: !Ref Stage, B: !Sub 'b-${Stage}'}}"
    warnings = read(property_of_function(variables), before=before).warnings

    assert len(warnings) == 3
    assert warnings[0].endswith(": Parameters: Stage: has no value; pass --parameter Stage=...")
    assert environment_of(warnings[1:]) == ["A", "B"]


def environment_of(warnings: Any) -> list[str]:
    return [warning.split(": ")[-2].split(".")[-1] for warning in warnings]


def test_a_condition_that_depends_on_itself_is_refused(read):
    before = "Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}"

    with pytest.raises(TemplateError, match="depends on itself"):
        read(FUNCTION + "    Condition: A\n", before=before)


@pytest.mark.parametrize(
    "value",
    [
        "!Ref Pages.Alias",
        "!Ref Pages.Version",
        "!GetAtt Pages.Version.Version",
        "{Fn::GetAtt: [Pages.Version, Version]}",
        "!Ref Pages.DestinationTopic",
        "!Ref Pages.DestinationQueue",
        "!Sub '${Pages.Alias}'",
        "!Ref PagesAliaslive",
        "!Ref PagesDeploymentGroup",
        "!Ref PagesVersion0123456789",
        "!Ref PagesOftenPermission",
        "!Ref Shop.Stage",
        "!Ref Shop.Deployment",
        "!Ref Shop.DomainName",
        "!Ref Shop.UsagePlan",
        "!Sub 'x${Shop.Stage}'",
        "!Ref ShopdevStage",
        "!Ref ShopDeployment0123456789",
        "!Ref ServerlessRestApiProdStage",
        "!GetAtt ServerlessRestApi.RootResourceId",
        "!Ref ServerlessRestApi.Stage",
        "!Ref ToolsLayer0123456789",
        "!Ref ServerlessDeploymentApplication",
    ],
)
def test_what_sam_makes_beside_a_resource_may_be_referred_to(read, value):
    template = read(_with_generated(value))

    assert "VALUE" not in template.functions["Pages"].environment
    assert any("VALUE" in warning for warning in template.warnings)


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("!GetAtt PagesRole.Arn", "arn:aws:iam::000000000000:role/PagesRole"),
        ("!GetAtt PagesUrl.FunctionUrl", "http://127.0.0.1:5002/"),
        ("!Sub '${PagesUrl.FunctionUrl}a'", "http://127.0.0.1:5002/a"),
        ("!GetAtt PagesUrl.FunctionArn", "arn:aws:lambda:eu-west-1:000000000000:function:Pages"),
        ("!Ref PagesUrl", "arn:aws:lambda:eu-west-1:000000000000:function:Pages"),
    ],
)
def test_the_role_and_the_url_that_sam_makes_for_a_function_are_known(read, value, resolved):
    assert read(_with_generated(value)).functions["Pages"].environment == {"VALUE": resolved}


@pytest.mark.parametrize(
    "value", ["!Ref Pages.Stage", "!Ref PagesRolex", "!Ref Nobody.Alias", "!Ref Shop.Alias"]
)
def test_what_sam_does_not_make_is_refused(read, value):
    with pytest.raises(TemplateError, match="no such parameter or resource"):
        read(_with_generated(value))


@pytest.mark.parametrize(
    ("value", "property"),
    [
        ("!Ref Pages.Alias", "AutoPublishAlias"),
        ("!Ref Pages.Version", "AutoPublishAlias"),
        ("!GetAtt Pages.Version.Version", "AutoPublishAlias"),
        ("!Sub '${PagesAliaslive}'", "AutoPublishAlias"),
        ("!GetAtt PagesUrl.FunctionUrl", "FunctionUrlConfig"),
        ("!Ref PagesUrl", "FunctionUrlConfig"),
        ("!Ref PagesUrlPublicPermissions", "FunctionUrlConfig"),
        ("!Ref PagesDeploymentGroup", "DeploymentPreference"),
    ],
)
def test_what_sam_makes_for_a_property_alone_is_refused_without_it(read, value, property):
    with pytest.raises(TemplateError, match=rf"SAM makes it for Pages\.{property} alone"):
        read(_with_generated(value, made_for=""))


def test_the_property_for_which_sam_makes_something_may_be_a_global(read):
    before = "Globals: {Function: {AutoPublishAlias: live}}"
    read(_with_generated("!Ref Pages.Alias", made_for=""), before=before)
    other = "  PagesAlias: {Type: AWS::Serverless::Function, Properties: {Handler: app.pages}}\n"
    other = other.replace("}}", ", CodeUri: ., Runtime: python3.13}}")

    read(_with_generated("!Ref PagesAliasRole", made_for="") + other)


MADE_FOR = """
      AutoPublishAlias: live
      FunctionUrlConfig: {AuthType: NONE}
      DeploymentPreference: {Type: AllAtOnce}"""


def _with_generated(value: str, made_for: str = MADE_FOR) -> str:
    often = "Events: {Often: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}}"
    return f"""{property_of_function(often + made_for)}
      Environment: {{Variables: {{VALUE: {value}}}}}
  Shop: {{Type: AWS::Serverless::Api, Properties: {{StageName: dev}}}}
  ToolsLayer: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: .}}}}
"""


def test_a_flag_may_stand_in_quotes_twice(read):
    api = """
  Api:
    Type: AWS::Serverless::Api
    Properties: {StageName: prod, Auth: {ApiKeyRequired: "'true'"}}
"""
    route = "{Path: /a, Method: GET, RestApiId: !Ref Api}"
    events = f"      Events: {{A: {{Type: Api, Properties: {route}}}}}\n"

    assert read(api + FUNCTION + events).api.routes[0].needs_key


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("!GetAtt Reader.Arn", "arn:aws:iam::000000000000:role/Reader"),
        ("!GetAtt Writer.Arn", "arn:aws:iam::000000000000:role/writer"),
        ("!Ref Writer", "writer"),
        ("!Ref Lines", "/aws/lines"),
        ("!GetAtt Lines.Arn", "arn:aws:logs:eu-west-1:000000000000:log-group:/aws/lines:*"),
    ],
)
def test_a_role_and_a_log_group_have_names_though_nobody_makes_them(read, value, resolved):
    resources = f"""{property_of_function(f"Environment: {{Variables: {{VALUE: {value}}}}}")}
  Reader: {{Type: AWS::IAM::Role}}
  Writer: {{Type: AWS::IAM::Role, Properties: {{RoleName: writer}}}}
  Lines: {{Type: AWS::Logs::LogGroup, Properties: {{LogGroupName: /aws/lines}}}}
"""
    assert read(resources).functions["Pages"].environment == {"VALUE": resolved}


def test_conditions_that_rest_on_each_other_are_worked_out_once_each(read):
    chain = "".join(
        f"  C{number}: !And [!Condition C{number - 1}, !Condition C{number - 1}]\n"
        for number in range(1, 40)
    )

    assert environment(read, "!If [C39, a, b]", f"Conditions:\n  C0: !Equals [a, a]\n{chain}") == {
        "VALUE": "a"
    }
