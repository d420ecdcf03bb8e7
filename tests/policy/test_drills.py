from __future__ import annotations

import pytest

from tests.policy.broken import Broken


@pytest.mark.parametrize(
    ("old", "new", "rule", "where", "at", "found", "allowed", "because"),
    [
        (
            "runbook: data-corruption",
            "runbook: meteor",
            "drill-runbook-is-known",
            "drills.yaml rows[1].runbook",
            "runbook: meteor",
            "meteor",
            "region-failure",
            "no runbook 'meteor'",
        ),
        (
            "runbook: data-corruption",
            "runbook: region-failure",
            "drill-runbook-is-known",
            "drills.yaml rows[1].runbook",
            4,
            "region-failure",
            "a runbook without a row",
            "already is rows[0]",
        ),
        (
            "runbook: security-breach, kind: people",
            "runbook: security-breach, kind: copies",
            "drill-can-be-done",
            "drills.yaml rows[3].kind",
            "runbook: security-breach",
            "copies",
            "people",
            "a tabletop rehearses the people",
        ),
        (
            "runbook: data-corruption, kind: copies",
            "runbook: data-corruption, kind: live",
            "drill-can-be-done",
            "drills.yaml rows[1].kind",
            "runbook: data-corruption",
            "live",
            "copies, people",
            "no planned move",
        ),
        (
            "record: drill.neurectomy.io",
            "record: api.neurectomy.io",
            "drill-moves-what-nobody-uses",
            "drills.yaml test_record.record",
            "record: api.neurectomy.io",
            "api.neurectomy.io",
            "other than",
            "sends it elsewhere",
        ),
        (
            "metric: DrillSwitch",
            "metric: StandbyTakesOver",
            "drill-moves-what-nobody-uses",
            "drills.yaml test_record.switch.metric",
            "metric: StandbyTakesOver",
            "StandbyTakesOver",
            "another metric",
            "would move people",
        ),
        (
            "service: ci-runners",
            "service: nobody",
            "drill-moves-what-nobody-uses",
            "drills.yaml left_out[0].service",
            "service: nobody",
            "nobody",
            "ci-runners",
            "to leave out",
        ),
        (
            "until: 17",
            "until: 14",
            "drill-window-is-open",
            "drills.yaml window.until",
            "until: 14",
            "14",
            "an hour after 14",
            "never begin a drill",
        ),
    ],
)
def test_a_drill_that_cannot_be_or_that_moves_people_is_told(
    broken: Broken, old: str, new: str, rule: str, where: str, at: str | int, found: str, allowed: str, because: str
) -> None:
    broken.edit("drills", old, new)
    place = broken.line("drills.yaml", at) if isinstance(at, str) else at
    broken.says(rule, where, at=place, found=found, allowed=allowed, because=because)
