"""A time-stamping authority is asked over HTTP; what it answers is believed only if it is what it should be."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from suyuan.base.clock import SECOND, SetClock, SystemClock
from suyuan.evidence.bundle import timestamp
from suyuan.evidence.bundle.timestamp import BadToken, Unstamped, check_token, request, roots_of
from suyuan.outside import timestamps
from suyuan.outside.timestamps import HttpTsa
from tests.evidence.authorities_of_time import Authority, served

DIGEST = hashlib.sha256(b"manifest").digest()
HASTE_S = 0.5


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def url(authority: Authority) -> Iterator[str]:
    with served(authority) as url:
        yield url


def stamped(url: str, authority: Authority, *, ahead_s: int = 0, roots: bytes = b"") -> bytes | Unstamped:
    clock = SetClock(SystemClock().now() + ahead_s * SECOND)
    tsa = HttpTsa(url, roots or authority.roots, clock=clock, chance=os.urandom, deadline_s=5.0)
    return asyncio.run(tsa.stamp(DIGEST))


def test_a_token_says_when_the_digest_was_there_and_who_says_so(url: str, authority: Authority) -> None:
    answer = stamped(f"{url}/good", authority)
    assert isinstance(answer, bytes)
    now = SystemClock().now()
    found = check_token(answer, DIGEST, roots_of(authority.roots), now=now)
    assert abs(found.at - now) < 60 * SECOND
    assert (found.authority, found.accuracy_us, found.policy) == ("CN=Test TSA", SECOND, "1.2.3.4.1")


def test_openssl_believes_the_same_token(url: str, authority: Authority, tmp_path: Path) -> None:
    answer = stamped(f"{url}/good", authority)
    assert isinstance(answer, bytes)
    (tmp_path / "token.tsr").write_bytes(answer)
    (tmp_path / "content").write_bytes(b"manifest")
    token, content = str(tmp_path / "token.tsr"), str(tmp_path / "content")
    authority.openssl("ts", "-verify", "-in", token, "-data", content, "-CAfile", "ca.pem")


def test_an_authority_need_not_say_how_accurate_it_is(url: str, authority: Authority) -> None:
    answer = stamped(f"{url}/vague", authority)
    assert isinstance(answer, bytes)
    assert check_token(answer, DIGEST, roots_of(authority.roots), now=SystemClock().now()).accuracy_us is None


def test_an_authority_below_another_is_believed_once_the_one_between_is_named(url: str, authority: Authority) -> None:
    assert stamped(f"{url}/deep", authority) == timestamp.NOT_TRUSTED
    between = (authority.folder / "between.pem").read_bytes()
    assert isinstance(stamped(f"{url}/deep", authority, roots=authority.roots + between), bytes)


def test_the_one_between_is_no_root(url: str, authority: Authority) -> None:
    """Otherwise whoever sends a chain along would bring their own trust."""
    between = (authority.folder / "between.pem").read_bytes()
    assert stamped(f"{url}/deep", authority, roots=between) == timestamp.NOT_TRUSTED


MISBEHAVIOURS = {
    "other-digest": timestamp.OTHER_DIGEST,
    "other-nonce": timestamp.OTHER_NONCE,
    "sm3": timestamp.OTHER_DIGEST,
    "old": timestamp.NOT_TRUSTED,
    "foreign": timestamp.NOT_TRUSTED,
    "forged": timestamp.NOT_TRUSTED,
    "unsorted": timestamp.UNSORTED,
    "no": timestamp.NOT_GRANTED,
    "torn": timestamp.TORN,
    "html-in-disguise": timestamp.TORN,
    "html": timestamps.NO_TOKEN,
    "endless": timestamps.TOO_LONG,
    "floods": timestamps.TOO_LONG,
    "fails": Unstamped(*(text.format(status=503) for text in timestamps.REFUSED)),
    "redirects": Unstamped(*(text.format(status=307) for text in timestamps.REFUSED)),
}


@pytest.mark.parametrize("how", MISBEHAVIOURS)
def test_each_misbehaviour_has_its_sentence(url: str, authority: Authority, how: str) -> None:
    assert stamped(f"{url}/{how}", authority) == MISBEHAVIOURS[how]


def test_two_clocks_that_disagree_stamp_nothing(url: str, authority: Authority) -> None:
    assert stamped(f"{url}/good", authority, ahead_s=3600) == timestamp.LONG_AGO
    assert stamped(f"{url}/good", authority, ahead_s=-3600) == timestamp.TO_COME


def test_an_authority_that_never_answers_is_given_up(url: str, authority: Authority) -> None:
    tsa = HttpTsa(f"{url}/silent", authority.roots, clock=SystemClock(), chance=os.urandom, deadline_s=HASTE_S)
    assert asyncio.run(tsa.stamp(DIGEST)) == timestamps.TIMED_OUT


def test_nobody_at_the_address(authority: Authority) -> None:
    assert stamped("http://127.0.0.1:9/", authority) == timestamps.NOT_REACHABLE


@pytest.mark.parametrize(
    "address",
    ["", "ftp://tsa.example/", "tsa.example", "http://", "https://tsa.example@evil.example/", "http://tsa.example/#x"],
)
def test_an_address_with_which_nothing_could_be_had_is_refused_at_the_start(authority: Authority, address: str) -> None:
    with pytest.raises(BadToken, match="tsa_url"):
        HttpTsa(address, authority.roots, clock=SystemClock(), chance=os.urandom)


@pytest.mark.parametrize(
    "pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_roots_that_are_none_are_refused_at_the_start(pem: bytes) -> None:
    with pytest.raises(BadToken, match="tsa_ca_file"):
        HttpTsa("http://tsa.example/", pem, clock=SystemClock(), chance=os.urandom)


def test_openssl_reads_the_request(authority: Authority, tmp_path: Path) -> None:
    """As what it is meant to be: SHA-256, this digest, this nonce, and with the certificate."""
    (tmp_path / "query").write_bytes(request(DIGEST, 1 << 62 | 5))
    authority.openssl("ts", "-query", "-in", str(tmp_path / "query"), "-text", "-out", str(tmp_path / "text"))
    said = " ".join((tmp_path / "text").read_text().split())
    assert "Hash Algorithm: sha256" in said
    assert "Nonce: 0x4000000000000005" in said
    assert "Certificate required: yes" in said


def test_no_changed_byte_makes_a_token_say_something_else(authority: Authority) -> None:
    """Some bytes of a token are signed by nobody; whatever they are changed to, what is proven stays the same."""
    answer = authority.reply(request(DIGEST, 1 << 62))
    roots, now = roots_of(authority.roots), SystemClock().now()
    honest = check_token(answer, DIGEST, roots, now=now)
    for place in range(len(answer)):
        altered = answer[:place] + bytes([answer[place] ^ 1]) + answer[place + 1 :]
        with contextlib.suppress(BadToken):
            assert check_token(altered, DIGEST, roots, now=now) == honest


def test_no_torn_or_lengthened_token_is_believed(authority: Authority) -> None:
    answer = authority.reply(request(DIGEST, 1 << 62))
    roots, now = roots_of(authority.roots), SystemClock().now()
    for broken in (*(answer[:end] for end in range(0, len(answer), 7)), answer + b"\0", b"0\x80" + answer):
        with pytest.raises(BadToken):
            check_token(broken, DIGEST, roots, now=now)
