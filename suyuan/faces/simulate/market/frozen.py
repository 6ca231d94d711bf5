"""The digest of the generator, and which seeds are for what.

The generator was frozen before any threshold was tuned: whoever changes what the market does changes this digest, and
then every figure has to be measured again. It covers people, crews, what they learn and every label, over a small
market whose attempts a coin refuses, so that no part of the defence is in it.

Tuning may look at the markets of `TUNING_SEEDS` only, and `bench attacks` scores none of them.
"""

from __future__ import annotations

from hashlib import sha256

from suyuan.faces.simulate.market.defence import Coin
from suyuan.faces.simulate.market.month import live

TUNING_SEEDS = range(9_000, 9_100)
GENERATOR = "1d7ed7852d3c96d12f074e96262f855371826a4cc42aaffce1393ff96851a576"
_SEED, _DAYS, _SCALE, _REFUSED_PER_MILLE = 8_999, 14, 0.2, 300


def generator_digest() -> str:
    """What the generator makes now, as a digest."""
    month = live(_SEED, Coin(_REFUSED_PER_MILLE), days=_DAYS, scale=_SCALE, keeps_tape=True)
    world = month.world
    digest = sha256()
    for row in world.tape:
        digest.update(repr((tuple(row), world.facts.get(row.seq), world.truth.get(row.seq))).encode())
    for card in world.cards:
        digest.update(repr((card.id, card.owner, card.variant, card.offers, card.paid_fen, card.last)).encode())
    return digest.hexdigest()
