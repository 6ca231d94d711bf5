"""Where authorities are minted. Only flows import this module; import-linter enforces it.

>>> authority = to_consume_card("rdm_1", now=0)
>>> authority.covers("rdm_1", now=1), authority.covers("rdm_2", now=1)
(True, False)
"""

from __future__ import annotations

from suyuan.base.clock import plus
from suyuan.privacy.authority import Citation, Contract

READ_TTL_S = 60

_TO_PERFORM_A_CONTRACT = Citation(law="个人信息保护法", version="2021", article="13(1)(2)")


def to_consume_card(redemption: str, *, now: int) -> Contract:
    """Lets the platform show the operator the card, or the number, that its holder asked it to redeem."""
    return Contract("consume_card", _TO_PERFORM_A_CONTRACT, redemption, plus(now, READ_TTL_S))


def to_pay_seller(seller: str, *, now: int) -> Contract:
    """Lets the platform show the channel the account that the seller registered to be paid on."""
    return Contract("pay_seller", _TO_PERFORM_A_CONTRACT, seller, plus(now, READ_TTL_S))
