"""Requests to addresses that strangers name: nothing inside our network can be reached by them.

A URL is parsed once. All addresses of its host are looked up, and unless every one is public none
is dialled; the address that was checked is the one that is dialled, so a name that changes its
address in between gains nothing. No redirects, no proxies, and of an answer only its head.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]  # host and port; raises OSError

URL_CHARS_MAX = 2_048
PORTS = frozenset({443, 8443})
DEADLINE_S = 10.0  # for looking up, connecting, sending and the answer's head together
CONNECT_S = 3.0  # for one address, so that a dead one leaves time for the next
ADDRESSES_TRIED = 3
ADDRESSES_MAX = 32  # more of them no honest name has
HEAD_BYTES_MAX = 4_096

# Visible ASCII without what parsers read differently: backslash, quotes, braces, a fragment.
URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!$-;=?-\[\]_a-z~]*|\?[!$-;=?-\[\]_a-z~]*)?"
)
LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
# The last label of an address in one of its many spellings: decimal, octal, hexadecimal, short.
NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")

LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
# IANA's special-purpose registries. A list of our own, because what `is_global` says has changed
# between Python's versions, and it says yes to multicast and to tunnels.
NOT_PUBLIC_V4 = tuple(
    IPv4Network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # a platform's own service on a public number (Azure)
    )
)
PUBLIC_V6 = IPv6Network("2000::/3")  # without mapped, NAT64, unique local, link-local, multicast
NOT_PUBLIC_V6 = tuple(
    IPv6Network(each)
    for each in (
        "2001::/23",  # Teredo, benchmarks, ORCHID
        *("2001:db8::/32", "3fff::/20"),  # documentation
        "2002::/16",  # 6to4 carries an IPv4 address
        *("2620:4f:8000::/48", "5f00::/16", "3ffe::/16"),
    )
)


class UrlRefused(ValueError):
    """A URL that nothing is sent to; the text is a sentence for whoever gave the URL."""


class NoAnswer(Exception):
    """A request of which nobody knows what became; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL that may be asked, once its host's addresses are checked."""

    scheme: str
    host: str  # lower case; an IPv6 address without brackets
    port: int
    path: str  # with the query
    is_ordinary: bool  # https on an allowed port; else loopback is all it may reach

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The head of a response, header names in lower case."""

    status: int
    headers: Mapping[str, str]


def parse(url: str, *, loopback_allowed: bool = False) -> Target:
    """Return what `url` asks for; raises UrlRefused.

    With `loopback_allowed`, a setting for development, plain HTTP and any port pass: `post` then
    makes sure that they reach this machine only.
    """
    match = URL.fullmatch(url) if len(url) <= URL_CHARS_MAX else None
    if match is None:
        raise UrlRefused(
            f"Give a URL such as https://example.com/path: at most {URL_CHARS_MAX} visible ASCII"
            " characters, without user, password and fragment."
        )
    host = match["host"].lower().strip("[]")
    scheme = match["scheme"]
    port = int(match["port"] or {"https": 443, "http": 80}[scheme])
    _check_host(host, loopback_allowed=loopback_allowed)
    is_ordinary = scheme == "https" and port in PORTS
    if not is_ordinary and not (loopback_allowed and 0 < port < 65_536):
        ports = " or ".join(str(each) for each in sorted(PORTS))
        raise UrlRefused(f"The URL must begin with https:// and its port must be {ports}.")
    path = match["path"] or "/"
    return Target(
        scheme=scheme,
        host=host,
        port=port,
        path=path if path.startswith("/") else f"/{path}",
        is_ordinary=is_ordinary,
    )


def is_public(address: Address) -> bool:
    """Tell whether `address` is an ordinary one of the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in each for each in NOT_PUBLIC_V4)
    return address in PUBLIC_V6 and not any(address in each for each in NOT_PUBLIC_V6)


def system_resolver(host: str, port: int) -> list[str]:
    """Return all addresses of `host` as the system knows them; raises OSError."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


def client_tls() -> ssl.SSLContext:
    """Return what checks a server's certificate and name."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # some builds of OpenSSL allow less
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """The way out; safe to use by several threads at once."""

    loopback_allowed: bool = False
    deadline_s: float = DEADLINE_S
    resolve: Resolve = system_resolver
    tls: ssl.SSLContext = field(default_factory=client_tls)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send `body` and return the answer's head; raises UrlRefused and NoAnswer.

        After `deadline_s` nothing is sent any more, however long the look-up took.
        """
        give_up_at = time.monotonic() + self.deadline_s
        target = parse(url, loopback_allowed=self.loopback_allowed)
        try:
            connection = self._connect(target, give_up_at)
            with connection:
                connection.settimeout(_left_s(give_up_at))
                connection.sendall(_request(target, body, headers))
                return _answer(connection, give_up_at)
        except ssl.SSLCertVerificationError as error:
            raise NoAnswer(f"The certificate does not hold: {error.verify_message}.") from error
        except TimeoutError as error:
            raise NoAnswer("No answer in time.") from error
        except OSError as error:
            raise NoAnswer(f"No connection: {error.strerror or error}.") from error

    def addresses(self, target: Target) -> list[str]:
        """Return the addresses of `target`; raises UrlRefused unless every one may be asked."""
        try:
            numeric = [ip_address(each) for each in self.resolve(target.host, target.port)]
        except ValueError as error:
            raise UrlRefused("The host has an address that is not public.") from error
        except OSError as error:
            raise NoAnswer(f"The host has no address: {error.strerror or error}.") from error
        if not 0 < len(numeric) <= ADDRESSES_MAX:
            raise NoAnswer(f"The host has {len(numeric)} addresses.")
        if self.loopback_allowed and all(map(_is_loopback, numeric)):
            return [str(each) for each in numeric]
        if not all(is_public(each) for each in numeric):
            raise UrlRefused("The host has an address that is not public.")
        if not target.is_ordinary:
            raise UrlRefused("Plain HTTP and other ports are for this machine only.")
        return [str(each) for each in numeric]

    def _connect(self, target: Target, give_up_at: float) -> socket.socket:
        addresses = self.addresses(target)[:ADDRESSES_TRIED]
        for number, address in enumerate(addresses, start=1):
            try:
                timeout_s = min(CONNECT_S, _left_s(give_up_at))
                plain = socket.create_connection((address, target.port), timeout=timeout_s)
                break
            except OSError:
                if number == len(addresses):
                    raise
        if target.scheme == "http":
            return plain
        try:
            plain.settimeout(_left_s(give_up_at))
            return self.tls.wrap_socket(plain, server_hostname=target.host)
        except OSError:
            plain.close()
            raise


def _check_host(host: str, *, loopback_allowed: bool) -> None:
    """Refuse what is neither a public address in its one plain form nor a name with a dot in it."""
    labels = host.split(".")
    if ":" in host or NUMBER.fullmatch(labels[-1]):
        try:
            address = ip_address(host)
        except ValueError as error:
            raise UrlRefused("Write the address in its usual form, or better a name.") from error
        if not is_public(address) and not (loopback_allowed and _is_loopback(address)):
            raise UrlRefused("The address is not public.")
    elif not all(LABEL.fullmatch(label) for label in labels):
        raise UrlRefused("The host is not a name of the internet.")
    elif len(labels) == 1 and not (loopback_allowed and host == "localhost"):
        raise UrlRefused("The host must be a full name, such as hooks.example.com.")


def _is_loopback(address: Address) -> bool:
    return any(address in each for each in LOOPBACK)


def _request(target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.host_header}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    assert not any("\r" in line or "\n" in line for line in lines)  # ours, never a stranger's
    return "\r\n".join((*lines, "", "")).encode("ascii") + body


def _answer(connection: socket.socket, give_up_at: float) -> Answer:
    """Read no more than the head: what a stranger's server says is shown to nobody."""
    received = b""
    while True:
        head, end, rest = received.partition(b"\r\n\r\n")
        if end and re.match(rb"HTTP/1\.[01] 1", head):
            received = rest  # an interim answer; the final one follows
            continue
        if end or len(received) >= HEAD_BYTES_MAX:
            break
        connection.settimeout(_left_s(give_up_at))
        more = connection.recv(HEAD_BYTES_MAX - len(received))
        if not more:
            break
        received += more
    status, *lines = head.decode("latin-1").split("\r\n")
    match = re.match(r"HTTP/1\.[01] ([2-5]\d\d)(?: |$)", status)
    if match is None:
        raise NoAnswer("What came back is not an HTTP response.")
    pairs = (line.partition(":") for line in lines)
    return Answer(
        status=int(match[1]), headers={name.lower(): value.strip() for name, _, value in pairs}
    )


def _left_s(give_up_at: float) -> float:
    left_s = give_up_at - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
