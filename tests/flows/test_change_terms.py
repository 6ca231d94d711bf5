"""Nobody changes the terms alone: what two officers can do, and what one cannot, whoever the one is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec
import pytest

from suyuan.base import crypto, db
from suyuan.base.clock import SECOND, SetClock
from suyuan.base.refusals import Reason, Refusal
from suyuan.base.wire import b64
from suyuan.flows import change_terms
from suyuan.flows.change_terms import (
    AddOfficer,
    AnyChange,
    ApproveChange,
    Changed,
    EndOfficer,
    ProposeChange,
    RegisterOfficer,
    TurnSwitch,
    encode_change,
    proposal_subject,
    switch_subject,
)
from suyuan.flows.forget_subject import ForgetSeller
from suyuan.flows.officer_signature import statement
from suyuan.flows.shelves import Shelves
from suyuan.flows.trade_terms import AddAgent, AddContract, AddKey, AddPartner, EndContract, MoveKey
from suyuan.history.leader import take_lead
from suyuan.history.line import Line
from suyuan.settle.limits import LimitRules

NOON = 1_795_320_000 * SECOND
PARTNER = AddPartner("ptn_1", "Example")
CONTRACT = AddContract(
    "ctr_1", "ptn_1", "card", "coupon", 10, 8, "coupon_hall", "m-1", "consume_then_pay", ends_at=NOON * 2
)


class Officer:
    """A person with a key of their own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.signer = crypto.suite("ed25519").signer(name.encode().ljust(32, b"."))

    def sign(self, verb: str, subject: object) -> bytes:
        return self.signer.sign(statement(verb, subject))

    def added(self) -> AddOfficer:
        return AddOfficer(self.name, "ed25519", b64(self.signer.public))

    def registers(self) -> RegisterOfficer:
        signature = self.sign("register", encode_change(self.added()))
        return RegisterOfficer(self.name, "ed25519", b64(self.signer.public), signature)

    def proposes(self, proposal: str, change: AnyChange | str) -> ProposeChange:
        text = change if isinstance(change, str) else encode_change(change)
        return ProposeChange(proposal, text, self.name, self.sign("propose", proposal_subject(proposal, text)))

    def approves(self, proposal: str, change: AnyChange) -> ApproveChange:
        subject = proposal_subject(proposal, encode_change(change))
        return ApproveChange(proposal, self.name, self.sign("approve", subject))

    def turns(self, target: str, *, stopped: bool, after: int = 0) -> TurnSwitch:
        subject = switch_subject(target, stopped=stopped, after=after)
        return TurnSwitch(target, stopped, after, self.name, self.sign("switch", subject))


ANNA, BO, CHEN = Officer("ofc_anna"), Officer("ofc_bo"), Officer("ofc_chen")
Ask = Callable[[msgspec.Struct], Awaitable[Any]]


def play(database: str, story: Callable[[Ask], Awaitable[None]]) -> None:
    """Runs a story against the real line, with both founding officers registered."""

    async def run() -> None:
        connection = await asyncpg.connect(db.for_asyncpg(database))
        lead = await take_lead(connection)
        assert lead is not None
        line = Line(connection, Shelves(LimitRules()), change_terms.APPLIERS, lead, SetClock(NOON))
        serving = asyncio.create_task(line.run())
        try:
            for founder in (ANNA, BO):
                assert isinstance(await line.submit(founder.registers()), Changed)
            await story(line.submit)
        finally:
            serving.cancel()
            await connection.close()

    asyncio.run(run())


async def agree(ask: Ask, proposal: str, change: AnyChange) -> Any:
    """One proposes, the other approves."""
    proposed = await ask(ANNA.proposes(proposal, change))
    return proposed if isinstance(proposed, Refusal) else await ask(BO.approves(proposal, change))


def test_a_change_is_in_force_only_after_a_second_officer(database: str) -> None:
    """Anna proposes a partner; until Bo agrees there is none, and Anna cannot agree with herself."""

    async def story(ask: Ask) -> None:
        assert await ask(ANNA.proposes("prp_1", PARTNER)) == Changed("prp_1")
        assert await ask(ANNA.approves("prp_1", PARTNER)) == Refusal(Reason.proposal_needs_a_second_person, "officer")
        assert rows(database, "SELECT count(*) FROM partner") == [(0,)]
        assert await ask(BO.approves("prp_1", PARTNER)) == Changed("prp_1")
        assert rows(database, "SELECT id, state FROM partner") == [("ptn_1", "active")]
        assert await ask(BO.approves("prp_1", PARTNER)) == Refusal(Reason.proposal_is_closed, "proposal")

    play(database, story)


def test_only_the_first_two_officers_register_themselves(database: str) -> None:
    """The third is proposed and approved, or whoever reaches the socket would be an officer."""

    async def story(ask: Ask) -> None:
        assert await ask(CHEN.registers()) == Refusal(Reason.officers_are_registered, "officer")
        assert await agree(ask, "prp_1", CHEN.added()) == Changed("prp_1")
        assert await ask(CHEN.proposes("prp_2", PARTNER)) == Changed("prp_2")

    play(database, story)


def test_an_officer_speaks_only_with_the_own_key(database: str) -> None:
    """A stranger, a forged name, and a signature that was given for something else."""

    async def story(ask: Ask) -> None:
        assert await ask(CHEN.proposes("prp_1", PARTNER)) == Refusal(Reason.officer_is_unknown, "officer")
        subject = proposal_subject("prp_1", encode_change(PARTNER))
        forged = ProposeChange("prp_1", encode_change(PARTNER), ANNA.name, BO.sign("propose", subject))
        assert await ask(forged) == Refusal(Reason.officer_signature_is_wrong, "signature")
        await ask(ANNA.proposes("prp_1", PARTNER))
        reused = ApproveChange("prp_1", BO.name, BO.sign("propose", subject))
        assert await ask(reused) == Refusal(Reason.officer_signature_is_wrong, "signature")
        assert await ask(BO.approves("prp_9", PARTNER)) == Refusal(Reason.proposal_is_unknown, "proposal")

    play(database, story)


@pytest.mark.parametrize(
    "change",
    [
        "{}",
        "not json",
        '{"change":"add_partner","id":"ptn_1","name":"x","ratio":2}',
        ' {"change":"add_partner","id":"ptn_1","name":"x","webhook_url":""}',
        msgspec.structs.replace(CONTRACT, ratio_value=11),
        msgspec.structs.replace(CONTRACT, ratio_value=0),
        msgspec.structs.replace(CONTRACT, value_kind="cash"),
        msgspec.structs.replace(CONTRACT, source="balance", disposition="hold_then_sell"),
        msgspec.structs.replace(CONTRACT, begins_at=5, ends_at=5),
        AddKey("key_1", "partner", "ptn_1", "ed25519", "AAAA"),
        AddKey("key_1", "partner", "ptn_1", "rsa", b64(bytes(32))),
        AddKey("key_1", "partner", "ptn_1", "ed25519", b64(CHEN.signer.public), networks="10.0.0.0/33"),
    ],
)
def test_a_change_that_makes_no_sense_is_not_even_proposed(database: str, change: AnyChange | str) -> None:
    """A ratio above one, an unknown kind of value, a held balance, a broken key, another spelling of the same text."""

    async def story(ask: Ask) -> None:
        assert await ask(ANNA.proposes("prp_1", change)) == Refusal(Reason.proposal_is_impossible, "change")

    play(database, story)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (ForgetSeller("slr_1", "asked by 13800000001"), "reason"),
        (AddAgent("agt_13800000001", "ptn_1"), "id"),
        (msgspec.structs.replace(CONTRACT, id="ctr_110101199001011237"), "id"),
    ],
)
def test_no_change_says_in_words_who_somebody_is(database: str, change: AnyChange, where: str) -> None:
    """History keeps a proposal for ever, whether anybody approves it or not."""

    async def story(ask: Ask) -> None:
        assert await ask(ANNA.proposes("prp_1", change)) == Refusal(Reason.text_holds_personal_value, where)
        assert rows(database, "SELECT count(*) FROM proposal WHERE id = 'prp_1'") == [(0,)]

    play(database, story)


def test_a_seller_whom_a_partner_once_named_by_a_number_is_forgotten_all_the_same(database: str) -> None:
    """The name is in history already; refusing to let go of the rest would only make it worse."""

    async def story(ask: Ask) -> None:
        change = ForgetSeller("slr_13800000001", "asked")
        assert await ask(ANNA.proposes("prp_1", change)) == Changed("prp_1")

    play(database, story)


@pytest.mark.parametrize("name", ["rights", "keeper", "platform", "ofc_", "ofc_a b", "ofc_\u001b[2J"])
def test_no_officer_bears_the_name_of_a_reader_of_the_platforms(database: str, name: str) -> None:
    """Who looks for the source of a leak would take what that officer read for the platform's own work."""

    async def story(ask: Ask) -> None:
        change = Officer(name).added()
        assert await ask(ANNA.proposes("prp_1", change)) == Refusal(Reason.proposal_is_impossible, "change")

    play(database, story)


def test_an_officer_who_has_left_decides_nothing_any_more(database: str) -> None:
    """A key that was stolen is worth nothing from then on: no step with it, and nothing that it had begun."""

    async def story(ask: Ask) -> None:
        await agree(ask, "prp_1", CHEN.added())
        assert await ask(CHEN.proposes("prp_2", PARTNER)) == Changed("prp_2")
        assert await agree(ask, "prp_3", EndOfficer("ofc_chen")) == Changed("prp_3")
        left = Refusal(Reason.officer_has_left, "officer")
        assert await ask(CHEN.proposes("prp_4", PARTNER)) == left
        assert await ask(CHEN.turns("platform", stopped=True)) == left
        assert await ask(ANNA.proposes("prp_5", PARTNER)) == Changed("prp_5")
        assert await ask(CHEN.approves("prp_5", PARTNER)) == left
        assert await ask(BO.approves("prp_2", PARTNER)) == Refusal(Reason.officer_has_left, "proposal")

    play(database, story)


def test_who_has_left_does_not_come_back(database: str) -> None:
    """By no switch, by no second end, and not under the same name."""

    async def story(ask: Ask) -> None:
        await agree(ask, "prp_1", CHEN.added())
        await agree(ask, "prp_2", EndOfficer("ofc_chen"))
        answer = await ask(ANNA.turns("officer:ofc_chen", stopped=False, after=NOON))
        assert answer == Refusal(Reason.proposal_is_impossible, "target")
        changes: list[AnyChange] = [EndOfficer("ofc_chen"), CHEN.added(), EndOfficer("ofc_nobody")]
        for number, change in enumerate(changes):
            refusal = await agree(ask, f"prp_3{number}", change)
            assert refusal == Refusal(Reason.proposal_is_impossible, "change")
        assert rows(database, "SELECT stopped FROM kill_switch WHERE target = 'officer:ofc_chen'") == [(True,)]

    play(database, story)


def test_nobody_ends_the_two_without_whom_nothing_is_decided(database: str) -> None:
    """Two others have to agree, so two are always left; and one alone throws nobody out."""

    async def story(ask: Ask) -> None:
        for number, name in enumerate(("ofc_anna", "ofc_bo")):
            refusal = await agree(ask, f"prp_{number}", EndOfficer(name))
            assert refusal == Refusal(Reason.proposal_needs_a_second_person, "officer")

    play(database, story)


def test_one_key_is_one_officer(database: str) -> None:
    """Under two names one person would be two, or three; nor is an officer's key one that partners sign with."""

    async def story(ask: Ask) -> None:
        again = AddOfficer("ofc_again", "ed25519", b64(ANNA.signer.public))
        assert await agree(ask, "prp_1", again) == Refusal(Reason.proposal_is_impossible, "change")
        await agree(ask, "prp_2", PARTNER)
        key = AddKey("key_1", "partner", "ptn_1", "ed25519", b64(ANNA.signer.public))
        assert await agree(ask, "prp_3", key) == Refusal(Reason.proposal_is_impossible, "change")
        assert await agree(ask, "prp_4", CHEN.added()) == Changed("prp_4"), "and the line goes on"

    play(database, story)


def test_nobody_takes_both_founding_seats(database: str) -> None:
    """Not with one key under two names: nothing would ever take two people then."""

    async def run() -> None:
        connection = await asyncpg.connect(db.for_asyncpg(database))
        lead = await take_lead(connection)
        assert lead is not None
        line = Line(connection, Shelves(LimitRules()), change_terms.APPLIERS, lead, SetClock(NOON))
        serving = asyncio.create_task(line.run())
        again = Officer("ofc_again")
        again.signer = ANNA.signer
        try:
            assert isinstance(await line.submit(ANNA.registers()), Changed)
            refusal = Refusal(Reason.proposal_needs_a_second_person, "public_key")
            assert await line.submit(again.registers()) == refusal
            assert isinstance(await line.submit(BO.registers()), Changed)
        finally:
            serving.cancel()
            await connection.close()

    asyncio.run(run())


def test_terms_end_and_begin_but_are_never_altered(database: str) -> None:
    """A contract keeps its ratio and kind for life; a second one under the same id is impossible."""

    async def story(ask: Ask) -> None:
        await agree(ask, "prp_1", PARTNER)
        assert await agree(ask, "prp_2", CONTRACT) == Changed("prp_2")
        better = msgspec.structs.replace(CONTRACT, ratio_value=10, value_kind="money")
        assert await agree(ask, "prp_3", better) == Refusal(Reason.proposal_is_impossible, "change")
        assert await agree(ask, "prp_4", EndContract("ctr_1", NOON)) == Changed("prp_4")
        assert await agree(ask, "prp_5", EndContract("ctr_1", NOON * 2)) == Refusal(
            Reason.proposal_is_impossible, "change"
        )
        kept = "SELECT value_kind, ratio_face, ratio_value, ends_at FROM contract"
        assert rows(database, kept) == [("coupon", 10, 8, NOON)]

    play(database, story)


def test_what_refers_to_nothing_is_impossible(database: str) -> None:
    """A contract, an agent or a key of a partner that does not exist."""
    key = AddKey("key_1", "partner", "ptn_1", "ed25519", b64(CHEN.signer.public))
    changes: list[AnyChange] = [CONTRACT, AddAgent("agt_1", "ptn_1"), key, MoveKey("key_1", "revoked")]

    async def story(ask: Ask) -> None:
        for number, change in enumerate(changes):
            refusal = await agree(ask, f"prp_{number}", change)
            assert refusal == Refusal(Reason.proposal_is_impossible, "change")

    play(database, story)


def test_a_key_only_moves_on(database: str) -> None:
    """Next, active, retiring, revoked; a revoked key never signs again, and one key is not two."""
    key = AddKey("key_1", "partner", "ptn_1", "ed25519", b64(CHEN.signer.public), state="next")

    async def story(ask: Ask) -> None:
        await agree(ask, "prp_0", PARTNER)
        assert await agree(ask, "prp_1", key) == Changed("prp_1")
        for number, state in enumerate(("active", "retiring", "revoked")):
            assert await agree(ask, f"prp_2{number}", MoveKey("key_1", state)) == Changed(f"prp_2{number}")
        changes: list[AnyChange] = [MoveKey("key_1", "active"), key, msgspec.structs.replace(key, id="key_2")]
        for number, change in enumerate(changes):
            refusal = await agree(ask, f"prp_3{number}", change)
            assert refusal == Refusal(Reason.proposal_is_impossible, "change")

    play(database, story)


def test_a_kill_switch_takes_one_officer_and_works_at_once(database: str) -> None:
    """Stopping is urgent; opening again is the same act. What is no target is refused."""

    async def story(ask: Ask) -> None:
        assert await ask(ANNA.turns("channel:bank_transfer", stopped=True)) == Changed("channel:bank_transfer")
        assert rows(database, "SELECT target, stopped FROM kill_switch") == [("channel:bank_transfer", True)]
        ((turned_at,),) = rows(database, "SELECT turned_at FROM kill_switch")
        opened = BO.turns("channel:bank_transfer", stopped=False, after=turned_at)
        assert await ask(opened) == Changed("channel:bank_transfer")
        assert rows(database, "SELECT target, stopped FROM kill_switch") == [("channel:bank_transfer", False)]
        for target in ("", "channel:", "weather:rain", "channel"):
            refusal = await ask(ANNA.turns(target, stopped=True))
            assert refusal == Refusal(Reason.proposal_is_impossible, "target")

    play(database, story)


def test_an_old_signature_turns_no_switch_again(database: str) -> None:
    """Stopped, opened, stopped again: whoever kept the opening and sends it once more finds the channel closed."""

    async def story(ask: Ask) -> None:
        turned_at, kept = 0, None
        for stopped in (True, False, True):
            command = BO.turns("channel:bank_transfer", stopped=stopped, after=turned_at)
            kept = kept if stopped else command
            assert await ask(command) == Changed("channel:bank_transfer")
            ((turned_at,),) = rows(database, "SELECT turned_at FROM kill_switch")
        assert kept is not None
        assert await ask(kept) == Refusal(Reason.switch_was_turned_since, "target")
        assert rows(database, "SELECT stopped FROM kill_switch") == [(True,)]

    play(database, story)


def test_an_old_signature_proposes_and_approves_nothing_else(database: str) -> None:
    """Anna once signed a change that was never approved. Under a new name, Bo would approve it for something else."""
    other = AddPartner("ptn_2", "Somebody else")

    async def story(ask: Ask) -> None:
        signed = ANNA.proposes("prp_1", other)
        renamed = ProposeChange("prp_2", signed.change, signed.officer, signed.signature)
        assert await ask(renamed) == Refusal(Reason.officer_signature_is_wrong, "signature")
        await ask(signed)
        believed = BO.approves("prp_1", PARTNER)
        assert await ask(believed) == Refusal(Reason.officer_signature_is_wrong, "signature")
        assert rows(database, "SELECT count(*) FROM partner") == [(0,)]

    play(database, story)


def test_every_step_is_an_event_of_history(database: str) -> None:
    """Who proposed and who approved can be read for ever."""

    async def story(ask: Ask) -> None:
        await agree(ask, "prp_1", PARTNER)
        await ask(ANNA.turns("platform", stopped=True))

    play(database, story)
    kinds = [kind for (kind,) in rows(database, "SELECT kind FROM event ORDER BY seq")]
    assert kinds == [
        "officer_registered/1",
        "officer_registered/1",
        "change_proposed/1",
        "change_approved/1",
        "partner_registered/1",
        "switch_turned/1",
    ]


def rows(database: str, query: str) -> list[tuple[Any, ...]]:
    """What the database holds now."""
    with db.connect(database, autocommit=True) as connection:
        return connection.execute(query).fetchall()
