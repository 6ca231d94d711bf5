"""What a log may rely on, whichever witness it calls; and what it hears of one that lies, dawdles or is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

from suyuan.base.clock import SECOND, SetClock, SystemClock
from suyuan.base.crypto import suite
from suyuan.evidence.check import Vkey, check_signatures, read_note, read_policy, read_vkey
from suyuan.evidence.log.note import checkpoint_text, cosigner, vkey_text
from suyuan.evidence.witness.cosigning import Conflict, Refused, Silent, Witness, WitnessCaller
from suyuan.evidence.witness.watched_logs import WatchedLogs
from suyuan.faces.simulate.witnesses import Asked, RunningWitness, policy_text
from suyuan.outside.witnesses import ANSWER_BYTES_MAX, SKEW_S, HttpWitness
from tests.evidence.small_log import SmallLog
from tests.evidence.witnesses import NOW, NearWitness, own_cosigner, watch
from tests.outside.scripted import HANG, Script, http, scripted

LOGS = [SmallLog(f"log-{number}.example") for number in range(20)]
VKEYS = [log.vkey for log in LOGS]

Outcome = TypeVar("Outcome")


class Room(NamedTuple):
    """A witness to be called, and the loop on which it is."""

    caller: WitnessCaller
    vkey: Vkey
    loop: asyncio.Runner

    def run(self, story: Coroutine[Any, Any, Outcome]) -> Outcome:
        return self.loop.run(story)

    def add(self, log: SmallLog, old: int, size: int) -> bytes | Conflict | Silent | Refused:
        return self.run(self.caller.add_checkpoint(old, log.proof(old, size), log.note(size)))

    def latest(self, log: SmallLog) -> int | None:
        return self.run(self.caller.latest(log.origin))


@pytest.fixture(scope="module", params=["near", "http"])
def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("witness")
    with asyncio.Runner() as loop:
        if request.param == "near":
            near = Witness(folder / "witness", own_cosigner(), WatchedLogs(watch(folder, VKEYS)))
            yield Room(NearWitness(near, SystemClock()), near.vkey, loop)
            return
        with RunningWitness(folder, "witness.example/served") as served:
            served.watch(map(vkey_text, VKEYS))
            vkey = read_vkey(served.vkey)
            caller = HttpWitness(vkey, served.url, VKEYS, SystemClock())
            yield Room(caller, vkey, loop)
            loop.run(caller.close())


fresh = map(LOGS.__getitem__, count())


@pytest.fixture
def log() -> SmallLog:
    """A log that no law has used before."""
    return next(fresh)


def test_its_line_under_the_checkpoint_is_its_cosignature(room: Room, log: SmallLog) -> None:
    """And nothing else is handed on, so a log can put it there as it is."""
    line = room.add(log, 0, 3)
    assert isinstance(line, bytes)
    note = read_note(log.note(3) + line)
    assert len(note.signatures) == 2
    signed = check_signatures(note, [log.vkey, room.vkey])
    assert {one.vkey for one in signed} == {log.vkey, room.vkey}
    assert vkey_text(room.vkey).startswith(f"{room.caller.name}+")


def test_it_follows_a_growing_log(room: Room, log: SmallLog) -> None:
    assert room.latest(log) is None
    for old, size in ((0, 0), (0, 1), (1, 5), (5, 5), (5, 200)):
        assert isinstance(room.add(log, old, size), bytes)
        assert room.latest(log) == size


def test_whoever_does_not_know_its_size_hears_it(room: Room, log: SmallLog) -> None:
    """So a log that was restored from a backup hears that it is behind, before it signs."""
    room.add(log, 0, 7)
    assert room.add(log, 0, 9) == Conflict(7)
    assert room.add(log, 3, 5) == Conflict(7)
    assert isinstance(room.add(log, 7, 9), bytes)


def test_no_second_history_is_cosigned(room: Room, log: SmallLog) -> None:
    """Neither another tree of the same size, nor one that grew from another."""
    other = SmallLog(log.origin, forked_at=2)
    room.add(log, 0, 5)
    assert isinstance(room.add(other, 5, 5), Refused)
    assert isinstance(room.add(other, 5, 8), Refused)
    assert room.latest(log) == 5


def test_nobody_else_speaks_for_a_log(room: Room, log: SmallLog) -> None:
    assert isinstance(room.add(SmallLog(log.origin, secret=b"s" * 32), 0, 5), Refused)
    assert isinstance(room.add(SmallLog("unwatched.example"), 0, 5), Refused)
    assert room.latest(log) is None


@pytest.mark.parametrize("note", [b"", b"\n\n", b"no note", b"\xff" * 100, bytes(100), b"a\n" * 60_000])
def test_no_bytes_make_it_raise(room: Room, note: bytes) -> None:
    """Whatever is called a checkpoint: sealing goes on without this cosignature."""
    assert isinstance(room.run(room.caller.add_checkpoint(0, [], note)), Refused)


LOG = SmallLog()
TEXT = checkpoint_text(LOG.origin, 3, LOG.root(3))
AT_S = NOW // SECOND
OWN = own_cosigner()
GOOD = OWN.line(TEXT, AT_S)
SIZED = "content-type: text/x.tlog.size\r\n"
PAGE = "<!doctype html><title>502</title>"
HASTE_S = 0.3
HTTP = "http:" + "//"


def ask(answer: bytes, *, drip_s: float = 0, close_after: bool = False) -> bytes | Conflict | Silent | Refused:
    """What a log hears of a witness that answers so."""

    async def story() -> bytes | Conflict | Silent | Refused:
        script = Script([answer], drip_s=drip_s, close_after=close_after)
        async with scripted(script) as url:
            caller = HttpWitness(OWN.vkey, url, [LOG.vkey], SetClock(NOW), deadline_s=HASTE_S)
            try:
                return await caller.add_checkpoint(0, [], LOG.note(3))
            finally:
                await caller.close()

    return asyncio.run(story())


def test_a_good_answer_is_taken() -> None:
    """Also among lines of others, which are left out, and twice, which is once."""
    stranger = SmallLog(secret=b"s" * 32).note(3).split(b"\n\n")[1]
    assert ask(http(GOOD)) == GOOD
    assert ask(http(stranger + GOOD + GOOD)) == GOOD


@pytest.mark.parametrize(
    ("answer", "heard"),
    [
        (http(b""), Refused("answer_is_unreadable")),
        (http(GOOD[:-1]), Refused("answer_is_unreadable")),
        (http(GOOD[:40]), Refused("answer_is_unreadable")),
        (http(PAGE), Refused("answer_is_unreadable")),
        (http(b"\xff\x00" * 20), Refused("answer_is_unreadable")),
        (http(b"\n" + GOOD), Refused("answer_is_unreadable")),
        (http(b"more text\n\n" + GOOD), Refused("answer_is_unreadable")),
        (http(b"more text\n\n" + OWN.line(TEXT + b"\nmore text\n", AT_S)), Refused("answer_is_unreadable")),
        (http(LOG.note(3).split(b"\n\n")[1]), Refused("signed_by_another_key")),
        (http(OWN.line(checkpoint_text(LOG.origin, 4, LOG.root(4)), AT_S)), Refused("signature_is_wrong")),
        (http(GOOD.replace(GOOD[-9:-5], b"AAAA")), Refused("signature_is_wrong")),
        (http(OWN.line(TEXT, AT_S - SKEW_S - 1)), Refused("time_is_wrong")),
        (http(OWN.line(TEXT, AT_S + SKEW_S + 1)), Refused("time_is_wrong")),
        (http(OWN.line(TEXT, 0)), Refused("time_is_wrong")),
        (http(b"x" * (ANSWER_BYTES_MAX + 1)), Refused("answer_is_too_long")),
        (http(b"x" * (3 << 20)), Refused("answer_is_too_long")),
        (http(GOOD * 200), Refused("answer_is_unreadable")),
        (http(b"5\n", "409 Conflict", headers=SIZED), Conflict(5)),
        (http(b"0\n", "409 Conflict", headers=SIZED), Refused("answer_contradicts_itself")),
        (http(b"5", "409 Conflict", headers=SIZED), Refused("answer_is_unreadable")),
        (http(b"05\n", "409 Conflict", headers=SIZED), Refused("answer_is_unreadable")),
        (http(b"-5\n", "409 Conflict", headers=SIZED), Refused("answer_is_unreadable")),
        (http(b"9" * 5000 + b"\n", "409 Conflict", headers=SIZED), Refused("answer_is_unreadable")),
        (http(b"5\n", "409 Conflict"), Refused("answer_is_unreadable")),
        (http(b"5\n", "409 Conflict", headers="content-type: text/html\r\n"), Refused("answer_is_unreadable")),
        (http(b"", "400 Bad Request"), Refused("request_is_malformed")),
        (http(b"", "403 Forbidden"), Refused("log_signature_is_refused")),
        (http(b"", "404 Not Found"), Refused("log_is_unknown")),
        (http(b"", "422 Unprocessable Entity"), Refused("tree_is_inconsistent")),
        (http(GOOD, "201 Created"), Refused("http_201")),
        (http(PAGE, "302 Found", headers="location: http://elsewhere.example/\r\n"), Refused("http_302")),
        (http(GOOD, "307 Temporary Redirect", headers="location: /add-checkpoint\r\n"), Refused("http_307")),
        (http(PAGE, "500 Internal Server Error"), Silent("http_500")),
        (http(PAGE, "503 Service Unavailable"), Silent("http_503")),
        (http(PAGE, "429 Too Many Requests"), Silent("http_429")),
        (HANG, Silent("timed_out")),
        (b"SSH-2.0-OpenSSH\r\n", Refused("answer_is_unreadable")),
        (http(GOOD).replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"), GOOD),
    ],
)
def test_a_bad_answer_is_no_cosignature(answer: bytes, heard: object) -> None:
    """It is one word for people, never an exception that stops sealing, and never a line that is not the witness's."""
    assert ask(answer) == heard


def test_an_answer_that_drips_ends_with_the_deadline() -> None:
    assert ask(http(GOOD), drip_s=0.02) == Silent("timed_out")


def test_an_answer_that_breaks_off_is_none() -> None:
    assert ask(http(GOOD)[:-10], close_after=True) == Silent("connection_lost")


def test_a_witness_that_is_not_there_is_silent() -> None:
    async def story() -> object:
        caller = HttpWitness(OWN.vkey, "http://127.0.0.1:1", [LOG.vkey], SetClock(NOW))
        return await caller.add_checkpoint(0, [], LOG.note(3)), await caller.latest(LOG.origin)

    assert asyncio.run(story()) == (Silent("not_reachable"), None)


def fetch(answer: bytes) -> int | None:
    """What a log believes of a witness whose newest checkpoint is said to be this."""

    async def story() -> int | None:
        async with scripted(Script([answer])) as url:
            caller = HttpWitness(OWN.vkey, url, [LOG.vkey], SetClock(NOW), deadline_s=HASTE_S)
            try:
                return await caller.latest(LOG.origin)
            finally:
                await caller.close()

    return asyncio.run(story())


def test_a_witness_cannot_lie_about_how_far_it_saw_the_log() -> None:
    """A log that believed it would stop: only what its own key signed, and the witness's, is news about itself."""
    behind_itself = LOG.note(1000) + OWN.line(checkpoint_text(LOG.origin, 1000, LOG.root(1000)), 1)
    assert fetch(http(behind_itself)) == 1000
    invented = checkpoint_text(LOG.origin, 9000, bytes(32))
    other = SmallLog("other.example")
    lies = [
        invented + b"\n" + OWN.line(invented, AT_S),
        LOG.note(1000),
        SmallLog(secret=b"s" * 32).note(1000) + OWN.line(checkpoint_text(LOG.origin, 1000, LOG.root(1000)), 1),
        other.note(1000) + OWN.line(checkpoint_text(other.origin, 1000, other.root(1000)), 1),
        behind_itself.replace(b"\n1000\n", b"\n9999\n"),
        behind_itself[:-1], b"", PAGE.encode(), b"\xff", b"1000\n",
    ]  # fmt: skip
    assert [fetch(http(lie)) for lie in lies] == [None] * len(lies)
    assert fetch(http(behind_itself, "500 Internal Server Error")) is None
    assert fetch(HANG) is None


def test_calls_share_their_connections_and_keep_the_prefix() -> None:
    """One connection for many checkpoints; a witness may live behind a path."""

    async def story() -> tuple[int, list[bytes]]:
        script = Script([http(GOOD)] * 3 + [http(b"", "404 Not Found")])
        async with scripted(script) as url:
            caller = HttpWitness(OWN.vkey, f"{url}/witnesses/w1/", [LOG.vkey], SetClock(NOW))
            for _ in range(3):
                assert await caller.add_checkpoint(0, [], LOG.note(3)) == GOOD
            await caller.latest(LOG.origin)
            await caller.close()
        return script.connections, [request.split(b" ")[1] for request in script.requests]

    connections, targets = asyncio.run(story())
    assert connections == 1
    assert targets[:3] == [b"/witnesses/w1/add-checkpoint"] * 3
    assert targets[3].startswith(b"/witnesses/w1/")
    assert targets[3].endswith(b"/checkpoint")


def test_the_environment_leads_no_call_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert ask(http(GOOD)) == GOOD


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://w.example/", "w.example", HTTP, HTTP + "a:b@w.example/", HTTP + "w.example:0/", HTTP + "w\xe9/",
        HTTP + "w.example/?q", HTTP + "w.example/#f", HTTP + "w.example:port/", HTTP + "w.example/ /",
        HTTP + "w.example:99999/", HTTP + "[::/",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_meant_is_said_and_stops_nothing(url: str) -> None:
    """It comes from a file that people write."""

    async def story() -> object:
        caller = HttpWitness(OWN.vkey, url, [LOG.vkey], SetClock(NOW))
        heard = await caller.add_checkpoint(0, [], LOG.note(3)), await caller.latest(LOG.origin)
        await caller.close()
        return heard

    assert asyncio.run(story()) == (Refused("address_is_malformed"), None)


def test_a_policy_counts_organisations() -> None:
    """Each has to have cosigned, with any of its witnesses; and it says where they are asked."""
    keys = [vkey_text(cosigner(f"w{n}.example", suite("ed25519").signer(bytes([n]) * 32)).vkey) for n in range(1, 4)]
    asked = [Asked(key, f"{HTTP}w{number}.example/suyuan") for number, key in enumerate(keys, 1)]
    policy = read_policy(policy_text([vkey_text(LOG.vkey)], {"partner": asked[:2], "neutral": asked[2:]}).encode())
    assert [one.url for one in policy.witnesses.values()] == [one.url for one in asked]
    quorum = policy.groups[policy.quorum or ""]
    assert (quorum.needed, quorum.members) == (2, ("partner", "neutral"))
    assert [policy.groups[name].needed for name in quorum.members] == [1, 1]
