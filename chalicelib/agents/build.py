"""Builds the heart and the witness: the only place beside bootstrap.py that builds clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib import names
from chalicelib.actions.contract import Target
from chalicelib.actions.fence_acl import FenceAcl
from chalicelib.actions.reader import LiveReader, Ports
from chalicelib.agents.heart import SOURCE, Asked, Heart, Written
from chalicelib.agents.listening import Listening
from chalicelib.agents.parts import endpoints
from chalicelib.agents.replay import address_of
from chalicelib.agents.witness import Witness
from chalicelib.bootstrap import WallClock, others, wake
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.database import DatabaseClients, checks
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import KubeClients
from chalicelib.clients.web import Web
from chalicelib.core.outcome import Call, Next, NoData, Outcome
from chalicelib.executor import Executor
from chalicelib.meter import metered
from chalicelib.policy import Policy
from chalicelib.settings import Settings
from chalicelib.store.beats import Beats
from chalicelib.store.dynamodb import DynamoStore


@dataclass(frozen=True, slots=True)
class FenceHands:
    """The desk's executor, with the one action that fences."""

    policy: Policy
    ports: Ports

    def look(self, now: datetime) -> Next:
        """What is missing at the network ACLs."""
        action, target = FenceAcl(), Target(step="fence", incident="self-fence", opened_at=now, at=now)
        facts = action.observe(target, self.policy, LiveReader(self.ports, action.reads))
        return action.next(target, self.policy, facts, now)

    def make(self, call: Call) -> Outcome:
        """One entry, once."""
        hands = Executor(ports=self.ports, actions={FenceAcl.name: FenceAcl()}, channels={})
        return hands.make(call)


def heart(settings: Settings, policy: Policy) -> Heart:
    """The primary's; it speaks to the database of its own region, and to the standby's table."""
    clock, side = WallClock(), policy.platform.database.primary
    # STS is asked where the heart runs: it must be able to fence itself when it hears no other region.
    who = names.function(policy, names.HEART)
    aws = AwsClients(others=others(settings, policy, policy.platform.regions.primary, who, clock))
    ports = _ports(settings, policy, aws, side.region, clock)
    third = f"https://sts.{policy.platform.regions.witness}.amazonaws.com/"

    def third_answers() -> bool:
        # Any answer will do, a refusal too: what is asked is whether this region is heard outside.
        return not isinstance(ports.web.get(third, timeout_s=3), NoData)

    return Heart(
        policy=policy,
        clock=clock,
        beats=_beats(policy, aws),
        write=writer(ports, side.region, side.instance),
        hands=FenceHands(policy, ports),
        third_answers=third_answers,
        check=checker(ports, side.region, side.instance),
    )


def writer(ports: Ports, region: str, instance: str) -> Callable[[], Written]:
    """Writes the heartbeat's next row at an instance, whose address is asked for until it is known."""
    known: list[tuple[str, int]] = []

    def write() -> Written:
        if not known:
            found = address_of(ports, region, instance)
            if found is None:
                return NoData(because=f"RDS does not say where {instance!r} listens")
            known.append(found)
        said = ports.database.beat(*known[0], SOURCE)
        if isinstance(said, NoData):
            # Nobody answers there: it may be another instance that bears the name now.
            known.clear()
        return said

    return write


def checker(ports: Ports, region: str, instance: str) -> Callable[[str], Asked]:
    """Asks an integrity check of the instance, whose address is asked for until it is known."""
    known: list[tuple[str, int]] = []

    def check(name: str) -> Asked:
        if not known:
            found = address_of(ports, region, instance)
            if found is None:
                return NoData(because=f"RDS does not say where {instance!r} listens")
            known.append(found)
        said = ports.database.query(*known[0], "check", [name])
        if isinstance(said, NoData):
            known.clear()
        return said

    return check


def witness(settings: Settings, policy: Policy) -> Witness:
    """The third region's."""
    clock, aws = WallClock(), AwsClients()
    region = policy.platform.regions.witness
    ports = _ports(settings, policy, aws, region, clock)
    responder = policy.platform.responder
    store = DynamoStore(aws.writing("dynamodb", responder.region), table=responder.table, platform=policy.platform.name)
    beats = _beats(policy, aws)
    return Witness(
        policy=policy,
        clock=clock,
        store=store,
        beats=beats,
        listen=Listening(policy=policy, clock=clock, read=beats.read, meter=metered(policy)).listen,
        sights=tuple(endpoints(ports, policy, region)),
        wake=lambda: wake(aws, policy),
    )


def _beats(policy: Policy, aws: AwsClients) -> Beats:
    responder = policy.platform.responder
    return Beats(aws.writing("dynamodb", responder.region), table=responder.table, platform=policy.platform.name)


def _ports(settings: Settings, policy: Policy, aws: AwsClients, region: str, clock: WallClock) -> Ports:
    return Ports(
        aws=aws,
        kube=KubeClients(aws, (), now=clock.now),
        database=DatabaseClients(
            aws, policy.platform.database, region, tls=settings.database_tls, checks=checks(policy)
        ),
        web=Web(settings.resolve),
        dns=Dns(settings.resolve),
    )
