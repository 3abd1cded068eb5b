"""`python -m local.compose.keys FOLDER WEBHOOKS`: makes keys, clients and a secret where missing.

The containers that issue and check tokens find key and clients of FOLDER by TOKEN_PRIVATE_KEY_FILE
and OAUTH_CLIENTS_FILE; provider and payments share the secret in WEBHOOKS, which they find by
PROVIDER_WEBHOOK_SECRET_FILE. What is there already is never changed.
"""

import sys
from pathlib import Path

from local.spillway.keys import demo_clients, private_key, webhook_secret


def main() -> int:
    if len(sys.argv) != 3:
        sys.stderr.write("give two folders: python -m local.compose.keys FOLDER WEBHOOKS\n")
        return 2
    folder, webhooks = map(Path, sys.argv[1:])
    clients = folder / "clients.json"
    try:
        private_key(folder)
        webhook_secret(webhooks)
        if not clients.exists():
            unfinished = clients.with_suffix(".new")
            unfinished.write_text(demo_clients())
            unfinished.replace(clients)
    except OSError as error:
        where = f"{folder} and {webhooks}"
        sys.stderr.write(f"the keys cannot be written to {where}: {error.strerror}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
