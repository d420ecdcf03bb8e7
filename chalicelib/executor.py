"""The one executor: lets actions look, and makes the calls. Nothing else in the responder can change the platform.

A call is made once, by a client that does not repeat it; what a lost answer did is found out by the next look. A call
that no action declared is refused here, before IAM would refuse it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from chalicelib.actions.contract import Action, AwsOp, CloudflareOp, KubeOp, Target
from chalicelib.actions.reader import NOT_HERE, LiveReader, Ports, UndeclaredError
from chalicelib.actions.switches import position
from chalicelib.actions.vault_copied import LOOKS, newest_copy
from chalicelib.channels.contract import Channel
from chalicelib.clients import aws, evidence, kubernetes, s3_versions, vault_copies
from chalicelib.core.airgap_calls import COPY_SPAN, WRITE_MANIFEST
from chalicelib.core.copies import Seen
from chalicelib.core.elsewhere import Absent, Heeded, read_marker
from chalicelib.core.evidence_calls import KEEP_LOGS, KEEP_OBJECTS
from chalicelib.core.happened import Signal
from chalicelib.core.incident import Incident
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Call, Doubtful, Next, NoData, Outcome, Refused
from chalicelib.core.plan import Step
from chalicelib.core.restoring import RESTORE
from chalicelib.core.switch import Found
from chalicelib.core.synthetic import is_ring
from chalicelib.intake.states import from_described
from chalicelib.policy import Policy

MARKER_ASKED: Final = 2
"""Name servers: each may take two seconds not to answer."""
VAULT_CALLS: Final = (("s3", COPY_SPAN), ("s3", WRITE_MANIFEST))


def _now() -> datetime:
    return datetime.now(UTC)


# Without them CloudWatch answers with metric alarms only.
ALARM_TYPES: Final = ["MetricAlarm", "CompositeAlarm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """The desk's hands in the real world."""

    ports: Ports
    actions: Mapping[str, Action]
    channels: Mapping[str, Channel]
    now: Callable[[], datetime] = _now
    leads: bool = False
    """Whether this is an operator's engine, which leaves the marker and does not stop at it."""

    def look(self, step: Step, incident: Incident, policy: Policy, now: datetime) -> Next:
        """The step's action observes through a reader that holds only what it declared, and says what is missing."""
        action = self.actions[step.action]
        target = aim(step, incident, now)
        facts = action.observe(target, policy, LiveReader(self.ports, action.reads))
        return action.next(target, policy, facts, now)

    def look_at(self, action: str, target: Target, policy: Policy, now: datetime) -> Next:
        """The same for what no incident is about: the keeper's work."""
        by = self.actions[action]
        return by.next(target, policy, by.observe(target, policy, LiveReader(self.ports, by.reads)), now)

    def switch(self, policy: Policy) -> Found:
        """Asks the traffic switch where it stands, through a reader that holds only what that takes."""
        return position.found(policy, LiveReader(self.ports, position.READS))

    def copies(self, policy: Policy) -> Mapping[str, Seen]:
        """Asks each vault for its newest whole air-gapped copy, through a reader that can only look."""
        airgap, reader = policy.backups.airgap, LiveReader(self.ports, LOOKS)
        return {row.name: newest_copy(reader, row.name) for row in airgap.vaults} if airgap else {}

    def somebody_else(self, policy: Policy) -> Heeded:
        """Asks the name servers outside AWS for the marker, one after the other, until one answers with authority."""
        if self.leads or policy.platform.outage is None:
            return Absent(because="this is the engine that leaves it" if self.leads else "policy names no outage")
        row, silent = policy.platform.outage.cloudflare, []
        for server in row.servers[:MARKER_ASKED]:
            said = self.ports.dns.ask(server, row.marker, "TXT")
            if isinstance(said, Refused | NoData):
                silent.append(said.because)
                continue
            found = [mark for _, kind, text in said if kind == "TXT" and (mark := read_marker(text))]
            # Answers come in any order: of several the eldest, so that it is the same one every time.
            return min(found, key=lambda m: m.at) if found else Absent(because=f"{server} has no {row.marker}")
        return NoData(because="; ".join(silent))

    def make(self, call: Call) -> Outcome:
        """Makes one call, once."""
        if not self._declared(call):
            raise UndeclaredError(f"no action declared the call {call.sentence()}")
        match call.system:
            case "aws":
                return self._aws(call)
            case "kubernetes":
                return kubernetes.change(self.ports.kube, call.service, call.operation, call.params, until=call.until)
            case "cloudflare":
                if self.ports.cloudflare is None:
                    return Refused(code="NotHere", because=f"{call.sentence()}: {NOT_HERE.because}")
                return self.ports.cloudflare.change(call.service, call.operation, call.params, until=call.until)
            case "postgres":
                host, _, port = call.service.rpartition(":")
                return self.ports.database.execute(
                    host,
                    int(port),
                    ("prepare-heartbeat", call.operation),
                    tuple(call.params.values()),
                    until=call.until,
                )
            case "channel":
                raise UndeclaredError("messages are told, not called")

    def tell(self, message: Message, page: StatusPage) -> Outcome:
        """Sends one message by its channel, once."""
        channel = self.channels.get(message.channel)
        if channel is None:
            known = ", ".join(sorted(self.channels))
            return Refused(code="NoChannel", because=f"there is no channel {message.channel!r}; there are: {known}")
        return channel.send(message, page)

    def alarm_states(self, alarms: Sequence[tuple[str, str]]) -> Sequence[Signal]:
        """Asks each region for its alarms' states. A region that does not answer says nothing, and that is no state."""
        found: list[Signal] = []
        for region in sorted({region for _, region in alarms}):
            names = [name for name, where in alarms if where == region]
            asked = {"AlarmNames": names, "AlarmTypes": ALARM_TYPES}
            answer = aws.read(self.ports.aws, "cloudwatch", region, "describe_alarms", asked)
            if not isinstance(answer, Refused | NoData):
                found += from_described(answer)
        return found

    def _declared(self, call: Call) -> bool:
        if call.system == "postgres":
            return call.operation == "write-heartbeat"
        if is_ring(call):
            return True
        for action in self.actions.values():
            for op in action.calls:
                match op:
                    case AwsOp() if call.system == "aws":
                        if (op.service, op.batch or op.operation) == (call.service, call.operation):
                            return True
                    case CloudflareOp() if call.system == "cloudflare":
                        if f"{op.verb} {op.resource}" == call.operation:
                            return True
                    case KubeOp() if call.system == "kubernetes":
                        if f"{op.verb} {op.named}" == call.operation:
                            return True
                    case _:
                        pass
        return False

    def _aws(self, call: Call) -> Outcome:
        if (call.service, call.operation) == ("s3", RESTORE):
            return s3_versions.restore(self.ports.aws, call)
        if call.operation in (KEEP_LOGS, KEEP_OBJECTS):
            return evidence.keep(self.ports.aws, self.ports.kube, call)
        if (call.service, call.operation) in VAULT_CALLS:
            return vault_copies.make(self.ports.aws, self.ports.vaults, call, now=self.now())
        params = dict(call.params)
        if "merge" in params:
            merged = self._merged(call.region, params)
            if not isinstance(merged, Mapping):
                return merged
            params = dict(merged)
        return aws.write(self.ports.aws, call.service, call.region, call.operation, params, until=call.until)

    def _merged(self, region: str, params: Mapping[str, Any]) -> Mapping[str, Any] | Refused | Doubtful:
        """A secret's new value: what it holds now, with the call's keys replaced. It is never written down."""
        asked = {"SecretId": params["SecretId"]}
        found = aws.read(self.ports.aws, "secretsmanager", region, "get_secret_value", asked)
        match found:
            case Refused(code=code):
                return Refused(code=code, because=f"reading secret {params['SecretId']!r} was refused: {found.because}")
            case NoData(because=because):
                return Doubtful(
                    because=f"secret {params['SecretId']!r} was not read, so nothing was written: {because}"
                )
        held = json.loads(found["SecretString"])
        kept = {k: v for k, v in params.items() if k != "merge"}
        return {**kept, "SecretString": json.dumps({**held, **params["merge"]})}


def _noted(step: Step, incident: Incident) -> Mapping[str, str | float]:
    """What the step that this one goes back from (`back_from`, or `undoes`) noted of how things were before it."""
    former = step.params.get("back_from") or step.undoes
    return incident.step(former).facts if former else {}


def aim(step: Step, incident: Incident, now: datetime) -> Target:
    """What a step of an incident is aimed at. An approval counts for what it was given for: the plan it names."""
    record = incident.step(step.id)
    approval = record.approval if record.approval and record.approval.plan == incident.plan else None
    return Target(
        step=step.id,
        incident=incident.id,
        opened_at=incident.opened_at,
        at=now,
        params=step.params,
        facts={**_noted(step, incident), **record.facts},
        approved_by=approval.by if approval else None,
        approved_note=approval.note if approval else "",
        calls=record.calls,
        scope=incident.scope,
        failed_at=incident.failed_at,
        # A suspicion that a person confirmed has failed when its evidence says so, which is before their word.
        declared=incident.declared_by is not None and incident.failed_at == incident.confirmed_at,
    )
