"""What can be broken inside the platform, for `drctl break pods`, `node`, `data`, `backups` …, and how that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chalicelib.policy import Policy
from drctl.neighbours.ec2 import Ec2
from drctl.neighbours.guardduty import GuardDuty
from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.kubernetes.karpenter import CLAIMS
from drctl.neighbours.kubernetes.volumes import ATTACHMENTS
from drctl.neighbours.rds.service import Rds
from drctl.world import deployments, intrusions, said, states
from drctl.world.folders import Folders
from drctl.world.rows import SPOILED, Rows
from drctl.world.workloads import TAG
from drctl.world.zones import ZoneFailures

KINDS: Final = (
    *("pods", "node", "zone", "deployment", "configuration", "data", "deletion", "backups"),
    *("health", "finding"),
    *intrusions.KINDS,
)
FIELDS: Final = frozenset(
    {
        "kind",
        "service",
        "crash_loop",
        "node",
        "volume_stuck",
        "zone",
        "database_stuck",
        "canary",
        "secret",
        "state",
        "namespace",
        "folder",
        "configuration",
        "location",
        "node_agent",
        "region",
        "type",
        "severity",
        *intrusions.FIELDS,
    }
)
TOLD_FOR: Final = timedelta(minutes=3)
"""How long the audit trail's agent counts a deletion, so that no period of an alarm misses it."""


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that is broken. `id` is drawn from the same numbers as the gate's faults."""

    id: int
    kind: str
    what: str
    because: str


class Breaks:
    """The breaks there are now."""

    def __init__(
        self,
        policy: Policy,
        api: KubeApi,
        ec2: Ec2,
        rds: Rds,
        clients: states.Clients | None = None,
        *,
        rows: Rows | None = None,
        folders: Folders | None = None,
        guardduty: GuardDuty | None = None,
    ) -> None:
        """`clients(service, region)` is a boto3 client of the account in which Terraform's states lie."""
        self._policy, self._api, self._ec2, self._clients = policy, api, ec2, clients
        self._zones = ZoneFailures(policy, api, ec2, rds)
        self._rows, self._folders = rows, folders
        self.say: Callable[[said.Event], None] = lambda _: None
        """How an AWS service is made to say something; the world sets it once it is up."""
        self._intruders = intrusions.Intrusions(policy, ec2, guardduty or GuardDuty(), folders)
        self._intruders.say = self._says
        self._deleted: list[tuple[datetime, int]] = []
        self._breaks: dict[int, tuple[Break, Callable[[], None]]] = {}

    def add(self, number: int, wanted: dict[str, Any]) -> Break:
        """Breaks it. Raises ValueError with what is allowed."""
        unknown = set(wanted) - FIELDS
        if unknown:
            raise ValueError(f"a break has {', '.join(sorted(unknown))}, expected are {', '.join(sorted(FIELDS))}")
        ways = {"pods": self._pods, "node": self._node, "data": self._data, "deletion": self._deletion}
        more = {"zone": self._zone, "deployment": self._deployment, "configuration": self._configuration}
        more |= dict.fromkeys(intrusions.KINDS, self._intrusion)
        more |= {"health": self._health, "finding": self._finding, "backups": self._backups}
        made, end = {**ways, **more}[wanted["kind"]](number, wanted)
        self._breaks[number] = (made, end)
        return made

    def remove(self, number: int) -> dict[str, Any]:
        """Mends it. Raises KeyError when there is none of that number."""
        made, end = self._breaks.pop(number)
        end()
        return asdict(made)

    def clear(self) -> list[dict[str, Any]]:
        """Mends everything."""
        return [self.remove(number) for number in tuple(self._breaks)]

    def __iter__(self) -> Any:
        return iter([asdict(made) for made, _ in self._breaks.values()])

    def _pods(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        rows = {s.name: s for s in self._policy.services.services if s.deployments}
        service = rows.get(str(wanted.get("service")))
        if service is None:
            raise ValueError(f"service is {wanted.get('service')!r}, allowed are {', '.join(rows)}")
        places = [(service.namespace or "", name) for name in service.deployments]
        trouble = self._api.trouble
        if wanted.get("crash_loop"):
            for place in places:
                trouble.crash(*place, exit_code=1, message="broken by drctl break pods")

            def end() -> None:
                for place in places:
                    trouble.end_crash(*place)

            because = "its containers exit with code 1, and crash in a loop"
            return Break(number, "pods", service.name, because), end
        count = sum(trouble.kill_pods(*place) for place in places)
        because = f"{count} pods are gone; Kubernetes starts others"
        return Break(number, "pods", service.name, because), lambda: None

    def _says(self, event: said.Event) -> None:
        self.say(event)

    def _intrusion(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        kind = str(wanted["kind"])
        does = {"breach": self._intruders.breach, "ransomware": self._intruders.ransomware}
        made = does[kind](number, wanted)
        return Break(number, kind, made.what, made.because), made.end

    def _health(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        region, service = str(wanted.get("region")), str(wanted.get("service"))
        rows = {(h.region, s) for h in self._policy.signals.health for s in h.services}
        if (region, service) not in rows:
            allowed = ", ".join(f"{s} in {r}" for r, s in sorted(rows))
            raise ValueError(f"the event is of {service} in {region}, allowed are policy's: {allowed or 'none'}")
        began_at = datetime.now(UTC)
        account = self._policy.platform.account
        issue = said.HealthIssue(account=account, region=region, service=service, number=number, began_at=began_at)

        def tell(status: str) -> None:
            for event in issue.said(status, datetime.now(UTC)):
                self.say(event)

        tell("open")
        because = f"AWS Health has an open issue of {service} there, and tells of it in two regions"
        return Break(number, "health", region, because), lambda: tell("closed")

    def _finding(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        kind, severity = str(wanted.get("type")), float(wanted.get("severity") or 8)
        region, began_at = str(wanted.get("region")), datetime.now(UTC)
        if not 1 <= severity <= 10 or ":" not in kind:
            raise ValueError(f"the finding is {kind!r} of severity {severity:g}, allowed are a type and 1 to 10")
        account = self._policy.platform.account
        found = said.Finding(
            account=account, region=region, type=kind, severity=severity, number=number, began_at=began_at
        )

        def tell(count: int, *, archived: bool) -> None:
            for event in found.said(count=count, archived=archived, at=datetime.now(UTC)):
                self.say(event)

        tell(1, archived=False)
        because = f"GuardDuty found it, of severity {severity:g}"
        return Break(number, "finding", f"{kind} in {region}", because), lambda: tell(2, archived=True)

    def _node(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        stuck, known = bool(wanted.get("volume_stuck")), self._names()
        name = wanted.get("node") or next(iter(self._holding() if stuck else self._holding() or known), None)
        if name not in known:
            raise ValueError(f"node is {name!r}, allowed are Karpenter's: {', '.join(known)}")
        instance = name.partition(".")[0]
        if not stuck:
            self._ec2.instances.turn(instance, "terminated")
            self._api.trouble.lose_node(name)
            return Break(number, "node", name, f"its instance {instance} is terminated"), lambda: None
        self._ec2.instances.turn(instance, "stopped")
        self._api.trouble.lose_node(name)

        def end() -> None:
            self._ec2.instances.turn(instance, "running")
            self._api.trouble.find_node(name)

        return Break(number, "node", name, f"its instance {instance} is stopped, and its volumes stay attached"), end

    def _zone(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        zone, stuck = str(wanted.get("zone")), bool(wanted.get("database_stuck"))
        broken = [made.what for made, _ in self._breaks.values() if made.kind == "zone"]
        if zone not in self._zones.names or zone in broken:
            allowed = ", ".join(z for z in self._zones.names if z not in broken)
            raise ValueError(f"zone is {zone!r}, allowed are {allowed or 'none'}")
        lost = self._zones.fail(zone, database_stuck=stuck)
        because = f"its {lost} nodes are silent, and a database's writer there is reached by nobody"
        because += ", which RDS does not notice" if stuck else ""
        return Break(number, "zone", zone, because), lambda: self._zones.mend(zone)

    def _deployment(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        canary = bool(wanted.get("canary"))
        rows = {s.name: s for s in self._policy.services.services if s.managed_by}
        rows = {n: s for n, s in rows.items() if s.managed_by and (s.managed_by.rollout or not canary)}
        service = rows.get(str(wanted.get("service")))
        if service is None or service.managed_by is None:
            raise ValueError(f"service is {wanted.get('service')!r}, allowed are {', '.join(rows)}")
        managed, api = service.managed_by, self._api

        def push(tag: str) -> str:
            # Two commits a break, after the two that have been deployed.
            commit = deployments.revision(managed, 2 * number + (tag == TAG))
            with api.trouble.turn:
                manifests = deployments.manifests(self._policy, api, service, tag, canary=canary)
                api.argocd.push(managed.namespace, managed.application, commit, manifests)
            return commit

        commit = push(deployments.BAD_TAG)
        what = f"a canary of {managed.rollout}" if canary else "its deployments"
        because = f"commit {commit[:7]} gives {what} an image that is not there"

        def end() -> None:
            push(TAG)

        return Break(number, "deployment", service.name, because), end

    def _configuration(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        if wanted.get("state"):
            return self._state(number)
        managed, api = self._policy.services.configuration, self._api
        every = deployments.external_secrets(self._policy)
        if managed is None or not every:
            raise ValueError("policy names no configuration that could be broken")
        first = every[0]["metadata"]
        service = next(s for s in self._policy.services.services if f"{s.name}-settings" == first["name"])
        if wanted.get("secret"):
            key = every[0]["spec"]["data"][0]["remoteRef"]["key"]
            with api.trouble.turn:
                held = api.external_secrets.held.pop(key)
                api.external_secrets.refresh(first["namespace"], first["name"])

            def end() -> None:
                with api.trouble.turn:
                    api.external_secrets.held[key] = held

            because = f"the store has lost {key}, and external secret {first['name']} cannot fetch it"
            return Break(number, "configuration", service.name, because), end

        def push(wrong: str) -> str:
            commit = deployments.revision(managed, 2 * number + (not wrong))
            with api.trouble.turn:
                manifests = deployments.external_secrets(self._policy, wrong)
                api.argocd.push(managed.namespace, managed.application, commit, manifests)
            return commit

        def revert() -> None:
            push("")

        because = f"commit {push(service.name)[:7]} lets external secret {first['name']} ask for what is not there"
        return Break(number, "configuration", service.name, because), revert

    def _state(self, number: int) -> tuple[Break, Callable[[], None]]:
        clients, row = self._clients, next(iter(self._policy.backups.terraform_states), None)
        if row is None or clients is None:
            raise ValueError("policy names no state of Terraform that could be overwritten")
        before, empty = states.read(row, clients), states.state(42)

        def end() -> None:
            if states.read(row, clients) == empty:
                states.write(row, clients, before)

        states.write(row, clients, empty)
        because = "an apply from the wrong folder has overwritten it with an empty one"
        return Break(number, "configuration", f"state {row.name}", because), end

    def _backups(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        """Backups fail for a reason that Velero has, and the first schedule runs at once so that it shows."""
        api, row = self._api, next(iter(self._policy.backups.schedules), None)
        if row is None or not any(s["metadata"]["name"] == row.name for s in api.objects("schedules.velero.io")):
            raise ValueError("the cluster has no schedule whose backups could fail")
        velero, store = api.velero, api.location
        bucket = next(o["spec"]["objectStorage"]["bucket"] for o in api.objects("backupstoragelocations.velero.io"))
        with api.trouble.turn:
            api.cluster.advance()
            if wanted.get("location"):
                store.unreachable_buckets.add(bucket)
                because = f"nobody reaches bucket {bucket}, so its location becomes Unavailable"
            elif wanted.get("node_agent"):
                velero.no_node_agent = True
                because = "no node-agent runs, so volumes are not read: PartiallyFailed"
            else:
                velero.item_errors.append("error executing custom action: rpc error: code = Unknown desc = broken")
                because = "an item of every backup meets an error: PartiallyFailed"
            api.schedules.run(row.name)

        def end() -> None:
            with api.trouble.turn:
                api.cluster.advance()
                store.unreachable_buckets.discard(bucket)
                velero.no_node_agent, velero.item_errors = False, []

        return Break(number, "backups", row.name, because), end

    def _data(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        del wanted
        if self._rows is None:
            raise ValueError("there is no database here to corrupt")
        end = self._rows.spoil()
        because = f"{SPOILED} runs are of an experiment that there never was"
        return Break(number, "data", self._policy.platform.database.primary.instance, because), end

    def _deletion(self, number: int, wanted: dict[str, Any]) -> tuple[Break, Callable[[], None]]:
        if self._folders is None:
            raise ValueError("there are no buckets here to delete from")
        spaces = list(dict.fromkeys(s.namespace or "" for s in self._policy.services.in_order() if s.deployments))
        namespace = str(wanted.get("namespace") or spaces[-1])
        folder = str(wanted.get("folder") or self._folders.default)
        if namespace not in spaces:
            raise ValueError(f"namespace is {namespace!r}, allowed are {', '.join(spaces)}")
        lost, restore_git = self._lose_configuration(number) if wanted.get("configuration") else ("", lambda: None)
        count, undelete = self._folders.delete(folder)
        workloads = self._api.trouble.delete_workloads(namespace)
        self._deleted.append((datetime.now(UTC), count + workloads))
        because = f"{count} objects below it and {workloads} in namespace {namespace!r} are deleted{lost}"

        def end() -> None:
            undelete()
            restore_git()

        return Break(number, "deletion", folder, because), end

    def _lose_configuration(self, number: int) -> tuple[str, Callable[[], None]]:
        """A commit in which an external secret is missing, so that Argo CD prunes it; and its revert."""
        managed, every = self._policy.services.configuration, deployments.external_secrets(self._policy)
        if managed is None or not every:
            raise ValueError("policy names no configuration from which something could be deleted")

        def push(commit: str, manifests: list[Any]) -> None:
            with self._api.trouble.turn:
                self._api.argocd.push(managed.namespace, managed.application, commit, manifests)

        good = self._api.argocd.git[managed.namespace, managed.application].head
        bad = deployments.revision(managed, 2 * number)
        push(bad, every[1:])
        name = every[0]["metadata"]["name"]
        said = f"; commit {bad[:7]} has deleted external secret {name} from the configuration, {good[:7]} still had it"
        return said, lambda: push(deployments.revision(managed, 2 * number + 1), every)

    def seen(self) -> dict[str, float]:
        """DeletedObjects, as the audit trail's agent counts them, and S3's own request metrics since the last time."""
        since = datetime.now(UTC) - TOLD_FOR / self._policy.speed
        deleted = float(sum(count for at, count in self._deleted if at >= since))
        return {"DeletedObjects": deleted, **self._intruders.told()}

    def _names(self) -> list[str]:
        return [c["status"]["nodeName"] for c in self._api.objects(CLAIMS) if c["status"].get("nodeName")]

    def _holding(self) -> list[str]:
        """Karpenter's nodes that hold volumes."""
        held: Iterable[str] = [a["spec"]["nodeName"] for a in self._api.objects(ATTACHMENTS)]
        return [name for name in self._names() if name in held]
