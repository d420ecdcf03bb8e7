"""The picture and the page of an incident, and the commands that show them and the forecast, on a store in a file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from chalicelib.core.happened import Approve
from chalicelib.core.incident import Forewarning, Incident, StepState
from chalicelib.core.measured import measured
from chalicelib.core.times import NONE
from chalicelib.policy import Policy
from chalicelib.policy.load import load
from chalicelib.reports.incident.lines import described, lines
from chalicelib.reports.incident.page import failures, page, steps
from chalicelib.reports.incident.picture import WIDTH, picture
from chalicelib.store.codec import dump_book, dump_incident, dump_plan, dump_times
from drctl.cli.main import app
from drctl.offline.store import SqliteStore
from tests.core.little_world import LittleWorld, Worker
from tests.core.stage import FOLDER, REGION, RULES, at, confirmed, only, plan_of, rules_for, said

SVG: Final = "{http://www.w3.org/2000/svg}"
ANSWER: Final = 150


@cache
def ended() -> Incident:
    """A region failure in which the person took two and a half minutes."""
    return _driven()[0]


@cache
def running() -> Incident:
    """The same while the person is asked."""
    return _driven()[1]


def _driven() -> tuple[Incident, Incident]:
    worker, asked, now, seen = Worker(LittleWorld(dark=True), confirmed(), RULES), 0, 10, None
    while worker.book.incidents:
        worker.round(at(now))
        for incident in worker.book.incidents.values():
            if incident.step("promote").state is StepState.ASKING:
                asked, seen = asked or now, incident
                if now - asked >= ANSWER:
                    yes = Approve(said=said("yes"), incident=incident.id, plan=incident.plan, step="promote")
                    worker.take(yes, at(now))
                    break
        now += 5
    (closed,) = worker.archived.values()
    assert seen
    return closed, seen


def drawn(incident: Incident, seconds: float = 9999) -> str:
    return picture(lines(incident, RULES, at(seconds)))


def tree(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  # our own


def words(svg: str) -> list[str]:
    return [t.text or "" for t in tree(svg).iter(f"{SVG}text")]


def test_the_picture_is_one_file_that_loads_nothing_and_is_described_for_who_cannot_see_it() -> None:
    svg = drawn(ended())
    root = tree(svg)
    assert root.get("role") == "img"
    ids = {e.get("id") for e in root.iter()}
    assert set((root.get("aria-labelledby") or "").split()) <= ids
    assert root.findtext(f"{SVG}title", "").startswith("Region failure at us-east-1: ")
    assert root.findtext(f"{SVG}desc") == described(lines(ended(), RULES, at(9999)))
    assert "prefers-color-scheme: dark" in svg
    assert not re.search(r"href|<script|url\((?!#)|@import", svg)


def test_the_description_says_what_was_met_what_decided_it_and_what_was_left() -> None:
    told = described(lines(ended(), RULES, at(9999)))
    assert "RTO met by API Gateway 3m" in told
    assert "promote, then repoint, then verify-database" in told
    assert "Left, as a debt: fence, protect-primary-backups, pause-primary-schedules." in told


def test_every_step_that_began_has_its_row_and_every_service_its_verdict() -> None:
    told = words(drawn(ended()))
    for step in plan_of(REGION).steps:
        assert step.id in told or f"▸ {step.id}" in told
    for service in RULES.policy.services.services:
        assert service.display in told
    assert sum("of 15m, met" in word for word in told) == 4
    assert "2m40s, 2m30s of it a person's answer" in told


def test_budgets_are_drawn_where_they_lie_and_those_past_the_edge_are_named() -> None:
    told = words(drawn(ended()))
    assert "RTO 15m, tier 1, 2" in told
    assert "RTO 1h, 4h, 1d: past the edge →" in told


def test_a_service_that_was_late_is_a_miss_in_word_and_not_in_colour_alone() -> None:
    late = replace(ended(), failed_at=ended().failed_at - timedelta(hours=1))
    told = words(drawn(late))
    assert any(re.fullmatch(r"1h3m\d+s of 15m, missed", word) for word in told)
    assert "RTO 15m, tier 1, 2" in told
    assert "RTO 1h, tier 2" in told


def test_no_bar_or_word_leaves_the_picture() -> None:
    for incident, seconds in ((ended(), 9999), (running(), 170)):
        root = tree(drawn(incident, seconds))
        for rect in root.iter(f"{SVG}rect"):
            if rect.get("class") != "ground":
                assert float(rect.get("x") or 0) + float(rect.get("width") or 0) <= WIDTH
        heights = float(root.get("height") or 0)
        assert all(float(t.get("y") or 0) <= heights for t in root.iter(f"{SVG}text"))


def test_an_incident_that_runs_shows_who_is_asked_and_its_forecast() -> None:
    found = lines(running(), RULES, at(170), forecast=(400.0, 600.0))
    told = words(picture(found))
    assert any(word.endswith("of it a person's answer, asking") for word in told)
    assert any("so far" in word for word in told)
    assert "forecast: half of the runs to nine of ten" in told
    assert any("not back, RTO 15m" in word for word in told)


def test_at_speed_the_picture_is_in_real_time() -> None:
    fast = replace(RULES, policy=RULES.policy.model_copy(update={"speed": 10.0}))
    slow, quick = lines(ended(), RULES, at(9999)), lines(ended(), fast, at(9999))
    assert quick.end == pytest.approx(slow.end * 10)
    assert [b.end for b in quick.bars] == pytest.approx([b.end * 10 for b in slow.bars])


def test_the_page_holds_every_figure_and_loads_nothing() -> None:
    run = measured(ended(), RULES)
    assert run
    times = NONE.with_run(run).with_run(replace(run, source="earlier", steps={"promote": 77.0}))
    warned = replace(ended(), forewarned={"15m": Forewarning(at=at(20), because="<it> would be missed")})
    html = page(warned, RULES, lines(warned, RULES, at(9999)), times=times, timeline=[(at(0), "opened", "a & b")])
    assert "<svg" in html
    assert "1m17s (1)" in html
    assert "&lt;it&gt; would be missed" in html
    assert "a &amp; b" in html
    assert "earlier" in html
    assert not re.search(r"<script|src=|href=", html)


def test_what_failed_is_named_with_its_reason() -> None:
    record = replace(ended().step("promote"), refused=1, late_at=at(99))
    changed = replace(ended(), steps={**ended().steps, "promote": record})
    found = {f.what: f.because for f in failures(changed, RULES)}
    assert "1 of 1 calls refused; late: 6m were allowed" in found["Promote the database replica"]
    assert "us-east-1 does not answer" in found["Keep the old primary from taking writes"]


def test_what_a_step_usually_takes_is_what_other_runs_took() -> None:
    run = measured(ended(), RULES)
    assert run
    found = lines(ended(), RULES, at(9999))
    own = {s.id: s for s in steps(ended(), RULES, found, NONE.with_run(run))}
    assert own["promote"].usual == ""
    assert (own["promote"].took, own["promote"].answer, own["promote"].written) == ("10s", "2m30s", "2m")


# The commands, on the store of this machine


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    monkeypatch.chdir(tmp_path)
    for name, value in (("DR_OFFLINE", tmp_path), ("DR_POLICIES", FOLDER), ("DR_STAGE", "offline"), ("COLUMNS", "200")):
        monkeypatch.setenv(name, str(value))
    return SqliteStore(tmp_path / f"{policy().platform.name}.db", platform=policy().platform.name)


@cache
def policy() -> Policy:
    return load(FOLDER)


def archived(store: SqliteStore) -> Incident:
    """The incident in the archive, by the policy as the command line reads it."""
    plan = rules_for(policy()).plan_of(ended().plan, REGION)
    incident = replace(ended(), policy=policy().digest)
    store.put_document("plan", plan.hash, dump_plan(plan))
    store.put_document("closed", incident.id, dump_incident(incident))
    return incident


def ran(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.output


def answer(*words: str) -> Any:
    return json.loads(ran(*words, "--json"))


def test_the_report_is_shown_and_written(kept: SqliteStore, tmp_path: Path) -> None:
    incident = archived(kept)
    shown = ran("report", incident.id, "--svg", str(tmp_path / "it.svg"), "--html", str(tmp_path / "it.html"))
    assert "▸ promote" in shown
    assert "····" in shown
    assert "What failed" in shown
    assert tree((tmp_path / "it.svg").read_text()).get("role") == "img"
    assert "<svg" in (tmp_path / "it.html").read_text()
    found = answer("report", incident.id)["report"]
    assert "promote" in found["decided_by"]
    assert [run["run"] for run in found["trend"]] == [incident.id]


def test_the_forecast_goes_by_what_the_archives_measured(kept: SqliteStore) -> None:
    nothing = answer("forecast", REGION)
    assert nothing["rests_on"]["measured"] == 0
    assert nothing["runs"] == 1
    incident = archived(kept)
    found = answer("forecast", REGION)
    assert found["rests_on"]["incidents"] == 1
    assert [r["run"] for r in found["measured"]] == [incident.id]
    assert found["tiers"][0]["chance"] == 1
    (share,) = [s for s in found["tiers"][0]["decides"] if (s["step"], s["takes"]) == ("promote", "answer")]
    assert (share["seconds"], share["on_the_way"], share["measured"]) == (150, 1, 1)
    shown = ran("forecast", REGION)
    assert "a person's answer to promote" in shown
    assert "1 incident; " in shown


def test_the_archives_of_drills_are_measured_too_and_told_apart(kept: SqliteStore) -> None:
    incident = archived(kept)
    kept.put_document("drill", "a-drill", dump_incident(replace(incident, id="a-drill")))
    found = answer("forecast", REGION)["rests_on"]
    assert (found["incidents"], found["drills"]) == (1, 1)
    assert "1 incident and 1 drill; " in found["because"]


def test_what_the_desk_kept_counts_and_is_not_counted_twice(kept: SqliteStore) -> None:
    incident = archived(kept)
    run = measured(ended(), RULES)
    assert run
    slow = replace(run, source="slow", steps={**run.steps, "promote": 2000.0})
    kept.put_measured(REGION, dump_times(NONE.with_run(run).with_run(slow)), 1)
    first, again = answer("forecast", REGION, "--seed", "3"), answer("forecast", REGION, "--seed", "3")
    assert first == again
    assert {r["run"] for r in first["measured"]} == {incident.id, "slow"}
    assert first["tiers"][0]["chance"] == pytest.approx(0.5, abs=0.05)
    assert first["tiers"][0]["decides"][0]["step"] == "promote"
    assert answer("forecast", REGION, "--seed", "4") != first


def test_an_incident_that_runs_shows_its_forecast_end(kept: SqliteStore) -> None:
    book = confirmed()
    book = replace(book, incidents={only(book).id: replace(only(book), policy=policy().digest)})
    kept.stamp(1)
    kept.save(1, 0, dump_book(book))
    shown = ran("show", only(book).id)
    assert "Forecast: everything is done at " in shown
    assert "It rests on the runbook's written times alone" in shown
    assert "Forecast: everything is done at " in ran("status")
    found = answer("status")["open"][0]["forecast"]
    assert found["ends_at"] <= found["ends_by"]
    assert answer("show", only(book).id)["forecast"]["rests_on"]["measured"] == 0


def test_a_scenario_that_is_not_there_ends_clearly(kept: SqliteStore) -> None:
    done = CliRunner().invoke(app, ["forecast", "flood"])
    assert done.exit_code == 2
    assert "there is no scenario 'flood'" in done.output
    kept.close()
