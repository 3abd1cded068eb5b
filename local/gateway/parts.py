"""The parts of the process that the gateways of all its APIs use."""

from collections.abc import Mapping
from dataclasses import dataclass

from local.lambda_service.buffered_log import BufferedLog
from local.lambda_service.dispatch import Pool
from local.lambda_service.metrics import Metrics
from local.lambda_service.output import FunctionOutput
from local.traces.sampling import Recorder


@dataclass(frozen=True, slots=True)
class ProcessParts:
    """The environments of functions, and what writes down how requests end."""

    pools: Mapping[str, Pool]
    metrics: Metrics
    access_log: BufferedLog
    output: FunctionOutput
    recorder: Recorder
