"""What an intruder does in the local world: what GuardDuty and S3's metrics say of it, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from drctl.neighbours.guardduty import GuardDuty
from drctl.world import intrusions, said
from drctl.world.breaks import Breaks
from drctl.world.folders import Folders
from tests.actions.stage import POLICY
from tests.actions.test_failures import Primary

ROW = POLICY.backups.restorable[0]
REGION = POLICY.platform.regions.primary


@pytest.fixture
def folders() -> Iterator[Folders]:
    """Folders in a versioned bucket of moto's S3."""
    with mock_aws():
        client = boto3.client("s3", ROW.region, aws_access_key_id="key", aws_secret_access_key="key")
        made = Folders(POLICY, lambda _service, _region: client)
        made.furnish()
        yield made


class Scene:
    """The primary, an intruder's ways into it, and what was said."""

    def __init__(self, folders: Folders | None) -> None:
        self.primary, self.guardduty, self.heard = Primary(), GuardDuty(), list[said.Event]()
        self.detector = self.guardduty.switch_on(REGION, POLICY.platform.account)
        where = self.primary
        self.breaks = Breaks(POLICY, where.api, where.ec2, where.rds, folders=folders, guardduty=self.guardduty)
        self.breaks.say = self.heard.append

    def findings(self) -> list[dict[str, Any]]:
        return list(self.guardduty.findings[self.detector].values())


def contents(folders: Folders) -> dict[str, bytes]:
    s3 = folders._client("s3", ROW.region)  # what users read
    keys = folders.keys(folders.default)
    return {k: s3.get_object(Bucket=ROW.bucket, Key=k)["Body"].read() for k in keys}


def test_a_breach_is_a_finding_at_an_instance_that_guardduty_tells_and_its_end_archives_it() -> None:
    scene = Scene(None)
    made = scene.breaks.add(1, {"kind": "breach"})
    (finding,) = scene.findings()
    assert finding["Type"] == intrusions.BREACH
    assert finding["Resource"]["InstanceDetails"]["InstanceId"] == made.what
    (event,) = scene.heard
    assert (event["source"], event["detail"]["id"]) == ("aws.guardduty", finding["Id"])
    assert not finding["Service"]["Archived"]
    scene.breaks.clear()
    (ended,) = scene.findings()
    assert ended["Service"]["Archived"]
    assert ended["Id"] == finding["Id"]


@pytest.mark.parametrize("kind", intrusions.KINDS)
def test_an_instance_that_is_not_there_is_refused_with_those_that_are(kind: str, folders: Folders) -> None:
    scene = Scene(folders)
    before = contents(folders)
    with pytest.raises(ValueError, match="instance is 'i-absent', allowed are i-0"):
        scene.breaks.add(1, {"kind": kind, "instance": "i-absent"})
    assert (scene.findings(), scene.heard, contents(folders)) == ([], [], before)


def test_ransomware_leaves_nothing_that_can_be_read_and_ends_as_it_was(folders: Folders) -> None:
    scene, before = Scene(folders), contents(folders)
    made = scene.breaks.add(1, {"kind": "ransomware"})
    assert made.what == folders.default
    after = contents(folders)
    assert set(after) < set(before)
    assert all(after[key] != before[key] and len(after[key]) == len(before[key]) for key in after)
    assert {f["Type"] for f in scene.findings()} == {intrusions.BREACH, intrusions.RANSOMWARE}
    (encryption,) = (f for f in scene.findings() if f["Type"] == intrusions.RANSOMWARE)
    assert [b["Name"] for b in encryption["Resource"]["S3BucketDetails"]] == [ROW.bucket]
    scene.breaks.clear()
    assert contents(folders) == before


def test_each_request_of_an_intruder_is_told_once_and_they_are_more_than_a_busy_minute_has(folders: Folders) -> None:
    """The alarms add up what S3 tells."""
    scene = Scene(folders)
    count = len(contents(folders))
    scene.breaks.add(1, {"kind": "ransomware"})
    names = {metric: f"{metric}/{ROW.bucket}/EntireBucket" for metric in ("PutRequests", "DeleteRequests")}
    told = scene.breaks.seen()
    assert told[names["PutRequests"]] + told[names["DeleteRequests"]] == count
    burst = next(a for a in POLICY.signals.alarms if a.name == "WriteBurst")
    assert told[names["PutRequests"]] > burst.threshold
    assert {scene.breaks.seen()[name] for name in names.values()} == {0.0}


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("absent/artifacts/", "folder is 'absent/artifacts/', allowed is what begins with"),
        (f"{ROW.bucket}/elsewhere/", "allowed is what begins with"),
        (f"{ROW.bucket}/{ROW.prefixes[0]}absent/", "there is nothing below"),
    ],
)
def test_a_folder_that_nobody_could_restore_is_refused(folders: Folders, folder: str, why: str) -> None:
    scene, before = Scene(folders), contents(folders)
    with pytest.raises(ValueError, match=why):
        scene.breaks.add(1, {"kind": "ransomware", "folder": folder})
    assert (scene.findings(), contents(folders)) == ([], before)


def test_without_buckets_there_is_nothing_to_encrypt() -> None:
    with pytest.raises(ValueError, match="there are no buckets here"):
        Scene(None).breaks.add(1, {"kind": "ransomware"})
