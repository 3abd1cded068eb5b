"""The place of each mapping in each shard, in a file, so that a restart goes on from there."""

import json
import threading
from pathlib import Path


class Checkpoints:
    """Sequence numbers by mapping and shard; every one is on disk when `put` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._sequences: dict[str, dict[str, str]] = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            self._sequences = {}

    def get(self, mapping: str, shard: str) -> str | None:
        """Return the sequence number of the last record that is done with."""
        return self._sequences.get(mapping, {}).get(shard)

    def put(self, mapping: str, shard: str, sequence: str) -> None:
        """Note that all records up to `sequence` are done with."""
        with self._lock:
            self._sequences.setdefault(mapping, {})[shard] = sequence
            unfinished = self._path.with_suffix(".new")
            unfinished.write_text(json.dumps(self._sequences))
            unfinished.replace(self._path)
