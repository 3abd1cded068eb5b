"""Stacks inside a stack: a nested template that is a file runs as a part of the outer one."""

from pathlib import Path

import pytest

from local.template import Template, TemplateError, load

OUTER = """\
Transform: AWS::Serverless-2016-10-31
Parameters: {Stage: {Type: String, Default: dev}}
Globals: {Function: {Runtime: python3.13, Timeout: 7}}
Resources:
  Child:
    Type: AWS::Serverless::Application
    Properties:
      Location: ./child/template.yaml
      Parameters: {Name: !Sub "orders-${Stage}"}
  Outer:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src
      Handler: app.handler
      Environment:
        Variables:
          QUEUE: !GetAtt Child.Outputs.QueueUrl
          TEXT: !Sub "at ${Child.Outputs.QueueUrl}"
      Events: {Root: {Type: Api, Properties: {Path: /, Method: get}}}
"""
INNER = """\
Transform: AWS::Serverless-2016-10-31
Parameters: {Name: {Type: String}, Size: {Type: Number, Default: 256}}
Globals: {Function: {Runtime: python3.12, Timeout: 9}}
Conditions: {IsBig: !Equals [!Ref Size, 256]}
Mappings: {Colors: {of: {jobs: red}}}
Resources:
  Jobs: {Type: AWS::SQS::Queue, Condition: IsBig, Properties: {QueueName: !Sub "${Name}-jobs"}}
  Inner:
    Type: AWS::Serverless::Function
    DependsOn: Jobs
    Properties:
      CodeUri: src
      Handler: app.handler
      MemorySize: !Ref Size
      Environment:
        Variables:
          QUEUE: !Ref Jobs
          NAME: !Ref Name
          COLOR: !FindInMap [Colors, of, jobs]
          IF: !If [IsBig, big, small]
          ARN: !Sub "${Jobs.Arn} in ${AWS::Region} of ${Name}"
      Events:
        Root: {Type: Api, Properties: {Path: /, Method: get}}
        Jobs: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn}}
Outputs: {QueueUrl: {Value: !Ref Jobs}}
"""
URL = "http://sqs.local/000000000000/orders-dev-jobs"


def write(folder: Path, outer: str = OUTER, inner: str = INNER) -> Path:
    for part in (folder, folder / "child"):
        (part / "src").mkdir(parents=True)
    (folder / "template.yaml").write_text(outer)
    (folder / "child" / "template.yaml").write_text(inner)
    return folder / "template.yaml"


@pytest.fixture
def template(tmp_path: Path) -> Template:
    return load(write(tmp_path))


def test_functions_of_a_nested_stack_have_its_globals_parameters_and_folder(template, tmp_path):
    inner, outer = template.functions["ChildInner"], template.functions["Outer"]

    assert (inner.timeout_s, inner.memory_mb, outer.timeout_s) == (9, 256, 7)
    assert inner.code_uri == tmp_path / "child" / "src"
    assert inner.environment == {
        "QUEUE": URL,
        "NAME": "orders-dev",
        "COLOR": "red",
        "IF": "big",
        "ARN": "arn:aws:sqs:eu-west-1:000000000000:orders-dev-jobs in eu-west-1 of orders-dev",
    }
    assert [mapping.function for mapping in template.mappings] == ["ChildInner"]


def test_outputs_of_a_nested_stack_are_known_in_the_outer_one(template):
    assert template.functions["Outer"].environment == {"QUEUE": URL, "TEXT": f"at {URL}"}


def test_each_stack_has_the_api_that_sam_makes_for_it(template):
    functions = {api.name: api.routes[0].function for api in template.apis}

    assert functions == {"ServerlessRestApi": "Outer", "ChildServerlessRestApi": "ChildInner"}


def test_a_condition_of_a_nested_stack_may_leave_out_its_resources(tmp_path):
    small = OUTER.replace("Parameters: {Name:", "Parameters: {Size: 128, Name:")
    without = INNER.replace(
        "        Jobs: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn}}\n", ""
    )

    assert not load(write(tmp_path, small, without)).queues


def test_a_nested_stack_of_cloudformation_is_read_alike(tmp_path):
    outer = OUTER.replace("AWS::Serverless::Application", "AWS::CloudFormation::Stack")

    template = load(write(tmp_path, outer.replace("Location:", "TemplateURL:")))
    assert set(template.functions) == {"Outer", "ChildInner"}


def test_a_path_may_start_in_the_folder_that_a_build_makes(tmp_path):
    outer = OUTER.replace("./child/template.yaml", "../child/template.yaml")

    assert set(load(write(tmp_path, outer)).functions) == {"Outer", "ChildInner"}


def test_a_stack_inside_itself_is_refused(tmp_path):
    inner = OUTER.replace("./child/template.yaml", "../template.yaml")

    with pytest.raises(TemplateError, match="more than 5 stacks are inside one another"):
        load(write(tmp_path, inner=inner))


@pytest.mark.parametrize(
    "place", ["https://example.com/t.yaml", "{ApplicationId: a, SemanticVersion: 1.0.0}"]
)
def test_a_nested_stack_from_elsewhere_is_left_out_with_a_warning(tmp_path, place):
    template = load(write(tmp_path, OUTER.replace("./child/template.yaml", place)))

    assert "AWS::Serverless::Application is not on this machine" in " ".join(template.warnings)


def test_a_nested_stack_whose_file_is_not_there_is_refused(tmp_path):
    with pytest.raises(TemplateError, match=r"Child: Location: ./no\.yaml is no file"):
        load(write(tmp_path, OUTER.replace("./child/template.yaml", "./no.yaml")))


def test_a_resource_of_a_nested_stack_may_not_be_called_as_one_outside(tmp_path):
    (tmp_path / "inner.yaml").write_text("Resources: {Orders: {Type: AWS::SQS::Queue}}\n")
    (tmp_path / "template.yaml").write_text(
        "Transform: AWS::Serverless-2016-10-31\n"
        "Resources:\n"
        "  ShopOrders: {Type: AWS::SNS::Topic}\n"
        "  Shop: {Type: AWS::Serverless::Application, Properties: {Location: inner.yaml}}\n"
    )
    with pytest.raises(TemplateError, match="brings 'ShopOrders' as it is called here"):
        load(tmp_path / "template.yaml")
