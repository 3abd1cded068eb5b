"""Functions and layers of a template."""

import sys

import pytest

from local.template import TemplateError
from local.template.model import Logging, Target
from tests.unit.local.template.template_texts import FUNCTION, property_of_function


@pytest.mark.row("2.5")
def test_a_function_has_lambdas_defaults(read, tmp_path):
    function = read(FUNCTION).functions["Pages"]

    assert (function.name, function.handler) == ("Pages", "app.pages")
    assert (function.timeout_s, function.memory_mb) == (3, 128)
    assert function.code_uri == tmp_path
    assert (function.reserved_concurrency, function.environments) == (None, 1)
    assert (function.layers, function.environment) == ((), {})


def test_globals_are_merged_as_sam_does(read, tmp_path):
    for layer in ("shared", "own"):
        (tmp_path / layer / "python").mkdir(parents=True)
    before = """
Globals:
  Function:
    Timeout: 9
    Runtime: python3.12
    Layers: [!Ref Shared]
    Environment: {Variables: {A: global, B: global}}
"""
    resources = f"""{FUNCTION}
      Timeout: 4
      Layers: [!Ref Own]
      Environment: {{Variables: {{B: own, C: 1, D: true}}}}
  Shared: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: shared}}}}
  Own: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: own}}}}
"""

    function = read(resources, before=before).functions["Pages"]

    assert function.timeout_s == 4
    assert function.environment == {"A": "global", "B": "own", "C": "1", "D": "true"}
    assert [layer.parent.name for layer in function.layers] == ["own", "shared"]


def test_a_global_that_is_a_function_is_replaced_whole_as_sam_does(read):
    before = """
Conditions: {Never: !Equals [a, b]}
Globals:
  Function:
    Timeout: !If [Never, 7, 8]
    Environment: {Variables: {A: !If [Never, b, c], B: d, C: !If [Never, e, f]}}
"""
    resources = f"""{FUNCTION}
      Timeout: !Ref AWS::NoValue
      Environment: {{Variables: {{A: !Ref AWS::NoValue, B: !Ref AWS::Region}}}}
"""

    function = read(resources, before=before).functions["Pages"]

    assert function.timeout_s == 3
    assert function.environment == {"B": "eu-west-1", "C": "f"}


def test_environments_are_read_from_the_metadata(read):
    metadata = "    Metadata: {BuildMethod: makefile, Spillway: {Environments: 3}}\n"

    assert read(FUNCTION + metadata).functions["Pages"].environments == 3


def test_a_layer_that_sam_builds_brings_its_folder_and_a_packed_one_its_site_packages(
    read, tmp_path
):
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    packed = tmp_path / "packed" / "python" / "lib" / f"python{version}" / "site-packages"
    packed.mkdir(parents=True)
    (tmp_path / "built").mkdir()
    function = read(
        f"""{FUNCTION}
      Layers: [!Ref Packed, !Ref Built]
  Packed: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: packed}}}}
  Built:
    Type: AWS::Serverless::LayerVersion
    Metadata: {{BuildMethod: python3.13}}
    Properties: {{ContentUri: built}}
"""
    ).functions["Pages"]

    assert function.layers == (tmp_path / "built", packed, tmp_path / "packed" / "python")


def test_a_layer_that_sam_has_built_brings_what_stands_in_python(read, tmp_path):
    (tmp_path / "built" / "python").mkdir(parents=True)
    layer = "{Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: built}, %s}"
    built = layer % "Metadata: {BuildMethod: python3.13, SamResourceId: Built}"
    function = read(f"{property_of_function('Layers: [!Ref Built]')}  Built: {built}\n")

    assert function.functions["Pages"].layers == (
        tmp_path / "built" / "python",
        tmp_path / "built",
    )


OTHER_KINDS = [
    ("Runtime: nodejs22.x", "Runtime", "python3.x and custom runtimes"),
    ("PackageType: Image", "PackageType", "images are not emulated"),
]


@pytest.mark.parametrize(("line", "property", "sentence"), OTHER_KINDS)
def test_a_function_of_another_kind_is_refused_by_name(read, line, property, sentence):
    with pytest.raises(TemplateError, match=sentence) as caught:
        read(FUNCTION.replace("Runtime: python3.13", line))

    assert (caught.value.resource, caught.value.property) == ("Pages", property)


@pytest.mark.parametrize(("line", "property", "sentence"), OTHER_KINDS)
def test_a_function_of_another_kind_is_left_out_with_its_events_where_that_is_allowed(
    read, line, property, sentence
):
    other = FUNCTION.replace("Pages:", "Other:").replace("Runtime: python3.13", line)
    events = "      Events: {A: {Type: Api, Properties: {Path: /a, Method: GET}}}\n"
    template = read(FUNCTION + other + events, allow_unsupported=True)

    assert set(template.functions) == {"Pages"}
    assert template.api.routes == ()
    assert len(template.warnings) == 1
    assert f": Other: {property}: " in template.warnings[0]


def test_code_is_beside_the_template_where_it_is_not_named(read, tmp_path):
    function = read(FUNCTION.replace("      CodeUri: .\n", "")).functions["Pages"]

    assert function.code_uri == tmp_path


def test_a_mapping_of_a_stream_leaves_its_function_where_that_is_allowed(read):
    stream = "{Type: DynamoDB, Properties: {Stream: a, StartingPosition: LATEST}}"
    foreign = "{Type: SQS, Properties: {Queue: 'arn:aws:kafka:eu-west-1:1:other'}}"
    template = read(
        property_of_function(f"Events: {{A: {stream}, B: {foreign}}}"), allow_unsupported=True
    )

    assert set(template.functions) == {"Pages"}
    assert template.mappings == ()
    assert [warning.split(": ")[2] for warning in template.warnings] == [
        "Events.A.Properties.Stream",
        "Events.B.Properties.Queue",
    ]


def test_a_function_may_want_nothing_of_some_globals(read):
    before = "Globals: {Function: {Timeout: 9, MemorySize: 512}}"
    without_one = read(f"{FUNCTION}    IgnoreGlobals: [Timeout]\n", before=before)
    without_any = read(f"{FUNCTION}    IgnoreGlobals: '*'\n", before=before)

    function = without_one.functions["Pages"]
    assert (function.timeout_s, function.memory_mb) == (3, 512)
    assert without_any.functions["Pages"].memory_mb == 128


def test_a_name_that_only_aws_knows_is_the_logical_id(read):
    template = read(
        f"""{property_of_function("FunctionName: !ImportValue Name")}
      Environment: {{Variables: {{QUEUE: !Ref Jobs, SELF: !GetAtt Pages.Arn}}}}
  Jobs: {{Type: AWS::SQS::Queue, Properties: {{QueueName: !ImportValue Jobs, FifoQueue: true}}}}
"""
    )

    pages = template.functions["Pages"]
    assert pages.name == "Pages"
    assert template.queues["Jobs"].name == "Jobs.fifo"
    assert pages.environment["QUEUE"].endswith("/Jobs.fifo")
    assert pages.environment["SELF"].endswith(":function:Pages")
    assert len(template.warnings) == 2


def test_what_stands_once_in_the_globals_is_said_once(read):
    before = "Globals: {Function: {Environment: {Variables: {A: !ImportValue B}}}}"
    warnings = read(FUNCTION + FUNCTION.replace("Pages:", "Other:"), before=before).warnings

    assert len(warnings) == 1
    assert ": Pages: Environment.Variables.A: " in warnings[0]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{}", Logging()),
        ("{LogFormat: Text, LogGroup: any}", Logging(group="any")),
        ("{LogFormat: JSON}", Logging(is_json=True, level="INFO")),
        (
            "{LogFormat: JSON, ApplicationLogLevel: TRACE, SystemLogLevel: WARN}",
            Logging(is_json=True, level="TRACE", says_all=False),
        ),
    ],
)
def test_how_a_functions_log_is_written(read, config, expected):
    function = read(property_of_function(f"LoggingConfig: {config}")).functions["Pages"]

    assert function.logging == expected


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("{LogFormat: json}", "LogFormat: 'json' is none of Text, JSON"),
        ("{LogFormat: JSON, ApplicationLogLevel: LOUD}", "'LOUD' is none of TRACE"),
        ("{SystemLogLevel: WARN}", "SystemLogLevel: is for LogFormat JSON only"),
    ],
)
def test_a_log_that_aws_would_not_write_is_refused(read, config, complaint):
    with pytest.raises(TemplateError, match=complaint):
        read(property_of_function(f"LoggingConfig: {config}"))


def test_a_layer_of_others_is_named_with_what_to_do_and_leaves_its_function(read):
    template = read(property_of_function("Layers: ['arn:aws:lambda:eu-west-1:1:layer:pandas:3']"))

    assert template.functions["Pages"].layers == ()
    (warning,) = template.warnings
    assert "layer:pandas:3 is not here, and an import of what it has fails; list its" in warning


def test_a_url_and_the_settings_of_events_may_be_resources_of_their_own(read):
    knows = property_of_function("Environment: {Variables: {OWN: !GetAtt Address.FunctionUrl}}")
    parts = """
  Address:
    Type: AWS::Lambda::Url
    Properties: {TargetFunctionArn: !GetAtt Pages.Arn, AuthType: NONE}
  Retries:
    Type: AWS::Lambda::EventInvokeConfig
    Properties: {FunctionName: !Ref Pages, Qualifier: $LATEST, MaximumRetryAttempts: 0}
"""
    template = read(knows + parts)

    assert template.functions["Pages"].asynchronous.retries_max == 0
    assert [api.name for api in template.apis] == ["PagesUrlApi"]
    assert template.functions["Pages"].environment == {"OWN": "http://127.0.0.1:5002/"}


@pytest.mark.parametrize(
    ("kind", "property"),
    [("AWS::Lambda::Url", "TargetFunctionArn"), ("AWS::Lambda::EventInvokeConfig", "FunctionName")],
)
def test_a_part_of_a_function_that_is_not_here_is_refused(read, kind, property):
    part = f"\n  Part: {{Type: {kind}, Properties: {{{property}: other}}}}\n"

    with pytest.raises(TemplateError, match=f"Part: {property}: is no function of this template"):
        read(FUNCTION + part)


def test_a_part_of_a_function_whose_condition_does_not_hold_is_none(read):
    part = """
  Address:
    Type: AWS::Lambda::Url
    Condition: Never
    Properties: {TargetFunctionArn: !Ref Pages, AuthType: NONE}
"""
    template = read(FUNCTION + part, before="Conditions: {Never: !Equals [a, b]}")

    assert [api.routes for api in template.apis] == [()]


def test_a_layers_build_method_may_be_looked_up(read, tmp_path):
    (tmp_path / "built").mkdir()
    method = "!FindInMap [Versions, all, python]"
    resources = f"""{property_of_function("Layers: [!Ref Built]")}
  Built:
    Type: AWS::Serverless::LayerVersion
    Metadata: {{BuildMethod: {method}}}
    Properties: {{ContentUri: built}}
"""
    before = "Mappings: {Versions: {all: {python: python3.13}}}"

    assert read(resources, before=before).functions["Pages"].layers == (tmp_path / "built",)


def test_a_folder_of_this_machine_stands_for_a_file_system(read, tmp_path):
    mount = f"FileSystemConfigs: [{{Arn: !GetAtt Place.Arn, LocalMountPath: {tmp_path}}}]"
    template = read(f"{property_of_function(mount)}  Place: {{Type: AWS::EFS::AccessPoint}}\n")

    (warning,) = template.warnings
    assert f"the folder {tmp_path} of this machine stands for the file system" in warning


@pytest.mark.parametrize("place", ["/", "files", "''", "/mnt/../etc"])
def test_a_file_system_has_a_place_of_its_own(read, place):
    mount = f"FileSystemConfigs: [{{Arn: a, LocalMountPath: {place}}}]"

    with pytest.raises(TemplateError, match="is no place such as /mnt/files"):
        read(property_of_function(mount))


def test_a_destination_without_an_arn_is_the_queue_or_topic_that_sam_makes(read):
    destinations = "{OnSuccess: {Type: SQS}, OnFailure: {Type: SNS}}"
    config = f"EventInvokeConfig: {{DestinationConfig: {destinations}}}"
    named = "Environment: {Variables: {TOPIC: !Ref PagesEventInvokeConfigOnFailureTopic}}"
    template = read(f"{property_of_function(config)}      {named}\n")
    function = template.functions["Pages"]
    topic = "arn:aws:sns:eu-west-1:000000000000:PagesEventInvokeConfigOnFailureTopic"

    assert function.asynchronous.on_success == Target(
        kind="SQS", name="PagesEventInvokeConfigOnSuccessQueue"
    )
    assert function.asynchronous.on_failure == Target(kind="SNS", name=topic)
    assert function.environment == {"TOPIC": topic}
    assert list(template.queues) == ["PagesEventInvokeConfigOnSuccessQueue"]
    assert list(template.made) == ["PagesEventInvokeConfigOnFailureTopic"]
