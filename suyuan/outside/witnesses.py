"""Asks a witness over HTTP for cosignatures, and believes nothing of its answer but what its key signed.

`HttpWitness` implements `evidence.witness.cosigning.WitnessCaller`. It returns what went wrong and raises nothing. The
words of `Silent`, which say nothing about the checkpoint:

    timed_out · not_reachable · connection_lost · http_429 · http_5xx

and those of `Refused`, each a thing for a person to look into:

    address_is_malformed · log_is_unknown · log_signature_is_refused · request_is_malformed · tree_is_inconsistent
    answer_is_too_long · answer_is_unreadable · answer_contradicts_itself · signed_by_another_key · signature_is_wrong
    time_is_wrong · http_<status>

Invariants: a call ends by its deadline even when the answer drips in; no proxy, redirect or variable of the environment
leads it elsewhere; a cosignature is handed on only if it is the witness's own, fits this very checkpoint and was made
now; a size in `latest` is believed only where the log's own key signed it. The size in a `Conflict` is the witness's
word alone.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import httpx

from suyuan.base.clock import SECOND, Clock
from suyuan.evidence.check import (
    BadEvidence,
    Signed,
    Vkey,
    Wrong,
    check_signatures,
    decimal,
    read_checkpoint,
    read_note,
)
from suyuan.evidence.log.note import ed25519_fits
from suyuan.evidence.witness.cosigning import INCONSISTENT, SIZE, Conflict, Cosigned, Refused, Silent, label
from suyuan.evidence.witness.memory import origin_hash
from suyuan.evidence.witness.request import signature_line, write_request
from suyuan.outside.lanes import AnswerIsTooLong, Lanes

CONNECT_S = 2.0
DEADLINE_S = 4.0
ANSWER_BYTES_MAX = 64 << 10
# How far a witness's clock may be from ours. A cosignature's time is what makes it a statement about now.
SKEW_S = 300

_HEADERS = {"accept": "text/plain", "accept-encoding": "identity", "user-agent": "suyuan", "connection": "keep-alive"}
_NO = {
    400: "request_is_malformed",
    403: "log_signature_is_refused",
    404: "log_is_unknown",
    422: INCONSISTENT,
}
_LATER = 429


class HttpWitness:
    """One witness at its address, called over connections that are kept."""

    def __init__(
        self, vkey: Vkey, url: str, logs: Iterable[Vkey], clock: Clock, *, deadline_s: float = DEADLINE_S
    ) -> None:
        self._vkey = vkey
        self._logs = tuple(logs)
        self._clock = clock
        self._deadline_s = deadline_s
        # `trust_env=False`, because a variable of the environment must not decide whom a log takes for its witness.
        self._client = (
            httpx.AsyncClient(base_url=url, transport=_lanes(url), headers=_HEADERS, trust_env=False)
            if _is_address(url)
            else None
        )

    @property
    def name(self) -> str:
        """The name in its cosignatures and the id of its key."""
        return label(self._vkey.name, self._vkey.key_id)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def latest(self, origin: str) -> int | None:
        """The size of the newest checkpoint that the witness and the log signed, as far as it can be believed."""
        said = await self._exchange("GET", f"{origin_hash(origin)}/checkpoint", b"")
        if isinstance(said, Silent | Refused) or said.status_code != httpx.codes.OK:
            return None
        try:
            note = read_note(said.content)
            check_signatures(note, self._logs, verify=ed25519_fits)
            check_signatures(note, [self._vkey], verify=ed25519_fits)
            checkpoint = read_checkpoint(note.text)
        except BadEvidence:
            return None
        return checkpoint.size if checkpoint.origin == origin else None

    async def add_checkpoint(
        self, old: int, proof: Sequence[bytes], note: bytes
    ) -> Cosigned | Conflict | Silent | Refused:
        """Asks for a cosignature on a checkpoint that goes on from one of the size `old`."""
        said = await self._exchange("POST", "add-checkpoint", write_request(old, proof, note))
        if isinstance(said, Silent | Refused):
            return said
        if said.status_code == httpx.codes.OK:
            return self._cosigned(note, said.content)
        if said.status_code == httpx.codes.CONFLICT:
            return _conflict(old, said)
        if said.status_code == _LATER or said.is_server_error:
            return Silent(f"http_{said.status_code}")
        return Refused(_NO.get(said.status_code, f"http_{said.status_code}"))

    async def _exchange(self, method: str, target: str, body: bytes) -> httpx.Response | Silent | Refused:
        if self._client is None:
            return Refused("address_is_malformed")
        try:
            async with asyncio.timeout(self._deadline_s):
                said = await self._client.request(method, target, content=body)
        except (TimeoutError, httpx.TimeoutException):
            return Silent("timed_out")
        except httpx.ConnectError:
            return Silent("not_reachable")
        except AnswerIsTooLong:
            return Refused("answer_is_too_long")
        except httpx.RemoteProtocolError:
            return Refused("answer_is_unreadable")
        except (httpx.HTTPError, OSError):
            return Silent("connection_lost")
        return Refused("answer_is_too_long") if len(said.content) > ANSWER_BYTES_MAX else said

    def _cosigned(self, note: bytes, content: bytes) -> Cosigned | Refused:
        """The witness's own line, once it fits the text that was sent. What other keys signed is left out."""
        try:
            text = read_note(note).text
            answer = read_note(text + b"\n" + content)
        except BadEvidence:
            return Refused("answer_is_unreadable")
        # An answer with an empty line in it would make itself a part of the text that it signs.
        if answer.text != text:
            return Refused("answer_is_unreadable")
        try:
            (signed,) = check_signatures(answer, [self._vkey], verify=ed25519_fits)
        except BadEvidence as bad:
            return Refused("signed_by_another_key" if bad.code is Wrong.NOBODY_KNOWN_SIGNED else "signature_is_wrong")
        if not self._is_now(signed):
            return Refused("time_is_wrong")
        own = (self._vkey.name, self._vkey.key_id)
        return signature_line(next(one for one in answer.signatures if (one.name, one.key_id) == own))

    def _is_now(self, signed: Signed) -> bool:
        return signed.at is not None and abs(signed.at - self._clock.now() // SECOND) <= SKEW_S


def _lanes(url: str) -> Lanes:
    """Two, so that asking for the newest checkpoint does not wait behind a cosignature."""
    address = httpx.URL(url)
    tls = ssl.create_default_context() if address.scheme == "https" else None
    return Lanes(address, connect_s=CONNECT_S, lanes_max=2, tls=tls)


def _is_address(url: str) -> bool:
    """Whether somebody can be asked there: http or https and a host, and nothing that is not part of a prefix."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    is_prefix = "@" not in parts.netloc and not (parts.query or parts.fragment)
    return is_plain and is_prefix and has_port and bool(parts.hostname) and parts.scheme in ("http", "https")


def _conflict(old: int, said: httpx.Response) -> Conflict | Refused:
    """Another size than the one that was sent, in the one form that the protocol has for it."""
    text = said.content.decode("latin-1")
    size = decimal(text.removesuffix("\n")) if text.endswith("\n") else None
    kinds = [value for name, value in said.extensions["headers"] if name.lower() == b"content-type"]
    if size is None or kinds != [SIZE.encode()]:
        return Refused("answer_is_unreadable")
    return Refused("answer_contradicts_itself") if size == old else Conflict(size)
