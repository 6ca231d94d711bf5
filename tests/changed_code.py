"""Taking a line of code away in a test, the way a careless change would."""

from __future__ import annotations
import __future__

import inspect
import sys
import textwrap
from typing import Any, NamedTuple

import pytest


class Changed(NamedTuple):
    """A function as it was, and as it is for the rest of the test."""

    before: Any
    after: Any


def change(patch: pytest.MonkeyPatch, owner: Any, name: str, old: str, new: str) -> Changed:
    """Replaces one stretch of a function's source, in its module or class."""
    function = inspect.unwrap(getattr(owner, name))
    source = _SOURCES.get(function) or textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{name} no longer says {old!r}: show anew what this test takes away"
    made: dict[str, Any] = {}
    changed = source.replace(old, new)
    flags = __future__.annotations.compiler_flag
    exec(compile(changed, name, "exec", flags=flags), vars(sys.modules[function.__module__]), made)
    _SOURCES[made[name]] = changed
    patch.setattr(owner, name, made[name])
    return Changed(function, made[name])


# The source of what was changed, because it may be changed once more.
_SOURCES: dict[Any, str] = {}
