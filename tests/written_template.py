"""`template.yaml` as it is written: CloudFormation's tags are read as nothing."""

from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """A loader that knows tags of any name."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
TEMPLATE: dict[str, Any] = yaml.load(
    (Path(__file__).parents[1] / "template.yaml").read_text(), _Loader
)
