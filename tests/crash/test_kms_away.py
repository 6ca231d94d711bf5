"""A platform whose KEK lies in a KMS, while that KMS is killed and comes back: real processes, real HTTP."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from suyuan.base.clock import monotonic_s
from suyuan.base.db import connect
from suyuan.faces.sdk import Pending, Refused
from tests.conftest import clear, room_for_a_server
from tests.crash.house import CONTRACT, FACE_FEN, READY_S, House, card
from tests.laws.kms_rooms import TOKEN, TwinRoom, a_twin, token_file

AWAY = "the KMS cannot be reached; start it, or correct kms_url"


async def sell(house: House, number: int) -> None:
    """One card, until its money is with the seller."""
    sold = card(number)
    async with house.as_partner() as platform:
        answer = await platform.redeem_card(
            contract=CONTRACT, seller=house.sellers[number], operator=sold.operator, serial=sold.serial, pin=sold.pin,
            face_fen=FACE_FEN, idempotency_key=f"sale-{number}",
        )  # fmt: skip
    assert isinstance(answer, Pending), answer
    await until(house, lambda: state_of(house, answer.redemption) == "paid")


def state_of(house: House, redemption: str) -> str:
    with connect(house.database_url, autocommit=True) as connection:
        row = connection.execute("SELECT state FROM redemption WHERE id = %s", (redemption,)).fetchone()
    return str(row[0]) if row else ""


async def until(house: House, is_so: object) -> None:
    assert callable(is_so)
    until_s = monotonic_s() + READY_S
    while not await asyncio.to_thread(is_so):
        assert monotonic_s() < until_s, house.logs()
        await asyncio.sleep(0.1)


async def live(house: House, twin: TwinRoom) -> None:
    await house.open(cards=3)
    await sell(house, 0)
    # (1) The KMS dies. Cards are sealed, sold, opened and paid with the ring in memory; sellers are registered.
    asked = twin.control.tally().kms
    twin.sandbox.kill()
    await sell(house, 1)
    async with house.as_partner() as platform:
        answer = await platform.register_seller(
            name="李小红", identity_number="00007719900101000X", number="13800000077", payee="acct-77", seller="slr_77",
            idempotency_key="slr_77",
        )  # fmt: skip
    assert not isinstance(answer, Refused), answer
    # (2) Workers that start meanwhile cannot load the ring, and their log says what to do.
    house.kill("api")
    await until(house, lambda: AWAY in house.logs())
    # (3) It comes back, and so do they, by themselves.
    twin.sandbox.start()
    await house.ready()
    await sell(house, 2)
    assert twin.control.tally().kms["wrap"] == asked["wrap"], "no epoch was begun, so nothing was wrapped"


def test_a_platform_lives_through_the_death_of_its_kms(tmp_path: Path) -> None:
    """It seals, opens and pays on; it does not start without it, and makes no new ring to do so."""
    (tmp_path / "kms").mkdir()
    data = room_for_a_server()
    data.chmod(0o711)
    token = token_file(tmp_path, TOKEN)
    with a_twin(tmp_path / "kms") as twin:
        twin.kek("suyuan")
        house = House(data, tmp_path, more={"kms_url": twin.url, "kms_token_file": str(token)})
        try:
            asyncio.run(live(house, twin))
            twin.sandbox.kill()
            house.supervisor.terminate()
            house.supervisor.wait()
            ring = (data / "keys" / "epochs.key").read_bytes()
            command = [sys.executable, "-m", "suyuan", "serve", "--data", str(data)]
            told = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C"}, timeout=60, check=False)
            assert (told.returncode, told.stderr.strip(), told.stdout) == (2, AWAY, "")
            assert (data / "keys" / "epochs.key").read_bytes() == ring
            assert TOKEN not in house.logs()
        finally:
            house.close()
            clear(data)
