"""From what a caller sends to what the desk takes in: who is proven, who is refused, and what a silent STS means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from chalicelib import ways_in
from chalicelib.bootstrap import Responder, WallClock
from chalicelib.clients.web import HttpAnswer
from chalicelib.core.happened import Approve, BreakGlass, Command, Pause
from chalicelib.core.outcome import NoData
from chalicelib.desk import Desk
from chalicelib.hearing import Unheard, heard
from chalicelib.policy import Policy
from chalicelib.policy.load import load
from chalicelib.policy.people import Person
from chalicelib.settings import Settings
from chalicelib.store.codec import read_book
from chalicelib.store.memory import MemoryStore
from chalicelib.tools import Tools
from drctl.neighbours.sts import Sts
from drctl.signing import signed
from drctl.world.people import arn_of, credentials_of, key_of, keys

ROOT = Path(__file__).parents[2]
POLICY = load(ROOT / "policies")
AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
ANA, BOB, EVE = POLICY.people.people
MALLORY = Person(name="mallory", principals=("arn:aws:sts::111122223333:assumed-role/dr-operator/mallory",), roles=())
SILENT = NoData(because="GET https://sts.us-west-2.amazonaws.com/ was not answered within 3 s: ConnectTimeout")
APPROVE = {"command": "approve", "incident": "inc-1", "plan": "abc", "step": "promote", "id": "1"}
GLASS = {**APPROVE, "command": "break-glass", "note": "bob cannot be reached"}


class Clock(WallClock):
    def now(self) -> datetime:
        return AT

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing is waited for here ({seconds} s)")


@dataclass
class Web:
    """The way to the local world's STS, or to nobody."""

    sts: Sts
    instead: HttpAnswer | NoData | None = None
    asked: list[str] = field(default_factory=list)

    def get(self, url: str, *, timeout_s: float, headers: Mapping[str, str] | None = None) -> HttpAnswer | NoData:
        assert 0 < timeout_s <= 3
        self.asked.append(url)
        if self.instead is not None:
            return self.instead
        answer = self.sts.request("GET", url, {"Host": urlsplit(url).netloc, **(headers or {})}, b"")
        return HttpAnswer(answer.status, answer.body.decode())


@dataclass
class Ports:
    web: Web


def responder(
    policy: Policy = POLICY, instead: HttpAnswer | NoData | None = None
) -> tuple[Responder, MemoryStore, Web]:
    store, clock = MemoryStore(), Clock()
    web = Web(Sts([*keys(POLICY), key_of(MALLORY)], clock=clock.now), instead)
    tools = Tools(store=store, hands=cast("Any", None), policy=policy, clock=clock)
    made = Responder(
        settings=Settings.read({}, root=ROOT),
        policy=policy,
        store=store,
        desk=Desk(tools),
        ports=cast("Any", Ports(web)),
        clock=clock,
    )
    return made, store, web


def by(person: Person, payload: Mapping[str, Any], *, at: datetime = AT) -> dict[str, Any]:
    return signed(payload, POLICY, credentials=credentials_of(person), now=at)


def refused(found: Command | Unheard) -> str:
    assert isinstance(found, Unheard), found
    return found.because


def taken(found: Command | Unheard) -> Command:
    assert not isinstance(found, Unheard), found
    return found


def test_a_signed_command_is_said_by_the_person_whom_sts_names() -> None:
    it, _, web = responder()
    found = taken(heard(it, by(ANA, APPROVE)))
    assert isinstance(found, Approve)
    assert (found.said.by, found.said.arn, found.said.doubt) == ("ana", arn_of(ANA), "")
    assert [urlsplit(u).netloc for u in web.asked] == ["sts.us-west-2.amazonaws.com"]


@pytest.mark.parametrize(
    "changed", [{"step": "traffic"}, {"plan": "abd"}, {"id": "2"}, {"command": "abort", "plan": None, "step": None}]
)
def test_a_proof_of_one_command_is_none_of_another(changed: dict[str, Any]) -> None:
    it, _, _ = responder()
    text = refused(heard(it, by(ANA, APPROVE) | changed))
    assert "STS refused it with 403: 'SignatureDoesNotMatch'" in text
    assert "for another command" in text


def test_a_proof_for_another_platform_is_none_for_this_one() -> None:
    platform = POLICY.platform.model_copy(update={"name": "staging"})
    there = signed(APPROVE, POLICY.model_copy(update={"platform": platform}), credentials=credentials_of(ANA), now=AT)
    assert "SignatureDoesNotMatch" in refused(heard(responder()[0], there))


def test_a_proof_that_has_expired_is_refused_before_sts_is_asked() -> None:
    it, _, web = responder()
    assert "approve was refused: identity expired at" in refused(
        heard(it, by(ANA, APPROVE, at=AT - timedelta(hours=1)))
    )
    assert web.asked == []


def test_a_proof_that_asks_somebody_elses_server_asks_nobody() -> None:
    it, _, web = responder()
    given = by(ANA, APPROVE)
    given["identity"] = given["identity"].replace("sts.us-west-2.amazonaws.com", "sts.evil.example")
    assert "allowed: https://sts.us-west-2.amazonaws.com/" in refused(heard(it, given))
    assert web.asked == []


def test_whoever_is_nobody_of_policy_is_refused_by_name() -> None:
    it, _, _ = responder()
    text = refused(heard(it, by(MALLORY, APPROVE)))
    assert f"approve was refused: {arn_of(MALLORY)} is nobody's principal in people.yaml" in text


def test_a_principal_of_two_people_proves_neither() -> None:
    twin = ANA.model_copy(update={"name": "andrea"})
    people = POLICY.people.model_copy(update={"people": (ANA, twin)})
    it, _, _ = responder(POLICY.model_copy(update={"people": people}))
    assert "is the principal of ana and of andrea: it proves neither" in refused(heard(it, by(ANA, APPROVE)))


def test_a_claim_against_the_proof_is_refused() -> None:
    it, _, _ = responder()
    text = refused(heard(it, by(ANA, APPROVE | {"by": "bob"})))
    assert "by is 'bob', and the identity is 'ana''s; leave by out" in text
    assert taken(heard(it, by(ANA, APPROVE | {"by": "ana"}))).said.by == "ana"


def test_a_claim_alone_says_only_what_needs_no_proof() -> None:
    it, _, web = responder()
    for given in (APPROVE, GLASS, {"command": "acknowledge", "id": "1"}, {"command": "resume", "id": "1"}):
        assert "needs a proven person, and it came without an identity" in refused(heard(it, given | {"by": "ana"}))
    for given in ({"command": "pause"}, {"command": "acknowledge", "incident": "i"}, {"command": "status"}):
        found = taken(heard(it, {**given, "id": "1", "by": "zoe"}))
        assert (found.said.by, found.said.arn) == ("zoe", None)
    assert web.asked == []


@pytest.mark.parametrize(
    "silent",
    [
        SILENT,
        HttpAnswer(503, ""),
        HttpAnswer(400, json.dumps({"Error": {"Code": "Throttling"}})),
        HttpAnswer(200, "{}"),
    ],
)
def test_a_silent_sts_proves_nothing_and_nothing_is_done(silent: HttpAnswer | NoData) -> None:
    it, store, _ = responder(instead=silent)
    for given in (APPROVE, GLASS):
        found = heard(it, by(ANA, given))
        assert isinstance(found, Unheard)
        assert found.again
        assert "could not be verified" in found.because
        assert "nothing was done; say it again, or use break-glass" in found.because
    assert ways_in.command(it, by(ANA, APPROVE), until=AT + timedelta(seconds=30))["ok"] is False
    assert store.inbox_empty()


def test_a_refusal_is_not_to_be_said_again() -> None:
    found = heard(responder()[0], by(MALLORY, APPROVE))
    assert isinstance(found, Unheard)
    assert not found.again


@pytest.mark.parametrize("person", [ANA, MALLORY])
def test_a_pause_is_always_possible_and_says_what_is_not_proven(person: Person) -> None:
    it, _, _ = responder(instead=SILENT)
    found = taken(heard(it, by(person, {"command": "pause", "id": "1"})))
    assert isinstance(found, Pause)
    assert (found.said.by, found.said.arn) == ("somebody", None)
    assert "was not answered within 3 s" in found.said.doubt
    broken = by(person, {"command": "pause", "id": "1", "by": "zoe"}) | {"identity": "https://nowhere.example/"}
    assert taken(heard(responder()[0], broken)).said.doubt.startswith("identity asks 'https://nowhere.example/'")


def bold() -> Policy:
    people = POLICY.people.model_copy(
        update={"break_glass": POLICY.people.break_glass.model_copy(update={"unproven": True})}
    )
    return POLICY.model_copy(update={"people": people})


def test_where_policy_says_so_the_glass_may_be_broken_while_sts_is_silent() -> None:
    found = taken(heard(responder(bold(), SILENT)[0], by(ANA, GLASS)))
    assert isinstance(found, BreakGlass)
    assert found.said.arn is None
    assert "was not answered" in found.said.doubt


def test_a_glass_is_never_broken_without_a_proof_that_sts_could_have_been_asked_for() -> None:
    it, _, _ = responder(bold())
    assert "came without an identity" in refused(heard(it, GLASS | {"by": "ana"}))
    assert "break-glass was refused" in refused(heard(it, by(MALLORY, GLASS)))
    assert "break-glass was refused" in refused(heard(it, by(ANA, GLASS) | {"note": "another"}))


def test_a_proven_command_comes_through_the_inbox_and_its_reply_names_the_principal() -> None:
    it, store, _ = responder()
    answer = ways_in.command(
        it, by(ANA, {"command": "set-mode", "mode": "automatic", "id": "m"}), until=AT + timedelta(seconds=30)
    )
    assert answer == {"ok": True, "because": "the mode is automatic", "id": "m", "by": f"ana ({arn_of(ANA)})"}
    assert read_book(store.book.body or "")[0].mode == "automatic"
    refused_ = ways_in.command(
        it, by(EVE, {"command": "set-mode", "mode": "observe", "id": "n"}), until=AT + timedelta(seconds=30)
    )
    assert (refused_["ok"], refused_["by"]) == (False, f"eve ({arn_of(EVE)})")
    assert "eve may not say set-mode (roles: observer); allowed: ana, bob" in refused_["because"]


def test_no_answer_ever_holds_the_signature() -> None:
    it, _, _ = responder()
    for given in (by(MALLORY, APPROVE), by(ANA, APPROVE) | {"id": "2"}, by(ANA, APPROVE, at=AT - timedelta(days=1))):
        assert "X-Amz-Signature" not in json.dumps(ways_in.command(it, given, until=AT + timedelta(seconds=30)))


def test_each_person_has_a_key_of_their_own() -> None:
    assert len({key_of(p).access_key for p in POLICY.people.people}) == len(POLICY.people.people)
    assert all(len(key_of(p).access_key) == 20 and len(key_of(p).secret) == 40 for p in POLICY.people.people)
    sso = replace_role(ANA)
    assert arn_of(sso) == "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Dr_somebody/ana"
    assert sso.is_known_as(arn_of(sso))


def replace_role(person: Person) -> Person:
    return person.model_copy(update={"principals": (arn_of(person).replace("dr-operator", "AWSReservedSSO_Dr_*"),)})
