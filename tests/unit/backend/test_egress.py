"""URLs that are refused before anything is dialled."""

import socket
import ssl

import pytest

from backend.egress import Egress, UrlRefused, parse, system_resolver

# What an attacker's name servers answer.
NAMES = {
    "loopback.evil.example": ["127.0.0.1"],
    "metadata.evil.example": ["169.254.169.254"],
    "private.evil.example": ["10.0.0.7"],
    "docker.evil.example": ["172.17.0.1"],
    "router.evil.example": ["192.168.1.1"],
    "cgnat.evil.example": ["100.64.0.1"],
    "alibaba.evil.example": ["100.100.100.200"],
    "azure.evil.example": ["168.63.129.16"],
    "nothing.evil.example": ["0.0.0.0"],
    "broadcast.evil.example": ["255.255.255.255"],
    "multicast.evil.example": ["224.0.1.1"],
    "relay.evil.example": ["192.88.99.1"],
    "benchmark.evil.example": ["198.18.0.1"],
    "six.evil.example": ["::1"],
    "unspecified.evil.example": ["::"],
    "mapped.evil.example": ["::ffff:10.0.0.1"],
    "compatible.evil.example": ["::127.0.0.1"],
    "nat64.evil.example": ["64:ff9b::a00:1"],
    "own-nat64.evil.example": ["64:ff9b:1::a00:1"],
    "6to4.evil.example": ["2002:7f00:1::"],
    "teredo.evil.example": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "unique-local.evil.example": ["fd00:ec2::254"],
    "link-local.evil.example": ["fe80::1%eth0"],
    "site-local.evil.example": ["fec0::1"],
    "multicast6.evil.example": ["ff02::1"],
    "documentation.evil.example": ["2001:db8::1"],
    "discard.evil.example": ["100::1"],
    "one-of-two.evil.example": ["93.184.215.14", "127.0.0.1"],
    "last-of-many.evil.example": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::1"],
}
# Loopback, metadata services and private networks in their many spellings, and what parsers of
# URLs read differently from one another.
WORDS = """
https://127.0.0.1/ https://127.1/ https://127.0.1/ https://2130706433/ https://0x7f000001/
https://0x7f.0.0.1/ https://127.0.0.0x1/ https://017700000001/ https://0177.0.0.1/ https://0/
https://0.0.0.0/ https://010.0.0.1/ https://169.254.169.254/latest/meta-data/
https://2852039166/ https://0xA9FEA9FE/ https://0xa9.254.0xa9fe/ https://169.254.43518/
https://10.0.0.1/ https://172.16.0.1/ https://192.168.0.1/ https://100.64.0.1/
https://198.18.0.1/ https://224.0.0.1/ https://240.0.0.1/ https://192.0.0.192/
https://[::1]/ https://[::]/ https://[0:0:0:0:0:0:0:1]/ https://[::ffff:7f00:1]/
https://[::ffff:127.0.0.1]/ https://[::127.0.0.1]/ https://[64:ff9b::7f00:1]/
https://[2002:7f00:1::]/ https://[2001::1]/ https://[fe80::1]/ https://[fd00:ec2::254]/
https://[fe80::1%25eth0]/ https://[ff02::1]/ https://[2001:db8::1]/ https://[::1 https://::1/
https://localhost/ https://LOCALHOST/ https://localhost./ https://redis/ https://127.0.0.1./
https://.example.com/ https://example..com/ https://-a.example.com/ https:/// https://a_b.example/
https://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/ https://\uff11\uff12\uff17.0.0.1/
https://169\u3002254.169.254/ https://\u0430pple.example/ https:/a.example https:a.example
http://hooks.example.com/ ftp://hooks.example.com/ file:///etc/passwd //hooks.example.com/
gopher://hooks.example.com/_x javascript:alert(1) data:,x dict://a.example:11211/ x
https://a.example:22/ https://a.example:80/ https://a.example:65979/ https://a.example:/
https://a.example:-443/ https://a.example:443:22/ https://a.example:+443/ https://a.example:0/
https://u@a.example/ https://u:p@a.example/ https://a.example@127.1/ https://a.example:443@127.1/
https://a.example#@127.0.0.1/ https://a.example\\@127.0.0.1/ https:\\\\a.example/
https://a.example%2f@127.1/ https://127.0.0.1%00.example.com/ https://127.0.0.1%2f.example.com/
https://a.example/#x https://a.example/<x> https://a.example/{x} https://a.example/"x"
"""
SPELLED = [
    *WORDS.split(),
    *("", " https://a.example/", "https://a.example/\n", "https://a.example\t/"),
    *("https://a.example/x y", "https://a.example/\r\nHost: redis", "https://a.example\r\n/x"),
    *("https://a.example/" + "a" * 2_048, "https://" + "a" * 64 + ".example/"),
]
PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]
UNUSED_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and takes no time to make


def refuse_to_dial(*args, **kwargs):
    raise AssertionError(f"dialled {args}")


@pytest.fixture
def egress(monkeypatch):
    """Ways out of a machine whose sockets must not be used."""
    monkeypatch.setattr(socket, "create_connection", refuse_to_dial)
    return Egress(resolve=lambda host, port: NAMES[host], tls=UNUSED_TLS)


def test_the_corpus_is_large():
    assert len(set(SPELLED)) + len(NAMES) >= 100


@pytest.mark.parametrize("url", SPELLED)
def test_a_hostile_url_is_refused_when_it_is_given(url):
    with pytest.raises(UrlRefused):
        parse(url)


@pytest.mark.parametrize("host", NAMES)
def test_a_name_with_an_address_that_is_not_public_is_refused_before_it_is_dialled(egress, host):
    with pytest.raises(UrlRefused, match="not public"):
        egress.post(f"https://{host}/", b"{}", {})


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com:8443/a/b?c=d&e=%20",
        "https://1.1.1.1/",
        "https://[2606:4700::1111]/x",
        "https://xn--bcher-kva.example/?q",
        "https://a-b.c1.example:443/~x",
    ],
)
def test_an_ordinary_url_is_taken(url):
    assert parse(url).is_ordinary


def test_host_port_and_path_are_read_from_the_url_once():
    plain, other = parse("https://Hooks.Example.com?x=1"), parse("https://[2606:4700::1111]:8443/a")

    assert (plain.host, plain.port, plain.path) == ("hooks.example.com", 443, "/?x=1")
    assert plain.host_header == "hooks.example.com"
    assert (other.host, other.host_header) == ("2606:4700::1111", "[2606:4700::1111]:8443")


@pytest.mark.parametrize("address", PUBLIC)
def test_an_ordinary_address_is_public(address):
    assert Egress(resolve=lambda host, port: [address]).addresses(parse("https://a.example")) == [
        address
    ]


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9999/x", "http://localhost:80", "http://[::1]:1/", "https://127.0.0.1/"],
)
def test_the_setting_for_development_lets_this_machine_be_asked(url):
    egress = Egress(loopback_allowed=True, resolve=system_resolver)

    assert egress.addresses(parse(url, loopback_allowed=True))


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("http://hooks.example.com/", PUBLIC),
        ("https://hooks.example.com:9999/", PUBLIC),
        ("http://hooks.example.com/", ["10.0.0.1"]),
        ("http://hooks.example.com/", ["127.0.0.1", "10.0.0.1"]),
        ("https://hooks.example.com/", ["::ffff:127.0.0.1"]),
    ],
)
def test_the_setting_for_development_opens_nothing_but_this_machine(monkeypatch, url, addresses):
    monkeypatch.setattr(socket, "create_connection", refuse_to_dial)
    egress = Egress(loopback_allowed=True, resolve=lambda host, port: addresses)

    with pytest.raises(UrlRefused):
        egress.post(url, b"", {})


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://redis:6379/", "http://localhost:0/"])
def test_the_setting_for_development_does_not_take_every_url(url):
    with pytest.raises(UrlRefused):
        parse(url, loopback_allowed=True)


def test_certificates_and_names_are_checked_by_default():
    tls = Egress().tls

    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert tls.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    "address", ["9.255.255.255", "11.0.0.0", "172.15.0.1", "172.32.0.1", "223.255.255.255"]
)
def test_the_neighbours_of_private_networks_are_public(address):
    egress = Egress(resolve=lambda host, port: [address])

    assert egress.addresses(parse("https://a.example")) == [address]
