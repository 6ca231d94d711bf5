"""Files for one reader: the format is age's, so age's own implementations read them."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pyrage
import pytest

from suyuan.base.crypto import age

READER = pyrage.x25519.Identity.generate()
KEY = str(READER.to_public())
CHUNK = 65_536


def encrypted(plain: bytes) -> bytes:
    target = io.BytesIO()
    age.encrypt(io.BytesIO(plain), target, KEY)
    return target.getvalue()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_whatever_its_size_the_reader_gets_it_back(size: int) -> None:
    plain = bytes(number % 251 for number in range(size))
    assert pyrage.decrypt(encrypted(plain), [READER]) == plain


def test_nobody_else_reads_it_and_a_torn_or_altered_file_is_noticed() -> None:
    content = encrypted(b"a" * 100)
    for key, torn in (
        (pyrage.x25519.Identity.generate(), content),
        (READER, content[:-1]),
        (READER, content[:-1] + b"x"),
    ):
        with pytest.raises(pyrage.DecryptError):
            pyrage.decrypt(torn, [key])


@pytest.mark.skipif(shutil.which("age") is None, reason="Debian's age is not installed: apt-get install age")
def test_the_reference_implementation_reads_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(str(READER))
    opened = subprocess.run(
        ["age", "--decrypt", "--identity", tmp_path / "key"],
        input=encrypted(b"b" * CHUNK * 2),
        capture_output=True,
        check=True,
    )
    assert opened.stdout == b"b" * CHUNK * 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age1",
        KEY.upper(),
        KEY + "\n",
        " " + KEY,
        KEY[:-1],
        KEY[:-1] + "b" if KEY[-1] != "b" else KEY[:-1] + "c",
        str(READER),
    ],
)
def test_one_spelling_of_a_public_key_is_a_key_and_nothing_else_is(text: str) -> None:
    """Neither another case, nor a checksum that does not fit, nor, above all, the secret half."""
    assert age.is_age_key(KEY)
    assert not age.is_age_key(text)


class Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise TimeoutError("the source is gone")

    def write(self, content: object, /) -> int:
        raise OSError("no space left")


@pytest.mark.parametrize("size", [0, 1, 8_000, CHUNK, 5 * CHUNK])
def test_what_fails_while_reading_or_writing_is_raised_as_it_was(size: int) -> None:
    """However little there is to write: a buffer that fails last is the easiest to lose."""
    with pytest.raises(TimeoutError, match="the source is gone"):
        age.encrypt(Broken(), io.BytesIO(), KEY)
    with pytest.raises(OSError, match="no space left"):
        age.encrypt(io.BytesIO(bytes(size)), Broken(), KEY)
