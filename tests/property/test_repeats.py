"""Requests that are sent again, in any order, at once, after any time: done once, answered the same."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from callguard.web.repeats import OtherRequest, Repeats, TooMany

KEEP = 100.0


class Broken(Exception):  # noqa: N818 - the name says what happened
    """A mistake of ours, in the middle of a request."""


@dataclass
class Act:
    """One time that something was really done."""

    owner: str
    key: str
    says: bytes
    began: float
    gate: asyncio.Future[str]
    state: str = "running"  #: "done", "broken"


@dataclass
class Asked:
    """Somebody who waits for an answer."""

    owner: str
    key: str
    says: bytes
    act: Act  #: whose answer they have to get
    task: asyncio.Task[tuple[str, bool]] = field(repr=False)
    first: bool = False
    left: bool = False


class Machine(RuleBasedStateMachine):
    """What is done, against what may be done, for two askers with few keys."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 0.0
        self.repeats: Repeats[str] = Repeats(keep=KEEP, most=1000, clock=lambda: self.now)
        self.acts: list[Act] = []
        self.asked: list[Asked] = []

    def teardown(self) -> None:
        for act in self.acts:
            if not act.gate.done():
                act.gate.set_result("at last")
        self.turn()
        self.loop.run_until_complete(self.repeats.close())
        self.loop.close()

    def turn(self) -> None:
        """Let everything happen that can."""
        for _ in range(6):
            self.loop.run_until_complete(asyncio.sleep(0))

    def standing(self, owner: str, key: str) -> Act | None:
        """The act that a request with this key means now."""
        for act in reversed(self.acts):
            if (act.owner, act.key) == (owner, key):
                if act.state == "running" or (act.state == "done" and self.now < act.began + KEEP):
                    return act
                return None
        return None

    @rule(
        owner=st.sampled_from(["crm", "desk"]),
        key=st.sampled_from(["a", "b", "c"]),
        says=st.sampled_from([b"pause", b"resume"]),
    )
    def ask(self, owner: str, key: str, says: bytes) -> None:
        expected = self.standing(owner, key)
        before = len(self.acts)

        async def act() -> str:
            one = Act(owner, key, says, self.now, self.loop.create_future())
            self.acts.append(one)
            try:
                return await one.gate
            finally:
                one.state = "broken" if one.gate.exception() else "done"

        task = self.loop.create_task(self.repeats.once(owner, key, says, act))
        self.turn()
        if expected is not None and expected.says != says:
            assert isinstance(task.exception(), OtherRequest)
            assert len(self.acts) == before
            return
        assert len(self.acts) == before + (expected is None)
        self.asked.append(Asked(owner, key, says, expected or self.acts[-1], task, first=expected is None))

    @precondition(lambda self: any(act.state == "running" for act in self.acts))
    @rule(which=st.integers(0, 100), breaks=st.booleans())
    def finish(self, which: int, breaks: bool) -> None:
        running = [act for act in self.acts if act.state == "running"]
        act = running[which % len(running)]
        if breaks:
            act.gate.set_exception(Broken())
        else:
            act.gate.set_result(f"answer {self.acts.index(act)}")
        self.turn()

    @precondition(lambda self: any(not one.task.done() for one in self.asked))
    @rule(which=st.integers(0, 100))
    def somebody_hangs_up(self, which: int) -> None:
        waiting = [one for one in self.asked if not one.task.done()]
        one = waiting[which % len(waiting)]
        one.left = True
        one.task.cancel()
        self.turn()
        assert one.act.state == "running"  # it is done to its end all the same

    @rule(seconds=st.sampled_from([1.0, 50.0, 99.0, 101.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def nothing_is_done_twice_at_once(self) -> None:
        running = [(act.owner, act.key) for act in self.acts if act.state == "running"]
        assert len(running) == len(set(running))

    @invariant()
    def everybody_has_the_answer_of_what_they_asked(self) -> None:
        for one in self.asked:
            if one.left or not one.task.done():
                continue
            assert (one.act.owner, one.act.key, one.act.says) == (one.owner, one.key, one.says)
            if one.act.state == "broken":
                assert isinstance(one.task.exception(), Broken)
            else:
                answer, repeated = one.task.result()
                assert answer == one.act.gate.result()
                assert repeated is not one.first


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestRepeats = Machine.TestCase


class Bounded(RuleBasedStateMachine):
    """However many keys somebody uses, few answers are kept, and none that is under way is forgotten."""

    MOST = 4

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.repeats: Repeats[int] = Repeats(keep=KEEP, most=self.MOST, clock=lambda: 0.0)
        self.gates: dict[int, asyncio.Future[None]] = {}
        self.counted = 0

    def teardown(self) -> None:
        for gate in self.gates.values():
            gate.set_result(None)
        self.loop.run_until_complete(self.repeats.close())
        self.loop.close()

    def once(self, key: int, *, slow: bool) -> asyncio.Task[tuple[int, bool]]:
        async def act() -> int:
            self.counted += 1
            if slow:
                gate = self.gates[key] = self.loop.create_future()
                await gate
            return key

        task = self.loop.create_task(self.repeats.once("crm", str(key), b"", act))
        for _ in range(6):
            self.loop.run_until_complete(asyncio.sleep(0))
        return task

    @rule(key=st.integers(0, 30), slow=st.booleans())
    def ask(self, key: int, slow: bool) -> None:
        before, full = self.counted, len(self.gates) >= self.MOST
        task = self.once(key, slow=slow)
        if key in self.gates:
            assert self.counted - before <= 1
            if not task.done():
                task.cancel()
        elif full:
            assert isinstance(task.exception(), TooMany)
            assert self.counted == before
        else:
            assert task.result()[0] == key

    @precondition(lambda self: self.gates)
    @rule()
    def the_oldest_ends(self) -> None:
        key = next(iter(self.gates))
        self.gates.pop(key).set_result(None)
        self.loop.run_until_complete(asyncio.sleep(0))

    @invariant()
    def few_are_kept(self) -> None:
        kept = sum(len(each) for each in self.repeats._kept.values())
        assert kept <= self.MOST


Bounded.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestBounded = Bounded.TestCase
