"""People who ask about their own data, in a `House`: two registered sellers with keys, and their phones."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import psycopg

from suyuan.base import crypto, wire
from suyuan.base.refusals import Refusal
from suyuan.faces import officers
from suyuan.faces.officers import Officer
from suyuan.flows.answer_subject import Shown, ask_about_self, show_request
from suyuan.flows.decide_request import DecideRequest
from suyuan.flows.desk import marks_of
from suyuan.flows.follow_history import follow_history
from suyuan.flows.prove_number import GivenProof, ProofBegun, begin_number_proof, check_number_proof
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.register_seller import Registered, register_seller
from suyuan.flows.show_reads import Reads, show_reads
from suyuan.flows.subject_bundle import give_bundle
from suyuan.flows.who_asks import Visit
from suyuan.privacy.bundles import Bundle
from suyuan.privacy.pseudonyms import NUMBER
from suyuan.privacy.retention import load_rules
from tests.flows.house import ADDRESS, ORIGIN, SIGNERS, House, card, written

WANG = {
    "name": "王芳", "identity_number": "110101199001011237", "number": "13800000001", "payee": "622202-0001",
    "seller": "slr_wang",
}  # fmt: skip
LI = {
    "name": "李雷", "identity_number": "110101199001012010", "number": "13800000002", "payee": "622202-0002",
    "seller": "slr_li",
}  # fmt: skip
OFFICERS = [Officer(f"ofc_{name}", crypto.suite("ed25519").signer(bytes([name]) * 32)) for name in (1, 2)]
REQUESTS = "/v1/subject-requests"


class Rights:
    """What people and officers can do, in few words."""

    def __init__(self, house: House) -> None:
        self.house = house
        for person, key in ((WANG, "key_device"), (LI, "key_next")):
            signer = SIGNERS[key] if key == "key_device" else crypto.suite("ed25519").signer(b"\x77" * 32)
            self.signers = getattr(self, "signers", {}) | {str(person["seller"]): signer}
            device = {"algorithm": "ed25519", "public_key": wire.b64(signer.public)}
            body = written(person | {"key": device})
            answer = house.run(register_seller(house.desk, house.knock("POST", "/v1/sellers", body)))
            assert isinstance(answer, Registered), answer
            self.keys = getattr(self, "keys", {}) | {answer.seller: answer.device_key}
        for officer in OFFICERS:
            self.submit(officers.register(officer))

    # --- with a key ---

    def ask(self, who: str = "slr_wang", **wish: Any) -> Shown | Refusal:
        """A seller asks, with their own key."""
        knock = self._knock(who, "POST", REQUESTS, written(wish))
        return self.house.run(ask_about_self(self.house.desk, knock))

    def stands(self, who: str = "slr_wang", **wish: Any) -> Shown:
        """The same where it is taken."""
        answer = self.ask(who, **wish)
        assert isinstance(answer, Shown), answer
        return answer

    def show(self, request: str, who: str = "slr_wang") -> Shown | Refusal:
        knock = self._knock(who, "GET", f"{REQUESTS}/{request}")
        return self.house.run(show_request(self.house.desk, knock, request))

    def fetch(self, request: str, who: str = "slr_wang", query: str = "") -> Bundle | Refusal:
        """Fetches a page of a bundle."""
        self.follow()
        knock = self._knock(who, "GET", f"{REQUESTS}/{request}/bundle{query}")
        return self.house.run(give_bundle(self.house.desk, knock, request))

    def bundle(self, who: str = "slr_wang", **wish: Any) -> Bundle:
        """Asks, and fetches the first page."""
        answer = self.fetch(self.stands(who, **wish).standing.request, who)
        assert isinstance(answer, Bundle), answer
        return answer

    def reads(self, seller: str, *, signed_by: str = "", query: str = "") -> Reads | Refusal:
        self.follow()
        knock = self._knock(signed_by or seller, "GET", f"/v1/sellers/{seller}/reads{query}")
        return self.house.run(show_reads(self.house.desk, knock, seller))

    def _knock(self, who: str, method: str, target: str, body: bytes = b"") -> Any:
        """By a seller's own key, or by the named key of the house."""
        if who in self.keys:
            return self.house.knock(method, target, body, key=self.keys[who], signer=self.signers[who])
        return self.house.knock(method, target, body, key=who)

    # --- with a number ---

    def visit(self, target: str, body: Any = None, *, token: str = "", address: str = ADDRESS) -> Visit:
        return Visit(b"" if body is None else written(body), ORIGIN + target, address, token)

    def begin(self, number: str, *, address: str = ADDRESS) -> ProofBegun | Refusal:
        visit = self.visit("/v1/number-proofs", {"number": number}, address=address)
        return self.house.run(begin_number_proof(self.house.desk, visit))

    def check(self, proof: str, code: str, **more: Any) -> GivenProof | Refusal:
        number = next(order.number for order in self.house.phones.sent if order.order_no == proof)
        visit = self.visit(f"/v1/number-proofs/{proof}", {"number": number, "code": code} | more)
        return self.house.run(check_number_proof(self.house.desk, visit, proof))

    def token(self, number: str, **more: Any) -> str:
        """Proves a number, from a network of its own, so that no limit of networks is met by chance."""
        begun = self.begin(number, address=f"198.51.{len(self.house.phones.sent)}.1")
        assert isinstance(begun, ProofBegun), begun
        given = self.check(begun.proof, self.house.phones.shows[number], **more)
        assert isinstance(given, GivenProof), given
        return given.token

    def ask_by_number(self, token: str, **wish: Any) -> Shown | Refusal:
        return self.house.run(ask_about_self(self.house.desk, self.visit(REQUESTS, wish, token=token)))

    def fetch_by_number(self, token: str, request: str, query: str = "") -> Bundle | Refusal:
        self.follow()
        visit = self.visit(f"{REQUESTS}/{request}/bundle{query}", token=token)
        return self.house.run(give_bundle(self.house.desk, visit, request))

    # --- the platform ---

    def submit(self, command: Any) -> Any:
        async def go() -> Any:
            return await self.house.line.submit(command)

        return self.house.run(go())

    def sell(self, number: int, seller: str = "slr_wang", **changes: Any) -> str | Refusal:
        body = written(card(number, **changes) | {"seller": seller})
        answer = self.house.run(redeem_card(self.house.desk, self.house.knock("POST", "/v1/redemptions", body)))
        return answer.redemption if isinstance(answer, Taken) else answer

    def debit(self, number: str, seller: str = "slr_li") -> str:
        source = {"type": "balance", "operator": "cmcc", "number": number, "amount_fen": 50_00}
        body = written({"contract": "ctr_balance", "seller": seller, "source": source})
        answer = self.house.run(redeem_card(self.house.desk, self.house.knock("POST", "/v1/redemptions", body)))
        assert isinstance(answer, Taken), answer
        return answer.redemption

    def decide(self, request: str, refusal: str = "", *, code: str = "", number: str = "", officer: int = 0) -> Any:
        marks = marks_of(self.house.desk, number, NUMBER) if number else None
        digest = wire.digest(code.encode()) if code else b""
        now = self.house.clock.now()
        return self.submit(
            officers.decide(OFFICERS[officer], request, refusal, number=marks, code_digest=digest, now=now)
        )

    def follow(self) -> None:
        """The keeper of the house reads history to its end."""

        async def go() -> None:
            async with await psycopg.AsyncConnection.connect(self.house.url, autocommit=True) as connection:
                assert await follow_history(connection, load_rules())

        self.house.run(go())

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.house.events() if event["kind"] == kind]


def values_of(bundle: Bundle) -> dict[str, str | None]:
    return {field.field: field.value for field in bundle.fields}


def text_of(bundle: Bundle) -> str:
    """All of a bundle as it leaves the door."""
    return json.dumps(json.loads(wire.canonical(bundle)), ensure_ascii=False)


def unsigned_decision(command: DecideRequest) -> DecideRequest:
    """The same command with a signature that nobody made."""
    return msgspec.structs.replace(command, signature=bytes(64))
