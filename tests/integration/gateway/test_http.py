"""HTTP as hostile and slow clients send it: refused and closed, never interpreted."""

import json
import re
import socket
from collections.abc import Iterator

import pytest

from tests.conftest import wait_until
from tests.integration.gateway_process import GatewayProcess, ok, read_all, read_response

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties: {StageName: prod}
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.pages
      Runtime: python3.13
      CodeUri: functions/
      Events:
        Page:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: ANY, Path: "/pages/{name}"}
"""

HEAD = b"POST /pages/one HTTP/1.1\r\nHost: a\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /pages/%b HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /pages/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), TEMPLATE) as process:
        process.environment("Pages", ok)
        yield process


@pytest.mark.parametrize("value", [b"v", b" v", b"v \t", b"\t v\t ", b"v" + b" " * 100])
def test_the_whitespace_around_a_header_s_value_is_not_its_own(gateway, value):
    answer = gateway.raw(LAST[:-2] + b"X-A:" + value + b"\r\n\r\n")

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]["X-A"] == "v"


def test_whitespace_alone_is_an_empty_value_and_what_looks_like_it_is_kept(gateway):
    head = b"X-A: \t \r\nX-B:\r\nX-C: v\xa0\r\n"
    answer = gateway.raw(LAST[:-2] + head + b"\r\n")
    headers = json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]

    assert (headers["X-A"], headers["X-B"], headers["X-C"]) == ("", "", "v\xa0")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /pages/one HTTP/1.1\r\nHost: a \t\r\n\r\n",
        b"GET /pages/one HTTP/1.1\r\nHost:\ta:80\t\r\n\r\n",
        b"GET http://a/pages/one HTTP/1.1\r\nHost: a \r\n\r\n",
        HEAD + b"Content-Length: 1 \t\r\n\r\nx",
        HEAD + b"Transfer-Encoding: chunked \r\n\r\n1\r\nx\r\n0\r\n\r\n",
        HEAD + b"Expect: 100-continue \t\r\nContent-Length: 1\r\n\r\nx",
    ],
)
def test_whitespace_behind_what_frames_a_request_changes_nothing(gateway, sent):
    assert gateway.raw(sent + LAST).count(b"HTTP/1.1 200 ") == 2


def test_a_connection_that_is_to_close_may_say_so_with_whitespace_behind_it(gateway):
    head = b"GET /pages/one HTTP/1.1\r\nHost: a\r\nConnection: x , close\t \r\n\r\n"
    answer = gateway.raw(head + GET % b"two")

    assert (answer.count(b"HTTP/1.1 200"), answer.count(b"Connection: close")) == (1, 1)


@pytest.mark.parametrize(
    "header",
    [
        b"X-A : v",
        b"X-A\t: v",
        b" X-A: v",
        b"X-A: v\r\n w",
        b"X-A:\r\n\tv",
        b"Host : a",
        b"Content-Length : 0",
        b"Content-Length:",
        b"Content-Length: 0 0",
        b"Content-Length: 0, 0",
        b"Content-Length: 0\r\nContent-Length: 0",
        b"Content-Length: 0\r\ncontent-length: 0 ",
        b"Transfer-Encoding: \t",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: chun\r\n ked",
    ],
)
def test_whitespace_where_none_may_be_and_lengths_in_doubt_are_400(gateway, header):
    answer = gateway.raw(b"POST /pages/one HTTP/1.1\r\nHost: a\r\n" + header + b"\r\n\r\n" + LAST)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"GET /pages/one\r\n\r\n", id="HTTP/0.9"),
        pytest.param(b"GET /pages/one HTTP/2.0\r\nHost: a\r\n\r\n", id="a version that is not 1.x"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01", id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"FETCH /pages/one HTTP/1.1\r\nHost: a\r\n\r\n", id="an unknown method"),
        pytest.param(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", id="CONNECT"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", id="asterisk form"),
        pytest.param(b"GET pages/one HTTP/1.1\r\nHost: a\r\n\r\n", id="no leading slash"),
        pytest.param(b"GET /pages/\x01 HTTP/1.1\r\nHost: a\r\n\r\n", id="control in the target"),
        pytest.param(b"GET http://b/pages/one HTTP/1.1\r\nHost: a\r\n\r\n", id="another host"),
        pytest.param(b"GET http://u@a/pages/one HTTP/1.1\r\nHost: a\r\n\r\n", id="a user"),
        pytest.param(b"GET ftp://a/pages/one HTTP/1.1\r\nHost: a\r\n\r\n", id="another scheme"),
        pytest.param(b"GET /pages/one HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"GET /pages/one HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="two hosts"),
        pytest.param(b"GET /pages/one HTTP/1.1\nHost: a\n\n", id="bare line feeds"),
        pytest.param(b"GET /pages/one HTTP/1.1\r\nHost : a\r\n\r\n", id="space before the colon"),
        pytest.param(b"GET /pages/one HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", id="a fold"),
        pytest.param(b"GET /pages/one HTTP/1.1\r\nHost: a\x00b\r\n\r\n", id="NUL in a value"),
        pytest.param(b"GET /pages/one HTTP/1.1\r\nHost: a\r\nX\x00: b\r\n\r\n", id="NUL in a name"),
        pytest.param(b"GET /pages/one HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", id="no name"),
        pytest.param(
            HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="length and chunks",
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            id="chunks and length",
        ),
        pytest.param(
            HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", id="two equal lengths"
        ),
        pytest.param(
            HEAD + b"Content-Length: 3\r\ncontent-length: 4\r\n\r\nabcd", id="two lengths"
        ),
        pytest.param(HEAD + b"Content-Length: +3\r\n\r\nabc", id="a signed length"),
        pytest.param(HEAD + b"Content-Length: 3, 3\r\n\r\nabc", id="a list of lengths"),
        pytest.param(HEAD + b"Content-Length: -1\r\n\r\n", id="a negative length"),
        pytest.param(
            HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="another coding"
        ),
        pytest.param(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="almost chunked"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="chunked twice",
        ),
        pytest.param(b"GET /pages/one HTTP/1.1\r\nHost: a b/c\r\n\r\n", id="a host that is none"),
        pytest.param(b"GET /pages/one#a HTTP/1.1\r\nHost: a\r\n\r\n", id="a fragment"),
        pytest.param(b"GET /pages/one HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", id="a bare CR"),
        pytest.param(b"GET /pages/one HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n", id="a first fold"),
        pytest.param(
            HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", id="a space after chunks"
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc", id="an empty coding"
        ),
        *(
            pytest.param(CHUNKS + chunk, id=repr(chunk))
            for chunk in (
                b"0x3\r\nabc\r\n0\r\n\r\n",
                b"3 \r\nabc\r\n0\r\n\r\n",
                b"+3\r\nabc\r\n0\r\n\r\n",
                b"-3\r\nabc\r\n0\r\n\r\n",
                b"3\nabc\n0\n\n",
                b"3\r\nabcd\r\n0\r\n\r\n",
                b"3;a\nb\r\nabc\r\n0\r\n\r\n",
                b"3\r\nabc\r\n0\n\n",
            )
        ),
        pytest.param(CHUNKS + b"zz\r\n", id="a chunk without size"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", id="a huge chunk"
        ),
        pytest.param(
            b"POST /pages/one HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="chunks in HTTP/1.0",
        ),
    ],
)
def test_what_is_not_http_is_400_and_closed(gateway, request_bytes):
    answer = gateway.raw(request_bytes)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in head
    assert b"x-amzn-RequestId: " in head
    assert json.loads(body) == {"message": "Bad Request"}


@pytest.mark.row("1.12")
def test_a_bare_pipe_in_the_query_is_400_and_an_encoded_one_is_not(gateway):
    bare = gateway.raw(b"GET /pages/one?a=b|c HTTP/1.1\r\nHost: a\r\n\r\n")
    encoded = gateway.request("GET", "/pages/one?a=b%7Cc")

    assert bare.startswith(b"HTTP/1.1 400 ")
    assert encoded.json["queryStringParameters"] == {"a": "b|c"}


def test_nothing_after_a_framing_error_is_interpreted(gateway):
    smuggled = b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + GET % b"smuggled"

    answer = gateway.raw(HEAD + smuggled)

    assert answer.count(b"HTTP/1.1 ") == 1


def test_pipelined_requests_are_answered_in_order(gateway):
    names = [b"%d" % number for number in range(50)]

    answer = gateway.raw(b"".join(GET % name for name in names) + LAST)

    paths = [json.loads(part)["path"] for part in bodies(answer)]
    assert paths == [f"/pages/{name.decode()}" for name in names] + ["/pages/last"]


def test_a_malformed_request_behind_good_ones_is_answered_last(gateway):
    answer = gateway.raw(GET % b"one" + GET % b"two" + b"nonsense\r\n\r\n")

    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"200", b"200", b"400"]


def test_what_follows_a_last_request_is_ignored(gateway):
    answer = gateway.raw(GET % b"one" + LAST + GET % b"more")

    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"200", b"200"]


def test_pipelining_without_end_is_cut(gateway):
    answer = gateway.raw(GET % b"x" * 2000)

    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert answer.count(b"HTTP/1.1 200 ") <= 300


def test_bytes_may_come_one_by_one(gateway):
    request = HEAD + b"Content-Length: 3\r\nConnection: close\r\n\r\nabc"
    with connect(gateway) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            client.sendall(bytes([byte]))

        assert json.loads(bodies(read_all(client))[0])["body"] == "abc"


def test_chunks_and_trailers_make_one_body(gateway):
    chunks = b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"

    answer = gateway.raw(HEAD + b"Transfer-Encoding: Chunked\r\nConnection: close\r\n\r\n" + chunks)

    event = json.loads(bodies(answer)[0])
    assert event["body"] == "abcde"
    assert "X-Trailer" not in event["headers"]


def test_many_small_chunks_make_one_body(gateway):
    chunks = b"1;chunk-signature=%064d\r\nx\r\n" % 7 * 20_000 + b"0\r\n\r\n"

    answer = gateway.raw(GET % b"first" + CHUNKS + chunks + LAST)

    assert [len(json.loads(part)["body"] or "") for part in bodies(answer)] == [0, 20_000, 0]


def test_the_absolute_form_is_taken_for_the_same_host(gateway):
    request = b"GET http://a:1/pages/one?x=1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n"

    event = json.loads(bodies(gateway.raw(request))[0])

    assert (event["path"], event["queryStringParameters"]) == ("/pages/one", {"x": "1"})


def test_a_path_in_the_query_of_an_absolute_form_is_no_path(gateway):
    request = b"GET http://a?x=/pages/one HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    assert gateway.raw(request).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("host", "domain"),
    [("api.example:80", "api.example"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]")],
)
def test_the_domain_is_the_host_without_its_port(gateway, host, domain):
    event = gateway.request("GET", "/pages/one", headers={"Host": host}).json

    assert event["requestContext"]["domainName"] == domain


def test_http_1_0_is_closed_unless_it_asks_to_stay(gateway):
    closed = gateway.raw(b"GET /pages/one HTTP/1.0\r\n\r\n")
    with connect(gateway) as client:
        client.sendall(b"GET /pages/one HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        first, _ = read_response(client)
        client.sendall(LAST)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")

    assert b"Connection: close" in closed
    assert b"Connection: keep-alive" in first


@pytest.mark.row("1.16")
def test_head_is_answered_without_a_body(gateway):
    """HEAD is a method like another."""
    request = b"HEAD /pages/one HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    head, _, body = gateway.raw(request).partition(b"\r\n\r\n")

    assert body == b""
    assert b"Content-Length: 0" not in head


def test_a_client_that_expects_100_gets_it_before_its_body(gateway):
    with connect(gateway) as client:
        client.sendall(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert read_response(client)[0] == b"HTTP/1.1 100 Continue"
        client.sendall(b"ok")
        _, body = read_response(client)

    assert json.loads(body)["body"] == "ok"


def test_a_client_of_http_1_0_gets_nothing_but_its_answer(gateway):
    expecting = b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok"

    answer = gateway.raw(b"POST /pages/one HTTP/1.0\r\n" + expecting)

    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"200"]


def test_a_client_that_expects_anything_else_is_refused(gateway):
    answer = gateway.raw(HEAD + b"Content-Length: 2\r\nExpect: a-miracle\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 417 ")


def test_an_upgrade_is_answered_as_http_1_1_and_closed(gateway):
    request = b"GET /pages/one HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

    answer = gateway.raw(request + b"\x00\x00\x00")

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "begun",
    [HEAD + b"X: ", CHUNKS + b"0\r\nX: ", CHUNKS + b"0\r\nX", CHUNKS + b"1;x", CHUNKS + b'1;x="'],
    ids=["a header", "a trailer", "its name", "an extension", "its value"],
)
def test_what_has_no_end_is_cut_before_it_ends(gateway, begun):
    answer = gateway.raw(begun + b"x" * 50_000)

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.row("1.37")
def test_a_target_over_10240_bytes_is_refused(gateway):
    request = b"GET /pages/one?%b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    fits = gateway.raw(request % (b"x" * 10_000))
    too_long = gateway.raw(request % (b"x" * 10_240))

    assert fits.startswith(b"HTTP/1.1 200 ")
    assert too_long.startswith(b"HTTP/1.1 413 ")


def test_connections_that_are_cut_in_the_middle_leave_nothing_behind(gateway):
    before = gateway.metric("process_open_fds")
    for _ in range(50):
        with connect(gateway) as client:
            client.sendall(HEAD + b"Content-Length: 9\r\n\r\nabc")

    wait_until(lambda: gateway.metric("process_open_fds") <= before)


def connect(gateway: GatewayProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=15)


def bodies(answer: bytes) -> list[bytes]:
    """Return the bodies of all responses in `answer`."""
    bodies = []
    while answer:
        head, _, answer = answer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        bodies.append(answer[:length])
        answer = answer[length:]
    return bodies
