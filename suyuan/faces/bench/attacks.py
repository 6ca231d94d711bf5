"""`suyuan bench attacks`: what the shipped policy, with a model, stops of attackers who learn, and whom else it hits.

1. Rehearsals on tuning seeds teach a model; the policy is the one that is shipped.
2. A market of the seed is lived twice: undefended, which is settle's rules alone, and with catalogue, policy and model.
3. For each family in turn everything is done again without it: its rows are taken out of every rehearsal, the model is
   trained and the policy tuned on what is left, and the same market is lived against that.

A card counts once, however often it was offered; it is stopped as far as nobody was paid for it. What a family nets is
what its crews were paid less what cards, accounts, phones and networks cost them. Of the honest, a redemption counts as
refused if the defence had the last word; what settle itself refuses is not its doing.

A seed of the tuning range is refused: what was tuned on it would look better than it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from importlib.resources import files
from typing import NamedTuple

from suyuan.app.line import spare_the_collector
from suyuan.base.clock import monotonic_s
from suyuan.faces.bench.machine import Machine, machine_now, rss_mb
from suyuan.faces.simulate.market.defence import Undefended
from suyuan.faces.simulate.market.frozen import GENERATOR, TUNING_SEEDS, generator_digest
from suyuan.faces.simulate.market.goods import Card
from suyuan.faces.simulate.market.judged import Judged
from suyuan.faces.simulate.market.month import Month, live
from suyuan.faces.simulate.market.playbooks import FAMILIES, VARIANTS
from suyuan.faces.simulate.market.rehearsal import Lessons, Rehearsal, lessons_of, rehearse
from suyuan.faces.simulate.market.teaching import Taught, teach
from suyuan.faces.simulate.market.tuning import tune, useful_rules
from suyuan.risk.catalogue import Catalogue, load_catalogue
from suyuan.risk.decide import Engine
from suyuan.risk.policy.names import names_of
from suyuan.risk.policy.policy import load_policy

TEACHING_SEEDS, TRYING_SEEDS = TUNING_SEEDS[:6], TUNING_SEEDS[6:8]
"""Months that the model learns from, and months that thresholds are chosen on."""


class TuningSeed(ValueError):
    """Raised for a seed that thresholds were chosen on, which would score itself."""


class Defended(NamedTuple):
    """A policy and the model that it goes with."""

    policy: str
    taught: Taught


class Fate(NamedTuple):
    """What became of cards."""

    attack_fen: int
    stopped_fen: int
    net_take_fen: int

    @property
    def stopped_share(self) -> float:
        """How much of it was stopped; all of nothing is."""
        return self.stopped_fen / self.attack_fen if self.attack_fen else 1.0


class Family(NamedTuple):
    """One family, seen, unseen and undefended."""

    seen: Fate
    by_variant: dict[str, Fate]
    left_out: Fate | None
    undefended: Fate


class LeftOut(NamedTuple):
    """A month against a defence that has never seen a family."""

    fate: Fate
    honest: Honest
    books_balance: bool


class Honest(NamedTuple):
    """What honest people met, as shares of their redemptions."""

    redemptions: int
    refused: float
    reviewed: float
    stepped_up: float
    delayed: float
    frozen: float


class Report(NamedTuple):
    """Everything that `bench attacks` found."""

    before: Machine
    after: Machine
    seed: int
    families: dict[str, Family]
    honest: Honest
    honest_left_out: dict[str, Honest]
    rules: dict[str, dict[str, int]]
    generator: str
    policy: str
    model: str
    is_policy_as_tuned: bool
    books_balance: bool
    seconds: float
    rss_mb: float

    def fields(self) -> dict[str, object]:
        """The figures under the names that BENCH promises, and more."""
        seen = [family.seen for family in self.families.values()]
        return {
            "seed": self.seed,
            "families": {name: _family_fields(family) for name, family in self.families.items()},
            "stopped_share": sum(fate.stopped_fen for fate in seen) / max(1, sum(fate.attack_fen for fate in seen)),
            "honest_refused_share": self.honest.refused,
            "honest_reviewed_share": self.honest.reviewed,
            "honest_stepped_up_share": self.honest.stepped_up,
            "honest_delayed_share": self.honest.delayed,
            "honest_frozen_share": self.honest.frozen,
            "honest_redemptions": self.honest.redemptions,
            "honest_left_out": {name: honest._asdict() for name, honest in self.honest_left_out.items()},
            "rules": self.rules,
            "generator": self.generator,
            "generator_is_frozen": self.generator == GENERATOR,
            "policy": self.policy,
            "policy_is_as_tuned": self.is_policy_as_tuned,
            "model": self.model,
            "books_balance": self.books_balance,
            "seconds": round(self.seconds, 1),
            "rss_mb": self.rss_mb,
        }


def measure(seed: int, *, leave_out: Collection[str] = FAMILIES, scale: float = 1.0) -> Report:
    """Measures one seed, leaving out these families in turn. Raises `TuningSeed`. A smaller scale only tries it out."""
    if seed in TUNING_SEEDS:
        raise TuningSeed(f"thresholds were chosen on the seeds from {TUNING_SEEDS[0]} to {TUNING_SEEDS[-1]}")
    before, began_s = machine_now(), monotonic_s()
    spare_the_collector()
    catalogue, text = load_catalogue(), shipped_policy()
    rehearsals = {tuning_seed: rehearse(tuning_seed, scale=scale) for tuning_seed in (*TEACHING_SEEDS, *TRYING_SEEDS)}
    teaching, trying = _lessons(rehearsals, catalogue)
    seen = Defended(text, teach(teaching, catalogue))
    is_as_tuned = tune(text, trying, seen.taught, catalogue) == text
    on_trial = useful_rules(text, trying, catalogue)
    del teaching, trying
    month, bare = defended_month(seed, seen, catalogue, scale=scale), live(seed, Undefended(), scale=scale)
    left_out = {}
    for family in leave_out:
        unaware = defended_without(family, rehearsals, catalogue, on_trial)
        left_out[family] = _left_out(family, defended_month(seed, unaware, catalogue, scale=scale))
    return Report(
        before=before,
        after=machine_now(),
        seed=seed,
        families={name: _family(name, month, left_out.get(name), bare) for name in FAMILIES},
        honest=honest_of(month),
        honest_left_out={name: without.honest for name, without in left_out.items()},
        rules=_rules(month),
        generator=generator_digest(),
        policy=load_policy(text, names_of(catalogue.features)).digest,
        model=seen.taught.scorer.digest,
        is_policy_as_tuned=is_as_tuned,
        books_balance=month.world.books.is_balanced
        and bare.world.books.is_balanced
        and all(without.books_balance for without in left_out.values()),
        seconds=monotonic_s() - began_s,
        rss_mb=rss_mb(),
    )


def shipped_policy() -> str:
    """The text of the policy that comes with suyuan."""
    return files("suyuan.risk.policy").joinpath("default.toml").read_text("utf-8")


def defended_without(
    family: str, rehearsals: dict[int, Rehearsal], catalogue: Catalogue, on_trial: Collection[str]
) -> Defended:
    """A model and a policy by somebody who has never seen a row of this family."""
    teaching, trying = _lessons(rehearsals, catalogue, without=family)
    taught = teach(teaching, catalogue)
    return Defended(tune(shipped_policy(), trying, taught, catalogue, on_trial=on_trial), taught)


def _lessons(
    rehearsals: dict[int, Rehearsal], catalogue: Catalogue, *, without: str | None = None
) -> tuple[list[Lessons], list[Lessons]]:
    teaching, trying = (
        [lessons_of(rehearsals[seed], catalogue, without=without) for seed in seeds]
        for seeds in (TEACHING_SEEDS, TRYING_SEEDS)
    )
    return teaching, trying


def defended_month(seed: int, defended: Defended, catalogue: Catalogue, *, scale: float = 1.0) -> Month:
    """A month against a policy and its model."""
    policy = load_policy(defended.policy, names_of(catalogue.features))
    return live(seed, Judged(Engine(catalogue, policy, defended.taught.scorer)), scale=scale)


def _left_out(family: str, month: Month) -> LeftOut:
    return LeftOut(fate_of(month, family, VARIANTS), honest_of(month), month.world.books.is_balanced)


def _family(name: str, month: Month, left_out: LeftOut | None, bare: Month) -> Family:
    return Family(
        seen=fate_of(month, name, VARIANTS),
        by_variant={variant: fate_of(month, name, (variant,)) for variant in VARIANTS},
        left_out=None if left_out is None else left_out.fate,
        undefended=fate_of(bare, name, VARIANTS),
    )


def fate_of(month: Month, family: str, variants: Sequence[str]) -> Fate:
    """What became of the cards of a family's crews, and what the crews are left with."""
    cards = [
        card for card in month.world.cards if card.is_attack and card.family == family and card.variant in variants
    ]
    return Fate(
        attack_fen=sum(card.face_fen for card in cards),
        stopped_fen=sum(card.face_fen - card.got_through_fen for card in cards),
        net_take_fen=sum(month.world.books.balance_fen[f"crew/{family}/{variant}"] for variant in variants),
    )


def honest_of(month: Month) -> Honest:
    """What honest people met in a month."""
    cards = [card for card in month.world.cards if not card.family]

    def share(met: Collection[Card]) -> float:
        return len(met) / len(cards)

    return Honest(
        redemptions=len(cards),
        refused=share([card for card in cards if card.was_refused_by_risk]),
        reviewed=share([card for card in cards if "review" in card.marks]),
        stepped_up=share([card for card in cards if "step_up" in card.marks]),
        delayed=share([card for card in cards if "delay" in card.marks]),
        frozen=share([card for card in cards if "freeze" in card.marks]),
    )


def _rules(month: Month) -> dict[str, dict[str, int]]:
    """How many attempts each rule hit: of the honest, of bait, and of attackers."""
    found: dict[str, Counter[str]] = {}
    for (what, who), times in month.world.tally.items():
        kind, _, rule = what.partition("/")
        if kind == "rule":
            found.setdefault(rule, Counter())[who if who in ("honest", "bait") else "attack"] += times
    return {rule: {who: found[rule][who] for who in ("honest", "bait", "attack")} for rule in sorted(found)}


def _family_fields(family: Family) -> dict[str, object]:
    return {
        "attack_fen": family.seen.attack_fen,
        "stopped_fen": family.seen.stopped_fen,
        "stopped_share": family.seen.stopped_share,
        "stopped_share_left_out": None if family.left_out is None else family.left_out.stopped_share,
        "net_take_fen": family.seen.net_take_fen,
        "net_take_left_out_fen": None if family.left_out is None else family.left_out.net_take_fen,
        "net_take_undefended_fen": family.undefended.net_take_fen,
        "stopped_share_by_variant": {name: fate.stopped_share for name, fate in family.by_variant.items()},
    }
