"""A KMS that fails says why in a sentence; no key, token or stranger's word gets out by one."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import queue
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from suyuan.outside import kms_failures
from suyuan.outside.kms import Transit, TransitKms
from suyuan.outside.kms_failures import Failure
from suyuan.outside.sandbox.client import ControlRefused
from suyuan.outside.sandbox.facts import TransitKey
from suyuan.outside.sandbox.faults import Fault, FaultPlan, Route
from suyuan.privacy.keyring import KEY_BYTES, FileRing, KeyTrouble, KmsFailed, UnsafeKeyFile, make_ring
from tests.laws.kms_rooms import TOKEN, TwinRoom, a_twin, token_file
from tests.outside.scripted import HANG, Script, http, one_request, scripted

T = TypeVar("T")

KEY = bytes(range(KEY_BYTES))
BOUND = b"suyuan epoch 1"
HASTE_S = 0.3
BOTH: tuple[Route, ...] = ("wrap", "unwrap")


@pytest.fixture(scope="module")
def whole_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinRoom]:
    with a_twin(tmp_path_factory.mktemp("kms")) as room:
        yield room


@pytest.fixture
def twin(whole_twin: TwinRoom) -> TwinRoom:
    whole_twin.control.heal("kms")
    whole_twin.control.set_transit_keys([TransitKey("suyuan", TOKEN)])
    return whole_twin


def kms_of(twin: TwinRoom, name: str = "suyuan", **more: str) -> TransitKms:
    return TransitKms(twin.transit(name, **more), deadline_s=HASTE_S, rest_s=0)


def is_said(caught: pytest.ExceptionInfo[KeyTrouble], failure: Failure) -> bool:
    """Whether this is the sentence, in both languages; whatever else, it names neither key nor token."""
    said, zh = str(caught.value), caught.value.zh
    assert TOKEN not in said + zh
    assert "{" not in said + zh
    assert zh != said
    return all(text.startswith(whole.partition("{")[0]) for text, whole in ((said, failure.en), (zh, failure.zh)))


FAULTS = [
    (Fault.IS_SEALED, kms_failures.SEALED),
    (Fault.FORBIDS, kms_failures.FORBIDDEN),
    (Fault.NEVER_ANSWERS, kms_failures.TIMED_OUT),
    (Fault.ANSWERS_LATE, kms_failures.TIMED_OUT),
    (Fault.LOSES_ANSWER, kms_failures.LOST),
    (Fault.TEARS_ANSWER, kms_failures.UNREADABLE),
    (Fault.SWELLS_ANSWER, kms_failures.TOO_LONG),
]


@pytest.mark.parametrize(("fault", "failure"), FAULTS)
def test_each_fault_has_its_sentence(twin: TwinRoom, fault: Fault, failure: Failure) -> None:
    """Wrapping or unwrapping: the same words, and once the KMS is well again the same key."""
    kms = kms_of(twin)
    wrapped = kms.wrap(KEY, bound=BOUND)
    twin.control.set_faults(FaultPlan("kms", {fault: 1.0}, on=BOTH, late_ms=1_000))
    with pytest.raises(KmsFailed) as caught:
        kms.wrap(KEY, bound=BOUND)
    assert is_said(caught, failure)
    with pytest.raises(KmsFailed) as caught:
        kms.unwrap(wrapped, bound=BOUND)
    assert is_said(caught, failure)
    twin.control.heal("kms")
    assert kms.unwrap(wrapped, bound=BOUND) == KEY


def test_a_key_of_another_length_is_none(twin: TwinRoom) -> None:
    kms = kms_of(twin)
    wrapped = kms.wrap(KEY, bound=BOUND)
    twin.control.set_faults(FaultPlan("kms", {Fault.SHORTENS_KEY: 1.0}, on=BOTH))
    with pytest.raises(KmsFailed) as caught:
        kms.unwrap(wrapped, bound=BOUND)
    assert is_said(caught, kms_failures.WRONG_LENGTH)


@pytest.mark.parametrize("fault", [Fault.SHORTENS_KEY, Fault.SWAPS_KEY, Fault.TEARS_ANSWER, Fault.NEVER_ANSWERS])
def test_no_epoch_begins_whose_key_did_not_come_back(twin: TwinRoom, tmp_path: Path, fault: Fault) -> None:
    """A KMS that takes a key and gives back another would shred everybody a day later, when the old epoch goes."""
    file = tmp_path / "epochs.key"
    make_ring(file, kms_of(twin), now=1)
    before = file.read_bytes()
    lying = _Lying(kms_of(twin), twin, fault)
    ring = FileRing(file, lying)
    with pytest.raises(KmsFailed):
        ring.begin(2)
    assert (file.read_bytes(), ring.newest) == (before, 1)
    with pytest.raises(KmsFailed):
        make_ring(tmp_path / "new.key", lying, now=1)
    assert not (tmp_path / "new.key").exists()


class _Lying:
    """A KMS that fails from the first wrapping on."""

    def __init__(self, kms: TransitKms, twin: TwinRoom, fault: Fault) -> None:
        self._kms, self._twin, self._fault = kms, twin, fault
        self.owns, self.unwrap = kms.owns, kms.unwrap

    def wrap(self, key: bytes, *, bound: bytes) -> bytes:
        wrapped = self._kms.wrap(key, bound=bound)
        self._twin.control.set_faults(FaultPlan("kms", {self._fault: 1.0}, on=BOTH))
        return wrapped


REFUSED = [
    ({"name": "nobody"}, kms_failures.NO_KEY),
    ({"mount": "nowhere"}, kms_failures.NO_MOUNT),
    ({"namespace": "nowhere"}, kms_failures.NO_MOUNT),
]


@pytest.mark.parametrize(("names", "failure"), REFUSED)
def test_a_misspelt_name_is_told(twin: TwinRoom, names: dict[str, str], failure: Failure) -> None:
    with pytest.raises(KmsFailed) as caught:
        kms_of(twin, **{"name": "suyuan", **names}).wrap(KEY, bound=BOUND)
    assert is_said(caught, failure)


def test_another_mount_and_a_namespace_are_reached(twin: TwinRoom) -> None:
    """They are told to the KMS, each in its own place."""
    twin.control.set_transit_keys([TransitKey("mine", TOKEN, mount="team/transit", namespace="recycling")])
    kms = kms_of(twin, "mine", mount="team/transit", namespace="recycling")
    assert kms.unwrap(kms.wrap(KEY, bound=BOUND), bound=BOUND) == KEY


def test_a_token_that_is_over_is_told_and_a_fresh_one_needs_no_restart(twin: TwinRoom, tmp_path: Path) -> None:
    """An agent renews the file; the next call reads it."""
    file = token_file(tmp_path, "s.old")
    kms = TransitKms(Transit(twin.url, "suyuan", file))
    with pytest.raises(KmsFailed) as caught:
        kms.wrap(KEY, bound=BOUND)
    assert is_said(caught, kms_failures.FORBIDDEN)
    assert "s.old" not in str(caught.value)
    token_file(tmp_path, TOKEN)
    assert kms.unwrap(kms.wrap(KEY, bound=BOUND), bound=BOUND) == KEY


def test_a_rotated_key_opens_the_old_ring_until_its_versions_are_cut_off(twin: TwinRoom) -> None:
    """A version below `min_decryption_version`, and one that a KMS set back to yesterday does not have."""
    kms = kms_of(twin)
    old = kms.wrap(KEY, bound=BOUND)
    twin.control.set_transit_keys([TransitKey("suyuan", TOKEN, latest=2)])
    new = kms.wrap(KEY, bound=BOUND)
    assert new.startswith(b"vault:v2:")
    assert kms.unwrap(old, bound=BOUND) == KEY
    twin.control.set_transit_keys([TransitKey("suyuan", TOKEN, latest=2, oldest=2)])
    with pytest.raises(KmsFailed) as caught:
        kms.unwrap(old, bound=BOUND)
    assert is_said(caught, kms_failures.TOO_OLD)
    twin.control.set_transit_keys([TransitKey("suyuan", TOKEN, latest=1)])
    with pytest.raises(KmsFailed) as caught:
        kms.unwrap(new, bound=BOUND)
    assert is_said(caught, kms_failures.TOO_NEW)


def test_a_key_that_was_made_anew_under_its_old_name_is_another_one(twin: TwinRoom) -> None:
    kms = kms_of(twin)
    wrapped = kms.wrap(KEY, bound=BOUND)
    twin.control.set_transit_keys([TransitKey("suyuan", TOKEN, seed="anew")])
    with pytest.raises(UnsafeKeyFile) as caught:
        kms.unwrap(wrapped, bound=BOUND)
    assert is_said(caught, kms_failures.NOT_ITS_OWN)


def test_who_did_not_answer_is_let_rest(twin: TwinRoom) -> None:
    """A hanging KMS costs one deadline and not one for every question; the sentence stays the same."""
    kms = TransitKms(twin.transit("suyuan"), deadline_s=HASTE_S, rest_s=60)
    twin.control.set_faults(FaultPlan("kms", {Fault.NEVER_ANSWERS: 1.0}, on=BOTH))
    asked = twin.control.tally().kms.get("wrap", 0)
    for _ in range(3):
        with pytest.raises(KmsFailed) as caught:
            kms.wrap(KEY, bound=BOUND)
        assert is_said(caught, kms_failures.TIMED_OUT)
        twin.control.heal("kms")
    assert twin.control.tally().kms["wrap"] == asked + 1


def test_the_twin_outlives_its_process(tmp_path: Path) -> None:
    """Killed and started again, it opens what it had wrapped, and its journal holds no token."""
    with a_twin(tmp_path) as room:
        wrapped = room.kek("suyuan").wrap(KEY, bound=BOUND)
        room.sandbox.kill()
        room.sandbox.start()
        assert TransitKms(room.transit("suyuan")).unwrap(wrapped, bound=BOUND) == KEY
    assert TOKEN not in (tmp_path / "kms.jsonl").read_text()


def test_only_the_kms_has_the_faults_of_a_kms(twin: TwinRoom) -> None:
    for plan in (FaultPlan("cmcc", {Fault.IS_SEALED: 1.0}), FaultPlan("kms", {Fault.REVERSES_LATER: 1.0})):
        with pytest.raises(ControlRefused, match="has no faults called"):
            twin.control.set_faults(plan)


# --- what the settings say ---


URLS = [
    "", "kms", "http://kms.example.com", "ftp://127.0.0.1", "https://", "https://" + "user@kms.example.com",
    "https://kms.example.com/v1", "https://kms.example.com/?a=1", "https://kms.example.com/#a", "http://kms.test:8200",
    "http://127.0.0.1.example.com", "https://kms.example.com:99999", "https://" + "[::1", "http://localhost.example.com",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_keys_are_sent_to_no_such_address(url: str) -> None:
    """In the clear over a network, with a password, or to something that is no address at all."""
    with pytest.raises(KmsFailed) as caught:
        TransitKms(Transit(url, "suyuan", Path("token")))
    assert is_said(caught, kms_failures.BAD_URL)


@pytest.mark.parametrize("url", ["https://kms.example.com", "https://kms.example.com:8200/", "http://[::1]:8200"])
def test_a_bare_address_is_taken(url: str) -> None:
    TransitKms(Transit(url, "suyuan", Path("token")))


PATHS = ["/", "..", "a/../b", "/a", "a/", "a//b", "a b", "a\r\nx: y", "密钥"]
NAMES = ["", "..", "a/b", "a b", "-a", "a\r\nx: y", "密钥", "a" * 10 + "/"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_would_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(KmsFailed) as caught:
        TransitKms(Transit("https://kms.example.com", name, Path("token")))
    assert is_said(caught, kms_failures.BAD_NAME)


@pytest.mark.parametrize("names", [{"mount": ""}, *({part: path} for part in ("mount", "namespace") for path in PATHS)])
def test_a_path_that_would_lead_elsewhere_is_refused(names: dict[str, str]) -> None:
    with pytest.raises(KmsFailed) as caught:
        TransitKms(Transit("https://kms.example.com", "suyuan", Path("token"), **names))
    assert is_said(caught, kms_failures.BAD_NAME)


TOKENS = [None, b"", b"\n", b"a b", b"s.\xe5\xaf\x86", b"a\r\nx-vault-token: b", b"x" * 5_000]


@pytest.mark.parametrize("content", TOKENS)
def test_a_token_that_is_none_is_told_before_anything_is_asked(tmp_path: Path, content: bytes | None) -> None:
    file = token_file(tmp_path, "")
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(KmsFailed) as caught:
        TransitKms(Transit("http://127.0.0.1:1", "suyuan", file)).wrap(KEY, bound=BOUND)
    assert is_said(caught, kms_failures.NO_TOKEN)


def test_a_token_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    file = token_file(tmp_path, TOKEN)
    file.chmod(0o640)
    with pytest.raises(UnsafeKeyFile, match="chmod 600"):
        TransitKms(Transit("http://127.0.0.1:1", "suyuan", file)).wrap(KEY, bound=BOUND)


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(KmsFailed) as caught:
        TransitKms(Transit("http://127.0.0.1:1", "suyuan", token_file(tmp_path, TOKEN))).wrap(KEY, bound=BOUND)
    assert is_said(caught, kms_failures.NOT_REACHABLE)


# --- whatever answers there ---


@contextlib.contextmanager
def in_a_loop_of_its_own(serving: contextlib.AbstractAsyncContextManager[T]) -> Iterator[T]:
    """A server beside the test, since the KMS is asked from where there is no loop."""
    started: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event, T]] = queue.SimpleQueue()

    async def serve() -> None:
        async with serving as served:
            stopped = asyncio.Event()
            started.put((asyncio.get_running_loop(), stopped, served))
            await stopped.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    loop, stopped, served = started.get()
    try:
        yield served
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()


@contextlib.contextmanager
def saying(*answers: bytes, drip_s: float = 0.0) -> Iterator[tuple[str, Script]]:
    """A server that says exactly this."""
    script = Script(answers, drip_s=drip_s)
    with in_a_loop_of_its_own(scripted(script)) as url:
        yield url, script


def whole(data: str) -> bytes:
    return http('{"data": ' + data + "}")


STRANGE = [
    (http("<html>Welcome</html>"), kms_failures.UNREADABLE),
    (http(""), kms_failures.UNREADABLE),
    (http("null"), kms_failures.UNREADABLE),
    (http(b"\xff\xfe{}"), kms_failures.UNREADABLE),
    (whole("{}"), kms_failures.UNREADABLE),
    (whole('{"ciphertext": 7}'), kms_failures.UNREADABLE),
    (whole('{"ciphertext": ""}'), kms_failures.UNREADABLE),
    (whole('{"ciphertext": "vault:v0:AAAA"}'), kms_failures.UNREADABLE),
    (whole('{"ciphertext": "vault:v1:AAAA\\nvault:v1:BBBB"}'), kms_failures.UNREADABLE),
    (whole('{"ciphertext": "vault:v1:' + "A" * 600 + '"}'), kms_failures.UNREADABLE),
    (b"SSH-2.0-OpenSSH_9.2\r\n", kms_failures.UNREADABLE),
    (b"", kms_failures.TIMED_OUT),
    (http("", "307 Temporary Redirect", headers="location: http://127.0.0.1:1/v1\r\n"), kms_failures.REDIRECTS),
    (http("", "429 Too Many Requests"), kms_failures.BUSY),
    (http(f"token {TOKEN} is bad", "502 Bad Gateway"), kms_failures.REFUSED),
    (http(f'{{"errors": ["{TOKEN}"]}}', "400 Bad Request"), kms_failures.REFUSED),
    (http(f'{{"errors": "{TOKEN}"}}', "400 Bad Request"), kms_failures.UNREADABLE),
    (http('{"errors": ["no such key version"]}', "400 Bad Request"), kms_failures.TOO_OLD),
    (http('{"errors": ["provided for non-AEAD cipher suite rsa-2048"]}', "400 Bad Request"), kms_failures.NO_AEAD),
]


@pytest.mark.parametrize(("answer", "failure"), STRANGE)
def test_whatever_answers_there_gets_a_sentence(tmp_path: Path, answer: bytes, failure: Failure) -> None:
    """A web server, a proxy, a standby, an SSH server, silence; what they say is never repeated."""
    with saying(answer or HANG) as (url, script):
        kms = TransitKms(Transit(url, "suyuan", token_file(tmp_path, TOKEN)), deadline_s=HASTE_S)
        with pytest.raises(KmsFailed) as caught:
            kms.wrap(KEY, bound=BOUND)
    assert is_said(caught, failure)
    assert len(script.requests) == 1, "nothing is asked twice, and nothing is followed"


@pytest.mark.parametrize("plaintext", ["", "AAAA", "*", "A" * 43, "密"])
def test_what_is_no_key_is_not_taken_for_one(tmp_path: Path, plaintext: str) -> None:
    with saying(whole('{"plaintext": "' + plaintext + '"}')) as (url, _):
        kms = TransitKms(Transit(url, "suyuan", token_file(tmp_path, TOKEN)), deadline_s=HASTE_S)
        with pytest.raises(KmsFailed):
            kms.unwrap(b"vault:v1:AAAA", bound=BOUND)


def test_an_answer_that_drips_ends_by_the_deadline(tmp_path: Path) -> None:
    """Header by header, a byte every tenth of a second: each byte would start a patience by the byte anew."""
    with saying(whole('{"ciphertext": "vault:v1:AAAA"}'), drip_s=0.1) as (url, _):
        kms = TransitKms(Transit(url, "suyuan", token_file(tmp_path, TOKEN)), deadline_s=HASTE_S)
        with pytest.raises(KmsFailed) as caught:
            kms.wrap(KEY, bound=BOUND)
    assert is_said(caught, kms_failures.TIMED_OUT)


def test_it_is_asked_as_its_documentation_says(tmp_path: Path) -> None:
    """Path, token, namespace and body, byte for byte; and from within a running loop, as the API's workers ask."""
    answer = whole('{"ciphertext": "vault:v1:AAAA", "key_version": 1}')
    with saying(answer) as (url, script):
        transit = Transit(url, "suyuan", token_file(tmp_path, TOKEN), mount="kek", namespace="team")

        async def ask() -> bytes:
            return TransitKms(transit).wrap(bytes(KEY_BYTES), bound=BOUND)

        assert asyncio.run(ask()) == b"vault:v1:AAAA"
    head, _, body = script.requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /v1/kek/encrypt/suyuan http/1.1"
    assert {b"x-vault-token: " + TOKEN.encode(), b"x-vault-namespace: team"} <= set(lines)
    assert body == (
        b'{"plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",'
        b'"associated_data":"c3V5dWFuIGVwb2NoIDE=","context":"c3V5dWFuIGVwb2NoIDE="}'
    )


def test_no_variable_of_the_environment_leads_a_key_elsewhere(twin: TwinRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would read every epoch's key."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    kms = kms_of(twin)
    assert kms.unwrap(kms.wrap(KEY, bound=BOUND), bound=BOUND) == KEY


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own making for 127.0.0.1, with its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kms.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "kms.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file


@contextlib.asynccontextmanager
async def over_tls(certificate: Path, answer: bytes) -> AsyncIterator[int]:
    """A KMS behind TLS; its port on 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def answer_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            await one_request(reader)
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer_one, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def test_a_kms_is_known_by_its_certificate(tmp_path: Path, certificate: Path) -> None:
    """Named in the settings it is believed; unnamed, or under another name, it gets no key and no token."""
    token = token_file(tmp_path, TOKEN)
    with in_a_loop_of_its_own(over_tls(certificate, whole('{"ciphertext": "vault:v1:AAAA"}'))) as port:
        known = TransitKms(Transit(f"https://127.0.0.1:{port}", "suyuan", token, ca_file=str(certificate)))
        assert known.wrap(KEY, bound=BOUND) == b"vault:v1:AAAA"
        unknown = TransitKms(Transit(f"https://127.0.0.1:{port}", "suyuan", token))
        misnamed = TransitKms(Transit(f"https://localhost:{port}", "suyuan", token, ca_file=str(certificate)))
        for kms in (unknown, misnamed):
            with pytest.raises(KmsFailed) as caught:
                kms.wrap(KEY, bound=BOUND)
            assert is_said(caught, kms_failures.NOT_TRUSTED)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_an_authority_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(KmsFailed) as caught:
        TransitKms(Transit("https://kms.example.com", "suyuan", Path("token"), ca_file=str(file)))
    assert is_said(caught, kms_failures.BAD_CA)


def test_every_failure_is_two_sentences() -> None:
    """Each says what to do after its first stop, in both languages."""
    found = [failure for failure in vars(kms_failures).values() if isinstance(failure, Failure)]
    assert len(found) == len(set(found)) > 20
    for en, zh in found:
        assert "; " in en
        assert any(mark in zh for mark in "，：；")
        assert any("\u4e00" <= letter <= "\u9fff" for letter in zh)
