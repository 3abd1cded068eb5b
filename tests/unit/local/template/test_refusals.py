"""The refusals of a template, and how they name their cause."""

import re

import pytest

from local.template import TemplateError, load
from tests.unit.local.template.template_texts import API, FUNCTION, property_of_function


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "AWS::IAM::Role",
            "AWS::Logs::LogGroup",
            "AWS::SNS::TopicPolicy",
            "AWS::S3::BucketPolicy",
        ),
        *("AWS::Serverless::CapacityProvider", "AWS::Lambda::NetworkConnector"),
    ],
)
def test_what_has_no_effect_on_one_machine_is_accepted(read, kind):
    assert read(f"{FUNCTION}  Thing: {{Type: {kind}, Properties: {{Any: thing}}}}\n").warnings == ()


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("AWS::RDS::DBCluster", "functions reach none, or with --aws the one on AWS"),
        ("AWS::Lambda::MicrovmImage", "functions reach none, or with --aws the one on AWS"),
        ("AWS::VpcLattice::ServiceNetwork", "what calls it has nobody there"),
        ("AWS::AppSync::GraphQLApi", "what calls it has nobody there"),
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", "what calls it has nobody there"),
    ],
)
def test_what_is_on_aws_only_is_accepted_with_a_word(read, kind, why):
    (warning,) = read(f"{FUNCTION}  Thing: {{Type: {kind}, Properties: {{Any: thing}}}}\n").warnings

    assert warning.endswith(f": Thing: Type: {kind} is not on this machine; {why}")


REFUSED = [
    ("  Api: {Type: AWS::ApiGatewayV2::Api}", "Api", "ProtocolType", "HTTP or WEBSOCKET"),
    ("  Inner: {Type: AWS::CloudFormation::Stack}", "Inner", "Type", "AWS::CloudFormation::Stack"),
    (
        property_of_function("FileSystemConfigs: [{Arn: a, LocalMountPath: /mnt/nowhere}]"),
        *("Pages", "FileSystemConfigs.0.LocalMountPath", "a folder /mnt/nowhere of this machine"),
    ),
    (property_of_function("Events: {A: {Type: MSK}}"), "Pages", "Events.A", "events of type MSK"),
    (property_of_function("DurableConfig: {}"), "Pages", "DurableConfig", "durable functions are"),
    (API + "      CacheClusterEnabled: true", "Api", "CacheClusterEnabled", "not emulated"),
]


@pytest.mark.parametrize(("resources", "resource", "property", "sentence"), REFUSED)
def test_what_is_not_emulated_is_refused_by_name(read, resources, resource, property, sentence):
    with pytest.raises(TemplateError) as caught:
        read(resources)

    error = caught.value
    assert (error.resource, error.property) == (resource, property)
    assert sentence in error.sentence
    assert str(error) == f"{error.file}:{error.line}: {resource}: {property}: {error.sentence}"


@pytest.mark.parametrize(("resources", "resource", "property", "sentence"), REFUSED)
def test_the_user_may_allow_what_is_not_emulated(read, resources, resource, property, sentence):
    warnings = read(resources, allow_unsupported=True).warnings

    assert len(warnings) == 1
    assert f"{resource}: {property}: " in warnings[0]
    assert sentence in warnings[0]


@pytest.mark.parametrize(
    ("resources", "place", "sentence"),
    [
        (FUNCTION.replace("app.pages", "pages"), "Pages: Handler", "is no module.function"),
        (FUNCTION.replace("python3.13", "nodejs22.x"), "Pages: Runtime", "python3.x and custom"),
        (FUNCTION.replace("CodeUri: .", "CodeUri: nowhere"), "Pages: CodeUri", "no directory"),
        (FUNCTION.replace("      Handler: app.pages\n", ""), "Pages: Handler", "is missing"),
        (property_of_function("Timeout: 0"), "Pages: Timeout", "1 to 900"),
        (property_of_function("Timeout: soon"), "Pages: Timeout", "whole number"),
        (property_of_function("Timeout: true"), "Pages: Timeout", "whole number"),
        (property_of_function("DeadLetterQueue: {TargetArn: [a]}"), "Pages: Dead", "be text"),
        (API + "      DefinitionBody: true", "Api: DefinitionBody", "be a block"),
        (property_of_function("MemorySize: !Ref Nothing"), "Pages", "!Ref Nothing: no such"),
        (property_of_function("MemorySize: !GetAtt Nothing.Arn"), "Pages", "no such resource"),
        (property_of_function("MemorySize: !Cidr [a]"), "Pages", "Fn::Cidr is not emulated"),
        (property_of_function("MemorySize: !Select [9, [a]]"), "Pages", "Fn::Select has argum"),
        (property_of_function("MemorySize: !If [Nope, 1, 2]"), "Pages", "no condition 'Nope'"),
        (property_of_function("Environment: {Variables: {A: [1]}}"), "Pages: Env", "be text"),
        (property_of_function("Events: {A: {Properties: {}}}"), "Pages: Events.A.Type", "missing"),
        (FUNCTION + "    Metadata: {Spillway: {Environments: 0}}", "Pages: Metadata", "1 to 64"),
        (FUNCTION + "    Metadata: {Spillway: {Priority: 0}}", "Pages: Metadata", "1 to 9"),
        (FUNCTION + "    Metadata: {Spillway: {Env: 1}}", "Pages: Metadata.Spillway.Env", "not em"),
        ("  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: a b}}", "Q: QueueName", "1 to 80"),
        ("  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: a.fifo}}", "Q: Fifo", "FIFO"),
        (API.replace("prod", "a b"), "Api: StageName", "letters"),
        (API + "      GatewayResponses: {NOPE: {}}", "Api: GatewayResponses.NOPE", "no kind"),
        (API + "      Auth: {DefaultAuthorizer: X}", "Api: Auth.DefaultAuthorizer", "not in Auth"),
        ("  Null: {Type: AWS::SQS::Queue}", "None", "logical id"),
        ("  Nothing: {}", "Nothing: Type", "is missing"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(read, resources, place, sentence):
    with pytest.raises(TemplateError) as caught:
        read(resources)

    assert re.search(rf"template\.yaml:\d+: {place}", str(caught.value))
    assert sentence in caught.value.sentence


BILLION = "A0: &a0 [x]\n" + "".join(
    f"A{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Resources:\n  A: [\n", "template.yaml:3: "),
        ("Resources:\n\tA: {}\n", "template.yaml:2: "),
        ("- a list", "needs a section Resources"),
        ("Resources: []", "needs a section Resources"),
        ("[" * 900_000, "nested too deep"),
        ("Resources: &all {A: *all}", "aliases make over"),
        ("A: &a [x, x]\nB: &b [*a, *a]\nResources: {A: [*b, *b]}", "A: Type: is missing"),
        (BILLION, "aliases make over 100000 values"),
        ("Parameters: [a]\nResources: {}", "template.yaml:1: Parameters: has to be a block"),
        ("Resources:\n  A:\n    Properties: [a]", "template.yaml:3: A: Properties: has to be"),
        ("Transform: AWS::Other\nResources: {}", "AWS::Other is not emulated"),
        ("Transform: 1.5\nResources: {}", "1.5 is not emulated"),
        ("Globals: {Function: 3}\nResources: {}", "Globals: Function: has to be a block"),
        ("Globals: {Functions: {}}\nResources: {}", "Globals: Functions: there are no such"),
    ],
)
def test_a_file_that_is_no_template_is_one_sentence(write, text, sentence):
    with pytest.raises(TemplateError) as caught:
        load(write(text))

    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_template_that_does_not_exist_is_one_sentence(tmp_path):
    with pytest.raises(TemplateError, match="cannot read the template"):
        load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("property", "at"),
    [
        ("Timeout: soon", "Timeout"),
        ("Environment:\n        Variables:\n          A: b\n          B: [c]", "          B:"),
        ("Events:\n        A:\n          Type: Api\n          Properties: {Path: no}", "Path"),
        ("Timeout: !Ref Nothing", "Timeout"),
    ],
)
def test_the_line_of_a_property_is_named(read, property, at):
    with pytest.raises(TemplateError) as caught:
        read(property_of_function(property))

    assert at in line_of(caught.value)


def test_a_property_that_stands_in_the_globals_is_named_there(read):
    with pytest.raises(TemplateError) as caught:
        read(FUNCTION, before="Globals:\n  Function:\n    Timeout: 9000")

    assert caught.value.resource == "Pages"
    assert line_of(caught.value) == "    Timeout: 9000"


def line_of(error: TemplateError) -> str:
    return error.file.read_text().splitlines()[error.line - 1]


def test_of_a_key_that_stands_twice_the_last_one_counts_with_a_warning(read):
    template = read(FUNCTION + "      Timeout: 5\n      Timeout: 9\n")

    assert template.functions["Pages"].timeout_s == 9
    (warning,) = template.warnings
    assert re.search(r"template.yaml:\d+: the key 'Timeout' stands twice; the last one c", warning)


@pytest.mark.parametrize(
    ("kind", "property", "more"),
    [
        ("AWS::Serverless::Function", "FunctionName", ", Handler: a.b, Runtime: python3.13"),
        ("AWS::SQS::Queue", "QueueName", ""),
        ("AWS::Serverless::SimpleTable", "TableName", ""),
        ("AWS::SNS::Topic", "TopicName", ""),
        ("AWS::S3::Bucket", "BucketName", ""),
    ],
)
def test_two_resources_of_one_name_are_refused_as_aws_makes_one_of_them(read, kind, property, more):
    two = "".join(
        f"  {name}: {{Type: {kind}, Properties: {{{property}: same{more}}}}}\n"
        for name in ("One", "Other")
    )
    with pytest.raises(TemplateError) as caught:
        read(FUNCTION + two)

    assert f"Other: {property}: 'same' is the name of One already" in str(caught.value)
