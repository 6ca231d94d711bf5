"""The score of one attempt, in tens of microseconds: LightGBM's walk for single rows, called without its package.

The package takes two seconds and a hundred megabytes to import, and `Booster.predict` half a millisecond for a row;
the library beside it has a call that is prepared once (`LGBM_BoosterPredictForMatSingleRowFastInit`) and then takes
nothing but the row. Both walk the same trees in the same order, so their results are equal in every bit.

The library is given nothing but what `forest` has read and checked. A missing input is a NaN, and each split says on
which side that goes. The score is the estimate in hundredths of a percent, rounded half up, 0 to 10,000.

    scorer = Scorer(text)
    scorer.score(inputs)     # features and facts, in the order of `scorer.names`
"""

from __future__ import annotations

import ctypes
import struct
import weakref
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from math import nan
from pathlib import Path

from suyuan.risk.model.forest import check_written, digest_of

SCORE_MAX = 10_000

_NAMES = ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll")
_NORMAL, _DOUBLES, _ALL_TREES = 0, 1, -1
_PARAMETERS = b"num_threads=1 verbosity=-1 predict_disable_shape_check=false"
# Kept for as long as the library may call it.
_SAY_NOTHING = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(lambda _: None)


class ScorerTrouble(RuntimeError):
    """Raised when the library is missing, or does not do what it was asked."""


class Scorer:
    """A model that scores. It holds memory of the library, which goes when the scorer goes; one thread at a time."""

    def __init__(self, text: str) -> None:
        """Prepares a model's text. Raises `BadModel` for one that is not to be trusted."""
        forest = check_written(text)
        self.digest = digest_of(text)
        self.catalogue = forest.catalogue
        self.names = forest.names
        self._library = library()
        booster, fast = ctypes.c_void_p(), ctypes.c_void_p()
        self._call(
            "LGBM_BoosterLoadModelFromString", text.encode(), ctypes.byref(ctypes.c_int()), ctypes.byref(booster)
        )
        weakref.finalize(self, self._library.LGBM_BoosterFree, booster)
        self._call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            booster, _NORMAL, 0, _ALL_TREES, _DOUBLES, len(self.names), _PARAMETERS, ctypes.byref(fast),
        )  # fmt: skip
        weakref.finalize(self, self._library.LGBM_FastConfigFree, fast)
        self._row = ctypes.create_string_buffer(8 * len(self.names))
        self._pack_into = struct.Struct(f"{len(self.names)}d").pack_into
        self._found = ctypes.c_double(nan)
        self._predict = self._library.LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (fast, self._row, ctypes.byref(ctypes.c_int64()), ctypes.byref(self._found))

    def score(self, inputs: Sequence[int | None]) -> int:
        """The score of one attempt in hundredths of a percent."""
        return int(self.estimate(inputs) * SCORE_MAX + 0.5)

    def estimate(self, inputs: Sequence[int | None]) -> float:
        """The estimate itself, to the bit what `Booster.predict` says of this row."""
        # A row of another length does not fit the format, and never reaches the library.
        self._pack_into(self._row, 0, *[nan if value is None else value for value in inputs])
        if self._predict(*self._arguments):
            raise ScorerTrouble(_last_error(self._library))
        return self._found.value

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._library, name)(*arguments):
            raise ScorerTrouble(_last_error(self._library))


@cache
def library() -> ctypes.CDLL:
    """LightGBM's library, found beside its package without importing that."""
    found = find_spec("lightgbm")
    folders = [Path(folder, "lib") for folder in (found.submodule_search_locations or ())] if found else []
    files = [folder / name for folder in folders for name in _NAMES if (folder / name).is_file()]
    if not files:
        raise ScorerTrouble("LightGBM is not installed here; install it, or take the model out of service")
    opened = ctypes.CDLL(str(files[0]))
    opened.LGBM_GetLastError.restype = ctypes.c_char_p
    opened.LGBM_BoosterFree.argtypes = [ctypes.c_void_p]
    opened.LGBM_FastConfigFree.argtypes = [ctypes.c_void_p]
    # What it says it would write to standard output, which belongs to whoever called.
    opened.LGBM_RegisterLogCallback(_SAY_NOTHING)
    return opened


def _last_error(opened: ctypes.CDLL) -> str:
    told: bytes | None = opened.LGBM_GetLastError()
    return f"LightGBM refuses: {(told or b'').decode(errors='replace')}"
