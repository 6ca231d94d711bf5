"""A KMS keeps the platform's KEK: the transit engine of OpenBao, or of HashiCorp Vault from 1.13 on.

The KEK never leaves the KMS. An epoch's key is sent there and comes back wrapped, as `vault:v<version>:<base64>`, which
is what the ring's file keeps; to load the ring each wrapped key is sent there and comes back in the clear, over TLS:

    POST /v1/<mount>/encrypt/<key>  {"plaintext": "<base64>", "associated_data": "<base64>", "context": "<base64>"}
                                ->  {"data": {"ciphertext": "vault:v1:<base64>"}}
    POST /v1/<mount>/decrypt/<key>  {"ciphertext": "vault:v1:…", "associated_data": "<base64>", "context": "<base64>"}
                                ->  {"data": {"plaintext": "<base64>"}}
    otherwise                   ->  {"errors": ["Vault is sealed"]}

(OpenBao API documentation, "Transit secrets engine": encrypt data, decrypt data; the errors are those of OpenBao 2.7.)
What a key is bound to goes along twice: as `associated_data` for every AEAD key, and as `context`, which a key that was
made with `derived=true` demands and every other ignores.

Invariants: a token is read from its file for each call, so whoever renews it starts nothing again; no token, and no
word of an answer, stands in an error or a log; no proxy, redirect or variable of the environment leads a key elsewhere;
a call ends by its deadline even when the answer drips in. A KMS that did not answer is not asked again for `REST_S`,
since whoever waits for it cannot serve anybody meanwhile.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx
import msgspec

from suyuan.base.clock import monotonic_s
from suyuan.outside import kms_failures as failures
from suyuan.outside.kms_failures import Failure
from suyuan.outside.lanes import AnswerIsTooLong, Lanes
from suyuan.privacy.keyring import KEY_BYTES, KmsFailed, UnsafeKeyFile, read_private

CONNECT_S = 2.0
DEADLINE_S = 5.0
REST_S = 10.0
WRAPPED_LENGTH_MAX = 512
PORTS = 1 << 16

_WRAPPED = re.compile(rb"vault:v[1-9][0-9]*:[A-Za-z0-9+/]+={0,2}")
_TOKEN = re.compile(rb"[!-~]{1,4096}")
_NAME = re.compile(r"\w(?:[\w.-]*\w)?", re.ASCII)
_PATH = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII)
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "suyuan"}
_HEADERS |= {"content-type": "application/json"}


class _Wrapped(msgspec.Struct, frozen=True):
    ciphertext: str


class _Unwrapped(msgspec.Struct, frozen=True):
    plaintext: str


class _Answer(msgspec.Struct, frozen=True):
    data: msgspec.Raw


A = TypeVar("A", _Wrapped, _Unwrapped)


class Transit(NamedTuple):
    """Where the KEK lies, as the settings say it."""

    url: str
    key: str
    token_file: Path
    mount: str = "transit"
    namespace: str = ""
    ca_file: str = ""


class TransitKms:
    """The KEK in a KMS. Implements `privacy.keyring.Kms`; raises `KmsFailed` where the settings cannot be meant."""

    def __init__(self, transit: Transit, *, deadline_s: float = DEADLINE_S, rest_s: float = REST_S) -> None:
        self._transit = transit
        self._url = _checked_url(transit.url)
        names = _NAME.fullmatch(transit.key) and _PATH.fullmatch(transit.mount)
        if not names or (transit.namespace and not _PATH.fullmatch(transit.namespace)):
            raise _failed(failures.BAD_NAME)
        self._tls = _trust(transit.ca_file) if self._url.scheme == "https" else None
        self._deadline_s = deadline_s
        self._rest_s = rest_s
        self._rests_until_s = 0.0
        self._last = failures.NOT_REACHABLE

    def owns(self, wrapped: bytes) -> bool:
        """By the words with which every ciphertext of a transit engine begins."""
        return len(wrapped) <= WRAPPED_LENGTH_MAX and _WRAPPED.fullmatch(wrapped) is not None

    def wrap(self, key: bytes, *, bound: bytes) -> bytes:
        """Wraps an epoch's key."""
        wrapped = self._ask("encrypt", {"plaintext": _text(key), **_bound(bound)}, _Wrapped).ciphertext.encode()
        if not self.owns(wrapped):
            raise _failed(failures.UNREADABLE)
        return wrapped

    def unwrap(self, wrapped: bytes, *, bound: bytes) -> bytes:
        """Unwraps an epoch's key."""
        answer = self._ask("decrypt", {"ciphertext": wrapped.decode(), **_bound(bound)}, _Unwrapped)
        try:
            key = b64decode(answer.plaintext, validate=True)
        except ValueError:
            raise _failed(failures.UNREADABLE) from None
        if len(key) != KEY_BYTES:
            raise _failed(failures.WRONG_LENGTH)
        return key

    def _ask(self, verb: str, body: dict[str, str], answer: type[A]) -> A:
        """One question. Raises `KmsFailed`, or `UnsafeKeyFile` where the KMS says that this is not its key's work."""
        if monotonic_s() < self._rests_until_s:
            raise _failed(self._last)
        # A thread of its own, because the ring asks from within the loops of its processes, and only a loop ends a call
        # by its deadline whatever the other end does.
        with ThreadPoolExecutor(1, thread_name_prefix="kms") as aside:
            said = aside.submit(asyncio.run, self._exchange(verb, msgspec.json.encode(body), self._headers())).result()
        if isinstance(said, Failure):
            self._last, self._rests_until_s = said, monotonic_s() + self._rest_s
            raise _failed(said)
        if said.status_code != httpx.codes.OK:
            raise self._refused(said)
        try:
            return msgspec.json.decode(msgspec.json.decode(said.content, type=_Answer).data, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _failed(failures.UNREADABLE) from None

    def _refused(self, said: httpx.Response) -> KmsFailed | UnsafeKeyFile:
        found = failures.meaning(said.status_code, said.content)
        names = {"key": self._transit.key, "mount": self._transit.mount, "status": said.status_code}
        kind = UnsafeKeyFile if found is failures.NOT_ITS_OWN else KmsFailed
        return kind(found.en.format(**names), found.zh.format(**names))

    def _headers(self) -> dict[str, str]:
        headers = {**_HEADERS, "x-vault-token": _token(self._transit.token_file)}
        if self._transit.namespace:
            headers["x-vault-namespace"] = self._transit.namespace
        return headers

    async def _exchange(self, verb: str, content: bytes, headers: dict[str, str]) -> httpx.Response | Failure:
        target = f"/v1/{self._transit.mount}/{verb}/{self._transit.key}"
        lanes = Lanes(self._url, connect_s=CONNECT_S, lanes_max=1, tls=self._tls)
        try:
            async with (
                asyncio.timeout(self._deadline_s),
                httpx.AsyncClient(base_url=self._url, transport=lanes, headers=headers, trust_env=False) as client,
            ):
                said = await client.post(target, content=content)
                said.extensions["drop"]()
                return said
        except (TimeoutError, httpx.TimeoutException):
            return failures.TIMED_OUT
        except httpx.ConnectError as error:
            return failures.NOT_TRUSTED if isinstance(error.__cause__, ssl.SSLError) else failures.NOT_REACHABLE
        except AnswerIsTooLong:
            return failures.TOO_LONG
        except httpx.RemoteProtocolError:
            return failures.UNREADABLE
        except (httpx.HTTPError, OSError):
            return failures.LOST


def _checked_url(text: str) -> httpx.URL:
    """The address, where keys may be sent to it."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise _failed(failures.BAD_URL) from None
    is_bare = url.path == "/" and not (url.userinfo or url.query or url.fragment)
    is_there = bool(url.host) and 0 < (url.port or 443) < PORTS
    if not (is_bare and is_there) or not (url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host))):
        raise _failed(failures.BAD_URL)
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _trust(ca_file: str) -> ssl.SSLContext:
    """Whose certificates are believed: of the authority that is named, or of those that this system trusts."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError:
        raise _failed(failures.BAD_CA) from None


def _token(file: Path) -> str:
    """The token as it stands in its file now."""
    if not file.exists():
        raise _failed(failures.NO_TOKEN)
    token = read_private(file).strip()
    if not _TOKEN.fullmatch(token):
        raise _failed(failures.NO_TOKEN)
    return token.decode()


def _bound(bound: bytes) -> dict[str, str]:
    return {"associated_data": _text(bound), "context": _text(bound)}


def _text(content: bytes) -> str:
    """As the KMS reads and writes bytes: padded base64 of the common alphabet."""
    return b64encode(content).decode()


def _failed(failure: Failure) -> KmsFailed:
    return KmsFailed(failure.en, failure.zh)
