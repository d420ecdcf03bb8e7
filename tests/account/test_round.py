"""The clock's round from end to end: looked at through the real reader, told by the inbox, raised and settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib import ways_in
from chalicelib.actions.reader import Ports
from chalicelib.bootstrap import Responder
from chalicelib.core.findings import standing
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.promises import PROMISES, kind, source
from chalicelib.desk import Desk
from chalicelib.settings import Settings
from chalicelib.store.codec import read_book
from chalicelib.store.memory import MemoryStore
from chalicelib.tools import Tools
from tests.account.claimed import AT, POLICY, House
from tests.app.test_ways_in import ROOT, Clock, Hands


@dataclass
class Client:
    """A boto3 client over the house."""

    house: House
    service: str
    region: str

    def __getattr__(self, operation: str) -> Callable[..., Mapping[str, Any]]:
        def call(**params: Any) -> Mapping[str, Any]:
            found = self.house.aws(self.service, self.region, operation, **params)
            if isinstance(found, NoData):
                raise EndpointConnectionError(endpoint_url=f"https://{self.service}.{self.region}.test")
            if isinstance(found, Refused):
                raise ClientError({"Error": {"Code": found.code, "Message": found.because}}, operation)
            return found

        return call


@dataclass
class Aws:
    house: House

    def for_call(self, service: str, region: str, params: Mapping[str, Any], *, writes: bool) -> Client:
        assert not writes, "a look changes nothing"
        del params
        return Client(self.house, service, region)


class Database:
    def query(self, *_: object) -> NoData:
        return NoData(because="the replica was not asked")


@dataclass
class Vault:
    house: House
    name: str

    def top(self, prefix: str) -> tuple[str, ...]:
        return self.house.vault_top(self.name, prefix)

    def stands(self, name: str) -> object:
        return self.house.vault_stands(self.name, name)


class Round:
    """One function over one store; each look is five minutes after the last."""

    def __init__(self) -> None:
        self.house, self.store, self.clock, self.woken = House(), MemoryStore(), Clock(), 0
        self.clock.at = AT
        vaults = {name: Vault(self.house, name) for name in self.house.vaults}
        ports = Ports(
            aws=cast("Any", Aws(self.house)),
            kube=cast("Any", None),
            database=cast("Any", Database()),
            web=cast("Any", None),
            dns=cast("Any", None),
            vaults=cast("Any", vaults),
        )
        tools = Tools(store=self.store, hands=cast("Any", Hands()), policy=POLICY, clock=self.clock)
        self.desk = Desk(tools)
        self.responder = Responder(
            settings=Settings.read({}, root=ROOT),
            policy=POLICY,
            store=self.store,
            desk=self.desk,
            ports=ports,
            clock=self.clock,
            wake=self._wake,
        )

    def _wake(self) -> None:
        self.woken += 1

    def look(self) -> Mapping[str, str]:
        said = ways_in.promised(self.responder)
        self.clock.sleep(1)
        self.desk.work("woken", until=self.clock.now() + ways_in.REPLY_WITHIN, linger=False)
        return said

    def book(self) -> Any:
        body = self.store.read_book().body
        assert body is not None
        return read_book(body)[0]


def test_a_broken_promise_is_raised_once_and_settled_when_it_is_kept_again() -> None:
    it = Round()
    rule = it.house.replication["ReplicationConfiguration"]["Rules"][1]
    rule["Status"] = "Disabled"
    assert set(it.look()) == {source(name) for name in PROMISES}
    found = standing(it.book(), kind("replication"))
    assert found is not None
    assert "rule to the destination: Disabled" in found.because
    assert "aws s3api put-bucket-replication" in found.because or "drctl backups" in found.because
    assert [f.kind for f in it.book().findings.values()] == [kind("replication")]
    rule["Status"] = "Enabled"
    it.look()
    assert standing(it.book(), kind("replication")) is None


def test_what_is_as_it_was_told_wakes_nobody_again() -> None:
    it = Round()
    it.look()
    woken = it.woken
    it.look()
    assert (woken, it.woken) == (len(PROMISES), len(PROMISES))


def test_a_dark_region_raises_nothing_and_settles_nothing() -> None:
    it = Round()
    it.house.alarms.pop("PodAvailability")
    it.look()
    assert standing(it.book(), kind("alarms")) is not None
    primary = POLICY.platform.regions.primary
    it.house.silent |= {(service, primary) for service in ("s3", "cloudwatch", "rds")}
    said = it.look()
    assert "was not seen" in said[source("replication")]
    assert [f.kind for f in it.book().findings.values() if f.settled_at is None] == [kind("alarms")]
    assert it.book().incidents == {}


def test_a_look_that_fails_has_seen_nothing_and_the_others_go_on() -> None:
    it = Round()
    it.house.instance = {"DBInstanceIdentifier": "without a status"}
    said = it.look()
    assert "looking failed: KeyError" in said[source("replica")]
    assert "as policy says" in said[source("alarms")]
    assert it.book().findings == {}
