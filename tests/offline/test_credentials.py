"""Where the tertiary cluster's token comes from, and every way in which it does not come."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube.config.models import NameValue, UserExec

from chalicelib.clients.kubernetes import whoami
from chalicelib.core.outcome import NoData
from drctl.neighbours.kubernetes.transport import ModelTransport
from drctl.offline import credentials
from drctl.offline.clusters import Kubeconfig
from drctl.offline.credentials import Fetched, fetched
from drctl.world.tertiary import Tertiary
from tests.crash.outside_aws import WHO
from tests.crash.platform_in_process import POLICY, START

AT = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
BETA = "client.authentication.k8s.io/v1beta1"


def program(folder: Path, script: str, **more: Any) -> UserExec:
    path = folder / "kubelogin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return UserExec(apiVersion=BETA, command=str(path), **more)


def answer(token: str = "ana", **status: str) -> str:
    return json.dumps({"apiVersion": BETA, "kind": "ExecCredential", "status": {"token": token, **status}})


def test_a_program_s_token_is_used_until_shortly_before_it_expires(tmp_path: Path) -> None:
    made = program(tmp_path, f"echo '{answer(expirationTimestamp='2026-11-26T04:00:00Z')}'")
    assert fetched(made, AT) == Fetched("ana", AT + timedelta(minutes=58))


def test_a_token_that_does_not_say_when_it_expires_is_fetched_anew_in_time(tmp_path: Path) -> None:
    assert fetched(program(tmp_path, f"echo '{answer()}'"), AT) == Fetched("ana", AT + timedelta(minutes=45))


def test_the_program_is_told_what_it_is_asked_for(tmp_path: Path) -> None:
    script = f"""echo "$KUBERNETES_EXEC_INFO $1 $AAD" > {tmp_path}/told; echo '{answer()}'"""
    fetched(program(tmp_path, script, args=["get-token"], env=[NameValue("AAD", "azurecli")]), AT)
    told, _, more = (tmp_path / "told").read_text().rpartition("} ")
    asked = json.loads(told + "}")
    assert (asked["apiVersion"], asked["kind"], asked["spec"].keys()) == (BETA, "ExecCredential", {"interactive"})
    assert more == "get-token azurecli\n"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 1", "gave no token and ended with 1; what it says stands on its terminal; are you logged in there"),
        ("echo hello", "is no ExecCredential with a token"),
        ("echo '{}'", "is no ExecCredential with a token"),
        ("""echo '{"status": {"clientCertificateData": "x"}}'""", "is no ExecCredential with a token"),
        ("sleep 5", "gave no token within 0 s"),
    ],
)
def test_why_there_is_no_token_is_a_sentence(
    script: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script.startswith("sleep"):
        monkeypatch.setattr(credentials, "WITHIN_S", 0.05)
    found = fetched(program(tmp_path, script), AT)
    assert isinstance(found, NoData)
    assert says in found.because


def test_a_program_that_is_not_installed_is_told_with_its_hint(tmp_path: Path) -> None:
    gone = UserExec(apiVersion=BETA, command=str(tmp_path / "kubelogin"), installHint="see aka.ms/aks/kubelogin")
    found = fetched(gone, AT)
    assert isinstance(found, NoData)
    assert "is not on this machine: see aka.ms/aks/kubelogin" in found.because
    bare = fetched(UserExec(apiVersion=BETA, command=str(tmp_path / "kubelogin")), AT)
    assert isinstance(bare, NoData)
    assert bare.because.endswith("is not on this machine; install it")


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


def kubeconfig(folder: Path, tertiary: Tertiary, script: str, clock: Clock) -> Kubeconfig:
    made = program(folder, script)
    run = {"apiVersion": BETA, "command": made.command, "args": ["get-token"], "interactiveMode": "IfAvailable"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "there",
        "clusters": [{"name": "there", "cluster": {"server": tertiary.outage.server}}],
        "users": [{"name": "me", "user": {"exec": run}}],
        "contexts": [{"name": "there", "context": {"cluster": "there", "user": "me"}}],
    }
    path = folder / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(config))
    return Kubeconfig(POLICY, path, transport=ModelTransport(tertiary.cluster), now=clock)


def test_the_cluster_knows_the_operator_by_that_token_and_it_is_fetched_once(tmp_path: Path) -> None:
    clock = Clock()
    tertiary = Tertiary(POLICY, clock, who=WHO)
    kube = kubeconfig(tmp_path, tertiary, f"echo x >> {tmp_path}/runs; echo '{answer()}'", clock)
    name = tertiary.row.name
    assert [whoami(kube, name) for _ in range(3)] == ["ana@neurectomy.io"] * 3
    assert (tmp_path / "runs").read_text() == "x\n"
    clock.at += timedelta(minutes=46)
    assert whoami(kube, name) == "ana@neurectomy.io"
    assert (tmp_path / "runs").read_text() == "x\nx\n"


def test_without_azure_s_credentials_the_cluster_is_not_asked_and_nobody_is_proven(tmp_path: Path) -> None:
    clock = Clock()
    tertiary = Tertiary(POLICY, clock, who=WHO)
    found = whoami(kubeconfig(tmp_path, tertiary, "exit 1", clock), tertiary.row.name)
    assert isinstance(found, NoData)
    assert "are you logged in there (az login)?" in found.because


def test_a_token_that_the_cluster_does_not_take_any_more_is_fetched_anew_once(tmp_path: Path) -> None:
    clock = Clock()
    tertiary = Tertiary(POLICY, clock, who=WHO)
    first, second = answer("revoked"), answer("ana")
    script = f"cd {tmp_path}; echo x >> runs; [ -f again ] && echo '{second}' || echo '{first}'; touch again"
    kube = kubeconfig(tmp_path, tertiary, script, clock)
    assert whoami(kube, tertiary.row.name) == "ana@neurectomy.io"
    assert (tmp_path / "runs").read_text() == "x\nx\n"
