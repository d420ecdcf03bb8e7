"""policies/runbooks.yaml: what is done, step by step, for each scenario."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from chalicelib.policy.base import Duration, Name, Row


class RunbookStep(Row):
    """One step, or one for each service when `for_each` is set (then `id` holds `{service}`).

    `needs` names steps; `{service}` in it means the same service's. `needs_if_database` are needed only by
    services that lean on the database. `previous` makes each of a family lean on the one before it, in
    recovery order. `fresh_for` is how long its Done may be leaned on before it is looked at again.

    A step that `undoes` another is no part of the way: it is owed when a person ends the incident after that other step
    began, and before the step that it names in `unless`.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9{}-]{0,62}$")]
    title: str
    action: Name
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    for_each: Literal["workloads", "tier-1-workloads"] | None = None
    needs: tuple[str, ...] = ()
    needs_if_database: tuple[str, ...] = ()
    previous: bool = False
    automatic: bool
    people: Literal[1, 2] = Field(default=1, description="how many different people must approve it")
    asks_because: str = Field(
        default="",
        description="why a person is asked (required when automatic is false), or when it asks all the same",
    )
    reversible: bool
    expected: Duration = Field(description="how long it usually takes, in real time")
    deadline: Duration
    fresh_for: Duration | None = None
    announces: Literal["recovery-started"] | None = None
    best_effort: bool = Field(
        default=False,
        description="recovery does not wait for it: past its deadline it is left, and tried every tick as a debt",
    )
    undoes: Name | None = Field(
        default=None, description="the step that this one takes back when a person ends the incident on the way"
    )
    unless: Name | None = Field(
        default=None, description="the step after whose beginning there is no way back, so that nothing is undone"
    )


class ChoiceKind(StrEnum):
    """What a choice is, and so how it is written.

    time: ISO 8601 with a zone. services: names of the service table, by commas. namespaces: those of the services, by
    commas. prefix: one `bucket/prefix` of what backups.yaml calls restorable. revision: a Git commit, or how one
    begins, of Argo CD's history. version: the id of one version, as S3 gives it. instances, subnets: ids of EC2, by
    commas. when: a time that is to come, or `now`. journal: nobody chooses it; it is what the move that a failback
    takes back has set, as the journal has it.
    """

    TIME = "time"
    SERVICES = "services"
    NAMESPACES = "namespaces"
    PREFIX = "prefix"
    REVISION = "revision"
    VERSION = "version"
    WHEN = "when"
    JOURNAL = "journal"
    INSTANCES = "instances"
    SUBNETS = "subnets"


class Choice(Row):
    """What a person chooses before the steps that take it (`{choice.NAME}` in their `with`) can be done."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    kind: ChoiceKind
    asks: str = Field(description="what is chosen, as a person reads it: the last moment of good data")
    reach: Duration | None = Field(default=None, description="time: how far back it may lie; when: how far ahead")
    seen_by: Name | None = Field(
        default=None,
        description="the step whose facts say what is proposed (`proposed`), and between what a time may lie"
        " (`earliest`, `latest`); of several choices that one step has seen each has its own, `proposed.<name>`",
    )
    none: bool = Field(
        default=False,
        description="lists, prefix, revision, version: whether `none` may be chosen; what takes it has no work then;"
        " time: `none` is no bound",
    )
    default: Literal["none", "all", "found"] | None = Field(
        default=None,
        description="what stands for as long as nobody chooses, so that nothing waits for it; all: of services or"
        " namespaces every one; found: the revision or version that the action itself finds",
    )
    of: Name | None = Field(
        default=None, description="journal: the action of which it says how it was before; left out, the failover's id"
    )
    cluster: Literal["primary", "standby"] | None = Field(
        default=None, description="journal: where that action's step was aimed at"
    )


class Runbook(Row):
    """The steps of one scenario, and what a person chooses for them."""

    scenario: Name
    title: str
    choices: tuple[Choice, ...] = ()
    steps: tuple[RunbookStep, ...]

    def choice(self, name: str) -> Choice | None:
        """What may be chosen under that name, None where nothing may."""
        return next((c for c in self.choices if c.name == name), None)


class Runbooks(Row):
    """All of them."""

    runbooks: tuple[Runbook, ...]
