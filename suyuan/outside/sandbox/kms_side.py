"""The twin of OpenBao's transit engine: the two calls that a KEK needs, with its errors word for word.

What is encrypted is AES-256-GCM under a version of the named key, bound to `associated_data`; the ciphertext reads
`vault:v<version>:<base64 of nonce ‖ ciphertext ‖ tag>`. The nonce follows from key and contents, so a twin that was
restarted needs no chance. Of the real one's answers these are given, in its own order of precedence:

    503 Vault is sealed · 404 namespace not found · 403 permission denied · 404 no handler for route
    400 encryption key not found · 400 invalid ciphertext … · 400 … disallowed by policy (too old)
    400 cipher: message authentication failed
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import Literal, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from suyuan.outside.sandbox import connections
from suyuan.outside.sandbox.facts import KmsAsked, TransitKey, secret_digest
from suyuan.outside.sandbox.faults import Fault
from suyuan.outside.sandbox.world import KMS, Memory

NONCE_BYTES = 12
SWOLLEN_BYTES = 2 << 20
_MS_PER_S = 1_000
_VERBS: dict[str, Literal["wrap", "unwrap"]] = {"encrypt": "wrap", "decrypt": "unwrap"}


class _Body(msgspec.Struct):
    plaintext: str = ""
    ciphertext: str = ""
    associated_data: str = ""
    context: str = ""


class _Said(NamedTuple):
    """An answer before it is sent: what was asked for, or an error."""

    status: int
    data: dict[str, str]
    error: str = ""


class KmsSide:
    """Answers whoever holds a token."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._world = memory.world

    def routes(self) -> list[Route]:
        return [Route("/v1/{mount:path}/{verb:str}/{name:str}", self.post, methods=["POST"])]

    async def post(self, request: Request) -> Response:
        content = await request.body()
        verb = _VERBS.get(request.path_params["verb"])
        dice = self._world.dice.get(KMS)
        fault = dice.draw(verb, request.path_params["name"]) if dice and verb else None
        if refused := self._refuse(request, fault):
            return _response(refused)
        if verb is None:
            return _response(_no_route(request))
        self._memory.record(KmsAsked(verb))
        said = self._do(request, verb, content)
        return await _deliver(request, said, fault, late_ms=dice.plan.late_ms if dice else 0)

    def _refuse(self, request: Request, fault: Fault | None) -> _Said | None:
        """Why nothing is even looked at."""
        mount, name = request.path_params["mount"], request.path_params["name"]
        namespace = request.headers.get("x-vault-namespace", "")
        if fault is Fault.IS_SEALED:
            return _Said(503, {}, "Vault is sealed")
        if not self._world.has_namespace(namespace):
            return _Said(404, {}, "namespace not found")
        digest = secret_digest(KMS, request.headers.get("x-vault-token", ""))
        key = self._world.transit_key(mount, name)
        if fault is Fault.FORBIDS or not self._world.is_token(digest) or (key is not None and key.token != digest):
            return _Said(403, {}, "permission denied")
        return None if self._world.has_mount(mount, namespace) else _no_route(request)

    def _do(self, request: Request, verb: Literal["wrap", "unwrap"], content: bytes) -> _Said:
        key = self._world.transit_key(request.path_params["mount"], request.path_params["name"])
        if key is None:
            return _Said(400, {}, "encryption key not found")
        try:
            body = msgspec.json.decode(content, type=_Body)
            bound = b64decode(body.associated_data, validate=True)
            if verb == "wrap":
                return _Said(200, {"ciphertext": _encrypt(key, b64decode(body.plaintext, validate=True), bound)})
            return _decrypt(key, body.ciphertext, bound)
        except (msgspec.MsgspecError, ValueError):
            return _Said(400, {}, "illegal base64 data at input byte 0")


def _encrypt(key: TransitKey, plain: bytes, bound: bytes) -> str:
    secret = _secret(key, key.latest)
    nonce = hmac.digest(secret, b"nonce" + bound + b"/" + plain, "sha256")[:NONCE_BYTES]
    return f"vault:v{key.latest}:{b64encode(nonce + AESGCM(secret).encrypt(nonce, plain, bound)).decode()}"


def _decrypt(key: TransitKey, ciphertext: str, bound: bytes) -> _Said:
    prefix, _, rest = ciphertext.partition(":v")
    number, _, text = rest.partition(":")
    if prefix != "vault" or not number.isdecimal():
        return _Said(400, {}, "invalid ciphertext: no prefix")
    version = int(number)
    if version > key.latest:
        return _Said(400, {}, "invalid ciphertext: version is too new")
    if version < key.oldest:
        return _Said(400, {}, "ciphertext or signature version is disallowed by policy (too old)")
    sealed = b64decode(text, validate=True)
    try:
        plain = AESGCM(_secret(key, version)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except InvalidTag:
        return _Said(400, {}, "cipher: message authentication failed")
    return _Said(200, {"plaintext": b64encode(plain).decode()})


def _secret(key: TransitKey, version: int) -> bytes:
    return hashlib.sha256(f"{key.mount}/{key.name}/{version}/{key.seed}".encode()).digest()


async def _deliver(request: Request, said: _Said, fault: Fault | None, *, late_ms: int) -> Response:
    """Sends the answer, as the plan for the KMS wants it."""
    match fault:
        case Fault.NEVER_ANSWERS:
            await connections.until_gone(request)
            return Response()
        case Fault.ANSWERS_LATE:
            await asyncio.sleep(late_ms / _MS_PER_S)
        case Fault.LOSES_ANSWER:
            await connections.break_off(request)
            return Response()
        case Fault.TEARS_ANSWER:
            return Response(bytes(_response(said).body)[:-9], said.status, media_type="application/json")
        case Fault.SWELLS_ANSWER:
            return Response(b" " * SWOLLEN_BYTES, said.status, media_type="application/json")
        case Fault.SHORTENS_KEY | Fault.SWAPS_KEY if "plaintext" in said.data:
            plain = b64decode(said.data["plaintext"])
            wrong = plain[:-1] if fault is Fault.SHORTENS_KEY else bytes(len(plain))
            return _response(_Said(200, {"plaintext": b64encode(wrong).decode()}))
    return _response(said)


def _response(said: _Said) -> Response:
    """With everything around it that the real one sends."""
    around = {"request_id": "", "lease_id": "", "renewable": False, "lease_duration": 0}
    whole = {**around, "data": said.data, "wrap_info": None, "warnings": None, "auth": None}
    content = whole if said.status == 200 else {"errors": [said.error]}
    return Response(msgspec.json.encode(content), said.status, media_type="application/json")


def _no_route(request: Request) -> _Said:
    route = "/".join(request.path_params[part] for part in ("mount", "verb", "name"))
    return _Said(404, {}, f'no handler for route "{route}". route entry not found.')
