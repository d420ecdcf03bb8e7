from __future__ import annotations

from typing import Any

import pytest
from dnslib import RCODE, DNSRecord  # type: ignore[import-untyped]  # it ships no types

from drctl.neighbours.dns import AuthoritativeDns, answer, resolve

NAME = "api.neurectomy.io."


def record(role: str | None = None, check: str | None = None, value: str = "192.0.2.1", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"Name": NAME, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": value}], **more}
    if role:
        made |= {"Failover": role, "SetIdentifier": role.lower()}
    return made | ({"HealthCheckId": check} if check else {})


PRIMARY = record("PRIMARY", "switch", "192.0.2.1")
SECONDARY = record("SECONDARY", None, "192.0.2.2")


def test_refuses_records_of_a_routing_policy_it_does_not_keep() -> None:
    with pytest.raises(ValueError, match="neither one simple record nor a failover pair"):
        resolve([record(), record(value="192.0.2.2")], {})
    with pytest.raises(ValueError, match="neither one simple record nor a failover pair"):
        resolve([PRIMARY, PRIMARY], {})


def test_answers_the_primary_while_its_check_is_healthy_and_the_secondary_when_it_is_not() -> None:
    assert resolve([SECONDARY, PRIMARY], {"switch": True}) is PRIMARY
    assert resolve([SECONDARY, PRIMARY], {"switch": False}) is SECONDARY


def test_answers_the_primary_when_all_are_unhealthy() -> None:
    checked = record("SECONDARY", "standby", "192.0.2.2")
    assert resolve([checked, PRIMARY], {"switch": False, "standby": False}) is PRIMARY
    assert resolve([checked, PRIMARY], {"switch": False, "standby": True}) is checked


def test_a_record_without_a_check_or_with_an_unknown_one_is_healthy() -> None:
    assert resolve([PRIMARY, SECONDARY], {}) is PRIMARY
    bare = record("PRIMARY")
    assert resolve([bare, SECONDARY], {"switch": False}) is bare


def test_one_half_of_a_pair_answers_alone_whatever_its_health() -> None:
    assert resolve([PRIMARY], {"switch": False}) is PRIMARY
    assert resolve([SECONDARY], {}) is SECONDARY
    assert resolve([], {}) is None


def test_aliases_answer_in_their_own_name_and_cnames_are_followed() -> None:
    east = {**record(value="192.0.2.9"), "Name": "east.neurectomy.io."}
    alias = {"Name": NAME, "Type": "A", "AliasTarget": {"DNSName": "east.neurectomy.io", "EvaluateTargetHealth": False}}
    assert answer(NAME, "A", [east, alias], {}) == (True, ((NAME, "A", 60, "192.0.2.9"),))
    cname = {**record(value="east.neurectomy.io"), "Type": "CNAME"}
    assert answer("API.neurectomy.io", "A", [east, cname], {}) == (
        True,
        ((NAME, "CNAME", 60, "east.neurectomy.io"), ("east.neurectomy.io.", "A", 60, "192.0.2.9")),
    )


def test_a_loop_of_aliases_ends_without_an_answer() -> None:
    loop = {"Name": NAME, "Type": "A", "AliasTarget": {"DNSName": NAME, "EvaluateTargetHealth": False}}
    assert answer(NAME, "A", [loop], {}) == (True, ())


def ask(server: AuthoritativeDns, name: str, kind: str = "A") -> DNSRecord:
    return DNSRecord.parse(DNSRecord.question(name, kind).send("127.0.0.1", server.port, timeout=5))


def test_the_server_refuses_other_zones_and_says_authoritatively_what_does_not_exist() -> None:
    broken = [record(value="192.0.2.1", Name="x.neurectomy.io."), record(value="192.0.2.2", Name="x.neurectomy.io.")]
    with AuthoritativeDns(lambda: [PRIMARY, SECONDARY, *broken], dict, zones=["neurectomy.io"]) as server:
        refused = ask(server, "example.com")
        missing = ask(server, "nobody.neurectomy.io")
        other_kind = ask(server, NAME, "AAAA")
        failed = ask(server, "x.neurectomy.io")
    assert (refused.header.rcode, refused.header.aa) == (RCODE.REFUSED, 0)
    assert (missing.header.rcode, missing.header.aa, len(missing.auth)) == (RCODE.NXDOMAIN, 1, 1)
    assert (other_kind.header.rcode, len(other_kind.rr), len(other_kind.auth)) == (RCODE.NOERROR, 0, 1)
    assert failed.header.rcode == RCODE.SERVFAIL


def test_the_server_moves_traffic_as_soon_as_the_switch_is_thrown() -> None:
    statuses = {"switch": True}
    with AuthoritativeDns(lambda: [PRIMARY, SECONDARY], lambda: statuses, zones=["neurectomy.io"]) as server:
        before = ask(server, NAME)
        statuses["switch"] = False
        after = ask(server, NAME)
    assert [str(r.rdata) for r in before.rr] == ["192.0.2.1"]
    assert [str(r.rdata) for r in after.rr] == ["192.0.2.2"]
    assert (after.header.aa, after.header.ra, after.rr[0].ttl) == (1, 0, 60)


def test_a_silent_server_sends_nothing_and_answers_again_afterwards() -> None:
    with AuthoritativeDns(lambda: [PRIMARY], dict, zones=["neurectomy.io"]) as server:
        server.silent = True
        with pytest.raises(TimeoutError):
            DNSRecord.question(NAME, "A").send("127.0.0.1", server.port, timeout=0.3)
        server.silent = False
        assert [str(r.rdata) for r in ask(server, NAME).rr] == ["192.0.2.1"]
