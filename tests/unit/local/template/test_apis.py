"""Several APIs in one template: which event belongs to which, and which has the main address."""

import pytest

from local.template import TemplateError
from local.template.api_builder import APIS_MAX
from local.template.generated import API_URLS_VARIABLE
from tests.unit.local.template.template_texts import FUNCTION

OTHER = FUNCTION.replace("Pages:", "Other:")
REST = "  Pets: {Type: AWS::Serverless::Api, Properties: {StageName: v1}}\n"
HTTP = "  Cars: {Type: AWS::Serverless::HttpApi}\n"
URL = "      FunctionUrlConfig: {AuthType: NONE}\n"


def events(*lines: str) -> str:
    pairs = "".join(f"        E{index}: {line}\n" for index, line in enumerate(lines))
    return f"      Events:\n{pairs}"


def paths(template):
    return {api.name: [route.path for route in api.routes] for api in template.apis}


def test_each_event_belongs_to_the_api_that_it_names(read):
    text = (
        REST
        + HTTP
        + FUNCTION
        + events(
            "{Type: HttpApi, Properties: {Path: /cars, Method: GET, ApiId: !Ref Cars}}",
            "{Type: Api, Properties: {Path: /pets, Method: GET, RestApiId: !Ref Pets}}",
        )
    )

    assert paths(read(text)) == {"Pets": ["/pets"], "Cars": ["/cars"]}


def test_an_event_that_names_no_api_belongs_to_the_one_that_sam_makes(read):
    text = (
        REST
        + FUNCTION
        + events(
            "{Type: Api, Properties: {Path: /own, Method: GET}}",
            "{Type: Api, Properties: {Path: /pets, Method: GET, RestApiId: !Ref Pets}}",
            "{Type: HttpApi, Properties: {Path: /http, Method: GET}}",
        )
    )

    assert paths(read(text)) == {
        "Pets": ["/pets"],
        "ServerlessRestApi": ["/own"],
        "ServerlessHttpApi": ["/http"],
    }


def test_each_function_with_a_url_has_an_api_of_its_own(read, monkeypatch):
    monkeypatch.setenv(API_URLS_VARIABLE, '{"": "http://a", "OtherUrlApi": "http://b"}')
    knows = "      Environment: {Variables: {OWN: !GetAtt OtherUrl.FunctionUrl}}\n"
    template = read(FUNCTION + URL + OTHER + URL + knows)

    assert [api.name for api in template.apis] == ["PagesUrlApi", "OtherUrlApi"]
    assert template.functions["Other"].environment == {"OWN": "http://b/"}


def test_an_api_without_a_route_has_no_address(read):
    text = REST + FUNCTION + events("{Type: Api, Properties: {Path: /own, Method: GET}}")

    assert paths(read(text)) == {"ServerlessRestApi": ["/own"]}


def test_the_same_path_may_stand_in_two_apis(read):
    same = "Path: /a, Method: GET"
    text = (
        REST
        + FUNCTION
        + events(
            f"{{Type: Api, Properties: {{{same}}}}}",
            f"{{Type: Api, Properties: {{{same}, RestApiId: !Ref Pets}}}}",
        )
    )

    assert paths(read(text)) == {"Pets": ["/a"], "ServerlessRestApi": ["/a"]}


def test_more_apis_than_ports_are_refused_by_name(read):
    functions = "".join(
        FUNCTION.replace("Pages:", f"Pages{index}:", 1) + URL for index in range(APIS_MAX + 1)
    )

    with pytest.raises(TemplateError, match=f"{APIS_MAX} APIs and URLs of functions are served"):
        read(functions)


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("https://${ServerlessRestApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/Prod/", "a/"),
        ("https://${ServerlessRestApi}.execute-api.us-east-1.amazonaws.com/Prod", "a"),
        ("https://${Pets}.execute-api.eu-west-1.amazonaws.com/prod/pets?a=b", "b/pets?a=b"),
        ("https://${ServerlessHttpApi}.execute-api.eu-west-1.amazonaws.com/http", "c/http"),
        ("${ServerlessHttpApi.ApiEndpoint}/http", "c/http"),
    ],
)
def test_the_address_that_an_api_has_on_aws_is_its_own_here(read, monkeypatch, value, resolved):
    addresses = '{"Pets": "http://b", "": "http://a", "ServerlessHttpApi": "http://c"}'
    monkeypatch.setenv(API_URLS_VARIABLE, addresses)
    knows = f"      Environment: {{Variables: {{OWN: !Sub '{value}'}}}}\n"
    template = read(REST + FUNCTION + knows)

    assert template.functions["Pages"].environment == {"OWN": f"http://{resolved}"}
