"""Public keys as text: one text for each key, one key for each text, and the algorithm never left open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.crypto import BadSignature, PublicKey, checker, suite
from suyuan.base.crypto.keys import SUITES


@pytest.mark.parametrize("name", SUITES)
def test_a_key_survives_its_text(name: str) -> None:
    key = PublicKey(name, suite(name).public_of(suite(name).new_secret()))
    assert key.text().startswith(f"{name}:")
    assert PublicKey.parse(key.text()) == key


@pytest.mark.parametrize("name", SUITES)
def test_a_loaded_key_is_kept(name: str) -> None:
    """Loading an SM2 key costs 30 µs, so the second request of a partner finds it loaded."""
    public = suite(name).public_of(suite(name).new_secret())
    assert PublicKey(name, public).checker() is checker(name, public)


@pytest.mark.parametrize("name", SUITES)
def test_a_signer_names_its_suite_and_key(name: str) -> None:
    secret = suite(name).new_secret()
    signer = suite(name).signer(secret)
    assert (signer.algorithm, signer.public) == (name, suite(name).public_of(secret))
    assert checker(name, signer.public).algorithm == name


GOOD = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519",
        "ed25519:",
        GOOD.removeprefix("ed25519:"),
        GOOD + "=",
        GOOD + "\n",
        " " + GOOD,
        GOOD[:-1],
        GOOD[:-1] + "p",
        GOOD.replace("_", "/"),
        GOOD.replace("ed25519", "sm2-sm3"),
        GOOD.replace("ed25519", "ED25519"),
        GOOD.replace("ed25519", "rsa"),
        "ed25519:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_every_other_text_is_refused(text: str) -> None:
    """Padding, white space, idle bits, another alphabet, another suite, a weak key: no key has a second text."""
    PublicKey.parse(GOOD)
    with pytest.raises(ValueError):  # noqa: PT011 - two modules speak here, each with its own sentence
        PublicKey.parse(text)


@given(st.text(max_size=60))
def test_arbitrary_text_only_raises_value_error(text: str) -> None:
    for candidate in (text, f"ed25519:{text}", f"sm2-sm3:{text}"):
        with pytest.raises(ValueError):  # noqa: PT011 - as above
            PublicKey.parse(candidate)


def test_an_unknown_suite_is_named() -> None:
    with pytest.raises(ValueError, match="'none'"):
        suite("none")


def test_a_key_of_one_suite_is_no_key_of_another() -> None:
    ed25519 = suite("ed25519").public_of(bytes(32))
    with pytest.raises(BadSignature):
        checker("sm2-sm3", ed25519)
