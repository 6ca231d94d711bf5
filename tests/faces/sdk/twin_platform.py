"""A platform for tests: a real HTTP server that checks real signatures, redeems each card once, and misbehaves.

It keeps what a platform promises – a nonce is spent once, an idempotency key has one answer – and breaks what a
network breaks. Each request meets the next `Mischief` of its list; when that is used up, the weather is fine.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from suyuan.base import crypto, ids, money, wire
from suyuan.base.clock import SystemClock
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces.sdk import Patience, SigningKey
from suyuan.privacy.notice import Controller, kinds_of_data, write_notice
from suyuan.privacy.purposes import Words
from suyuan.settle.answer import sign_answer
from suyuan.settle.request import RawRequest, Signed, check, parse

PARTNER = SigningKey("key_partner", "ed25519", b"\x07" * 32)
PARTNER_SM2 = SigningKey("key_partner_sm2", "sm2-sm3", b"\x08" * 32)
PLATFORM = crypto.suite("ed25519").signer(b"\x09" * 32)
PLATFORM_KEYS = {"platform-1": crypto.PublicKey("ed25519", PLATFORM.public)}
SOMEBODY = crypto.suite("ed25519").signer(b"\x0a" * 32)
HURRIED = Patience(tries_max=8, first_wait_s=0.01, wait_max_s=0.05)
SLOW_S = 0.8


CONTRACT = {
    "contract": "ctr_1", "source": "card", "value_kind": "money", "ratio_face": 10, "ratio_value": 8,
    "channel": "bank_transfer", "disposition": "consume_then_pay", "begins_at": 0, "ends_at": 2**53 - 1,
}  # fmt: skip


NOTICE = write_notice(Controller("某公司", "400"), {}, dict.fromkeys(kinds_of_data(), Words("a year", "一年")))
CONSENT = {
    "seller": "slr_1", "purpose": "compare_face", "recipient": "face_check", "state": "not_asked", "in_force": False,
    "may_ask_at": 0, "receipt": None,
}  # fmt: skip


class Mischief(Enum):
    FINE = auto()
    BUSY = auto()
    STARTING = auto()
    GATEWAY = auto()
    DROP_BEFORE = auto()
    DROP_AFTER = auto()
    SLOW = auto()
    TORN = auto()
    TWICE = auto()
    FORGED = auto()
    UNSIGNED = auto()
    OLD = auto()
    FAULT = auto()


class Registered(NamedTuple):
    id: str
    algorithm: str
    public_key: bytes


class Heard(NamedTuple):
    """One request that was believed."""

    signed: Signed
    mischief: Mischief


KEYS = {key.id: Registered(key.id, key.algorithm, key.public.raw) for key in (PARTNER, PARTNER_SM2)}


class TwinPlatform:
    """What the server knows and has done."""

    def __init__(self, mischief: Sequence[Mischief] = (), refuse: dict[str, Reason] | None = None) -> None:
        self.mischief = list(mischief)
        self.refuse = refuse or {}
        self.url = ""
        self.heard: list[Heard] = []
        self.cards: dict[str, dict[str, Any]] = {}
        self.proofs: dict[str, dict[str, Any]] = {}
        self.looks_until_paid = 2
        self.pace_s = 0.0
        self.first_answer: tuple[int, bytes, dict[str, str]] | None = None
        self.lock = threading.Lock()
        self._acts: dict[str, tuple[bytes, tuple[int, dict[str, Any]]]] = {}
        self._nonces: set[str] = set()
        self._looks: dict[str, int] = {}

    @property
    def redemptions(self) -> dict[str, dict[str, Any]]:
        return {taken["redemption"]: taken for taken in self.cards.values()}

    def next_mischief(self) -> Mischief:
        with self.lock:
            return self.mischief.pop(0) if self.mischief else Mischief.FINE

    def believe(self, raw: RawRequest, mischief: Mischief) -> Signed | Refusal:
        claim = parse(raw, now=SystemClock().now())
        if isinstance(claim, Refusal):
            return claim
        signed = check(claim, KEYS[claim.key_id])
        if isinstance(signed, Signed):
            with self.lock:
                self.heard.append(Heard(signed, mischief))
                assert signed.nonce not in self._nonces, "a retry signs anew"
                self._nonces.add(signed.nonce)
        return signed

    def act(self, signed: Signed) -> tuple[int, dict[str, Any]]:
        """Once per idempotency key."""
        with self.lock:
            if signed.idempotency_key is None:
                return self._read(signed.target_uri.removeprefix(self.url))
            first = self._acts.get(signed.idempotency_key)
            if first is None:
                first = (signed.fingerprint, self._write(signed))
                self._acts[signed.idempotency_key] = first
            same = first[0] == signed.fingerprint
            return first[1] if same else problem(Reason.idempotency_key_was_used_for_another_request)

    def _write(self, signed: Signed) -> tuple[int, dict[str, Any]]:
        if signed.target_uri.endswith("/v1/sellers"):
            return 201, {"seller": "slr_1"}
        if signed.target_uri.endswith("/v1/step-ups"):
            return 201, {"step_up": "stp_1", "raised_fen": 100_00, "day": "2026-11-22"}
        body = json.loads(signed.body)
        if signed.target_uri.endswith("/v1/consents"):
            return 201, CONSENT | {"state": {"give": "given"}.get(body["decision"], "refused")}
        source = body["source"]
        pin = source.get("pin", source.get("number"))
        if pin in self.refuse:
            return problem(self.refuse[pin])
        if pin in self.cards:
            return problem(Reason.card_was_sold_before)
        face_fen = source.get("face_fen", source.get("amount_fen"))
        parts = money.split(face_fen, money.Ratio(10, 8))
        number = len(self.cards)
        self.cards[pin] = {
            "redemption": ids.new_id("rdm", at=number * 1000, chance=bytes(10)), "state": "pending", "seq": number,
            "at": number, "face_fen": face_fen, "paid": parts.paid, "fee_fen": parts.fee, "debt_fen": 0,
            "rounding_fen": parts.rounding, "value_kind": "money",
        }  # fmt: skip
        return 202, self.cards[pin]

    def _read(self, target: str) -> tuple[int, dict[str, Any]]:
        if target.startswith("/v1/contracts"):
            return 200, {"contracts": [CONTRACT]}
        if target.startswith("/v1/consents"):
            return 200, {"seller": "slr_1", "consents": [CONSENT]}
        if target.startswith("/v1/masked-numbers"):
            return 200, {"seller": "slr_1", "number": "138****0001"}
        if target.startswith("/v1/limits"):
            return 200, {"seller": "slr_1", "tier": 1, "day": "2026-11-22", "transaction_fen_max": 500_00, "limits": []}
        if target.startswith("/v1/redemptions?") or target == "/v1/redemptions":
            return 200, {"redemptions": [self._state(taken) for taken in self.redemptions.values()], "next": None}
        redemption_id = target.split("/")[3]
        if redemption_id not in self.redemptions:
            return problem(Reason.redemption_is_unknown)
        if target.endswith("/proofs"):
            known = self.proofs.get(redemption_id)
            return problem(Reason.event_is_not_sealed_yet) if known is None else (200, known)
        self._looks[redemption_id] = self._looks.get(redemption_id, 0) + 1
        return 200, self._state(self.redemptions[redemption_id])

    def _state(self, taken: dict[str, Any]) -> dict[str, Any]:
        is_paid = self._looks.get(taken["redemption"], 0) >= self.looks_until_paid
        state = "paid" if is_paid else "pending"
        return taken | {"state": state, "changed_at": taken["at"] + 1, "reference": "bank-1" if is_paid else ""}


def problem(reason: Reason) -> tuple[int, dict[str, Any]]:
    refusal = Refusal(reason)
    return refusal.status, {
        "type": "about:blank", "title": refusal.sentence("en"), "status": refusal.status, "code": refusal.code,
        "detail": refusal.sentence("en"), "detail_zh": refusal.sentence("zh"), "where": "",
    }  # fmt: skip


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    platform: TwinPlatform

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Says nothing."""

    def do_GET(self) -> None:
        if self.path == "/v1/platform":
            key = {"id": "platform-1", "public_key": PLATFORM_KEYS["platform-1"].text()}
            content = json.dumps({"keys": [key], "origin": self.platform.url}).encode()
            self._send(200, content, {})
            return
        if self.path == "/v1/privacy-notice":
            self._send(200, NOTICE.content, {})
            return
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        mischief = self.platform.next_mischief()
        time.sleep(self.platform.pace_s)
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        raw = RawRequest(self.command, self.platform.url + self.path, pairs, body)
        signed = self.platform.believe(raw, mischief)
        if isinstance(signed, Refusal):
            status, facts = problem(signed.reason)
            self._answer(status, facts, "", mischief)
            return
        if mischief in _NOT_DONE:
            self._fail(mischief, signed)
            return
        status, facts = self.platform.act(signed)
        if mischief is Mischief.DROP_AFTER:
            self._hang_up()
            return
        self._answer(status, facts, signed.nonce, mischief)

    def _fail(self, mischief: Mischief, signed: Signed) -> None:
        if mischief is Mischief.DROP_BEFORE:
            self._hang_up()
        elif mischief is Mischief.GATEWAY:
            self._send(502, b"<html>bad gateway</html>", {})
        else:
            reason = {
                Mischief.BUSY: Reason.platform_is_busy,
                Mischief.STARTING: Reason.platform_is_starting,
                Mischief.FAULT: Reason.platform_has_a_fault,
            }[mischief]
            status, facts = problem(reason)
            self._answer(status, facts, signed.nonce, mischief)

    def _answer(self, status: int, facts: dict[str, Any], nonce: str, mischief: Mischief) -> None:
        content = wire.canonical(facts)
        signer = SOMEBODY if mischief is Mischief.FORGED else PLATFORM
        headers = sign_answer(status, content, key_id="platform-1", signer=signer, nonce=nonce, now=SystemClock().now())
        self.platform.first_answer = self.platform.first_answer or (status, content, headers)
        if mischief is Mischief.OLD:
            status, content, headers = self.platform.first_answer
        if mischief is Mischief.SLOW:
            time.sleep(SLOW_S)
        with contextlib.suppress(ConnectionError):
            self._send(status, content, {} if mischief is Mischief.UNSIGNED else headers, mischief)

    def _send(self, status: int, content: bytes, headers: dict[str, str], mischief: Mischief = Mischief.FINE) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if mischief is Mischief.BUSY:
            lines.append("retry-after: 0")
        whole = ("\r\n".join(lines) + "\r\n\r\n").encode() + content
        if mischief is Mischief.TORN:
            self.wfile.write(whole[:-3])
            self._hang_up()
            return
        self.wfile.write(whole * (2 if mischief is Mischief.TWICE else 1))

    def _hang_up(self) -> None:
        self.close_connection = True


_NOT_DONE = {Mischief.BUSY, Mischief.STARTING, Mischief.GATEWAY, Mischief.DROP_BEFORE, Mischief.FAULT}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is killed breaks its connection; only other errors are worth a word."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(platform: TwinPlatform) -> Iterator[TwinPlatform]:
    """Serves it on a free port until the block ends."""
    door = type("Door", (_Door,), {"platform": platform})
    with _Server(("127.0.0.1", 0), door) as server:
        platform.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield platform
        finally:
            server.shutdown()
            thread.join()
