# SPDX-License-Identifier: Apache-2.0
"""Which statements there are, and which test covers which."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])

covering: dict[str, list[str]] = {}
"""For each statement the names of its tests, as the test modules are read."""


def covers(*statements: str) -> Callable[[Test], Test]:
    """Says which statements a test method covers."""

    def note(test: Test) -> Test:
        for statement in statements:
            covering.setdefault(statement, []).append(test.__qualname__)
        return test

    return note


def statements() -> dict[str, str]:
    """The text of each statement by its id, in order."""
    found: dict[str, str] = {}
    for line in (Path(__file__).parent / "statements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, text = line.split(maxsplit=1)
            assert name not in found, f"two statements {name}"
            found[name] = text
    return found


def problems() -> list[str]:
    """Statements without a test, and tests of statements that there are not."""
    known = statements()
    missing = [f"{name} has no test: {text}" for name, text in known.items() if name not in covering]
    unknown = [f"{tests[0]} covers {name}, which is no statement" for name, tests in covering.items() if name not in known]
    return missing + unknown
