"""`python -m local.compose.keys FOLDER`: makes the token key and the demo clients, where missing.

The containers that issue and check tokens find them through TOKEN_PRIVATE_KEY_FILE and
OAUTH_CLIENTS_FILE. What is there already is never changed.
"""

import sys
from pathlib import Path

from local.wiring import demo_clients, private_key


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("give the folder of the keys: python -m local.compose.keys FOLDER\n")
        return 2
    folder = Path(sys.argv[1])
    clients = folder / "clients.json"
    try:
        private_key(folder)
        if not clients.exists():
            unfinished = clients.with_suffix(".new")
            unfinished.write_text(demo_clients())
            unfinished.replace(clients)
    except OSError as error:
        sys.stderr.write(f"the keys cannot be written to {folder}: {error.strerror}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
