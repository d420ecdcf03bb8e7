"""A provider outage in one process: the platform with all of AWS gone, and an operator's engine with the real executor,
actions and clients over what stands outside. Workers are stopped as in outside.py; time passes there too.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx2
import trustme
import yaml

from chalicelib.actions.reader import Ports
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.cloudflare import Cloudflare
from chalicelib.clients.database import DatabaseClients
from chalicelib.clients.dns import Dns
from chalicelib.clients.web import Web
from chalicelib.core.book import Book
from chalicelib.core.incident import Incident, StepState
from chalicelib.core.outcome import NoData, Outcome, Refused
from chalicelib.store.codec import read_book, read_incident
from chalicelib.store.contract import Store, StoreUnavailableError
from chalicelib.store.memory import MemoryStore
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.kubernetes.transport import ModelTransport
from drctl.neighbours.rds.client import InMemoryClients
from drctl.neighbours.rds.engine import InMemoryEngine
from drctl.neighbours.services import RegionServices
from drctl.offline.absent import NoAws
from drctl.offline.book import Copy, NoCopy, found
from drctl.offline.clusters import Kubeconfig
from drctl.offline.engine import Offline, assembled, channels
from drctl.offline.secrets import Secrets
from drctl.world.seeds import ROUTING_KEY
from drctl.world.tertiary import TOKEN, Tertiary
from tests.crash.outside import Crash, Stop
from tests.crash.platform_in_process import POLICY, SETTINGS, START, Platform
from tests.crash.wires import OutsideDatabase, OutsideStore, OutsideTransport

ANA, BOB, STRANGER = "ana", "bob", "clusterAdmin"
PATIENCE: Final = timedelta(minutes=30)
TURN: Final = timedelta(seconds=20)
AUTHORITY: Final = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
"""As AKS writes it into a kubeconfig. Without one every client reads all that this machine trusts."""
WHO: Final = {
    name: User(f"{name}@neurectomy.io" if name != STRANGER else "masterclient", ("system:masters",))
    for name in (ANA, BOB, STRANGER)
}


class _Database:
    """The database outside AWS by the one address that it has. What was not restored yet takes no proof."""

    def __init__(self, tertiary: Tertiary, engine: InMemoryEngine) -> None:
        self._clients, self._tertiary = InMemoryClients(engine), tertiary
        self._address = engine.create("outside")

    def _there(self, host: str) -> bool:
        return host == self._tertiary.outage.database.host

    def query(
        self, host: str, port: int, statement: str, arguments: Sequence[Any] = ()
    ) -> list[list[Any]] | Refused | NoData:
        if not self._there(host):
            return NoData(because=f"database {host}:{port} was not reached")
        return self._clients.query(*self._address, statement, arguments)

    def execute(
        self, host: str, port: int, statements: Sequence[str], arguments: Sequence[Any], *, until: str
    ) -> Outcome:
        if not self._there(host):
            return Refused(code="Unreachable", because=f"database {host}:{port} was not reached")
        return self._clients.execute(*self._address, statements, arguments, until=until)


class Outage:
    """One telling: AWS is gone, ana declares, ana and bob approve what asks. `copy` is the book that the engine begins
    with; `store` what it keeps its own in.
    """

    def __init__(self, *stops: Stop, store: Store | None = None, answers: bool = True) -> None:
        self.platform = Platform(stops)
        self.outside, self.clock = self.platform.outside, self.platform.clock
        self.kept = store or MemoryStore()
        self.tertiary = Tertiary(POLICY, self.clock.now, who=WHO)
        self.tertiary.copy(self.platform.backups, START)
        self.platform.traffic.outside = self.tertiary.cloudflare
        self.platform.traffic.silent.update(POLICY.platform.traffic.name_servers)
        self.database = _Database(self.tertiary, InMemoryEngine(self.clock.now))
        self.services = self._services()
        self.folder = Path(tempfile.mkdtemp(prefix="offline-"))
        self._files()
        self._answers = answers
        self._number = 0
        self.crashes = 0

    def engine(self, who: str = ANA) -> Offline:
        """A new process on the operator's machine."""
        secrets = Secrets(self.folder / "secrets.json")
        web = Web({}, OutsideTransport("http", httpx2.MockTransport(self._web), self.outside))
        kube = Kubeconfig(
            POLICY,
            self.folder / f"{who}.yaml",
            transport=OutsideTransport("kubernetes", ModelTransport(self.tertiary.cluster), self.outside),
        )
        there = httpx2.Client(
            transport=OutsideTransport("cloudflare", httpx2.MockTransport(self._cloudflare), self.outside)
        )
        token = self.tertiary.outage.cloudflare.token_secret
        ports = Ports(
            aws=cast("AwsClients", NoAws()),
            kube=kube,
            database=cast("DatabaseClients", OutsideDatabase(cast("InMemoryClients", self.database), self.outside)),
            web=web,
            dns=Dns({}, self.platform.name_server),
            cloudflare=Cloudflare(there, lambda: secrets.field(token, "token")),
        )
        told = channels(
            POLICY,
            secrets,
            web.client,
            pagerduty=SETTINGS.pagerduty_url,
            slack=SETTINGS.slack_url,
            monotonic=self.platform.monotonic,
        )
        store = cast("Store", OutsideStore(cast("MemoryStore", self.kept), self.outside))
        return assembled(POLICY, store, ports, told, self.clock, kube)

    def secrets(self) -> Secrets:
        """The operator's file."""
        return Secrets(self.folder / "secrets.json")

    def begin(self, copy: Copy | NoCopy = NoCopy("there is no copy of the book")) -> None:  # noqa: B008  # frozen
        """The book of this machine is begun, and the outage declared."""
        found(self.kept, copy, POLICY, self.clock.now())
        self.say(ANA, command="declare", scenario="provider-outage", scope=POLICY.platform.name, note="AWS is gone")

    def say(self, who: str, **payload: Any) -> Mapping[str, Any]:
        """One person's command, until it is taken in: who is not answered says it again, with the same id."""
        self._number += 1
        whole = {"id": f"{who}-{self._number}", **payload}
        while True:
            answer = self.life(lambda engine: engine.say(whole), who)
            if answer is not None and (answer["ok"] or "was not answered" not in answer["because"]):
                found_ = answer
                return cast("Mapping[str, Any]", found_)
            self.clock.sleep(1.0)

    def life(self, do: Callable[[Offline], Any], who: str = ANA) -> Any:
        """What a process does until it ends, or is stopped (None)."""
        try:
            with self.outside.life():
                return do(self.engine(who))
        except Crash:
            self.crashes += 1
        except StoreUnavailableError:
            pass
        return None

    def turn(self) -> None:
        """One shift of the engine, and people's answers to what it asks."""
        until = self.clock.now() + TURN
        self.life(lambda engine: engine.work(until=until))
        self.clock.sleep(2.0)
        if self._answers and (asking := self.asking()):
            incident = self.incident()
            for step in asking:
                for who in (ANA, BOB) if POLICY_STEPS[step].people > 1 else (ANA,):
                    self.say(who, command="approve", incident=incident.id, plan=incident.plan, step=step)

    def tell(self, patience: timedelta = PATIENCE) -> Outage:
        """To its end; AssertionError when there is none by then."""
        self.begin()
        while self.clock.now() < START + patience:
            self.turn()
            book = self.book()
            if book is not None and not book.incidents and self.closed():
                return self
        raise AssertionError(f"not over: {[(s, r.state, r.because) for s, r in self.incident().steps.items()]}")

    def book(self) -> Book | None:
        body = self.kept.read_book().body
        return read_book(body)[0] if body else None

    def incident(self) -> Incident:
        book = self.book()
        assert book is not None
        (incident,) = book.incidents.values()
        return incident

    def asking(self) -> list[str]:
        book = self.book()
        return [
            s
            for i in (book.incidents.values() if book else ())
            for s, r in i.steps.items()
            if r.state is StepState.ASKING
        ]

    def closed(self) -> list[Incident]:
        return [read_incident(body) for _, body in self.kept.documents("closed")]

    def ending(self) -> dict[str, Any]:
        """Everything that lasts outside, and how the incident ended, without the times."""
        (incident,) = self.closed()
        api = self.tertiary.cluster
        names = self.tertiary.outage.cloudflare
        counted = Counter(
            k for k in self.outside.effects if k.startswith(("kubernetes P", "cloudflare P", "postgres write"))
        )
        reviews = [k for k in counted if k.endswith("selfsubjectreviews")]
        return {
            "ending": incident.ending,
            "steps": {name: (r.state, sorted(r.facts)) for name, r in incident.steps.items()},
            "effects": {k: n for k, n in counted.items() if k not in reviews and k != "postgres write-heartbeat"},
            "restores": sorted(
                (r["spec"]["backupName"], r["status"]["phase"]) for r in api.objects("restores.velero.io")
            ),
            "dump": (self.tertiary.dumps.restored, self.tertiary.dumps.restores),
            "record": self.tertiary.cloudflare.record(names.zone, names.record)["content"],
            "markers": len(self.tertiary.cloudflare.named(names.zone, names.marker)),
        }

    def _services(self) -> RegionServices:
        table, database = POLICY.services, POLICY.platform.database.service
        found_ = [s for s in table.in_order() if s.kind == "workload"]
        return RegionServices(
            region=self.tertiary.row.region,
            services={s.name: table.leans_on(s.name, database) for s in found_},
            gateway=found_[0].name,
            region_up=lambda _: True,
            deployment_ready=self._ready,
            database_write=lambda _region, _service: self.tertiary.write(),
        )

    def _ready(self, _region: str, service: str) -> bool:
        row = POLICY.service(service)
        return all(self.tertiary.cluster.ready_deployment(row.namespace or "", name) for name in row.deployments)

    def _web(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == urlsplit(self.tertiary.outage.url).hostname:
            said = self.services.health(request.url.path.strip("/").rpartition("/")[0] or None)
            assert said is not None
            return httpx2.Response(said.status, json=said.body)
        if request.url.host == urlsplit(SETTINGS.pagerduty_url).hostname:
            told = self.platform.pagerduty.request(request.method, request.url.path, request.headers, request.read())
            return httpx2.Response(told.status, headers=told.headers, content=told.body)
        raise httpx2.ConnectTimeout(f"{request.url.host} is not there", request=request)

    def _cloudflare(self, request: httpx2.Request) -> httpx2.Response:
        query = request.url.query.decode()
        said = self.tertiary.cloudflare.request(
            request.method, request.url.path, query, request.headers, request.read()
        )
        return httpx2.Response(said.status, headers=said.headers, content=said.body)

    def _files(self) -> None:
        for who in WHO:
            config = {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "there",
                "clusters": [
                    {
                        "name": "there",
                        "cluster": {"server": self.tertiary.outage.server, "certificate-authority-data": AUTHORITY},
                    }
                ],
                "users": [{"name": "me", "user": {"token": who}}],
                "contexts": [{"name": "there", "context": {"cluster": "there", "user": "me"}}],
            }
            (self.folder / f"{who}.yaml").write_text(yaml.safe_dump(config))
        outage = self.tertiary.outage
        held = {
            outage.cloudflare.token_secret: {"token": TOKEN},
            outage.database.credentials_secret: {"username": "responder", "password": "local"},
            **{c.secret: {"routing_key": ROUTING_KEY} for c in POLICY.notifications.channels if c.kind == "pagerduty"},
        }
        path = self.folder / "secrets.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(held))


def _steps() -> Mapping[str, Any]:
    from chalicelib.core.plan import plan

    return {s.id: s for s in plan("provider-outage", policy=POLICY).steps}


POLICY_STEPS: Final = _steps()
