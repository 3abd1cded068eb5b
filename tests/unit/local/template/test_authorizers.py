"""Authorizers of AWS's own: signatures, and the tokens of user pools."""

import pytest

from local.template import PoolAuthorizer, SignatureAuthorizer, TemplateError
from tests.unit.local.template.template_texts import FUNCTION, event, property_of_function

ROUTE = "{Path: /a, Method: GET, RestApiId: !Ref Api}"
INTEGRATION = "x-amazon-apigateway-integration"
POOL = "arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_a"


def with_auth(auth: str) -> str:
    return event(ROUTE).replace("StageName: prod", f"StageName: prod\n      Auth: {auth}")


@pytest.mark.row("1.65")
def test_an_authorizer_with_user_pools_takes_the_tokens_of_each(read):
    pools = f"[{POOL}, {POOL}b]"
    identity = "Identity: {Header: X-Token, ValidationExpression: 'app.*'}"
    auth = f"{{DefaultAuthorizer: P, Authorizers: {{P: {{UserPoolArn: {pools}, {identity}}}}}}}"
    api = read(with_auth(auth)).api

    assert api.routes[0].authorizer == "P"
    assert api.authorizers["P"] == PoolAuthorizer(
        name="P",
        source="header.X-Token",
        issuers=(
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_ab",
        ),
        validation="app.*",
    )


def test_scopes_of_a_user_pool_are_those_of_its_routes(read):
    pool = f"{{UserPoolArn: {POOL}, AuthorizationScopes: [read]}}"
    route = "{Path: /a, Method: GET, RestApiId: !Ref Api}"
    auth = f"StageName: prod\n      Auth: {{DefaultAuthorizer: P, Authorizers: {{P: {pool}}}}}"
    text = event(route).replace("StageName: prod", auth)

    assert read(text).api.routes[0].scopes == ("read",)


@pytest.mark.row("1.66")
@pytest.mark.parametrize(
    "text",
    [
        with_auth("{DefaultAuthorizer: AWS_IAM}"),
        event("{Path: /a, Method: GET, RestApiId: !Ref Api, Auth: {Authorizer: AWS_IAM}}"),
        property_of_function("FunctionUrlConfig: {AuthType: AWS_IAM}"),
        FUNCTION
        + "      Events: {A: {Type: HttpApi, Properties: {Auth: {Authorizer: AWS_IAM}}}}\n",
    ],
)
def test_a_route_may_want_a_signature(read, text):
    api = read(text).api

    assert {route.authorizer for route in api.routes} == {"AWS_IAM"}
    assert api.authorizers["AWS_IAM"] == SignatureAuthorizer()


def test_an_operation_of_a_definition_may_want_a_signature(read):
    function = "functions/arn:aws:lambda:eu-west-1:000000000000:function:Pages/invocations"
    called = f"{{type: aws_proxy, uri: '{function}'}}"
    operation = f"x-amazon-apigateway-auth: {{type: AWS_IAM}}, {INTEGRATION}: {called}"
    body = f"{{paths: {{/a: {{get: {{{operation}}}}}}}}}"
    properties = f"{{StageName: prod, DefinitionBody: {body}}}"
    api = f"  Api: {{Type: AWS::Serverless::Api, Properties: {properties}}}\n"

    assert read(FUNCTION + api).api.routes[0].authorizer == "AWS_IAM"


def test_a_url_of_a_function_wants_a_signature_or_nothing(read):
    with pytest.raises(TemplateError, match="IAM is neither NONE nor AWS_IAM"):
        read(property_of_function("FunctionUrlConfig: {AuthType: IAM}"))


def test_what_sam_does_not_know_of_an_authorizer_or_route_is_passed_over_with_a_word(read):
    pool = f"{{UserPoolArn: {POOL}, ProviderARNs: [{POOL}], Identity: {{Header: X, Ttl: 3}}}}"
    auth = f"StageName: prod\n      Auth: {{DefaultAuthorizer: P, Authorizers: {{P: {pool}}}}}"
    route = ROUTE.replace("}", ", Auth: {ApiKey: true}}")
    template = read(event(route).replace("StageName: prod", auth))

    assert (template.api.routes[0].authorizer, template.api.routes[0].needs_key) == ("P", False)
    assert [each.split(": ")[-2:] for each in template.warnings] == [
        [f"{place}", "SAM knows no such property here, and passes over it"]
        for place in (
            "Auth.Authorizers.P.ProviderARNs",
            "Auth.Authorizers.P.Identity.Ttl",
            "Events.A.Properties.Auth.ApiKey",
        )
    ]
