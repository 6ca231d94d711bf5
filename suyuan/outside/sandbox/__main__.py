"""`python -m suyuan.outside.sandbox --state FILE --key ed25519:…` serves the twins and writes their address first."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from suyuan.base.crypto import PublicKey
from suyuan.outside.sandbox.facts import JournalIsDamaged, JournalIsTaken
from suyuan.outside.sandbox.server import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="the journal; made if it is not there")
    parser.add_argument("--key", required=True, help="the platform's public key, as <suite>:<base64url>")
    asked = parser.parse_args()
    try:
        run(asked.host, asked.port, asked.state, PublicKey.parse(asked.key), announce=_announce)
    except (ValueError, OSError, JournalIsDamaged, JournalIsTaken) as error:
        raise SystemExit(f"the sandbox did not start: {error}") from error


def _announce(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
