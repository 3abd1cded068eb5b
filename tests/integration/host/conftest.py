"""An invoker in a folder with functions, and the connection of one environment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.host.function import BROKEN, HANDLER, HELPED, TEMPLATE
from tests.integration.host.invoker import Invoker, Peer


@pytest.fixture
def invoker(tmp_path: Path) -> Iterator[Invoker]:
    (tmp_path / "code").mkdir()
    (tmp_path / "layer" / "python").mkdir(parents=True)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "code" / "echo.py").write_text(HANDLER)
    (tmp_path / "code" / "helped.py").write_text(HELPED)
    (tmp_path / "code" / "hanging.py").write_text("while True: pass\n")
    (tmp_path / "code" / "broken.py").write_text(BROKEN)
    (tmp_path / "layer" / "python" / "from_layer.py").write_text("WORD = 'layered'\n")
    invoker = Invoker(tmp_path)
    yield invoker
    invoker.close()


@pytest.fixture
def peer(invoker: Invoker) -> Peer:
    invoker.start()
    return invoker.accept()
