"""The load test against a system behind TLS, whose certificate is checked."""

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from loadtest.generator.driver import Address, Driver
from loadtest.generator.profile import schedule, steady
from loadtest.generator.scenarios import PAYMENTS, Requests, workload
from loadtest.generator.tls import context_for
from loadtest.witnesses.api import Api
from tests.integration.load_runs import (
    EVERY_ONE,
    RUN,
    end,
    report_in,
    run_valid,
    settings,
    start,
)
from tests.integration.load_system import running


def certificate_of(address: str, path: Path) -> Path:
    """Write a certificate of this address, signed by itself, with its key."""
    key, name = Ed25519PrivateKey.generate(), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(addresses, critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, None)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_of("127.0.0.1", tmp_path_factory.mktemp("tls") / "server.pem")


def drive(base: str, ca_file: Path, count: int) -> Driver:
    """Drive `count` arrivals in one second over TLS, on connections that are kept."""
    work = workload(schedule(steady(count, 1)))
    requests = Requests(work, run=RUN, token="token", host="127.0.0.1", keep_alive=True)
    port = int(base.rpartition(":")[2])
    driver = Driver(work, requests, Address("127.0.0.1", port, context_for(str(ca_file))))
    driver.run()
    return driver


def test_a_system_behind_tls_and_below_a_stage_passes_like_any_other(
    certificate: Path, tmp_path: Path
):
    with running("none", certificate) as (base, _):
        secure = {**settings(base, tmp_path), "TARGET": f"{base}/Prod", "CA_FILE": str(certificate)}
        code, errors = run_valid(secure)
        report = report_in(tmp_path)

    assert (code, report["reasons"]) == (0, []), errors
    assert report["totals"] == EVERY_ONE


def test_locust_drives_a_system_behind_tls(certificate: Path, tmp_path: Path):
    command = ("locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary")
    with running("none", certificate) as (base, _):
        secure = {**settings(base, tmp_path), "CA_FILE": str(certificate)}
        code, errors = run_valid(secure, *command)

    assert code == 0, errors


def test_users_of_locust_reach_a_system_behind_tls_and_below_a_stage(
    certificate: Path, tmp_path: Path
):
    users = ("-u", "4", "-r", "4", "-t", "2s")
    command = ("locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary", *users)
    with running("none", certificate) as (base, _):
        secure = {**settings(base, tmp_path), "TARGET": f"{base}/Prod", "CA_FILE": str(certificate)}
        code, errors = end(start(secure, *command))

    assert code == 0, errors


def test_connections_over_tls_are_kept(certificate: Path):
    with running("none", certificate) as (base, _):
        driver = drive(base, certificate, 100)
        api = Api(base, ca_file=str(certificate))
        opened = api.get("/connections")
        api.close()

    assert driver.journal.errors() == {}
    assert opened < 50


def test_a_server_behind_tls_that_resets_is_classed_as_one_that_resets(certificate: Path):
    with running("resets", certificate) as (base, _):
        driver = drive(base, certificate, 40)

    assert driver.journal.errors() == {"ECONNRESET": driver.work.scenario.count(PAYMENTS) // 5}


def test_a_server_whose_certificate_nobody_signed_gets_no_request(certificate: Path, tmp_path):
    stranger = certificate_of("127.0.0.1", tmp_path / "stranger.pem")
    with running("none", certificate) as (base, _):
        driver = drive(base, stranger, 20)
        code, errors = end(start(settings(base, tmp_path)))

    assert driver.journal.errors() == {"CERT_INVALID": 20}
    assert code == 2
    assert "certificate verify failed" in errors
    assert "Traceback" not in errors


def test_a_certificate_of_another_host_is_refused(tmp_path: Path):
    elsewhere = certificate_of("127.0.0.2", tmp_path / "elsewhere.pem")
    with running("none", elsewhere) as (base, _):
        driver = drive(base, elsewhere, 20)

    assert driver.journal.errors() == {"CERT_INVALID": 20}
