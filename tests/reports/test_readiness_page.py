"""readiness.html: every runbook with its state and since when, each finding once, and nothing loaded or run."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.core.happened import Readiness
from chalicelib.core.judging import Report, Row, RunbookReport, Unseen
from chalicelib.reports.readiness.render import KEY, WORDS, ago, findings, html
from drctl.deployment.resources import resources
from tests.crash.platform_in_process import POLICY
from tests.reports.test_html import Reader

AT = datetime(2026, 11, 26, 20, 0, tzinfo=UTC)
HOUR_AGO = AT - timedelta(hours=1)


def row(judge: str, subject: str, state: str = "lacking", *, lowers: bool = False, because: str = "so it is") -> Row:
    return Row(
        judge=judge,
        subject=subject,
        state=state,  # type: ignore[arg-type] # the tests name the three states
        because=because,
        since=HOUR_AGO,
        owner="database team",
        mend="aws rds start-db-instance --db-instance-identifier x",
        lowers=lowers,
    )


def runbook(scenario: str, state: Readiness, *rows: Row, unseen: tuple[Unseen, ...] = ()) -> RunbookReport:
    display = POLICY.scenario(scenario).display
    return RunbookReport(
        scenario=scenario, display=display, state=state, since=HOUR_AGO, because="because", rows=rows, unseen=unseen
    )


STOPPED = row("replica", "replica's state", lowers=True, because="replica 'west' is 'stopped'")
SLACK = row("channels", "channel slack", because="Slack refuses the token")
SILENT = row("clocks", "AWS's clock", "unknown")
WELL = row("steps", "Bring up nodes", "ready")
PAGE = Report(
    at=AT,
    seconds=12.3,
    runbooks=(
        runbook("pod-failure", Readiness.READY, WELL),
        runbook("node-failure", Readiness.WITH_FINDINGS, SLACK, WELL),
        runbook("az-failure", Readiness.UNKNOWN, SILENT),
        runbook(
            "region-failure", Readiness.NOT_READY, SLACK, STOPPED, WELL, unseen=(Unseen(subject="P", because="no"),)
        ),
    ),
)


def test_each_runbook_has_its_word_and_since_when_and_the_worst_comes_first() -> None:
    reader = Reader(html(PAGE, POLICY))
    head = reader.text.partition("To mend")[0]
    for found in PAGE.runbooks:
        assert f"{found.display} Because {WORDS[found.state].text} 26 Nov 2026, 19:00 UTC for 1 h" in head
    order = [head.index(POLICY.scenario(r).display) for r in ("region-failure", "az-failure", "node-failure")]
    assert order == sorted(order)
    assert "The round of 26 Nov 2026, 20:00 UTC took 12 s." in reader.text


def test_what_touches_many_runbooks_is_to_be_mended_once_with_whose_it_is_and_how() -> None:
    found = findings(PAGE.runbooks)
    assert [(f.row.subject, [r.scenario for r in f.runbooks]) for f in found] == [
        ("replica's state", ["region-failure"]),
        ("channel slack", ["node-failure", "region-failure"]),
        ("AWS's clock", ["az-failure"]),
    ]
    text = Reader(html(PAGE, POLICY)).text
    assert text.count("Owner database team") == 3
    assert text.count("aws rds start-db-instance") == 3


def test_what_nobody_could_look_at_is_named_and_is_not_called_well() -> None:
    around = Report(
        at=AT, seconds=1, runbooks=(runbook("pod-failure", Readiness.READY, unseen=PAGE.runbooks[3].unseen),)
    )
    text = Reader(html(around, POLICY)).text
    assert "Ready, steps not seen" in text.partition("What the words mean")[0]
    assert "1 that cannot be looked at beforehand" in text


def test_a_reason_is_text_and_never_markup() -> None:
    evil = row("steps", "<script>x</script>", because='"><img src=x onerror=y>')
    text = html(Report(at=AT, seconds=1, runbooks=(runbook("pod-failure", Readiness.NOT_READY, evil),)), POLICY)
    reader = Reader(text)
    assert not {"script", "img", "iframe", "object", "form"} & {tag for tag, _ in reader.elements}
    assert "&lt;script&gt;" in text


def test_nothing_is_run_or_loaded_and_the_page_is_for_a_reader_and_a_search_engine_s_eyes_it_is_not() -> None:
    reader = Reader(html(PAGE, POLICY))
    (policy,) = [a["content"] for a in reader.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy).startswith("default-src 'none'")
    assert [a["content"] for a in reader.all("meta") if a.get("name") == "robots"] == ["noindex"]
    assert not re.search(r"@import|url\(", html(PAGE, POLICY).partition("</style>")[0])
    ids = [a["id"] for _, a in reader.elements if a.get("id")]
    assert len(ids) == len(set(ids))
    targets = {(a["href"] or "")[1:] for a in reader.all("a")}
    assert targets <= set(ids)
    assert [a["lang"] for a in reader.all("html")] == ["en"]


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0, "since this round"), (42, "for 42 min"), (60, "for 1 h"), (185, "for 3 h 5 min"), (3000, "for 2 d 2 h")],
)
def test_a_length_is_told_as_a_person_says_it(minutes: int, said: str) -> None:
    assert ago(timedelta(minutes=minutes)) == said


def test_it_lies_in_a_private_bucket_that_is_not_the_public_page_s() -> None:
    made = resources(POLICY)["Resources"]
    bucket = made["OperatorsBucket"]["Properties"]
    assert bucket["BucketName"] == POLICY.platform.responder.operators_bucket
    assert bucket["BucketName"] != POLICY.platform.responder.status_bucket
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert KEY == "readiness.html"
