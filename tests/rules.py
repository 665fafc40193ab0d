"""Which test proves which rule of the guidance: found by reading the tests, never kept by hand.

A test says so itself, ``@proves("s0-inform")``. ``python tests/rules.py`` prints the list as Markdown.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from callguard.law.guidance import guidance

TESTS = Path(__file__).parent


def proves(*rules: str) -> Callable[[Any], Any]:
    """Say that a test proves rules of :mod:`callguard.law.guidance`."""
    known = {rule.id for rule in guidance()}
    if unknown := set(rules) - known:
        raise ValueError(f"there are no rules {sorted(unknown)}; see callguard/law/guidance.yaml")
    return lambda test: test


def proofs() -> dict[str, list[str]]:
    """Rule -> tests that say they prove it."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for name, rule in _claims(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(rule, []).append(f"{path.relative_to(TESTS.parent)}::{name}")
    return found


def _claims(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if (
                    isinstance(mark, ast.Call)
                    and isinstance(mark.func, ast.Name)
                    and mark.func.id == "proves"
                ):
                    yield from ((node.name, str(ast.literal_eval(rule))) for rule in mark.args)


def markdown() -> str:
    """Every rule with the tests that prove it, or the reason why none does."""
    found = proofs()
    rows = ["| rule | what it asks | proved by |", "|---|---|---|"]
    for rule in guidance():
        tests = ", ".join(f"`{test.split('::')[1]}`" for test in found.get(rule.id, ()))
        rows.append(f"| {rule.id} | {rule.asks} | {tests or f'out of scope: {rule.out_of_scope}'} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
