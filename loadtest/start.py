"""The start of a run: the token, and the requests and the driver that the options describe."""

from urllib.parse import urlsplit

from loadtest.api import ApiError, fetch_token
from loadtest.driver import WHOLE, Driver, Share
from loadtest.options import Options
from loadtest.scenarios import Requests, Workload


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
