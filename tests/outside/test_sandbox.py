"""The sandbox as whoever plays the world meets it: its control side, its journal, its start and its end."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from suyuan.base.crypto import PublicKey, suite
from suyuan.outside.sandbox import run
from suyuan.outside.sandbox.client import Control, ControlRefused, RunningSandbox
from suyuan.outside.sandbox.control_side import CardsBody
from suyuan.outside.sandbox.facts import (
    Balance,
    Card,
    CardName,
    CardsIssued,
    IssuedCard,
    Journal,
    JournalIsDamaged,
    JournalIsTaken,
    Merchant,
    Person,
    Strange,
)
from suyuan.outside.sandbox.faults import Dice, Fault, FaultPlan
from suyuan.outside.sandbox.world import Memory

KEY = PublicKey("ed25519", suite("ed25519").public_of(b"p" * 32))
CARD = Card("cmcc", "serial-1", "pin-that-nobody-may-read", 10_000)


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    with RunningSandbox(tmp_path_factory.mktemp("sandbox") / "state.jsonl", KEY) as sandbox:
        control = Control(sandbox.url)
        yield control
        control.close()


def post(control: Control, name: str, body: Any) -> httpx.Response:
    """A body that the typed client would not send."""
    return control._http.post(f"/control/{name}", json=body)


def test_a_card_is_issued_once(control: Control) -> None:
    """Issued again with another face value, it stays what it was."""
    assert control.issue_cards([CARD]) == 1
    assert control.issue_cards([Card("cmcc", "serial-1", "another", 50_000), Card("cmcc", "serial-2", "2", 100)]) == 1


def test_a_holder_spends_a_card_once(control: Control) -> None:
    """Spent, spent again, and a card that does not exist: one of three was good."""
    control.issue_cards([Card("cmcc", "serial-3", "3", 100)])
    name = CardName("cmcc", "serial-3")
    assert control.spend([name]) == 1
    assert control.spend([name, CardName("cmcc", "serial-none")]) == 0
    assert control.tally().cards["cmcc/serial-3"].spent_by_holder


def test_who_is_not_there_is_named(control: Control) -> None:
    """A sentence that says which names there are, and nothing is changed."""
    for tell in (
        lambda: control.issue_cards([Card("mvno", "1", "1", 100)]),
        lambda: control.open_balances([Balance("mvno", "1", 100)]),
        lambda: control.set_faults(FaultPlan("mvno")),
    ):
        with pytest.raises(ControlRefused, match="no twin called mvno; it has cmcc, unicom, telecom"):
            tell()
    with pytest.raises(ControlRefused, match="it has bank_transfer, coupon_hall, points_bank"):
        control.register_merchants([Merchant("cash_hall", "m-1")])


BAD_BODIES: dict[str, tuple[str, Any]] = {
    "no list": ("cards", {}),
    "an unknown field": ("cards", {"cards": [], "card": []}),
    "a face value of nothing": ("cards", {"cards": [{"operator": "cmcc", "serial": "9", "pin": "9", "face_fen": 0}]}),
    "a face value that is true": (
        "cards",
        {"cards": [{"operator": "cmcc", "serial": "9", "pin": "9", "face_fen": True}]},
    ),
    "an unknown fault": ("faults", {"target": "cmcc", "shares": {"explodes": 1.0}}),
    "shares above one": ("faults", {"target": "cmcc", "shares": {"fails": 0.7, "loses_answer": 0.7}}),
    "a negative share": ("faults", {"target": "cmcc", "shares": {"fails": -0.1}}),
    "a holder who says perhaps": (
        "balances",
        {"balances": [{"operator": "cmcc", "number": "1", "balance_fen": 1, "answer": "perhaps"}]},
    ),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_what_makes_no_sense_is_refused_with_a_sentence(name: str, control: Control) -> None:
    before = control.tally()
    path, body = BAD_BODIES[name]
    answer = post(control, path, body)
    assert answer.status_code == 400
    assert len(answer.text) > 10
    assert control.tally() == before


def test_the_platforms_side_is_closed_to_the_unsigned(control: Control) -> None:
    """Every route but control's wants the platform's signature; unknown providers and routes are not found."""
    http = control._http
    assert http.get("/operators/cmcc/orders/n1").json() == {"about": "", "code": "signature_refused"}
    assert http.get("/operators/cmcc/reversals").status_code == 401
    assert http.post("/operators/telecom/secrets", content=b"{}").status_code == 401
    assert http.post("/channels/bank_transfer/orders", content=b"\xff").status_code == 401
    assert http.get("/operators/mvno/orders/n1").status_code == 404
    assert http.get("/channels/cmcc/orders/n1").status_code == 404
    assert http.get("/").status_code == 404
    assert http.delete("/control/tally").status_code == 405


def test_the_journal_holds_no_secret_and_is_its_owners_alone(tmp_path: Path) -> None:
    """PINs and captures are digests in it, and nobody else may read the file."""
    state = tmp_path / "state.jsonl"
    with RunningSandbox(state, KEY) as sandbox:
        control = Control(sandbox.url)
        control.issue_cards([CARD])
        control.enrol_people([Person("person-1", "capture-that-nobody-may-read")])
        control.close()
    assert "that-nobody-may-read" not in state.read_text()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    """Killed in the middle of a write: that fact was never answered for. The next one starts on a line of its own."""
    path = tmp_path / "state.jsonl"
    journal = Journal(path)
    journal.append(Strange("cmcc", "conflict"))
    journal.append(Strange("unicom", "conflict"))
    journal.close()
    path.write_bytes(path.read_bytes()[:-7])
    journal = Journal(path)
    assert Memory(journal).world.tally.strange == {"cmcc/conflict": 1}
    journal.append(Strange("telecom", "conflict"))
    assert list(journal.replay()) == [Strange("cmcc", "conflict"), Strange("telecom", "conflict")]
    journal.close()


@pytest.mark.parametrize("line", [b"{", b'{"type":"Miracle"}', b"", b'{"type":"Strange","target":"cmcc"}', b"\xff"])
def test_any_other_damage_stops_the_start(line: bytes, tmp_path: Path) -> None:
    """A line in the middle that cannot be read names file and line; the sandbox does not guess."""
    path = tmp_path / "state.jsonl"
    good = b'{"type":"Strange","target":"cmcc","what":"conflict"}\n'
    path.write_bytes(good + line + b"\n" + good)
    with pytest.raises(RuntimeError, match=r"did not start: .*state\.jsonl, line 2: "):
        RunningSandbox(path, KEY)
    journal = Journal(path)
    with pytest.raises(JournalIsDamaged, match="line 2"):
        Memory(journal)
    journal.close()


def test_two_sandboxes_do_not_share_a_journal(tmp_path: Path) -> None:
    """Each would do the same order once."""
    path = tmp_path / "state.jsonl"
    with RunningSandbox(path, KEY):
        with pytest.raises(JournalIsTaken, match="another sandbox is writing"):
            Journal(path)
        with pytest.raises(RuntimeError, match="did not start: another sandbox is writing"):
            RunningSandbox(path, KEY)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "sandbox.example"])
def test_it_listens_on_the_loopback_only(host: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the sandbox listens on "):
        run(host, 0, tmp_path / "state.jsonl", KEY)
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    with RunningSandbox(tmp_path / "one.jsonl", KEY) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(RuntimeError, match=f"did not start: .*cannot listen on 127.0.0.1, port {port}: "):
            RunningSandbox(tmp_path / "two.jsonl", KEY, port=port)


def test_it_stops_at_once_when_asked(tmp_path: Path) -> None:
    """SIGTERM ends it well, and the next start knows the same cards."""
    sandbox = RunningSandbox(tmp_path / "state.jsonl", KEY)
    control = Control(sandbox.url)
    control.issue_cards([CARD])
    before = control.tally()
    control.close()
    sandbox.stop()
    assert sandbox.wait() in (0, -15)
    sandbox.start()
    control = Control(sandbox.url)
    assert control.tally() == before
    control.close()
    sandbox.stop()


def test_faults_follow_from_the_seed_not_from_the_order_of_arrival() -> None:
    """The same thousand orders, forwards and backwards: the same ones meet a fault. Another seed: others."""
    plan = FaultPlan("cmcc", {Fault.FAILS: 0.1, Fault.LOSES_ANSWER: 0.1}, seed=42)
    orders = [f"rdm{number}" for number in range(1000)]
    forwards, backwards = Dice(plan), Dice(plan)
    struck = {order: forwards.draw("order", order) for order in orders}
    assert struck == {order: backwards.draw("order", order) for order in reversed(orders)}
    assert 60 < sum(fault is Fault.FAILS for fault in struck.values()) < 140
    other = Dice(FaultPlan("cmcc", {Fault.FAILS: 0.1, Fault.LOSES_ANSWER: 0.1}, seed=43))
    assert struck != {order: other.draw("order", order) for order in orders}


def test_a_retry_throws_new_dice() -> None:
    """With a share of one half, one order does not fail for ever."""
    dice = Dice(FaultPlan("cmcc", {Fault.FAILS: 0.5}))
    assert len({dice.draw("order", "rdm1") for _ in range(20)}) == 2


def test_what_brought_it_down_is_mended_and_the_rest_stays() -> None:
    plan = FaultPlan("cmcc", {Fault.GOES_DOWN_AFTER: 0.5, Fault.FAILS: 0.5})
    assert plan.survived().shares == {Fault.FAILS: 0.5}


def test_cards_are_journaled_in_one_line(tmp_path: Path) -> None:
    """A thousand cards are one fact: issuing is not what a test should wait for."""
    path = tmp_path / "state.jsonl"
    cards = CardsBody([Card("cmcc", f"serial-{number}", "1", 100) for number in range(1000)])
    with RunningSandbox(path, KEY) as sandbox:
        control = Control(sandbox.url)
        control.issue_cards(cards.cards)
        control.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["type"] == "CardsIssued"
    assert CardsIssued([IssuedCard(*json.loads(lines[0])["cards"][0])]).cards[0].serial == "serial-0"
