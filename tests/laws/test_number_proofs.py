"""A number proof keeps the laws of orders – no phone gets a code twice – and of what a code is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from suyuan.outside.caller import Caller
from suyuan.outside.identity import HttpNumberProof
from suyuan.outside.protocol import CodeBody
from suyuan.outside.sandbox.faults import Fault, FaultPlan
from suyuan.outside.sandbox.world import CODE_TTL_MS, NUMBERS, Tally, World, code_of
from suyuan.settle.providers import CodeOrder, CodeRefused, CodeSent, CodeVerdict, NotFound, SendVerdict, Unknown
from tests.laws.order_laws import LAWS, Law, fresh_number, law_name
from tests.laws.twins import Twins


@dataclass(frozen=True)
class CodesOf:
    """Codes of one provider."""

    target: str

    def order(self, twins: Twins) -> CodeOrder:
        order_no = fresh_number()
        return CodeOrder(order_no, f"139{int(order_no[1:]):08d}")

    def bad_order(self, twins: Twins) -> CodeOrder:
        """A number that nobody can have."""
        return replace(self.order(twins), number="10000000000")

    def with_other_bytes(self, order: CodeOrder) -> CodeOrder:
        return replace(order, number="13800000000")

    async def send(self, caller: Caller, order: CodeOrder) -> SendVerdict:
        return await HttpNumberProof(self.target, caller).begin(order)

    async def ask(self, caller: Caller, order_no: str) -> SendVerdict | NotFound:
        return await HttpNumberProof(self.target, caller).ask(order_no)

    def is_done(self, verdict: SendVerdict | NotFound) -> bool:
        return isinstance(verdict, CodeSent)

    def is_refused(self, verdict: SendVerdict | NotFound) -> bool:
        return isinstance(verdict, CodeRefused)

    def times_done(self, tally: Tally, order: CodeOrder) -> int:
        return len(tally.codes.get(order.number, []))


@pytest.mark.parametrize("law", LAWS, ids=law_name)
@pytest.mark.parametrize("kind", [*map(CodesOf, NUMBERS)], ids=repr)
def test_number_proofs_keep_the_law(kind: CodesOf, law: Law, twins: Twins) -> None:
    twins.run(law(kind, twins))


def sent(twins: Twins) -> tuple[str, str]:
    """A code on its way: its reference, and what the phone shows."""
    order = CodesOf("number").order(twins)
    verdict = twins.run(CodesOf("number").send(twins.platform, order))
    assert isinstance(verdict, CodeSent)
    (code,) = twins.control.tally().codes[order.number]
    return verdict.reference, code


def check(twins: Twins, reference: str, code: str) -> CodeVerdict | Unknown:
    return twins.run(HttpNumberProof("number", twins.platform).check(reference, code))


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_the_code_that_was_sent_proves_and_another_does_not(twins: Twins) -> None:
    """Shown again it still proves, because the first answer may have been lost."""
    reference, code = sent(twins)
    assert check(twins, reference, wrong(code)) is CodeVerdict.WRONG
    assert [check(twins, reference, code) for _ in range(2)] == [CodeVerdict.PROVEN] * 2


def test_five_wrong_codes_end_it_and_a_kill_forgets_none(twins: Twins) -> None:
    reference, code = sent(twins)
    assert [check(twins, reference, wrong(code)) for _ in range(4)] == [CodeVerdict.WRONG] * 4
    twins.sandbox.kill()
    # The connection died with the sandbox, so this one never came to it.
    assert check(twins, reference, wrong(code)) in (Unknown("not_reachable"), Unknown("connection_lost"))
    twins.sandbox.start()
    assert check(twins, reference, wrong(code)) is CodeVerdict.WRONG
    assert check(twins, reference, code) is CodeVerdict.EXPIRED


def test_a_code_of_another_proof_proves_nothing(twins: Twins) -> None:
    (reference, _), (_, other) = sent(twins), sent(twins)
    assert check(twins, reference, other) is CodeVerdict.WRONG
    assert check(twins, "number-nobody", other) == Unknown("http_404")


@pytest.mark.parametrize(
    ("fault", "why"),
    [(Fault.FAILS, "http_500"), (Fault.LOSES_ANSWER, "connection_lost"), (Fault.UNKNOWN_CODE, "unknown_code")],
)
def test_a_check_that_breaks_is_unknown(twins: Twins, fault: Fault, why: str) -> None:
    """Never "wrong", and never "proven"; asked again it is told the truth."""
    reference, code = sent(twins)
    twins.control.set_faults(FaultPlan("number", {fault: 1.0}, on=("check",)))
    try:
        assert check(twins, reference, code) == Unknown(why)
    finally:
        twins.control.heal("number")
    assert check(twins, reference, code) is CodeVerdict.PROVEN


def test_a_code_dies_after_ten_minutes() -> None:
    """By the twin's own clock, to the microsecond."""
    world = World()
    world.apply(world.take("number", CodeBody("n1", "13900000001"), "digest", now=5))
    last = 5 + CODE_TTL_MS * 1_000 - 1
    code = code_of("number", "n1")
    assert world.judge_code("number", "n1", code, last) is CodeVerdict.PROVEN
    assert world.judge_code("number", "n1", code, last + 1) is CodeVerdict.EXPIRED
