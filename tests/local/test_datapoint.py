"""Data corruption and an accidental deletion in the deployed local world, from the alarm to what was put back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.core.bounds import spelled
from chalicelib.core.incident import Incident
from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.kubernetes.objects import Obj
from tests.local.people import approve, at, by_hand, explained
from tests.local.stage import Stage, eventually, up

# Two whole cases of one to two minutes each: `make test-long` runs them, `make test` does not.
pytestmark = pytest.mark.long
DATABASE, DELETIONS = "us-east-1/database", "us-east-1/deletions"
ASKED = ("rds", "secretsmanager", "s3")
FOLDER = "neurectomy-mlflow-us-east-1/artifacts/0/"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("datapoint")
    with up(folder, speed=10.0) as made:
        made.healthy()
        made.say("set-mode", mode="automatic", id="mode")
        yield made


def waits_for(stage: Stage, scope: str, words: str) -> Incident | None:
    found = at(stage, scope)
    return found if found and any(words in r.because for r in found.steps.values()) else None


def externals(cluster: KubeApi) -> list[str]:
    """The external secrets that are there."""
    return sorted(o["metadata"]["name"] for o in cluster.objects("externalsecrets.external-secrets.io"))


def application(cluster: KubeApi) -> Obj:
    """The configuration's, as Argo CD keeps it."""
    every = cluster.objects("applications.argoproj.io")
    return next(a for a in every if a["metadata"]["name"] == "platform-configuration")


def test_corrupted_data_is_restored_beside_the_old_database_and_the_applications_move(stage: Stage) -> None:
    with explained(stage, DATABASE, *ASKED):
        stage.told("break", "data")
        eventually(lambda: at(stage, DATABASE), within=120, what="an incident in doubt")
        assert stage.told("declare", "data-corruption", DATABASE, "--by", "ana")["ok"]
        found = eventually(lambda: waits_for(stage, DATABASE, "nobody has chosen as_of"), within=60, what="a question")
        point = found.step("point")
        assert "runs-have-experiments found 12 runs" in point.because
        assert "as_of" in stage.drctl("status").stdout
        refused = stage.drctl("choose", found.id, "as_of=2020-01-01T00:00:00Z", "--by", "ana")
        assert refused.returncode == 1
        assert "allowed: from" in " ".join(refused.stderr.split())
        chosen = stage.told(
            "choose", found.id, f"as_of={point.facts['proposed']}", "namespaces=none", "folder=none", "--by", "ana"
        )
        assert chosen["ok"]
        approve(stage, DATABASE, "restore", "ana")
        approve(stage, DATABASE, "switch", "ana", "bob", within=180)
        approve(stage, DATABASE, "prove", "ana")
        approve(stage, DATABASE, "fetch", "bob")
        eventually(
            lambda: stage.world.platform.rows.seen().get("IntegrityViolations") == 0.0, within=30, what="whole data"
        )
        last = eventually(lambda: by_hand(stage, DATABASE, "standby"), within=60, what="the last question")
        stage.say("approve", incident=last.id, step="standby", plan=last.plan, id="standby")
        closed = eventually(lambda: stage.archive(DATABASE), within=60, what="the archive")
        assert closed.ending == "recovered"
        assert closed.choices["as_of"].by == "ana"
        stage.told("mend")


def test_what_was_deleted_is_put_back_from_versions_and_from_a_backup(stage: Stage) -> None:
    with explained(stage, DELETIONS, *ASKED):
        eventually(lambda: not stage.open(), within=60, what="a quiet platform")
        stage.say("acknowledge", id="window")
        folders = stage.world.platform.folders
        before, as_of = folders.keys(FOLDER), spelled(datetime.now(UTC))
        eventually(lambda: spelled(datetime.now(UTC)) > as_of, within=3, what="the next second")
        primary = stage.world.platform.clusters[stage.policy.platform.clusters.primary.name]
        secrets, revision = externals(primary), application(primary)["status"]["history"][-1]["revision"]
        stage.told("break", "deletion", "--namespace", "cache", "--folder", FOLDER, "--configuration")
        assert folders.keys(FOLDER) == []
        eventually(lambda: len(externals(primary)) == len(secrets) - 1, within=30, what="Argo CD's pruning")
        said = stage.told(
            *("declare", "accidental-deletion", DELETIONS, "--choose", f"as_of={as_of}"),
            *("--choose", "namespaces=cache", "--choose", f"folder={FOLDER}"),
            *("--choose", f"revision={revision[:10]}", "--by", "ana"),
        )
        assert said["ok"], said
        approve(stage, DELETIONS, "configuration", "ana")
        approve(stage, DELETIONS, "folder", "ana")
        approve(stage, DELETIONS, "objects", "bob")
        closed = eventually(lambda: stage.archive(DELETIONS), within=120, what="the archive")
        assert closed.ending == "recovered"
        assert folders.keys(FOLDER) == before
        assert externals(primary) == secrets
        assert primary.ready_deployment("cache", "redis")
