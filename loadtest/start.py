"""The start of a run: the target, the token, and the requests and the driver of the options."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from loadtest.generator.driver import WHOLE, Driver, Share
from loadtest.generator.scenarios import Requests, Workload
from loadtest.options import VARIABLES, Options
from loadtest.witnesses.api import Api, ApiError, fetch_token

ROOT = Path(__file__).resolve().parent.parent
LOOK_S = 2.0  # how long an address may take to show that it is there


def trouble_of(settings: Options) -> str:
    """Return why the target does not answer, or nothing where it does."""
    try:
        Api(settings.target, timeout_s=LOOK_S, ca_file=settings.ca_file).get("/health")
    except ApiError as error:
        return str(error)
    return ""


def start_local(target: str, trouble: str) -> bool:
    """Start the system on this machine, where that is the target; say what is in the way."""
    if target != VARIABLES["TARGET"][0]:
        sys.stderr.write(
            f"nothing answers GET {target}/health well; start it or set TARGET: {trouble}\n"
        )
        return False
    sys.stderr.write("nothing answers on :5002; starting the system\n")
    return (
        subprocess.run([sys.executable, "-m", "local", "up"], cwd=ROOT, check=False).returncode == 0
    )


def log_in(options: Options) -> tuple[tuple[str, str], str]:
    """Return the first client that the system knows, with its token."""
    *choices, last = options.clients
    for client in choices:
        try:
            return client, fetch_token(options.target, *client, ca_file=options.ca_file)
        except ApiError:
            continue
    return last, fetch_token(options.target, *last, ca_file=options.ca_file)


def requests_of(options: Options, work: Workload, *, run: str, token: str) -> Requests:
    """Return the maker of one run's requests."""
    target = urlsplit(options.target)
    return Requests(
        work,
        run=run,
        token=token,
        host=target.netloc,
        stage=target.path,
        keep_alive=options.keep_alive,
    )


def driver_of(options: Options, work: Workload, requests: Requests, share: Share = WHOLE) -> Driver:
    """Return the driver of this process's share of a run."""
    return Driver(
        work,
        requests,
        options.address,
        keep_alive=options.keep_alive,
        max_in_flight=max(1, options.max_in_flight // share.every),
        share=share,
    )
