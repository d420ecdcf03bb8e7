"""What stands outside AWS in the local world, each on a port of its own: Cloudflare and its name servers, the tertiary
cluster, the database and the services there, and the files that operators have on their machines for that night.

AWS's side is told where Cloudflare's name servers are, and nothing else of it. An operator's engine reads the rest in
the entry `offline` of world.json. None of it asks AWS: what is dark there changes nothing here.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import pg8000.dbapi
import trustme
import yaml

from chalicelib.clients.postgres import connected
from chalicelib.policy import Policy
from chalicelib.policy.notifications import PagerDutyChannel, SlackChannel
from drctl.neighbours import cloudflare, services
from drctl.neighbours.dns import AuthoritativeDns
from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.kubernetes.app import make_app as kubernetes_app
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.kubernetes.velero.store import BackupStore
from drctl.neighbours.rds.engine import Address
from drctl.neighbours.rds.postgres import PostgresEngine
from drctl.neighbours.services import RegionServices
from drctl.offline.hearing import principal
from drctl.world.seeds import BOT_TOKEN, DATABASE_PASSWORD, DATABASE_USER, ROUTING_KEY
from drctl.world.supervisor import LOOPBACK, Neighbour
from drctl.world.tertiary import TOKEN, Tertiary

DATABASE: Final = "outside"
API: Final = "/client/v4"


class Outside:
    """Its name servers answer between enter and exit; the rest is served as `neighbours`. `make` builds the cluster."""

    def __init__(
        self, policy: Policy, clock: Callable[[], datetime], engine: PostgresEngine, *, make: Callable[..., KubeApi]
    ) -> None:
        self._policy, self._clock, self._engine = policy, clock, engine
        self._who = _operators(policy)
        self._authority = trustme.CA()
        self._database: Address | None = None
        users = {_token(name): user for name, user in self._who.items()}
        self.tertiary = Tertiary(policy, clock, who=users, make=make)
        self.tertiary.dumps.loaded = self._load
        self.outage, there = self.tertiary.outage, self.tertiary.cloudflare
        zone = self.outage.cloudflare.zone
        self._dns = AuthoritativeDns(lambda: there.record_sets(zone), dict, zones=[policy.platform.traffic.zone])

    def __enter__(self) -> Self:
        self._dns.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._dns.stop()

    @property
    def _services_name(self) -> str:
        return f"services-{self.tertiary.row.region}"

    @property
    def _cluster_name(self) -> str:
        return f"kubernetes-{self.tertiary.row.name}"

    def name_servers(self) -> dict[str, str]:
        """Where Cloudflare's name servers for the zone are here."""
        return dict.fromkeys(self.outage.cloudflare.servers, f"dns://{LOOPBACK}:{self._dns.port}")

    def neighbours(self) -> list[Neighbour]:
        """What the world serves of it."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(LOOPBACK).configure_cert(tls)
        return [
            Neighbour("cloudflare", cloudflare.make_app(self.tertiary.cloudflare)),
            Neighbour(self._services_name, services.make_app(self._services())),
            Neighbour(self._cluster_name, kubernetes_app(self.tertiary.cluster), tls=tls),
        ]

    def furnish(self, backups: BackupStore, urls: Mapping[str, str]) -> None:
        """Takes the copies that are old enough, and starts the database, which is empty."""
        self.tertiary.cluster.url = urls[self._cluster_name]
        self.tertiary.copy(backups, self._clock())
        self._database = self._engine.create(DATABASE)

    def files(self, folder: Path) -> tuple[Path, ...]:
        """Writes each operator's kubeconfig and their secrets; answers what was written, the first one's first."""
        ca = base64.b64encode(self._authority.cert_pem.bytes()).decode()
        written = []
        for name in self._who:
            config = {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "there",
                "clusters": [
                    {"name": "there", "cluster": {"server": self.outage.server, "certificate-authority-data": ca}}
                ],
                "users": [{"name": name, "user": {"token": _token(name)}}],
                "contexts": [{"name": "there", "context": {"cluster": "there", "user": name}}],
            }
            written.append(_only_mine(folder / f"kubeconfig-{name}.yaml", yaml.safe_dump(config)))
        return (*written, _only_mine(folder / "secrets.json", json.dumps(self._secrets())))

    def says(self, urls: Mapping[str, str], files: tuple[Path, ...], resolve: Mapping[str, str]) -> dict[str, Any]:
        """The entry `offline` of world.json; drctl/cli/offline.py reads it. `resolve` is what else is elsewhere."""
        if self._database is None:
            raise RuntimeError("what stands outside was asked for before it was furnished")
        here = {
            str(urlsplit(self.outage.server).hostname): urls[self._cluster_name],
            str(urlsplit(self.outage.url).hostname): urls[self._services_name],
            self.outage.database.host: f"postgresql://{self._database.host}:{self._database.port}",
        }
        return {
            "kubeconfig": str(files[0]),
            "secrets": str(files[-1]),
            "resolve": {**resolve, **self.name_servers(), **here},
            "cloudflare": urls["cloudflare"] + API,
            "pagerduty": urls["pagerduty"],
            "slack": urls["slack"] + "/api/",
        }

    def _secrets(self) -> dict[str, dict[str, str]]:
        held = {
            self.outage.cloudflare.token_secret: {"token": TOKEN},
            self.outage.database.credentials_secret: {"username": DATABASE_USER, "password": DATABASE_PASSWORD},
        }
        for channel in self._policy.notifications.channels:
            match channel:
                case PagerDutyChannel(secret=name):
                    held[name] = {"routing_key": ROUTING_KEY}
                case SlackChannel(secret=name):
                    held[name] = {"bot_token": BOT_TOKEN}
                case _:
                    pass  # it stands in AWS
        return held

    def _services(self) -> RegionServices:
        table, database = self._policy.services, self._policy.platform.database.service
        found = [s for s in table.in_order() if s.kind == "workload"]
        return RegionServices(
            region=self.tertiary.row.region,
            services={s.name: table.leans_on(s.name, database) for s in found},
            gateway=found[0].name,
            region_up=lambda _: True,
            deployment_ready=self._ready,
            database_write=self._write,
        )

    def _ready(self, _region: str, service: str) -> bool:
        row, api = self._policy.service(service), self.tertiary.cluster
        return all(api.ready_deployment(row.namespace or "", name) for name in row.deployments)

    def _write(self, _region: str, service: str) -> str:
        """A real write, if the applications' Secret leads to the database that is there."""
        host, _ = self.tertiary.configured()
        if host != self.outage.database.host:
            return f"could not translate host name {host!r} to address"
        return self._sql(("INSERT INTO visits (service) VALUES (%s)", (service,)))

    def _load(self, dump: str) -> None:
        """What pg_restore puts there in one transaction: the applications' table, and whose dump it was."""
        self._sql(
            ("CREATE TABLE visits (service text, at timestamptz DEFAULT now())", ()),
            ("CREATE TABLE dr_restored_from (dump text)", ()),
            ("INSERT INTO dr_restored_from VALUES (%s)", (dump,)),
        )

    def _sql(self, *statements: tuple[str, tuple[str, ...]]) -> str:
        """`ok`, or what the database said; one transaction."""
        if self._database is None:
            return "the database there was not started"
        there, name = self._database, self._policy.platform.database.name
        login = {"user": DATABASE_USER, "password": DATABASE_PASSWORD, "database": name}
        try:
            with connected(there.host, there.port, timeout=2, **login) as connection:
                cursor = connection.cursor()
                for statement, arguments in statements:
                    cursor.execute(statement, arguments)
                connection.commit()
        except (pg8000.dbapi.Error, OSError) as error:
            return str(error)[:200]
        return "ok"


def _operators(policy: Policy) -> dict[str, User]:
    """The people whom the tertiary cluster knows by a name of their own, by their name in policy."""
    row = policy.platform.clusters.tertiary
    prefix = principal(row.name, "") if row else ""
    named = ((p.name, arn.removeprefix(prefix)) for p in policy.people.people for arn in p.principals if prefix in arn)
    return {name: User(username, ("system:masters",)) for name, username in named}


def _token(name: str) -> str:
    return f"local-{name}"


def _only_mine(path: Path, text: str) -> Path:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path
