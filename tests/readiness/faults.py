"""Every kind of fault that readiness knows, as somebody would cause it and as somebody would mend it.

Those of rights, the switch and clocks are here; the others lie by what they are of.
"""

from __future__ import annotations

import copy
from datetime import timedelta

from chalicelib.policy.platform import MetricSwitch
from drctl.neighbours.kubernetes.kinds import by_key
from tests.crash.platform_in_process import POLICY
from tests.readiness.day import CLUSTERS, NODE, REGIONS, Day
from tests.readiness.fault import Change, Fault
from tests.readiness.faults_of_backups import BACKUPS, pass_by
from tests.readiness.faults_of_capacity import CAPACITY
from tests.readiness.faults_of_containment import CONTAINED
from tests.readiness.faults_of_evidence import EVIDENCE
from tests.readiness.faults_of_infrastructure import INFRASTRUCTURE
from tests.readiness.faults_of_nodes import NODES
from tests.readiness.faults_of_secrets import SECRETS
from tests.readiness.faults_of_telling import TELLING
from tests.readiness.faults_of_the_database import DATABASE
from tests.readiness.faults_of_the_test import CHANNEL_TEST

PLATFORM = POLICY.platform
BINDINGS = ("rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io")


def no_rights(cluster: str) -> Change:
    def done(day: Day) -> None:
        api = day.platform.clusters[cluster]
        day.kept["bindings"] = [(kind, copy.deepcopy(b)) for kind in BINDINGS for b in api.objects(kind)]
        for kind, binding in day.kept["bindings"]:
            api.cluster.write(by_key(kind), {**binding, "subjects": []})

    return done


def rights(cluster: str) -> Change:
    def done(day: Day) -> None:
        for kind, binding in day.kept["bindings"]:
            day.platform.clusters[cluster].cluster.write(by_key(kind), binding)

    return done


def no_switch(day: Day) -> None:
    day.kept["alarms"] = dict(day.platform.cloudwatch.alarms)
    day.platform.cloudwatch.alarms.clear()


def a_switch(day: Day) -> None:
    day.platform.cloudwatch.alarms.update(day.kept["alarms"])


def thrown(value: float) -> Change:
    """Somebody publishes the switch's metric by hand, and its alarm looks."""

    def done(day: Day) -> None:
        switch = PLATFORM.traffic.switch
        assert isinstance(switch, MetricSwitch)
        row = {"MetricName": switch.metric, "Value": value}
        asked = {"Namespace": switch.namespace, "MetricData": [row]}
        for _ in range(3):
            day.platform.cloudwatch.put_metric_data(switch.region, PLATFORM.account, asked)
            pass_by(day, timedelta(seconds=60) / POLICY.speed)

    return done


def ahead(day: Day) -> None:
    day.kept["clock"] = day.platform.engine.clock
    day.platform.engine.clock = lambda: day.platform.clock.now() + timedelta(seconds=60)


def on_time(day: Day) -> None:
    day.platform.engine.clock = day.kept["clock"]


FAULTS = (
    Fault(
        kind="rights in the standby's cluster are gone",
        done=no_rights(CLUSTERS.standby.name),
        mended=rights(CLUSTERS.standby.name),
        judge="standby-rights",
        subject=f"rights in {CLUSTERS.standby.name}",
        said="are missing",
    ),
    Fault(
        kind="rights in the primary's cluster are gone",
        done=no_rights(CLUSTERS.primary.name),
        mended=rights(CLUSTERS.primary.name),
        judge="primary-rights",
        subject=f"rights in {CLUSTERS.primary.name}",
        said="are missing",
        scenario=NODE,
    ),
    Fault(
        kind="the traffic switch is gone",
        done=no_switch,
        mended=a_switch,
        judge="switch",
        subject="traffic switch",
        said="cannot be thrown",
    ),
    Fault(
        kind="the traffic switch sends people elsewhere",
        done=thrown(1.0),
        mended=thrown(0.0),
        judge="switch",
        subject="traffic switch",
        said=f"it sends people to {REGIONS.standby}, and {REGIONS.primary} serves",
    ),
    Fault(
        kind="the database's clock is wrong",
        done=ahead,
        mended=on_time,
        judge="clocks",
        subject="the database's clock",
        said="it is 60 s ahead of ours, allowed are 5 s",
        lowers=False,
    ),
    *DATABASE,
    *BACKUPS,
    *SECRETS,
    *NODES,
    *TELLING,
    *EVIDENCE,
    *CHANNEL_TEST,
    *INFRASTRUCTURE,
    *CONTAINED,
    *CAPACITY,
)
"""Each by a name of its own."""
