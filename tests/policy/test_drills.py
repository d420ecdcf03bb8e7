from __future__ import annotations

import pytest
from pydantic import ValidationError

from chalicelib.policy.drills import TestFolder
from tests.policy.broken import Broken


def drilled(broken: Broken, old: str, new: str) -> Broken:
    return broken.edit("drills", old, new)


def test_a_drill_of_a_runbook_that_is_not_there_is_told(broken: Broken) -> None:
    drilled(broken, "runbook: data-corruption", "runbook: meteor").says(
        "drill-runbook-is-known",
        "drills.yaml rows[1].runbook",
        at="runbook: meteor",
        found="meteor",
        allowed="region-failure",
        because="no runbook 'meteor'",
    )


def test_a_runbook_that_has_two_rows_is_told(broken: Broken) -> None:
    drilled(broken, "runbook: data-corruption", "runbook: region-failure").says(
        "drill-runbook-is-known",
        "drills.yaml rows[1].runbook",
        at=4,
        found="region-failure",
        allowed="a runbook without a row",
        because="already is rows[0]",
    )


@pytest.mark.parametrize(
    ("runbook", "kind", "where", "allowed", "because"),
    [
        ("provider-outage", "copies", "rows[2].kind", "people", "a tabletop rehearses the people"),
        ("data-corruption", "live", "rows[1].kind", "copies, people", "no planned move"),
    ],
)
def test_a_kind_of_drill_that_cannot_be_done_is_told(
    broken: Broken, runbook: str, kind: str, where: str, allowed: str, because: str
) -> None:
    was = "people" if runbook == "provider-outage" else "copies"
    drilled(broken, f"runbook: {runbook}, kind: {was}", f"runbook: {runbook}, kind: {kind}").says(
        "drill-can-be-done",
        f"drills.yaml {where}",
        at=f"runbook: {runbook}",
        found=kind,
        allowed=allowed,
        because=because,
    )


@pytest.mark.parametrize(
    ("old", "new", "where", "found", "allowed", "because"),
    [
        (
            "record: drill.neurectomy.io",
            "record: api.neurectomy.io",
            "test_record.record",
            "api.neurectomy.io",
            "other than",
            "sends it elsewhere",
        ),
        (
            "metric: DrillSwitch",
            "metric: StandbyTakesOver",
            "test_record.switch.metric",
            "StandbyTakesOver",
            "another metric",
            "would move people",
        ),
        ("service: ci-runners", "service: nobody", "left_out[0].service", "nobody", "ci-runners", "to leave out"),
    ],
)
def test_a_drill_that_would_move_people_is_told(
    broken: Broken, old: str, new: str, where: str, found: str, allowed: str, because: str
) -> None:
    drilled(broken, old, new).says(
        "drill-moves-what-nobody-uses",
        f"drills.yaml {where}",
        at=new,
        found=found,
        allowed=allowed,
        because=because,
    )


FOLDER = "test_folder: { bucket: neurectomy-mlflow-us-east-1, prefix: dr-drill/ }"


@pytest.mark.parametrize(
    ("bucket", "prefix", "where", "found", "allowed", "because"),
    [
        (
            "neurectomy-mlflow-us-east-1",
            "artifacts/dr-drill/",
            "prefix",
            "artifacts/dr-drill/",
            "its own",
            "'artifacts/'",
        ),
        ("neurectomy-mlflow-us-east-1", "artifacts/", "prefix", "artifacts/", "its own", "is put back in an incident"),
        ("somebody-s", "dr-drill/", "bucket", "somebody-s", "neurectomy-mlflow-us-east-1", "would prove nothing"),
        (
            "neurectomy-backups-us-east-1",
            "dr-drill/",
            "bucket",
            "neurectomy-backups-us-east-1",
            "neurectomy-mlflow-us-east-1",
            "would stay in the copy",
        ),
    ],
)
def test_a_folder_of_drills_in_which_somebody_else_s_objects_lie_is_told(
    broken: Broken, bucket: str, prefix: str, where: str, found: str, allowed: str, because: str
) -> None:
    new = f"test_folder: {{ bucket: {bucket}, prefix: {prefix} }}"
    drilled(broken, FOLDER, new).says(
        "drill-folder-is-nobody-s",
        f"drills.yaml test_folder.{where}",
        at=new,
        found=found,
        allowed=allowed,
        because=because,
    )


def test_a_whole_bucket_that_is_put_back_has_no_room_for_a_drill_s_folder(broken: Broken) -> None:
    broken.edit("backups", "prefixes: [artifacts/]", "prefixes: ['']").says(
        "drill-folder-is-nobody-s",
        "drills.yaml test_folder.prefix",
        at=FOLDER,
        found="dr-drill/",
        allowed="its own",
        because="the whole of 'neurectomy-mlflow-us-east-1' is put back in an incident",
    )


@pytest.mark.parametrize("prefix", ["dr-drill", "", "/", "/dr-drill/", "dr-*/"])
def test_a_folder_that_is_none_is_not_read(prefix: str) -> None:
    with pytest.raises(ValidationError, match="prefix"):
        TestFolder.model_validate({"bucket": "some-bucket", "prefix": prefix})


def test_a_window_in_which_no_drill_begins_is_told(broken: Broken) -> None:
    drilled(broken, "until: 17", "until: 14").says(
        "drill-window-is-open",
        "drills.yaml window.until",
        at="until: 14",
        found="14",
        allowed="an hour after 14",
        because="never begin a drill",
    )
