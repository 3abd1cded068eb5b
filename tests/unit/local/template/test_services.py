"""The other services' part of a template: resources, names, values, pipes."""

import pytest

from local.gateway import mapping
from local.template import TemplateError
from local.template.service_kinds import PENDING
from tests.unit.local.template.template_texts import (
    AT,
    FUNCTION,
    PAGES,
    TABLE,
    property_of_function,
)


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("!Ref Uploads", "uploads"),
        ("!GetAtt Uploads.Arn", "arn:aws:s3:::uploads"),
        ("!Ref News", f"arn:aws:sns:{AT}:News"),
        ("!GetAtt News.TopicName", "News"),
        ("!Sub '${Things}/index'", "Things/index"),
        ("!GetAtt Things.Arn", f"arn:aws:dynamodb:{AT}:table/Things"),
        ("!Ref Machine", f"arn:aws:states:{AT}:stateMachine:orders"),
        ("!Ref Setting", "/a/b"),
        ("!Ref Bus", "Bus"),
        ("!GetAtt Bus.Arn", f"arn:aws:events:{AT}:event-bus/Bus"),
        ("!GetAtt Clicks.Arn", f"arn:aws:kinesis:{AT}:stream/Clicks"),
    ],
)
def test_what_refers_to_a_resource_of_a_service_gets_its_name_or_arn(read, value, resolved):
    resources = f"""{property_of_function(f"Environment: {{Variables: {{VALUE: {value}}}}}")}
{TABLE}
  Uploads: {{Type: AWS::S3::Bucket}}
  News: {{Type: AWS::SNS::Topic}}
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: {{Name: orders, Definition: {{StartAt: A, States: {{}}}}}}
  Setting: {{Type: AWS::SSM::Parameter, Properties: {{Name: /a/b, Type: String, Value: c}}}}
  Bus: {{Type: AWS::Events::EventBus}}
  Clicks: {{Type: AWS::Kinesis::Stream}}
"""
    template = read(resources)

    assert template.functions["Pages"].environment == {"VALUE": resolved}
    assert set(template.made) == {
        *("Things", "Uploads", "News", "Machine", "Setting", "Bus", "Clicks")
    }


def test_what_only_a_service_knows_is_its_to_say(read):
    variables = "{POOL: !Ref Pool, KEY: !Sub 'k-${Key.Arn}', TOKEN: '{{resolve:ssm:/token}}'}"
    resources = f"""{property_of_function(f"Environment: {{Variables: {variables}}}")}
  Pool: {{Type: AWS::Cognito::UserPool}}
  Key: {{Type: AWS::KMS::Key}}
"""
    definition = read(resources, values=PENDING)
    values = dict(zip(sorted(definition.placeholders), ["an ARN", "an id", "a token"], strict=True))

    assert sorted(definition.placeholders) == [
        *("{{made:Key.Arn}}", "{{made:Pool}}", "{{resolve:ssm:/token}}")
    ]
    assert [each.partition("SSM: ")[2] for each in definition.warnings] == [
        "/token is no parameter of this template; unless the SSM here has it, it is 'token'"
    ]
    assert read(resources, values=values).functions["Pages"].environment == {
        **{"POOL": "an id", "KEY": "k-an ARN", "TOKEN": "a token"}
    }
    assert read(resources).functions["Pages"].environment == {}


def test_a_parameter_that_lives_in_the_store_has_its_value(read):
    before = "Parameters: {Token: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /token}}"
    text = property_of_function("Environment: {Variables: {TOKEN: !Ref Token}}")
    values = {"{{resolve:ssm:/token}}": "a token"}

    assert read(text, before=before, values=values).functions["Pages"].environment == {
        "TOKEN": "a token"
    }


REFUSED = [
    (
        TABLE.replace("KeySchema: [{AttributeName: id,", "KeySchema: [{AttributeName: key,"),
        "Things: KeySchema: key is no attribute of AttributeDefinitions",
    ),
    (TABLE.replace("AttributeType: S", "AttributeType: T"), "the type of id has to be S, N or B"),
    (
        "  Bad: {Type: AWS::S3::Bucket, Properties: {BucketName: Bad_Name}}\n",
        "Bad: BucketName: 'Bad_Name' has to be 3 to 63",
    ),
    (
        property_of_function("Events: {A: {Type: S3, Properties: {Bucket: other, Events: a}}}"),
        "other is no bucket of this template",
    ),
    (
        property_of_function("Events: {A: {Type: SNS, Properties: {Topic: 'arn:aws:sns:a'}}}"),
        "arn:aws:sns:a is no topic of this template",
    ),
    (
        property_of_function(
            "Events: {A: {Type: Kinesis, Properties: {Stream: x, StartingPosition: LATEST}}}"
        ),
        "x is no stream of this template",
    ),
]


@pytest.mark.parametrize(("resources", "sentence"), REFUSED)
def test_what_no_service_could_make_or_tell_is_refused_by_name(read, resources, sentence):
    with pytest.raises(TemplateError) as caught:
        read(resources if "Pages" in resources else FUNCTION + resources)

    assert sentence in str(caught.value)


def test_a_state_machine_has_its_definition_from_a_file_with_what_it_refers_to(read, tmp_path):
    (tmp_path / "machine.json").write_text('{"StartAt": "A", "Resource": "${Page}"}')
    machine = """
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: {DefinitionUri: machine.json, DefinitionSubstitutions: {Page: !GetAtt Pages.Arn}}
"""
    properties = read(FUNCTION + machine).made["Machine"]["Properties"]

    assert properties["DefinitionString"] == f'{{"StartAt": "A", "Resource": "{PAGES}"}}'
    assert properties["StateMachineName"] == "Machine"


@pytest.mark.parametrize(("more", "quote"), [("", "\\'"), (", UnescapeMappingTemplate: true", "'")])
def test_a_route_starts_a_state_machine_with_its_body_as_text(read, more, quote):
    machine = f"""
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition: {{StartAt: A, States: {{}}}}
      Events: {{Go: {{Type: Api, Properties: {{Path: /go, Method: post{more}}}}}}}
"""
    ((route,),) = [api.routes for api in read(FUNCTION + machine).apis]
    event = {"body": '{"name": "it\'s"}', "headers": {}, "requestContext": {}}

    assert (route.key, route.function) == ("POST /go", "")
    assert mapping.request_body(route.integration, event) == (
        f'{{"input": "{{\\"name\\":\\"it{quote}s\\"}}", '
        f'"stateMachineArn": "arn:aws:states:{AT}:stateMachine:Machine"}}'
    )


@pytest.mark.parametrize(
    ("policies", "services"),
    [
        ("[S3ReadPolicy: {BucketName: a}]", {"s3"}),
        ("[{Statement: [{Effect: Allow, Action: ['ses:Send*', 'sqs:*'], Resource: a}]}]", {"ses"}),
        ("AmazonDynamoDBFullAccess", {"dynamodb"}),
        ("[SQSSendMessagePolicy: {QueueName: a}, AWSXrayWriteOnlyAccess]", set()),
    ],
)
def test_policies_tell_which_services_a_function_calls(read, policies, services):
    assert read(property_of_function(f"Policies: {policies}")).calls == services


def test_nothing_is_guessed_where_a_template_says_what_it_takes_from_this_machine(read):
    before = "Metadata: {Spillway: {Provides: [REDIS_URL]}}"
    text = property_of_function("Policies: [S3ReadPolicy: {BucketName: a}]")

    assert read(text, before=before).calls == frozenset()


def test_a_property_that_the_services_here_pass_over_is_named(read):
    resources = """
  Uploads:
    Type: AWS::S3::Bucket
    Properties: {LifecycleConfiguration: {Rules: []}, CorsConfiguration: {CorsRules: []}}
  News: {Type: AWS::SNS::Topic, Properties: {TopicName: news.fifo, FifoTopic: true}}
  Plain: {Type: AWS::SNS::Topic, Properties: {FifoTopic: false}}
  People:
    Type: AWS::Cognito::UserPool
    Properties: {LambdaConfig: {PostAuthentication: arn:f, PreSignUp: arn:f}}
"""
    warnings = read(FUNCTION + resources).warnings

    assert [each.partition("template.yaml:")[2].partition(": ")[2] for each in warnings] == [
        "Uploads: LifecycleConfiguration: has no effect in the services here",
        "News: FifoTopic: has no effect in the services here",
        "People: LambdaConfig: PostAuthentication: is called by nobody here",
    ]


@pytest.mark.parametrize(
    ("source", "target", "blamed"),
    [
        ("!GetAtt Things.StreamArn", "!Ref News", []),
        ("!GetAtt Jobs.Arn", "!GetAtt Pages.Arn", []),
        ("arn:aws:mq:eu-west-1:000000000000:broker:a", "!Ref News", ["Source"]),
        (
            "!GetAtt Things.StreamArn",
            "!GetAtt Pages.Arn, Enrichment: 'arn:aws:states:a'",
            ["Enrichment"],
        ),
        ("!GetAtt Things.StreamArn", "arn:aws:batch:eu-west-1:000000000000:job/a", ["Target"]),
    ],
)
def test_a_pipe_through_which_nothing_goes_here_is_named(read, source, target, blamed):
    resources = f"""{TABLE}      StreamSpecification: {{StreamViewType: NEW_IMAGE}}
  Jobs: {{Type: AWS::SQS::Queue}}
  News: {{Type: AWS::SNS::Topic}}
  Pipe:
    Type: AWS::Pipes::Pipe
    Properties: {{Source: {source}, Target: {target}, RoleArn: any}}
"""
    warnings = read(FUNCTION + resources).warnings

    assert [each.rpartition("Pipe: ")[2].partition(":")[0] for each in warnings] == blamed


def test_what_another_stack_has_on_aws_has_a_stand_in(read):
    before = "Parameters: {Bus: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /shop/bus}}"
    rule = "{EventBusName: !Ref Bus, Pattern: {source: [a]}}"
    far = "{EventBusName: far, Pattern: {source: [a]}}"
    kind = "Type: EventBridgeRule, Properties"
    events = f"{{A: {{{kind}: {rule}}}, B: {{{kind}: {far}}}}}"
    template = read(property_of_function(f"Events: {events}"), before=before, values=PENDING)
    buses = {
        each["Properties"]["Name"]
        for each in template.made.values()
        if each["Type"] == "AWS::Events::EventBus"
    }

    assert buses == {"{{resolve:ssm:/shop/bus}}", "far"}
    assert any("far is no bus of this template" in each for each in template.warnings)
    assert any("unless the SSM here has it, it is 'shop-bus'" in each for each in template.warnings)


def test_the_name_of_a_parameter_is_no_value_of_one(read):
    before = "Parameters: {Key: {Type: 'AWS::SSM::Parameter::Name', Default: /shop/key}}"
    text = property_of_function("Environment: {Variables: {KEY: !Ref Key}}")

    assert read(text, before=before).functions["Pages"].environment == {"KEY": "/shop/key"}


@pytest.mark.parametrize("kind", ["AWS::Serverless::SimpleTable", "AWS::S3::Bucket"])
def test_a_name_made_of_a_short_logical_id_is_long_enough(read, kind):
    text = property_of_function("Environment: {Variables: {NAME: !Ref T}}")
    name = read(f"{text}  T: {{Type: {kind}}}\n").functions["Pages"].environment["NAME"]

    assert name.lower() == "t00"


def test_a_custom_resource_is_its_functions_to_make_and_nobodys_without_one(read):
    resources = f"""{property_of_function("Environment: {Variables: {PLACE: !GetAtt Seed.Place}}")}
  Seed: {{Type: "Custom::Seed", Properties: {{ServiceToken: !GetAtt Pages.Arn, Count: 3}}}}
  Other: {{Type: "Custom::Other", Properties: {{ServiceToken: "arn:aws:lambda:a:b:function:c"}}}}
"""
    template = read(resources, values=PENDING)
    values = {"{{made:Seed.Place}}": "here"}

    assert template.made == {
        "Seed": {
            "Type": "AWS::CloudFormation::CustomResource",
            "ResourceType": "Custom::Seed",
            "Properties": {"ServiceToken": PAGES, "Count": 3},
        }
    }
    assert [each.split(": ")[1:3] for each in template.warnings] == [["Other", "ServiceToken"]]
    assert read(resources, values=values).functions["Pages"].environment == {"PLACE": "here"}


@pytest.mark.parametrize("token", ["[a]", "{a: b}", "3"])
def test_a_custom_resource_whose_function_is_no_text_is_named(read, token):
    seed = f"  Seed: {{Type: 'Custom::Seed', Properties: {{ServiceToken: {token}}}}}\n"

    assert "Seed: ServiceToken: is no function" in read(f"{FUNCTION}{seed}").warnings[0]


MACHINE = "  Steps: {{Type: AWS::Serverless::StateMachine, Properties: {{Definition: {{}}, {}}}}}\n"
UPLOADS = "  Uploads: {Type: AWS::S3::Bucket, Properties: {NotificationConfiguration: [x]}}\n"
TOLD = "Events: {A: {Type: S3, Properties: {Bucket: !Ref Uploads, Events: s3:ObjectCreated:*}}}"


@pytest.mark.parametrize(
    ("resources", "place"),
    [
        (MACHINE.format("Events: [x]"), "Steps: Events"),
        (MACHINE.format("Events: {Started: [x]}"), "Steps: Events.Started"),
        (MACHINE.format("Events: {Started: {Properties: 3}}"), "Steps: Events.Started.Properties"),
        (property_of_function(TOLD) + UPLOADS, "Pages: Events.A.Properties.Bucket"),
        ("  Odd: {Type: [x]}\n", "Odd: "),
        ("  Inner: {Type: AWS::Serverless::Application, Properties: [x]}\n", "Inner: "),
        (
            property_of_function(
                "EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: [SQS]}}}"
            ),
            "Pages: EventInvokeConfig.DestinationConfig.OnFailure",
        ),
    ],
)
def test_what_is_no_block_or_no_text_is_refused_by_its_place(read, resources, place):
    with pytest.raises(TemplateError, match=place):
        read(resources)
