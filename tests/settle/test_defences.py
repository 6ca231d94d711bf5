"""Each defence, layer by layer: the attack fails while one layer stands, and gets through when the last one is gone.

A layer is removed the way a careless change would remove it: a condition is taken out of the code, a constraint out
of the database. If an attack still failed with all its layers gone, the test of that defence would prove nothing; so
that is an error too. Where the audit would have seen it afterwards, the invariant that sees it is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from suyuan.base import db
from suyuan.base.money import Split
from suyuan.flows import change_terms, record_outcome, redeem_card, take_redemption
from suyuan.history.line import Applier
from suyuan.settle import body, card, ledger, limits, once
from suyuan.settle import redemption as booking
from suyuan.settle.audit import audit_books
from tests.changed_code import change
from tests.settle import attacks, books_line
from tests.settle.books_line import (
    BooksLine,
    a_contract,
    a_key,
    a_partner,
    a_seller,
)

Remove = Callable[[pytest.MonkeyPatch, str], None]


@dataclass(frozen=True)
class Defence:
    """An attack, the layers that stop it from the first to the last, and what the audit says when all are gone."""

    name: str
    attack: attacks.Attack
    layers: tuple[Remove, ...]
    seen_by: str | None = None


# --- taking a layer away -------------------------------------------------------------------------


def code(owner: Any, name: str, old: str, new: str) -> Remove:
    """A line of the code is changed, wherever the function is already in use."""

    def remove(patch: pytest.MonkeyPatch, url: str) -> None:
        before, after = change(patch, owner, name, old, new)
        for command, (want, apply) in list(books_line.APPLIERS.items()):
            if apply is before:
                patch.setitem(books_line.APPLIERS, command, Applier(want, after))

    return remove


def instead(owner: Any, name: str, answer: Any) -> Remove:
    """A check says the same to everything."""
    return lambda patch, url: patch.setattr(owner, name, lambda *_, **__: answer)


def sql(*statements: str) -> Remove:
    """A constraint is dropped."""

    def remove(patch: pytest.MonkeyPatch, url: str) -> None:
        with db.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    return remove


class Loose(msgspec.Struct):
    """A body whose other fields nobody looks at."""

    contract: str


NO_ROOM_IN_THE_BOOKS = instead(ledger, "_is_within_bounds", True)
NO_ROOM_IN_THE_DATABASE = sql(
    "ALTER TABLE account DROP CONSTRAINT account_spends_what_it_has",
    "ALTER TABLE account DROP CONSTRAINT account_promises_what_it_was_promised",
)
NO_LIMIT = (instead(limits.Limits, "check", None), NO_ROOM_IN_THE_BOOKS, NO_ROOM_IN_THE_DATABASE)


def other_parts(**changes: Any) -> Remove:
    """What is booked is not what the contract and the register say."""

    def remove(patch: pytest.MonkeyPatch, url: str) -> None:
        pend = booking.pend
        patch.setattr(booking, "pend", lambda books, turn, parts: pend(books, turn, parts._replace(**changes)))
        # These accounts are wanted as well, as a mistake in the applier would have it.
        keys = booking.account_keys
        more = ["money/payee/the thief", "money/payee/payee of slr_1", "money/seller/slr_1"]
        patch.setattr(booking, "account_keys", lambda *args: [*keys(*args), *more])

    return remove


DEFENCES = (
    Defence("nonce", attacks.reuse_a_nonce, (instead(once.Once, "is_replay", False),)),
    Defence(
        "idempotency key",
        attacks.double_a_key,
        (instead(once.Once, "recall", None), instead(once.Once, "remember", None)),
        seen_by="the_same_request_has_the_same_answer",
    ),
    Defence(
        "a refusal is kept",
        attacks.flip_a_refusal,
        (instead(once.Once, "recall", None), instead(once.Once, "remember", None)),
        seen_by="the_same_request_has_the_same_answer",
    ),
    Defence(
        "card claim",
        attacks.sell_twice,
        (
            instead(card.Cards, "is_taken", False),
            code(card.Cards, "claim", 'assert known.state == RELEASED, "a card that is held is not claimed again"', ""),
        ),
        seen_by="a_card_is_spent_once",
    ),
    *[
        Defence(f"limit of the {subject}", attacks.pass_the_limit_of(subject), NO_LIMIT, seen_by="no_limit_was_passed")
        for subject in ("seller", "identity", "device", "payee", "ip_prefix", "partner")
    ],
    Defence("rolling limit", attacks.pass_the_rolling_limit, NO_LIMIT, seen_by="no_limit_was_passed"),
    Defence(
        "limit of one redemption",
        attacks.one_large_card,
        (code(limits.Limits, "check", "if fen > self.rules.transaction_fen_max[tier] * percent // 100:", "if False:"),),
    ),
    Defence(
        "one step-up a day",
        attacks.step_up_twice,
        (instead(limits, "_was_raised", False),),
        seen_by="no_limit_was_passed",
    ),
    Defence(
        "a hold lasts 24 hours",
        attacks.release_early,
        (code(limits.Limits, "_expired", "if hold.expires_at > at:", "if False:"),),
        seen_by="no_limit_was_passed",
    ),
    Defence(
        "tier of a new device",
        attacks.use_a_new_device,
        (code(take_redemption, "tier_of", "0 if is_new_device else ", ""),),
    ),
    Defence(
        "a key is its owner's",
        attacks.with_anothers_key,
        (code(take_redemption, "_check_parties", "key.owner != command.seller", "False"),),
    ),
    Defence("a revoked key", attacks.with_a_revoked_key, (instead(take_redemption, "check_key", None),)),
    Defence(
        "a partner's own seller",
        attacks.for_anothers_seller,
        (instead(take_redemption, "check_seller", None),),
        seen_by="a_redemption_follows_its_contract",
    ),
    Defence(
        "a partner's own contract",
        attacks.under_anothers_contract,
        (instead(take_redemption, "check_contract", None),),
        seen_by="a_redemption_follows_its_contract",
    ),
    Defence("expected payout", attacks.expect_a_better_ratio, (instead(take_redemption, "_check_payout", None),)),
    Defence(
        "ratio",
        attacks.pay_another_sum,
        (instead(take_redemption, "_split", Split(90_00, 10_00, 0)),),
        seen_by="a_redemption_follows_its_contract",
    ),
    Defence(
        "payee",
        attacks.pay_somebody_else,
        (other_parts(payee="the thief"),),
        seen_by="a_redemption_follows_its_contract",
    ),
    Defence(
        "value kind",
        attacks.pay_another_kind,
        (other_parts(value_kind="money"),),
        seen_by="a_redemption_follows_its_contract",
    ),
    Defence(
        "kinds of value do not mix",
        attacks.turn_coupons_into_money,
        (
            code(
                ledger.Books, "_enter", 'assert ledger == payee.ledger, "value does not change its kind on the way"', ""
            ),
        ),
        seen_by="counters_are_the_fold_of_transfers",
    ),
    Defence(
        "bounds of an account",
        attacks.spend_what_is_not_there,
        (NO_ROOM_IN_THE_BOOKS, NO_ROOM_IN_THE_DATABASE),
        seen_by="bounds_hold_at_every_prefix",
    ),
    Defence(
        "resolved once",
        attacks.resolve_twice,
        (
            code(ledger.Books, "resolve", 'if booked.state != "pending" or booked.resolved:', "if False:"),
            sql("DROP INDEX transfer_resolves_once"),
        ),
        seen_by="a_pending_transfer_resolves_once",
    ),
    Defence(
        "pay only what was consumed",
        attacks.pay_before_consuming,
        (
            code(
                record_outcome,
                "apply",
                "if due is None or not belongs or command.order_no != order_no_of(redemption):",
                "if due is None:",
            ),
            NO_ROOM_IN_THE_BOOKS,
            NO_ROOM_IN_THE_DATABASE,
        ),
        seen_by="bounds_hold_at_every_prefix",
    ),
    Defence(
        "nobody owes what was not paid",
        attacks.invent_a_debt,
        (code(record_outcome, "apply", "redemption.state != booking.SELLING", "False"),),
    ),
    Defence(
        "a promise is not withdrawn",
        attacks.reverse_during_a_payout,
        (
            code(record_outcome, "take_back", "if is_spending or redemption.state == CONSUMED:", "if False:"),
            code(record_outcome, "take_back", "if not was_consumed:", "if False:"),
        ),
        seen_by="promises_wait_for_a_verdict",
    ),
    Defence("debts are paid first", attacks.run_from_a_debt, (instead(booking, "debt_of", 0),)),
    *[
        Defence(
            f"kill switch of {target}",
            attacks.go_on_when_stopped(target),
            (instead(take_redemption, "_check_switches", None),),
        )
        for target in ("platform", "key:key_partner", "partner:ptn_1", "channel:bank_transfer", "card_kind:cmcc")
    ],
    Defence(
        "two people",
        attacks.approve_alone,
        (
            code(change_terms, "approve", "if proposal.proposer == command.officer:", "if False:"),
            sql("ALTER TABLE proposal DROP CONSTRAINT proposal_check"),
        ),
    ),
    Defence(
        "terms cannot be asked for",
        attacks.ask_for_terms,
        (
            lambda patch, url: patch.setattr(body, "_NOT_TO_BE_ASKED_FOR", {}),
            instead(body, "_findings", ()),
            lambda patch, url: patch.setattr(redeem_card, "WISHES", body.Reader(Loose)),
        ),
    ),
)


CASES = [(defence, removed) for defence in DEFENCES for removed in range(len(defence.layers) + 1)]


@pytest.fixture
def line(database: str) -> Iterator[BooksLine]:
    with BooksLine(database, attacks.SMALL) as line:
        line.register(a_partner(), a_partner("ptn_2"), a_key(), a_seller(), a_seller("slr_2"), a_contract())
        yield line


@pytest.mark.parametrize(
    ("defence", "removed"), CASES, ids=[f"{defence.name}, {removed} removed" for defence, removed in CASES]
)
def test_an_attack_passes_only_when_every_layer_is_gone(
    line: BooksLine, monkeypatch: pytest.MonkeyPatch, defence: Defence, removed: int
) -> None:
    """With any layer left nothing gets through, and the books balance; with none, it shows."""
    for remove in defence.layers[:removed]:
        remove(monkeypatch, line.url)
    got_through = defence.attack(line)
    with db.connect(line.url) as connection:
        audit = audit_books(connection, attacks.SMALL)
    if removed < len(defence.layers):
        assert got_through == 0
    else:
        assert got_through > 0, "an attack that fails undefended proves nothing"
        if defence.seen_by is not None:
            assert not audit.invariants[defence.seen_by], audit
