"""The real defence in the market: the catalogue's windows, a policy and a model, as the line uses them.

An attempt is measured before it is appended, and decided from what was measured. Nobody stands on a list here, and
there is no graph: both are work of people and of nights that the market does not play.
"""

from __future__ import annotations

from suyuan.faces.simulate.market.defence import Facts
from suyuan.risk.decide import Engine
from suyuan.risk.decision import Decision
from suyuan.risk.online.windows import Windows
from suyuan.risk.row import Row

ROWS_PER_COMMIT = 8


class Judged:
    """Catalogue, policy and model."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._windows = Windows(engine.catalogue)
        self._rows = 0

    def decide(self, row: Row, facts: Facts) -> Decision:
        """What the line would say."""
        return self._engine.decide(self._windows.measure(row), facts, seller=str(row.seller)).decision

    def see(self, row: Row) -> None:
        """Appends a row; a few of them are one commit."""
        self._windows.append(row)
        self._rows += 1
        if self._rows % ROWS_PER_COMMIT == 0:
            self._windows.settle()
