"""The validation of requests, in the three forms in which a template can want it."""

import pytest

from local.template import TemplateError, Validation
from local.template.validation import DRAFT
from tests.unit.local.template.template_texts import FUNCTION, event

INTEGRATION = """
              x-amazon-apigateway-integration:
                {type: aws_proxy, httpMethod: POST, uri: !Sub "arn:aws:apigateway:eu-west-1:\
lambda:path/2015-03-31/functions/${Pages.Arn}/invocations"}
"""
API = """
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
"""
PET = "{type: object, properties: {kind: {$ref: '#/definitions/Kind'}}}"
MODELS = f"{{Pet: {PET}, Kind: {{enum: [a]}}}}"
OF_SAM = f"""{API}      Models: {MODELS}
{FUNCTION}      Events:
        A:
          Type: Api
          Properties:
            RestApiId: !Ref Api
            Path: /a
            Method: post
            RequestModel: {{Model: Pet, ValidateBody: true, ValidateParameters: true}}
            RequestParameters:
              - method.request.querystring.q: {{Required: true}}
              - method.request.header.X-A: {{Required: true, Caching: false}}
              - method.request.header.X-B
"""
OF_OPENAPI_2 = f"""{FUNCTION}{API}      DefinitionBody:
        swagger: "2.0"
        x-amazon-apigateway-request-validators:
          all: {{validateRequestBody: true, validateRequestParameters: true}}
        x-amazon-apigateway-request-validator: all
        definitions: {MODELS}
        paths:
          /a:
            parameters: [{{name: q, in: query, required: true}}]
            post:
              parameters:
                - {{name: X-A, in: header, required: true}}
                - {{name: X-B, in: header}}
                - {{name: Pet, in: body, schema: {{$ref: '#/definitions/Pet'}}}}{INTEGRATION}"""
OF_OPENAPI_3 = f"""{FUNCTION}{API}      DefinitionBody:
        openapi: 3.0.1
        x-amazon-apigateway-request-validators:
          all: {{validateRequestBody: true, validateRequestParameters: true}}
        components: {{schemas: {MODELS.replace("definitions", "components/schemas")}}}
        paths:
          /a:
            post:
              x-amazon-apigateway-request-validator: all
              parameters:
                - {{name: q, in: query, required: true}}
                - {{name: X-A, in: header, required: true}}
              requestBody:
                content:
                  application/json: {{schema: {{$ref: '#/components/schemas/Pet'}}}}{INTEGRATION}"""
OF_RESOURCES = f"""{FUNCTION}
  Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: pets}}}}
  A:
    Type: AWS::ApiGateway::Resource
    Properties: {{RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: a}}
  Kind:
    Type: AWS::ApiGateway::Model
    Properties: {{RestApiId: !Ref Api, Schema: {{enum: [a]}}}}
  Pet:
    Type: AWS::ApiGateway::Model
    Properties:
      RestApiId: !Ref Api
      Schema: >-
        {{"$schema": "{DRAFT}", "type": "object", "properties": {{"kind":
        {{"$ref": "https://apigateway.amazonaws.com/restapis/x/models/Kind"}}}}}}
  All:
    Type: AWS::ApiGateway::RequestValidator
    Properties: {{RestApiId: !Ref Api, ValidateRequestBody: true, ValidateRequestParameters: true}}
  Post:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref A
      HttpMethod: POST
      RequestValidatorId: !Ref All
      RequestModels: {{application/json: !Ref Pet}}
      RequestParameters:
        method.request.querystring.q: true
        method.request.header.X-A: true
        method.request.header.X-B: false
      Integration:
        Type: AWS_PROXY
        IntegrationHttpMethod: POST
        Uri: !Sub "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${{Pages.Arn}}/\
invocations"
"""


@pytest.mark.parametrize("resources", [OF_SAM, OF_OPENAPI_2, OF_OPENAPI_3, OF_RESOURCES])
def test_a_route_knows_what_its_requests_have_to_have(read, resources):
    (route,) = read(resources).api.routes
    kind = {"enum": ["a"]}
    validation = route.validation

    assert validation.parameters == (
        *("method.request.querystring.q", "method.request.header.X-A"),
    )
    (schema,) = validation.schemas.values()
    models = schema["definitions"]
    assert [*validation.schemas] == ["application/json"]
    assert models["Kind"] == kind
    assert models["Pet"]["properties"] == {"kind": {"$ref": "#/definitions/Kind"}}


def test_a_description_that_nobody_validates_has_no_effect(read):
    described = "RequestParameters: [method.request.header.A], RequestModel: {Model: M}"
    template = read(event(f"{{RestApiId: !Ref Api, Method: GET, Path: /a, {described}}}"))

    assert [route.validation for route in template.api.routes] == [None]
    assert template.warnings == ()


def test_only_parameters_are_validated_where_only_they_are_to_be(read):
    (route,) = read(OF_SAM.replace("ValidateBody: true", "ValidateBody: false")).api.routes

    assert route.validation == Validation(
        parameters=("method.request.querystring.q", "method.request.header.X-A"), schemas={}
    )


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        (OF_SAM.replace("Model: Pet", "Model: Cat"), "'Cat' is no model of the API"),
        (OF_SAM.replace("enum: [a]", "enum: a"), "a model is no JSON schema"),
        (OF_SAM.replace("{enum: [a]}", "{$ref: 'http://a/b'}"), "http://a/b is not fetched"),
        (OF_SAM.replace("header.X-A", "body.X-A"), "body.X-A is no method.request.querystring"),
        (OF_OPENAPI_2.replace("validator: all", "validator: any"), "'any' is none of"),
        (OF_RESOURCES.replace("Id: !Ref All", "Id: far"), "'far' is none of"),
    ],
)
def test_a_validation_that_cannot_be_is_refused(read, resources, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(resources)


def test_a_model_may_belong_to_the_api_that_sam_makes(read):
    resources = f"""{FUNCTION}      Events:
        A: {{Type: Api, Properties: {{Path: /a, Method: get}}}}
  Pet:
    Type: AWS::ApiGateway::Model
    Properties: {{RestApiId: !Ref ServerlessRestApi, Schema: {{type: object}}}}
"""
    assert read(resources).warnings == ()


def test_a_model_may_refer_to_a_part_of_another(read):
    part = OF_OPENAPI_3.replace("/schemas/Pet'}", "/schemas/Pet/properties/kind'}")
    (route,) = read(part).api.routes

    assert route.validation.schemas["application/json"] != {}


def test_a_definition_without_validators_validates_nothing(read):
    text = OF_OPENAPI_2.replace("request-validators:", "request-others:", 1)
    template = read(text, allow_unsupported=True)

    assert template.api.routes[0].validation is None
    assert "there are no x-amazon-apigateway-request-validators" in " ".join(template.warnings)
