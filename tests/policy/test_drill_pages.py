"""What `drctl drills` prints of a drill that was kept: the table, the report, and both as JSON."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.core.drill_report import report, trend
from chalicelib.core.happened import Acknowledge, Tick
from chalicelib.core.rehearsal import rehearsal
from drctl.cli.drills import as_json, print_one, rows_of
from drctl.cli.places import out
from tests.core.stage import POLICY, REGION, RULES, at, done, plan_of, said, take
from tests.core.test_drills import PEOPLE, all_done, begun, drilled, the_drill


def passed() -> Any:
    book = take(all_done(begun()), Tick(), seconds=20)
    case = the_drill(book)
    lost = done(10, loss_seconds=240.0)
    return replace(case, steps={**case.steps, "promote": lost})


def test_a_report_has_every_time_and_every_objective() -> None:
    found = as_json(report(passed(), RULES, at(60)), POLICY)
    assert found["result"] == "passed"
    assert {s["step"] for s in found["steps"]} == {s.id for s in rehearsal(plan_of(REGION), POLICY).plan.steps}
    assert all(s["took"] == "0s" for s in found["steps"])
    services = {s["service"]: s for s in found["services"]}
    assert services["api-gateway"]["met"] is True
    assert services["api-gateway"]["recovery_time"] == "10s"
    assert (found["data_loss"], found["rpo"], found["rpo_met"]) == ("4m", "10m", True)
    assert {r["step"] for r in found["not_rehearsed"]} >= {"Keep the old primary from taking writes"}


def test_a_report_reads_well() -> None:
    with out.capture() as shown:
        print_one(report(passed(), RULES, at(60)), POLICY)
    text = " ".join(shown.get().split())
    assert "not rehearsed" in text
    assert "4m, by the database's restore from backups: within the RPO of 10m that such a restore has" in text
    assert "API Gateway 10s 15m met" in text


def test_a_tabletop_says_who_answered_and_how_fast() -> None:
    book = begun(runbook=PEOPLE)
    book = take(book, Acknowledge(said=said("here", 42), incident=the_drill(book).id), seconds=42)
    found = as_json(report(the_drill(book), RULES, at(60)), POLICY)
    assert [a["after"] for a in found["answers"]] == ["42s"]
    assert found["steps"] == []


def test_the_table_says_what_is_due_and_what_asks() -> None:
    rows = {r["runbook"]: r for r in rows_of(POLICY, drilled(100), [report(passed(), RULES, at(60))], at(0))}
    assert rows[REGION]["result"] == "passed"
    assert "was due by" in rows[REGION]["asks"]
    assert rows[PEOPLE]["result"] == "never"
    assert {r["runbook"] for r in rows_of(POLICY, None, [], at(0))} == {r.runbook for r in POLICY.drills.rows}


def test_two_that_passed_make_a_trend() -> None:
    first = report(passed(), RULES, at(60))
    second = replace(first, began_at=first.began_at + timedelta(days=1), took=timedelta(seconds=14))
    assert trend([first]) == ""
    assert trend([second, first]) == "6 s faster than the one before"
