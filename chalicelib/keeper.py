"""The keeper of air-gapped copies: by the clock it sees to a dump, then carries on one copy in each vault.

It holds no desk, since nothing of an incident is in its hands, and two keepers at once do no harm: whatever they create
is named after what it is, and is created once. What is under way is kept after every look, so that any later invocation
goes on. A pause stops it before its next call, and so does the mode `observe`, in which nothing is touched; where steps
ask, it does not: a copy changes nothing of what people use, and nobody would answer four times a day.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, assert_never

from chalicelib.actions.contract import Target
from chalicelib.actions.database_dumped import DatabaseDumped
from chalicelib.actions.vault_copied import VaultCopied
from chalicelib.core.outcome import Act, Call, Done, Doubtful, Made, Next, Outcome, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.store.contract import StoreUnavailableError

RESERVE: Final = timedelta(seconds=90)
"""What an invocation keeps for the object that is on its way when a call's time is over."""
SCOPE: Final = "airgap"
NOT: Final = "not "
"""How a sentence about a call begins that had no success."""
log = logging.getLogger("responder")


class Hands(Protocol):
    """What the executor gives the keeper."""

    def look_at(self, action: str, target: Target, policy: Policy, now: datetime) -> Next: ...

    def make(self, call: Call) -> Outcome: ...


class Kept(Protocol):
    """Where it is kept how far the work has come (store/progress.py)."""

    def read(self, vault: str) -> Mapping[str, str | float]: ...

    def write(self, vault: str, facts: Mapping[str, str | float]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """`stopped` says why no call may be made now, '' when one may."""

    hands: Hands
    kept: Kept
    policy: Policy
    now: Callable[[], datetime]
    stopped: Callable[[], str]

    def work(self, *, until: datetime, begin: bool = False) -> Mapping[str, str]:
        """What became of the dump and of each vault. `begin`: a new copy, however young the newest is."""
        airgap = self.policy.backups.airgap
        if airgap is None:
            return {SCOPE: "policy names no air-gapped copies"}
        found = {DatabaseDumped.name: self._guarded(partial(self._dump, until), "the dump")}
        for row in airgap.vaults:
            found[row.name] = self._guarded(partial(self._vault, row.name, until, begin=begin), row.name)
        for what, because in found.items():
            log.info("%s: %s", what, because)
        return found

    def _guarded(self, work: Callable[[], str], what: str) -> str:
        """A vault that fails must not stop the others."""
        try:
            return work()
        except StoreUnavailableError as error:
            return f"stopped: {error}"
        except Exception as error:
            log.exception("the keeper failed at %s", what)
            return f"failed: {type(error).__name__}: {error}"

    def _dump(self, until: datetime) -> str:
        """One look, and one call when it is missing: the Job takes its time, and the next invocation looks again."""
        found = self._look(DatabaseDumped.name, "database", {}, {})
        match found:
            case Act(call=call):
                return self._make(call, until)
            case _:
                return found.because

    def _vault(self, name: str, until: datetime, *, begin: bool) -> str:
        facts, params = dict(self.kept.read(name)), {"vault": name, **({"now": "yes"} if begin else {})}
        while self.now() + RESERVE < until:
            found = self._look(VaultCopied.name, name, params, facts)
            match found:
                case Done(because=because):
                    self._keep(name, facts, {})
                    return because
                case Stuck(because=because):
                    return because
                case Wait(because=because, again_in=again, facts=kept):
                    facts = self._keep(name, facts, kept)
                    if again:
                        return because
                case Act(call=call, facts=kept):
                    facts = self._keep(name, facts, kept)
                    made = self._make(call, until)
                    if made.startswith(NOT):
                        return made
                case _:
                    assert_never(found)
        return f"its time is over; {name!r} goes on with the next invocation"

    def _look(self, action: str, what: str, params: Mapping[str, str], facts: Mapping[str, str | float]) -> Next:
        now = self.now()
        target = Target(step=what, incident=SCOPE, opened_at=now, at=now, params=params, facts=facts)
        return self.hands.look_at(action, target, self.policy, now)

    def _make(self, call: Call, until: datetime) -> str:
        if why := self.stopped():
            return f"{NOT}made, {why}: {call.sentence()}"
        left = until - RESERVE - self.now()
        if left <= timedelta(0):
            return f"{NOT}made, the invocation's time is over: {call.sentence()}"
        outcome = self.hands.make(replace(call, timeout=min(call.timeout, left)))
        match outcome:
            case Made(because=because):
                return because
            case Refused(because=because, code=code):
                return f"{NOT}made: {because} ({code})"
            case Doubtful(because=because):
                return f"{NOT}known whether it was made, the next look finds out: {because}"
        assert_never(outcome)

    def _keep(self, name: str, before: Mapping[str, Any], facts: Mapping[str, str | float]) -> dict[str, str | float]:
        if dict(before) != dict(facts):
            self.kept.write(name, facts)
        return dict(facts)
