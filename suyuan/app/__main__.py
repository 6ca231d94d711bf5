"""What the supervisor starts: `python -m suyuan.app line|completer|sealer|observer DATA LIFELINE`. Not for people."""

from __future__ import annotations

import sys
from pathlib import Path

from suyuan.app import lifeline
from suyuan.app.completer import run_completer
from suyuan.app.line import run_line
from suyuan.app.observer import run_observer
from suyuan.app.sealer import run_sealer
from suyuan.app.supervisor import database_url
from suyuan.config import load_settings

WORK = {"line": run_line, "completer": run_completer, "sealer": run_sealer, "observer": run_observer}


def main() -> int:
    """Runs one role."""
    role, data, held = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    lifeline.log_as_json()
    lifeline.hold(held)
    settings = load_settings(data)
    return lifeline.run(WORK[role](settings, database_url(settings)))


if __name__ == "__main__":
    sys.exit(main())
