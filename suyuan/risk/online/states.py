"""Where the states of all keys are: open, set aside, packed, or in a snapshot; and what goes when room is short.

A state is opened when it is asked for. That of a new key is packed into bytes after its commit, because most keys are
never seen again; one that is asked for once more stays open. Every so often those that are open are set aside;
whichever is asked for then is taken back, and the others are packed, after each commit as many as it has opened, so
that none waits for many. Among packed keys those whose rows have all left their windows are looked for and dropped, as
many as new keys come in.

Where all that does not make room enough, keys of the kind that has most are given up while they still matter, those
that were set aside longest ago first; how new their rows were is kept (`lost`), and a key of that kind that is not in
memory from then on may be one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

from suyuan.risk.catalogue import Catalogue
from suyuan.risk.online.compiled import NONE_LOST, Key, Placed, State, compile_catalogue
from suyuan.risk.online.slots import Packed, until_of

# Room is made for so many at once: whoever floods us with keys pays for a walk over the oldest only now and then.
GIVEN_UP_SHARE = 256


class Bounds(NamedTuple):
    """What may be held in memory."""

    keys_max: int = 4_000_000  # Of all kinds together; those that only stand in a snapshot are not counted.
    open_max: int = 150_000  # An open state takes a kilobyte or more, a packed one hardly more than its values.


class Kept(Protocol):
    """Where states come from that are not in memory."""

    def find(self, number: int, key: Key) -> Packed | None: ...


class NothingKept:
    """The beginning of history."""

    def find(self, number: int, key: Key) -> Packed | None:
        """No key is known yet."""
        return None


class States:
    """All states of a catalogue's kinds."""

    def __init__(self, catalogue: Catalogue, bounds: Bounds, kept: Kept, lost: list[int] | None = None) -> None:
        self.open: list[dict[Key, State]] = []
        self._undo: list[Placed] = []
        self.code = compile_catalogue(
            catalogue, self.open, fetch=self._fetch, call_long=self._call_long, note=self._undo.append
        )
        kinds = self.code.kinds
        self.open += [{} for _ in kinds]
        self.aside: list[dict[Key, State]] = [{} for _ in kinds]
        self.packed: list[dict[Key, bytes]] = [{} for _ in kinds]  # Those that were set aside first stand first.
        self.kept = kept
        self.lost = [NONE_LOST] * len(kinds) if lost is None else lost
        self.keys = 0
        self._bounds = bounds
        self._long: list[State] = []
        self._new: list[tuple[int, Key]] = []
        self._opened = self._opened_since_turn = 0
        self._settled_at = -1
        self._look = self._look_around()

    @property
    def is_short(self) -> bool:
        """Whether any key was ever given up."""
        return any(at != NONE_LOST for at in self.lost)

    def settle(self, at: int) -> None:
        """All rows up to `at` will stay; makes room."""
        self._settled_at = at
        self._undo.clear()
        while self._long:
            self._cut(self._long.pop())
        if self._opened or self._new:
            self._make_room()

    def put_back(self, touched: Iterable[tuple[int, Key]]) -> None:
        """All states that were touched since, as they were when they were last settled."""
        for placed, value, stood in reversed(self._undo):
            if stood < 0:
                del placed[value]
            else:
                placed[value] = stood
        self._undo.clear()
        self._long.clear()
        self._new.clear()
        for number, key in touched:
            state = self.open[number].pop(key, None)
            if state is not None:
                self._pack(number, key, state)

    def everything(self, number: int) -> Iterator[tuple[Key, bytes]]:
        """All keys of a kind that are in memory and still matter, packed; in no order."""
        pack = self.code.pack[number]
        for table in (self.open[number], self.aside[number]):
            for key, state in table.items():
                if (packed := pack(state, self._settled_at)) is not None:
                    yield key, packed
        yield from ((key, packed) for key, packed in self.packed[number].items() if until_of(packed) > self._settled_at)

    def is_in_memory(self, number: int, key: Key) -> bool:
        """Whether a key is in memory, whatever a snapshot says of it."""
        return key in self.open[number] or key in self.aside[number] or key in self.packed[number]

    # --- Coming in --------------------------------------------------------------------------------

    def _fetch(self, number: int, key: Key, at: int) -> State:
        """A state that was asked for and is not open."""
        state = self.aside[number].pop(key, None)
        packed = self.packed[number].pop(key, None) if state is None else None
        if packed is not None:
            state = self.code.open[number](key, packed, at)
        if state is not None:
            self._opened += 1
        else:
            state = self._new_state(number, key, at)
        self.open[number][key] = state
        return state

    def _new_state(self, number: int, key: Key, at: int) -> State:
        """The state of a key that is not in memory."""
        self.keys += 1
        self._new.append((number, key))
        kept = self.kept.find(number, key)
        state = self.code.make[number](key) if kept is None else self.code.open[number](key, kept, at)
        # What is not in memory may have been given up, and what stands in the snapshot may be older than that.
        state.lost = max(state.lost, self.lost[number])
        return state

    def _call_long(self, state: State) -> None:
        state.is_long = True
        self._long.append(state)

    def _cut(self, state: State) -> None:
        """Opens a state again from its bytes, in which what nobody will ask for is left out."""
        table = self.open[state.number] if state.key in self.open[state.number] else self.aside[state.number]
        packed = self.code.pack[state.number](state, self._settled_at)
        if packed is None:
            del table[state.key]
            self.keys -= 1
        else:
            table[state.key] = self.code.open[state.number](state.key, packed, self._settled_at + 1)

    # --- Going out --------------------------------------------------------------------------------

    def _make_room(self) -> None:
        opened, self._opened = self._opened, 0
        self._opened_since_turn += opened
        for _ in range(len(self._new)):
            next(self._look)
        while self._new:
            number, key = self._new.pop()
            if (state := self.open[number].pop(key, None)) is not None:
                self._pack(number, key, state)
        self._pack_some(opened + 1)
        if self._opened_since_turn > self._bounds.open_max // 2 and not any(self.aside):
            self._turn()
        if self.keys > self._bounds.keys_max:
            self._give_up()

    def _turn(self) -> None:
        self._opened_since_turn = 0
        for number, table in enumerate(self.open):
            self.aside[number], self.open[number] = table, {}

    def _pack_some(self, count: int) -> None:
        for number, table in enumerate(self.aside):
            while table and count:
                key, state = table.popitem()
                self._pack(number, key, state)
                count -= 1

    def _pack(self, number: int, key: Key, state: State) -> None:
        packed = self.code.pack[number](state, self._settled_at)
        if packed is None:
            self.keys -= 1
        else:
            self.packed[number][key] = packed

    def _look_around(self) -> Iterator[None]:
        """Goes round all packed keys for ever, one a step, and drops those that matter no more."""
        while True:
            for number, table in enumerate(self.packed):
                for key in list(table):
                    self._drop_if_over(number, key)
                    yield
            yield

    def _drop_if_over(self, number: int, key: Key) -> None:
        packed = self.packed[number].get(key)
        if packed is not None and until_of(packed) <= self._settled_at:
            del self.packed[number][key]
            self.keys -= 1

    def _give_up(self) -> None:
        """Makes room, and some more."""
        while self.keys > self._bounds.keys_max:
            most = max(range(len(self.packed)), key=lambda number: len(self.packed[number]))
            if not self.packed[most]:
                self._pack_some(self._bounds.keys_max)
                if not any(self.packed):
                    self._turn()
                continue
            for key in list(islice(self.packed[most], 1 + len(self.packed[most]) // GIVEN_UP_SHARE)):
                packed = self.packed[most].pop(key)
                self.keys -= 1
                if until_of(packed) > self._settled_at:
                    self.lost[most] = max(self.lost[most], self._newest_at(most, packed))

    def _newest_at(self, number: int, packed: bytes) -> int:
        """The instant of the newest row, or up to which rows may be missing, whichever is later."""
        state = self.code.open[number](0, packed, self._settled_at + 1)
        instants = (getattr(state, f"a{stream.number}") for stream in self.code.kinds[number].streams)
        newest: int = max([state.lost, *(found[-1] for found in instants if found)])
        return newest
