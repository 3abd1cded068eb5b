"""The providers of this stack by name, and which of them charges a tenant's payments."""

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from msgspec import UnsetType

from backend.errors import CircuitOpen, InvalidRequest, Unauthorized
from backend.settings import Settings, SettingsError
from payments.provider import SIMULATOR, Ask, Effect, News, Outcome, Provider
from payments.providers.simulator import Simulator
from payments.schema import TestMethod

TEST_METHODS = frozenset(get_args(get_args(TestMethod)[0]))
STRIPE = "stripe"
# https://docs.stripe.com/currencies#special-cases: a hundred times too much, or too little.
OTHER_UNITS = frozenset({"ISK", "MGA", "UGX"})
STRIPE_URL = "https://api.stripe.com"


class Providers:
    """The providers by name; orders name whom they are for."""

    def __init__(self, by_name: Mapping[str, Provider], tenants: Mapping[str, str]) -> None:
        self._by_name = by_name
        self._tenants = tenants  # names by tenant, and by nobody of all others

    def __iter__(self) -> Iterator[tuple[str, Provider]]:
        return iter(self._by_name.items())

    @property
    def is_left_alone(self) -> bool:
        """Return whether one failed so often that it is only probed just now."""
        return any(each.is_left_alone for each in self._by_name.values())

    def name_of(self, tenant: str) -> str:
        """Return the name of the provider that charges new payments of a tenant."""
        return self._tenants.get(tenant, self._tenants[""])

    def check(
        self, method: str | UnsetType, currency: str, name: str, *, has_clock: bool = False
    ) -> None:
        """Refuse what a provider cannot charge as it is meant; raises InvalidRequest."""
        if has_clock and name != SIMULATOR:
            detail = (
                "Only the simulator goes by a test clock, and it is not this tenant's provider."
            )
            raise InvalidRequest(detail, param="test_clock")
        if name == SIMULATOR and method not in TEST_METHODS:
            detail = f"{method!r} is not a test token, and this tenant's provider is the simulator."
            raise InvalidRequest(detail, param="payment_method")
        if name == STRIPE and currency in OTHER_UNITS:
            detail = f"Stripe counts {currency} in another unit than ISO 4217."
            raise InvalidRequest(detail, param="currency")

    def ask_all(self, asks: Sequence[Ask]) -> dict[str, Outcome]:
        """Give orders that are all for one provider; see `payments.provider`.

        Raises CircuitOpen also where the settings no longer name that provider: its payments wait.
        """
        if not asks:
            return {}
        provider = self._by_name.get(asks[0].provider)
        if provider is None:
            raise CircuitOpen(f"No setting names the provider {asks[0].provider or 'simulator'}.")
        return provider.ask_all(asks)

    def hear(self, body: bytes, headers: Mapping[str, str], *, now_s: float) -> list[News]:
        """Return what a webhook tells, and who tells it; see `payments.provider`."""
        name = STRIPE if "stripe-signature" in headers else SIMULATOR
        provider = self._by_name.get(name)
        if provider is None:
            code = "webhook_signature_invalid"
            raise Unauthorized("No provider of these settings signs so.", code=code)
        return [(name, word) for word in provider.hear(body, headers, now_s=now_s)]

    def move_clock(self, clock_id: str, now_ms: int) -> list[Effect]:
        """Have happen what is due by a test clock of the simulator; raises ProviderUnavailable."""
        simulator = self._by_name.get(SIMULATOR)
        return simulator.move_clock(clock_id, now_ms) if isinstance(simulator, Simulator) else []


def connect(settings: Settings) -> Providers:
    """Return the providers that the settings name; raises SettingsError."""
    urls = {"": settings.provider_url, **settings.tenant_providers}
    by_name: dict[str, Provider] = {}
    for url in dict.fromkeys(urls.values()):
        name = _name(url)
        if name in by_name:
            raise SettingsError("TENANT_PROVIDERS: must name at most one URL of each provider")
        by_name[name] = _connected(name, url, settings)
    return Providers(by_name, {tenant: _name(url) for tenant, url in urls.items()})


def _name(url: str) -> str:
    return STRIPE if url.startswith("stripe:") else SIMULATOR


def _connected(name: str, url: str, settings: Settings) -> Provider:
    if name == SIMULATOR:
        return Simulator(
            url,
            timeout_ms=settings.provider_timeout_ms,
            webhook_secret=settings.provider_webhook_secret,
        )
    if not settings.stripe_api_key:
        raise SettingsError("STRIPE_API_KEY: must be given where a provider is stripe:")
    url = url.removeprefix("stripe:") or STRIPE_URL
    if settings.stripe_live and not url.startswith("https:"):
        raise SettingsError(f"PROVIDER_URL={url!r}: a key of live mode goes by https only")
    # Imported here: those who have no Stripe need not read it.
    from payments.providers.stripe import Stripe  # noqa: PLC0415

    return Stripe(
        url,
        key=settings.stripe_api_key,
        secrets=settings.stripe_webhook_secrets,
        is_live=settings.stripe_live,
        timeout_ms=settings.provider_timeout_ms,
    )
