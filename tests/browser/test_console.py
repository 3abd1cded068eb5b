"""The console's page in a real browser, on a gateway that answers: `make console-test`."""

import json
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser
from tests.browser.conftest import shows
from tests.conftest import wait_until
from tests.integration.gateway_process import GatewayProcess, returns

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Metadata: {Spillway: {Ready: /ready}}
Resources:
  Probe:
    Type: AWS::Serverless::Function
    Properties:
      Handler: probe.handler
      Runtime: python3.13
      CodeUri: functions/
      Events:
        Ready: {Type: Api, Properties: {Path: /ready, Method: GET}}
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Handler: pages.handler
      Runtime: python3.13
      CodeUri: functions/
      Environment: {Variables: {STRIPE_SECRET: sk_live_1234567, PLAIN: <i>plain</i>}}
      Events:
        Page: {Type: Api, Properties: {Path: "/pages/{name}", Method: GET}}
"""
PRINTED = "[ERROR] <img src=x onerror=alert(1)> in <b>bold</b>\n"
VIEWS = [
    "overview",
    "functions",
    "functions/Pages",
    "requests",
    "traces",
    "queues",
    "loads",
    "payments",
]
WIDTHS = [360, 800, 1280]
# Whether the name of the open view can be seen in the navigation, where it is there.
TAB_IN_SIGHT = """(() => {
  const tab = document.querySelector("#navigation [aria-current]")?.getBoundingClientRect();
  const bar = document.querySelector("#navigation").getBoundingClientRect();
  return !tab || (tab.left >= bar.left - 1 && tab.right <= bar.right + 1);
})()"""
# In it nothing may be wider than the window; what is in a scroller of its own may.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Whether all of every table can be seen at once.
TABLES_FIT = """[...document.querySelectorAll('.wide')].every(
  each => each.scrollWidth <= each.clientWidth)"""
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), TEMPLATE) as gateway:
        gateway.environment("Pages", returns({"statusCode": 200, "body": "hi"}, stdout=PRINTED))
        gateway.request("GET", "/pages/<b>bold", headers={"Authorization": "Bearer abcdefgh"})
        unready = {"dependencies": {"queues": "unavailable"}, "left_alone": ["mail server"]}
        gateway.environment("Probe", returns({"statusCode": 503, "body": json.dumps(unready)}))
        yield gateway


def address(gateway: GatewayProcess, view: str = "") -> str:
    return f"http://127.0.0.1:{gateway.console_port}/#/{view}"


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_opens_without_an_error_and_fits_every_width(gateway, page: Browser, view):
    page.open(address(gateway, view))
    wait_until(lambda: page.evaluate("document.querySelector('main h1')?.textContent ?? ''"))

    for width in WIDTHS:
        page.resize(width, dark=width == 800)
        assert page.evaluate(OVERFLOW) <= 0
        wait_until(lambda: page.evaluate(TAB_IN_SIGHT))
        wait_until(lambda: page.evaluate(TABLES_FIT))
    assert "This view failed" not in page.text()
    assert page.errors == []


def test_the_overview_says_what_is_not_ready_and_what_is_left_alone(gateway, page: Browser):
    page.open(address(gateway))

    shown = shows(page, "Not ready (503): queues.")
    assert "Left alone for a moment, after failures: mail server." in shown


def test_names_logs_and_values_are_shown_as_text_and_secrets_are_not(gateway, page: Browser):
    page.open(address(gateway, "functions/Pages"))
    log = shows(page, "onerror=alert(1)")
    about = shows(page, "STRIPE_SECRET")
    page.open(address(gateway, "requests"))
    requests = shows(page, "/pages/<b>bold")

    assert "<img src=x" in log
    assert "<i>plain</i>" in about
    assert "sk_live_1234567" not in about
    assert "Pages" in requests
    assert page.evaluate("document.querySelectorAll('main img, main b, main i').length") == 0
    assert page.errors == []


def test_a_request_is_opened_by_keyboard_and_sent_again(gateway, page: Browser):
    page.open(address(gateway, "requests"))
    shows(page, "/pages/<b>bold")
    rows = "[...document.querySelectorAll('tr.opens')]"
    page.evaluate(f"{rows}.find(row => row.textContent.includes('/pages/')).focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r")
    shows(page, "Send again")
    pages = gateway.environments[0]
    before = len(pages.frames)
    page.evaluate(
        "[...document.querySelectorAll('button')].find(b => b.textContent == 'Send again').click()"
    )

    assert "wait for an environment" in shows(page, "It was answered with 200")
    assert len(pages.frames) == before + 1
    assert "abcdefgh" not in page.text()


def test_a_function_is_invoked_by_its_form(gateway, page: Browser):
    page.open(address(gateway, "functions/Pages"))
    wait_until(
        lambda: "httpMethod" in page.evaluate("document.querySelector('textarea')?.value ?? ''")
    )
    page.evaluate(
        "[...document.querySelectorAll('button')].find(b => b.textContent == 'Invoke').click()"
    )

    assert '"statusCode": 200' in shows(page, "Result")


def test_charts_show_the_values_under_the_pointer(gateway, page: Browser):
    page.resize(1280)
    page.open(address(gateway, "overview"))
    wait_until(
        lambda: page.evaluate("document.querySelectorAll('.chart path.line').length") > 5, 20
    )
    page.evaluate("document.querySelector('.chart svg').focus()")
    for _ in range(2):
        page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowLeft", code="ArrowLeft")

    assert wait_until(
        lambda: page.evaluate("document.querySelector('.readout:not([hidden])')?.textContent")
    )
    assert "requests a second" in page.text().lower()


def test_a_page_that_was_open_while_the_system_went_down_says_so_and_recovers(
    gateway, page: Browser
):
    page.open(address(gateway, "overview"))
    shows(page, "as of")
    gateway.kill()
    shows(page, "The system is down")
    gateway.__enter__()
    wait_until(lambda: "The system is down" not in page.text() and "as of" in page.text(), 20)

    page.open(address(gateway, "functions"))
    assert "invocations" in shows(page, "Pages")


def test_a_view_that_reads_once_says_too_when_the_system_is_down_and_recovers(
    gateway, page: Browser
):
    page.open(address(gateway, "traces/00"))
    shows(page, "No such trace")
    gateway.kill()
    shows(page, "The system is down")
    gateway.__enter__()

    assert wait_until(lambda: "The system is down" not in page.text(), 20)
