"""All policy files together: each file of policies/ is one field of `Policy`, with a module of its own."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property

from chalicelib.policy.backups import Backups
from chalicelib.policy.base import Row, show_duration
from chalicelib.policy.drills import Drills
from chalicelib.policy.notifications import Notifications
from chalicelib.policy.people import People
from chalicelib.policy.platform import Platform
from chalicelib.policy.readiness import Readiness
from chalicelib.policy.rewrites import Rewrites
from chalicelib.policy.runbooks import Runbook, Runbooks
from chalicelib.policy.scenarios import Scenario, Scenarios
from chalicelib.policy.services import Service, Services
from chalicelib.policy.signals import Signals


class Policy(Row):
    """The platform's whole strategy. Source: the folder policies/, one file a field."""

    platform: Platform
    scenarios: Scenarios
    services: Services
    signals: Signals
    runbooks: Runbooks
    notifications: Notifications
    backups: Backups
    rewrites: Rewrites
    people: People
    drills: Drills = Drills()
    # A policy that was kept with an incident before there were rounds is still read.
    readiness: Readiness = Readiness()
    digest: str = ""
    speed: float = 1.0

    def real(self, value: timedelta) -> str:
        """A measured or scaled duration as a person would write it in real time."""
        return show_duration(timedelta(seconds=round((value * self.speed).total_seconds())))

    @cached_property
    def _scenario(self) -> dict[str, Scenario]:
        return {s.name: s for s in self.scenarios.scenarios}

    @cached_property
    def _runbook(self) -> dict[str, Runbook]:
        return {r.scenario: r for r in self.runbooks.runbooks}

    @cached_property
    def _service(self) -> dict[str, Service]:
        return {s.name: s for s in self.services.services}

    def scenario(self, name: str) -> Scenario:
        """The row of the scenario matrix; KeyError when there is none."""
        return self._scenario[name]

    def has_scenario(self, name: str) -> bool:
        """Whether the matrix has such a row."""
        return name in self._scenario

    def runbook(self, scenario: str) -> Runbook | None:
        """The runbook of a scenario, None when nobody wrote one (the linter says so)."""
        return self._runbook.get(scenario)

    def service(self, name: str) -> Service:
        """The row of the service table; KeyError when there is none."""
        return self._service[name]
