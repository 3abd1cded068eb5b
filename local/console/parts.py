"""The parts of the gateway's process that the console's views read, and that its actions use."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.lambda_service.dispatch import Pool
from local.lambda_service.metrics import Metrics
from local.template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the views have in common."""

    template: Template
    state: Path
    pools: Mapping[str, Pool]
    metrics: Metrics
