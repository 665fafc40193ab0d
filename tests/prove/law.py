"""The law: every area code and exchange, every pair, every rule of the guidance, and what a resolve costs."""

import itertools
import subprocess
import sys
import time
from pathlib import Path

from callguard.law import PartyFacts, Terms, admit, explain, load_table, locate, rule_for, warm_up
from callguard.law.guidance import guidance
from tests.prove.figures import exactly, figure, suite
from tests.rules import markdown, proofs
from tests.unit.area_codes import CANADA, UNITED_STATES

EXCHANGES = range(200, 1000)
CALLS = 20_000
COLD = "from callguard.law import warm_up; print(warm_up())"


def figures(tell):
    table = load_table()
    tell("Every exchange of every area code")
    found = [*areas(table), *pairs(table, tell), *the_guidance(tell), *cost(table, tell)]
    tell("Every jurisdiction's dialogue, and what odd numbers say")
    found.append(suite("dialogue of every jurisdiction, odd numbers, terms", "tests/unit", "-k", "test_law"))
    tell("A lawyer's walk, on real calls")
    return [*found, suite("a lawyer's walk on real calls", "tests/live/test_lawyer.py")]


def areas(table):
    for name, plan in (("United States", UNITED_STATES), ("Canada", CANADA)):
        listed = [(codes.split(), area) for codes, line in plan.items() for area in line.split()]
        right = nowhere = 0
        for codes, area in listed:
            allowed = {code if "-" in code else f"US-{code}" for code in codes}
            allowed |= {"CA"} if len(codes) > 1 else set()
            allowed |= {"US-NY"} if area == "201" else set()  # one exchange across the Hudson
            found = [locate(f"+1{area}{exchange}0123") for exchange in EXCHANGES]
            named = {table.place(place.region, place.part) for place in found if place.region}
            nowhere += sum(place.region is None and "in use" not in place.why for place in found)
            right += bool(named) and named <= allowed
        yield exactly(f"{name}: area codes in the right place", right, len(listed))
        yield exactly(f"{name}: valid numbers that name no place", nowhere, 0)


def pairs(table, tell):
    tell("Every pair of jurisdictions")
    codes = list(table.jurisdictions)
    alone = {code: rule_for(table, [PartyFacts(role="caller", record=code)]) for code in codes}
    weaker = 0
    for pair in itertools.product(codes, codes):
        roles = zip(("caller", "called"), pair, strict=True)
        both = rule_for(table, [PartyFacts(role=role, record=code) for role, code in roles])
        weaker += any(
            both.rule.strictness < alone[code].rule.strictness
            or both.form.strictness < alone[code].form.strictness
            or not both.flags >= alone[code].flags
            for code in pair
        )
    yield exactly("pairs of jurisdictions, weaker than one of the two", weaker, 0, f"of {len(codes) ** 2}")


def the_guidance(tell):
    tell("Which test proves which rule")
    found = proofs()
    proved = [rule for rule in guidance() if found.get(rule.id)]
    outside = [rule for rule in guidance() if rule.out_of_scope]
    path = Path("build/prove/law-guidance.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown(), encoding="utf-8")
    yield figure(
        "rules of the guidance proved by a test", len(proved), "rules", "the rest has reasons", proved
    )
    open_ = len(guidance()) - len(proved) - len(outside)
    yield exactly(f"rules without proof or reason (list in {path})", open_, 0, "rules")


def cost(table, tell):
    tell("What a resolve costs")
    cold = subprocess.run([sys.executable, "-c", COLD], check=True, capture_output=True, text=True)
    seconds = float(cold.stdout)
    yield figure("geographic data, loaded off the call path", seconds, "s", "before the first call", True)
    warm_up()
    terms = Terms(purposes=("quality",), basis="legitimate_interests", retention_days=30)
    taken = []
    for number in range(CALLS):
        caller = f"+1{201 + number % 789}{200 + number % 800}{number % 10_000:04}"
        facts = [
            PartyFacts(role="caller", number=caller),
            PartyFacts(role="called", number="+442071838750", site="GB"),
            PartyFacts(role="agent", site="DE"),
            PartyFacts(role="recorder", site="GB"),
        ]
        began = time.thread_time()  # what it costs, whoever else is working on the machine
        ruling = rule_for(table, facts, region="GB")
        explain(ruling, (), admit(table, ruling, terms))
        taken.append((time.thread_time() - began) * 1e6)
    taken.sort()
    p99 = taken[int(CALLS * 0.99)]
    yield figure("explaining a call of four parties, p50", taken[CALLS // 2], "us", "-", True)
    yield figure("explaining a call of four parties, p99", p99, "us", "-", True)
