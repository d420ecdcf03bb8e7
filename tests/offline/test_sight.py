"""What an operator is shown before the night begins, and in it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chalicelib.core.elsewhere import marker_text
from chalicelib.core.incident import StepState
from drctl.cli import night
from drctl.cli.main import app
from drctl.offline.book import Copy, NoCopy, path_of
from drctl.offline.sight import Seen, book, never_known
from tests.crash.outside_aws import ANA, BOB, STRANGER, Outage
from tests.crash.platform_in_process import POLICY, START


def sight(outage: Outage, who: str = ANA) -> dict[str, Seen]:
    return {s.what: s for s in outage.life(lambda engine: engine.sight(outage.secrets()), who)}


@pytest.fixture
def outage() -> Outage:
    return Outage(answers=False)


def test_by_day_everything_that_the_night_needs_is_there(outage: Outage) -> None:
    found = sight(outage)
    assert not [s for s in found.values() if s.state == "missing"]
    assert found["the cluster neurectomy-azw2"].because == "it answers, and knows you as 'ana@neurectomy.io': ana"
    assert found["the record at Cloudflare"].because == "api.neurectomy.io leads to api.aws.neurectomy.io"
    copies = found["the air-gapped copies (air-gapped)"]
    assert copies.state == "there"
    assert " old; the database's dumps are others" in copies.because


def test_a_record_that_no_failover_of_a_region_moves_is_told_and_holds_nothing_up(outage: Outage) -> None:
    names, region = POLICY.platform.outage.cloudflare, "api.us-east-1.neurectomy.io"  # type: ignore[union-attr]
    outage.tertiary.cloudflare.add(names.zone, names.record, type="CNAME", name="api.neurectomy.io", content=region)
    found = sight(outage)["the record at Cloudflare"]
    assert found.state == "there"
    assert found.because == (
        f"api.neurectomy.io leads to {region}, by day expected api.aws.neurectomy.io: "
        "Cloudflare's answers stay when a region fails over"
    )


def test_looking_changes_nothing(outage: Outage) -> None:
    sight(outage)
    assert {k for k in outage.outside.effects if " GET " not in k and k != "store read_book"} == {
        "kubernetes POST selfsubjectreviews"  # which keeps nothing
    }


def test_who_has_no_name_of_their_own_is_told_so(outage: Outage) -> None:
    found = sight(outage, STRANGER)["the cluster neurectomy-azw2"]
    assert found.state == "missing"
    assert "knows you as 'masterclient'" in found.because
    assert "nobody's principal in people.yaml" in found.because


def test_a_cluster_that_does_not_answer_says_what_that_means(outage: Outage) -> None:
    outage.tertiary.cluster.reachable = False
    found = sight(outage)
    assert found["the cluster neurectomy-azw2"].state == "missing"
    assert found["the cluster neurectomy-azw2"].because.endswith("nobody is proven without it")
    copies = found["the air-gapped copies (air-gapped)"]
    assert copies.state == "unknown"
    assert copies.because.startswith("how old they are is not known")


def test_without_a_cloudflare_token_the_record_is_missing_and_another_engine_is_not_ruled_out(outage: Outage) -> None:
    path = outage.folder / "secrets.json"
    held = json.loads(path.read_text())
    del held["neurectomy/cloudflare"]
    path.write_text(json.dumps(held))
    found = sight(outage)
    assert found["the Cloudflare token"].state == "missing"
    assert "holds no object 'neurectomy/cloudflare'" in found["the record at Cloudflare"].because
    other = found["another operator's engine"]
    assert (other.state, other.because[-14:]) == ("unknown", "ask each other")


def test_a_token_that_cloudflare_does_not_take_is_told_by_its_number(outage: Outage) -> None:
    path = outage.folder / "secrets.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"neurectomy/cloudflare": {"token": "of last year"}}))
    found = sight(outage)
    assert found["the Cloudflare token"].state == "there"
    assert "Invalid access token" in found["the record at Cloudflare"].because


def test_secrets_that_others_may_read_are_not_used(outage: Outage) -> None:
    (outage.folder / "secrets.json").chmod(0o644)
    assert "chmod 600" in sight(outage)["the database's user"].because


def test_a_second_operator_is_told_that_the_first_acts(outage: Outage) -> None:
    names = outage.tertiary.outage.cloudflare
    text = marker_text(incident="neurectomy-provider-outage-1", by="bob", at=START)
    outage.tertiary.cloudflare.add(names.zone, "m", type="TXT", name=names.marker, content=f'"{text}"')
    found = sight(outage)["another operator's engine"]
    assert found.state == "missing"
    assert found.because.startswith(f"bob acts for neurectomy-provider-outage-1 since {START:%Y-%m-%dT%H:%M:%SZ}")


def test_a_second_operator_s_engine_goes_no_further_than_the_marker() -> None:
    names = Outage(answers=False).tertiary.outage.cloudflare
    second = Outage()
    text = marker_text(incident="neurectomy-provider-outage-1", by="bob", at=START)
    second.tertiary.cloudflare.add(names.zone, "m", type="TXT", name=names.marker, content=f'"{text}"')
    second.begin()
    for _ in range(20):
        second.turn()
    mark = second.incident().step("mark")
    assert mark.state is StepState.STUCK
    assert "bob acts for neurectomy-provider-outage-1" in mark.because
    assert "take the record away at Cloudflare" in mark.because
    assert second.tertiary.dumps.restores == 0
    assert names.by_day is not None
    assert second.tertiary.cloudflare.record(names.zone, names.record)["content"] == names.by_day.record


def test_without_a_copy_that_is_what_is_missing() -> None:
    found = book(NoCopy("there is no copy of the book at x"), POLICY, START)
    assert (found.state, found.because) == ("missing", "there is no copy of the book at x")


def test_what_no_look_can_bring_is_said() -> None:
    found = {s.what: s.because for s in never_known(POLICY, "us-east-1", START - timedelta(minutes=7), START)}
    assert "'neurectomy-pg' in us-east-1 may take writes as ever" in found["who may still be writing"]
    assert found["who may still be writing"].endswith(" UTC, 1h10m ago")
    after_a_failover = never_known(POLICY, "us-west-2", None, START)[0].because
    assert "'neurectomy-pg-west' in us-west-2 may take writes" in after_a_failover
    assert after_a_failover.endswith("the copy holds no heartbeat of it")


def test_the_screen_says_at_least_how_much_is_lost_once_a_dump_is_found() -> None:
    told = Outage().tell()
    (incident,) = told.closed()
    held = incident.step("find-dump").facts["holds_until"]
    copy = Copy(body="", rev=1, taken_at=START, whence="x", wrote_at=START)
    line = night._lost(incident.step("find-dump"), POLICY, copy)
    assert str(held).startswith(f"{START.year}")
    assert "[yellow]lost[/yellow]  at least 1h20m" in line
    assert " s) of writes: AWS was last heard to write at " in line
    assert night._lost(incident.step("find-dump"), POLICY, NoCopy("none")) == ""


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    env = {
        "DR_OFFLINE": str(folder),
        "DR_KUBECONFIG": str(folder / "kubeconfig"),
        "DR_SECRETS": str(folder / "secrets.json"),
        "COLUMNS": "300",
    }
    done = CliRunner().invoke(app, ["respond", "--offline", *arguments], env=env)
    return done.exit_code, done.output


def test_on_a_bare_machine_the_check_names_all_that_is_missing(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--check")
    assert code == 1
    assert "there is no copy of the book" in said
    assert "the kubeconfig" in said
    assert "the operator's secrets cannot be read" in said
    lacking = "missing: the book's copy, the cluster neurectomy-azw2, the Cloudflare token, the database's user"
    assert lacking in said


def test_it_does_not_begin_empty_without_being_told_to(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--declare", "provider-outage")
    assert code == 1
    assert "or begin without: add --empty" in said


def test_a_copy_that_cannot_be_used_is_not_passed_over(tmp_path: Path) -> None:
    path_of(tmp_path, "neurectomy").write_text(json.dumps({"platform": "shop"}))
    code, said = run(tmp_path, "--declare", "provider-outage")
    assert code == 1
    assert "is of platform 'shop', this is 'neurectomy'" in said


def test_told_to_it_begins_empty_and_refuses_who_is_not_proven(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--empty", "--declare", "provider-outage")
    assert code == 1
    assert "declare was refused: cluster 'neurectomy-azw2' does not say who you are" in said


def test_what_asks_is_shown_with_its_title_its_reason_and_the_command_that_answers_it() -> None:
    outage = Outage(answers=False)
    outage.begin()
    outage.turn()
    held = outage.book()
    assert held is not None
    incident = outage.incident()
    shown = [line for _, line in night.lines(held, POLICY, NoCopy("none"))]
    (asks,) = [line for line in shown if "leave" in line and "asks" in line]
    assert "Decide to leave the provider" in asks
    assert "0 of 2 people have approved it; decide with the head of platform to leave AWS" in asks
    assert asks.endswith(f"drctl approve {incident.id} --stage offline --step leave --note …")
    for who in (ANA, BOB):
        outage.say(who, command="approve", incident=incident.id, plan=incident.plan, step="leave")
    outage.turn()
    held = outage.book()
    assert held is not None
    shown = [line for _, line in night.lines(held, POLICY, NoCopy("none"))]
    assert any(f"4 steps; for all at once: drctl approve {incident.id} --stage offline" in line for line in shown)
    assert any(line.startswith("[green]done[/green]  leave") for line in shown)
    (mark,) = [line for line in shown if "[bold]mark[/bold]" in line]
    assert "Tell AWS's side that somebody else acts" in mark
    assert "AWS's side pauses by it until a person resumes it" in mark


def test_a_pause_is_on_the_screen_with_who_said_it() -> None:
    outage = Outage(answers=False)
    outage.begin()
    outage.say(BOB, command="pause", note="wait for the head of platform")
    held = outage.book()
    assert held is not None
    (first, *_) = [line for _, line in night.lines(held, POLICY, NoCopy("none"))]
    assert first.startswith("[red]PAUSED[/red] by bob at ")
    assert "wait for the head of platform" in first
