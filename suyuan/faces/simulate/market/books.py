"""Money of the market in double entry: whatever one account pays, another receives.

Accounts are the operators (who pay for cards and claw back), the platform, sellers, each crew, and the underworld
from which crews buy. A crew's balance is its net take: what it was paid less what goods, people, phones and networks
cost it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

OPERATORS, PLATFORM, SELLERS, UNDERWORLD, VICTIMS = "operators", "platform", "sellers", "underworld", "victims"


class Posting(NamedTuple):
    """One movement."""

    payer: str
    payee: str
    fen: int
    kind: str


class MarketBooks:
    """Balances by account, and sums by kind."""

    def __init__(self) -> None:
        self.balance_fen: defaultdict[str, int] = defaultdict(int)
        self.moved_fen: defaultdict[tuple[str, str], int] = defaultdict(int)

    def move(self, posting: Posting) -> None:
        """Books one movement."""
        assert posting.fen >= 0, "money moves forward"
        self.balance_fen[posting.payer] -= posting.fen
        self.balance_fen[posting.payee] += posting.fen
        self.moved_fen[posting.kind, posting.payer] += posting.fen

    @property
    def is_balanced(self) -> bool:
        """Whether all accounts add up to nothing."""
        return sum(self.balance_fen.values()) == 0
