"""What is read from a SAM template, and what is refused with which sentence."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from local.template import Mapping, Queue, Route, Schedule, Template, TemplateError, Throttle, load

HEAD = """
AWSTemplateFormatVersion: 2010-09-09
Transform: AWS::Serverless-2016-10-31
"""

FUNCTION = """
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.pages
      Runtime: python3.13
      CodeUri: .
"""

API = """
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_template(text: str) -> Path:
        path = tmp_path / "template.yaml"
        path.write_text(textwrap.dedent(text))
        return path

    return write_template


@pytest.fixture
def read(write: Any) -> Any:
    """Loads resources, with whatever sections stand before them."""

    def load_resources(resources: str, *, before: str = "", **options: Any) -> Template:
        return load(write(f"{HEAD}{before}\nResources:\n{resources}"), **options)

    return load_resources


def property_of_function(line: str) -> str:
    return f"{FUNCTION}      {line}\n"


def test_the_projects_own_template_can_be_run_whole():
    template = load(Path(__file__).parents[2] / "template.yaml")

    assert template.warnings == ()
    assert {"PaymentsFunction", "PaymentsWorker", "AuthorizerFunction"} <= set(template.functions)
    assert template.queues["PaymentsQueue"].dead_letter == "payments-dlq"
    assert all(mapping.report_failures for mapping in template.mappings)


def test_a_function_has_lambdas_defaults(read, tmp_path):
    function = read(FUNCTION).functions["Pages"]

    assert (function.name, function.handler) == ("Pages", "app.pages")
    assert (function.timeout_s, function.memory_mb) == (3, 128)
    assert function.code_uri == tmp_path
    assert (function.reserved_concurrency, function.environments) == (None, 1)
    assert (function.layers, function.environment) == ((), {})


def test_globals_are_merged_as_sam_does(read):
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
  Shared: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: .}}}}
  Own: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: ..}}}}
"""

    function = read(resources, before=before).functions["Pages"]

    assert function.timeout_s == 4
    assert function.environment == {"A": "global", "B": "own", "C": "1", "D": "true"}
    assert [layer.name for layer in function.layers] == [
        function.code_uri.name,
        function.code_uri.parent.name,
    ]


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


def test_a_queue_with_its_dead_letter_queue(read):
    queues = read(
        """
  Work:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: work
      VisibilityTimeout: 60
      DelaySeconds: 5
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 4}
  Dead:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: 1209600}
"""
    ).queues

    assert queues["Work"] == Queue(
        logical_id="Work",
        name="work",
        visibility_timeout_s=60,
        delay_s=5,
        retention_s=345_600,
        max_receive_count=4,
        dead_letter="Dead",
    )
    assert queues["Dead"].retention_s == 1_209_600
    assert (queues["Dead"].max_receive_count, queues["Dead"].dead_letter) == (None, None)


def test_a_mapping_from_an_event_and_from_a_resource(read):
    template = read(
        FUNCTION
        + """
      Events:
        Messages:
          Type: SQS
          Properties:
            Queue: !GetAtt Work.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 7}
  Work: {Type: AWS::SQS::Queue}
  Second:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Work.Arn
      FunctionName: !Ref Pages
      BatchSize: 100
      MaximumBatchingWindowInSeconds: 2
"""
    )

    assert template.mappings == (
        Mapping(
            queue="Work",
            function="Pages",
            batch_size=5,
            window_s=0,
            report_failures=True,
            maximum_concurrency=7,
        ),
        Mapping(
            queue="Work",
            function="Pages",
            batch_size=100,
            window_s=2,
            report_failures=False,
            maximum_concurrency=None,
        ),
    )


ROUTES = """
      Events:
        One: {Type: Api, Properties: {RestApiId: !Ref Api, Method: get, Path: /one}}
        Any:
          Type: Api
          Properties:
            {RestApiId: !Ref Api, Method: ANY, Path: "/any/{rest+}", Auth: {Authorizer: NONE}}
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      BinaryMediaTypes: [image~1png]
      MethodSettings:
        - {ResourcePath: /~1one, HttpMethod: GET, ThrottlingRateLimit: 5, ThrottlingBurstLimit: 9}
        - {ResourcePath: "/*", HttpMethod: "*", LoggingLevel: INFO}
      Auth:
        DefaultAuthorizer: Tokens
        Authorizers:
          Tokens:
            FunctionArn: !GetAtt Pages.Arn
            Identity: {ReauthorizeEvery: 60}
      GatewayResponses:
        THROTTLED:
          StatusCode: 420
          ResponseParameters:
            Headers: {Retry-After: "'1'", X-Id: context.requestId}
          ResponseTemplates: {application/problem+json: "{}"}
"""


def test_routes_know_their_function_and_their_authorizer(read):
    api = read(FUNCTION + ROUTES).api

    assert api.routes[0] == Route(method="GET", path="/one", function="Pages", authorizer="Tokens")
    assert [route.method for route in api.routes[1:]] == [
        "DELETE",
        "GET",
        "HEAD",
        "OPTIONS",
        "PATCH",
        "POST",
        "PUT",
    ]
    assert {route.authorizer for route in api.routes[1:]} == {None}


def test_the_api_brings_authorizers_responses_throttles_and_binary_types(read):
    api = read(FUNCTION + ROUTES).api

    tokens = api.authorizers["Tokens"]
    assert (tokens.function, tokens.header, tokens.ttl_s) == ("Pages", "Authorization", 60)
    throttled = api.gateway_responses["THROTTLED"]
    assert throttled.status == 420
    assert throttled.headers == {
        "Content-Type": "application/problem+json",
        "Retry-After": "1",
        "X-Id": "$context.requestId",
    }
    assert throttled.body_template == "{}"
    assert api.throttles == (Throttle(path="/one", method="GET", rate_per_s=5, burst=9),)
    assert api.binary_types == ("image/png",)


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
    "kind",
    ["AWS::IAM::Role", "AWS::Logs::LogGroup", "AWS::CloudWatch::Alarm", "AWS::SNS::Topic"],
)
def test_what_has_no_effect_on_one_machine_is_accepted(read, kind):
    assert read(f"{FUNCTION}  Thing: {{Type: {kind}, Properties: {{Any: thing}}}}\n").warnings == ()


REFUSED = [
    ("  Table: {Type: AWS::DynamoDB::Table}", "Table", "Type", "AWS::DynamoDB::Table is not emul"),
    (property_of_function("InlineCode: x"), "Pages", "InlineCode", "is not emulated"),
    (property_of_function("Events: {A: {Type: S3}}"), "Pages", "Events.A", "events of type S3"),
    (property_of_function("Layers: ['arn:aws:lambda:x']"), "Pages", "Layers", "no layer of this"),
    (API + "      Cors: '*'", "Api", "Cors", "is not emulated"),
    (API + "      Auth: {ApiKeyRequired: true}", "Api", "Auth.ApiKeyRequired", "is not emulated"),
]


@pytest.mark.parametrize(("resources", "resource", "property", "sentence"), REFUSED)
def test_what_is_not_emulated_is_refused_by_name(read, resources, resource, property, sentence):
    with pytest.raises(TemplateError) as caught:
        read(resources)

    error = caught.value
    assert (error.resource, error.property) == (resource, property)
    assert sentence in error.sentence
    assert str(error) == f"{error.file}: {resource}: {property}: {error.sentence}"


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
        (FUNCTION.replace("python3.13", "nodejs22.x"), "Pages: Runtime", "only python3.x"),
        (FUNCTION.replace("CodeUri: .", "CodeUri: nowhere"), "Pages: CodeUri", "no directory"),
        (FUNCTION.replace("      Handler: app.pages\n", ""), "Pages: Handler", "is missing"),
        (property_of_function("Timeout: 0"), "Pages: Timeout", "1 to 900"),
        (property_of_function("Timeout: soon"), "Pages: Timeout", "whole number"),
        (property_of_function("Timeout: true"), "Pages: Timeout", "whole number"),
        (property_of_function("MemorySize: !Ref Nothing"), "Pages", "!Ref Nothing: no such"),
        (property_of_function("MemorySize: !GetAtt Nothing.Arn"), "Pages", "no such resource"),
        (property_of_function("MemorySize: !Cidr [a]"), "Pages", "Fn::Cidr is not emulated"),
        (property_of_function("MemorySize: !Select [9, [a]]"), "Pages", "Fn::Select has argum"),
        (property_of_function("MemorySize: !If [Nope, 1, 2]"), "Pages", "no condition 'Nope'"),
        (property_of_function("Environment: {Variables: {A: [1]}}"), "Pages: Env", "be text"),
        (property_of_function("Events: {A: {Properties: {}}}"), "Pages: Events.A.Type", "missing"),
        (FUNCTION + "    Metadata: {Spillway: {Environments: 0}}", "Pages: Metadata", "1 to 64"),
        (FUNCTION + "    Metadata: {Spillway: {Env: 1}}", "Pages: Metadata.Spillway.Env", "not em"),
        ("  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: a b}}", "Q: QueueName", "1 to 80"),
        ("  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}", "Q: FifoQueue", "FIFO"),
        (API + API.replace("Api:", "Two:", 1), "Two: Type", "one API a template"),
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

    assert f"template.yaml: {place}" in str(caught.value)
    assert sentence in caught.value.sentence


def event(properties: str) -> str:
    return f"{API}{FUNCTION}      Events: {{A: {{Type: Api, Properties: {properties}}}}}\n"


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ("{RestApiId: !Ref Api, Method: GET, Path: nope}", "is no resource path"),
        ("{RestApiId: !Ref Api, Method: GET, Path: '/{a+}/b'}", "is no resource path"),
        ("{RestApiId: !Ref Api, Method: FETCH, Path: /a}", "is none of"),
        ("{Method: GET, Path: /a}", "has to be !Ref Api"),
        ("{RestApiId: !Ref Api, Method: GET, Path: /a, Auth: {Authorizer: X}}", "not an author"),
        ("{RestApiId: !Ref Api, Method: GET, Path: /a, RequestModel: {}}", "is not emulated"),
    ],
)
def test_a_route_that_cannot_be_is_refused(read, properties, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(event(properties))


def test_a_route_cannot_stand_twice(read):
    events = """
      Events:
        A: {Type: Api, Properties: {RestApiId: !Ref Api, Method: GET, Path: "/a/{b}"}}
        B: {Type: Api, Properties: {RestApiId: !Ref Api, Method: GET, Path: "/a/{c}"}}
"""
    with pytest.raises(TemplateError, match="is a route of Pages already"):
        read(API + FUNCTION + events)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Resources:\n  A: [\n", "line 3: "),
        ("Resources:\n  A: {}\n  A: {}\n", "line 3: the key 'A' stands twice"),
        ("Resources:\n\tA: {}\n", "line 2: "),
        ("- a list", "needs a section Resources"),
        ("Resources: []", "needs a section Resources"),
        ("[" * 2000, "nested too deep"),
        ("Transform: AWS::Other\nResources: {}", "AWS::Other is not emulated"),
        ("Globals: {HttpApi: {}}\nResources: {}", "Globals for HttpApi"),
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
    ("parameters", "sentence"),
    [
        ({"Other": "x"}, "is not declared"),
        ({"Size": "large"}, "'large' is not one of small, big"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(read, parameters, sentence):
    before = "Parameters: {Size: {Type: String, Default: small, AllowedValues: [small, big]}}"

    with pytest.raises(TemplateError, match=sentence):
        read(FUNCTION, before=before, parameters=parameters)


def test_a_parameter_without_a_value_is_missed_only_where_it_is_needed(read):
    before = "Parameters: {Size: {Type: Number}}"

    assert read(FUNCTION, before=before).functions["Pages"].memory_mb == 128
    with pytest.raises(TemplateError, match="only AWS knows this value"):
        read(property_of_function("MemorySize: !Ref Size"), before=before)


def test_a_condition_that_depends_on_itself_is_refused(read):
    before = "Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}"

    with pytest.raises(TemplateError, match="depends on itself"):
        read(FUNCTION + "    Condition: A\n", before=before)


@pytest.mark.parametrize(
    ("kind", "name", "expression", "every_s"),
    [
        ("Schedule", "Schedule", "rate(1 minute)", 60),
        ("ScheduleV2", "ScheduleExpression", "rate(5 minutes)", 300),
        ("ScheduleV2", "ScheduleExpression", "rate(2 hours)", 7200),
        ("Schedule", "Schedule", "rate(1 day)", 86_400),
    ],
)
def test_a_schedule_is_read_with_its_rate_and_event(read, kind, name, expression, every_s):
    template = read(_scheduled(kind, f"{{{name}: {expression}, Input: '{{\"all\": true}}'}}"))

    assert template.schedules == (Schedule(function="Pages", every_s=every_s, event={"all": True}),)


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ("{Schedule: 'cron(0 12 * * ? *)'}", "is not emulated; use rate"),
        ("{Schedule: rate(0 minutes)}", "is not emulated; use rate"),
        ("{Schedule: rate(1 minute), Enabled: false}", "switched off"),
        ("{Schedule: rate(1 minute), Input: nonsense}", "is no JSON"),
        ("{Schedule: rate(1 minute), DeadLetterConfig: {}}", "DeadLetterConfig"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(read, properties, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(_scheduled("Schedule", properties))


def test_a_function_may_run_more_often_here_than_aws_can(read):
    metadata = "    Metadata: {Spillway: {EverySeconds: 2}}\n"
    template = read(_scheduled("Schedule", "{Schedule: rate(1 minute)}") + metadata)

    assert template.functions["Pages"].every_s == 2


def _scheduled(kind: str, properties: str) -> str:
    event = f"{{Type: {kind}, Properties: {properties}}}"
    return property_of_function(f"Events: {{Often: {event}}}")
