"""What decides: the policies and models that officers have deployed, and the version of graph and lists.

Owns the tables `policy` and `model` (each text that was ever deployed, under its digest, so that a decision can be
computed again) and `deployment` (what stands at each stage now). The stages:

| stage | |
|---|---|
| `active` | decides; without one the policy that comes with suyuan does |
| `rollout` | decides instead, for so many percent of the sellers, always the same ones |
| `shadow` | only watches: what it would have said is kept beside the decision |
| `champion` | the model that scores |
| `challenger` | a model that only watches |
| `graph`, `lists` | which signals of rings, and the change of a list up to which, count |

>>> unpack_model(pack_model("tree")), digest_of("tree")[:8]
('tree', 'dc9c5edb')
"""

from __future__ import annotations

import zlib
from typing import Final, Literal, NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.crypto import sha256
from suyuan.history.working_set import Shelf

ACTIVE: Final = "active"
ROLLOUT: Final = "rollout"
SHADOW: Final = "shadow"
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
GRAPH, LISTS = "graph", "lists"
OFF = "off"
PolicyStage = Literal["active", "rollout", "shadow"]
ModelStage = Literal["champion", "challenger"]
POLICY_STAGES: Final = (ACTIVE, ROLLOUT, SHADOW)
MODEL_STAGES: Final = (CHAMPION, CHALLENGER)

MODEL_BYTES_MAX = 16 * 1024 * 1024
# A command has to fit into a frame of the line's socket; texts of trees shrink to a quarter.
PACKED_BYTES_MAX = 960 * 1024


class BadModel(Exception):
    """Raised for bytes that are no model's text."""


class PolicyText(msgspec.Struct, gc=False):
    """A policy that was deployed."""

    digest: str
    text: str


class ModelText(msgspec.Struct, gc=False):
    """A model that was handed in."""

    digest: str
    packed: bytes
    kept_at: int


class Deployment(msgspec.Struct, gc=False):
    """What stands at a stage, since which place in history."""

    stage: str
    digest: str
    percent: int
    seq: int
    at: int


class ListedDeployment(NamedTuple):
    """One line of `suyuan admin policy list`, or of `model list`."""

    stage: str
    digest: str
    percent: int
    seq: int
    at: int


def policy_shelf() -> Shelf[PolicyText]:
    """Texts are read once a change; none is kept in memory beside the policy that it became."""
    return Shelf("policy", PolicyText, rows_max=0)


def model_shelf() -> Shelf[ModelText]:
    """The same for models."""
    return Shelf("model", ModelText, rows_max=0)


def deployment_shelf() -> Shelf[Deployment]:
    """One row a stage."""
    return Shelf("deployment", Deployment, changing=("digest", "percent", "seq", "at"))


def digest_of(text: str) -> str:
    """What a policy or a model is called: the SHA-256 of its text, in hexadecimal."""
    return sha256(text.encode()).hex()


def pack_model(text: str) -> bytes:
    """A model's text as it travels and is kept. Raises `BadModel` where it is too large."""
    packed = zlib.compress(text.encode(), 9)
    if len(packed) > PACKED_BYTES_MAX or len(text) > MODEL_BYTES_MAX:
        raise BadModel(f"the model is larger than {PACKED_BYTES_MAX >> 10} KiB packed; train fewer or smaller trees")
    return packed


def unpack_model(packed: bytes) -> str:
    """The text again. Raises `BadModel`; no more is unpacked than a model may have."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, MODEL_BYTES_MAX)
        if unpacking.unconsumed_tail or not unpacking.eof:
            raise BadModel("the packed model is torn, or too large")
        return text.decode()
    except (zlib.error, UnicodeDecodeError):
        raise BadModel("these bytes are no packed model") from None


def deployments(connection: psycopg.Connection[TupleRow]) -> dict[str, Deployment]:
    """What stands at each stage, as committed."""
    found = connection.execute(f"SELECT {', '.join(Deployment.__struct_fields__)} FROM deployment").fetchall()
    return {row[0]: Deployment(*row) for row in found}


def policy_text(connection: psycopg.Connection[TupleRow], digest: str) -> str | None:
    """The text of a policy that was deployed here."""
    row = connection.execute("SELECT text FROM policy WHERE digest = %s", (digest,)).fetchone()
    return None if row is None else str(row[0])


def model_text(connection: psycopg.Connection[TupleRow], digest: str) -> str | None:
    """The text of a model that was handed in here."""
    row = connection.execute("SELECT packed FROM model WHERE digest = %s", (digest,)).fetchone()
    return None if row is None else unpack_model(bytes(row[0]))


def models(connection: psycopg.Connection[TupleRow], *, rows_max: int) -> list[tuple[str, int]]:
    """The models that were handed in, the newest first."""
    found = connection.execute("SELECT digest, kept_at FROM model ORDER BY kept_at DESC LIMIT %s", (rows_max,))
    return [(row[0], row[1]) for row in found.fetchall()]
