"""A platform made by `drctl init` is deployed with nothing of the shipped one in it, and no code names that one."""

from __future__ import annotations

import ast
import json
import re
import zipfile
from pathlib import Path

import pytest

from chalicelib import names
from chalicelib.policy import Policy
from chalicelib.policy.load import load
from chalicelib.policy.signals import HEALTH_BACKUP_REGION, ROUTE53_METRICS_REGION
from drctl.another.asked import Asked
from drctl.another.make import make
from drctl.deployment import generate
from drctl.deployment.project import package_of
from drctl.world.package import Package
from tests.deployment.conftest import ROOT

SHIPPED = load(ROOT / "policies")
OURS = re.compile(r"(?i)neurectomy|111122223333|us-east-1|us-west-2|us-east-2|westus2|\buse1\b|\busw2\b|\bazw2\b")


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acme") / "policies"
    make(
        ROOT / "policies",
        Asked.read("acme", primary="eu-west-1", standby="eu-central-1", witness="eu-west-3", account="444455556666"),
        folder,
    )
    return folder


@pytest.fixture(scope="module")
def policy(acme: Path) -> Policy:
    return load(acme)


@pytest.fixture(scope="module")
def packaged(acme: Path, policy: Policy) -> Package:
    return package_of(ROOT, acme, policy, "prod")


def ours(text: str) -> set[str]:
    return {found.lower() for found in OURS.findall(text)}


def test_the_search_finds_the_shipped_platform(made: Package) -> None:
    with zipfile.ZipFile(made.zip) as opened:
        assert ours(opened.read("policies/platform.yaml").decode()) >= {
            *("neurectomy", "111122223333", "us-east-1", "us-west-2", "us-east-2", "westus2", "use1", "usw2", "azw2")
        }


def test_no_file_of_the_package_names_the_shipped_platform(packaged: Package) -> None:
    with zipfile.ZipFile(packaged.zip) as opened:
        for name in opened.namelist():
            found = ours(opened.read(name).decode("latin-1"))
            if not name.startswith("policies/"):
                # Our own code in prose and in facts (the test of modules below) names AWS's regions; libraries name
                # those, their short codes, and the account that AWS's documentation uses.
                found = {word for word in found if not word.startswith("us-")}
            if not name.startswith(("policies/", "chalicelib/", "app.py")):
                found &= {"neurectomy"}
            elif name == "policies/signals.yaml":
                found -= {ROUTE53_METRICS_REGION}
            assert not found, name


def test_no_template_names_the_shipped_platform(packaged: Package, policy: Policy) -> None:
    files = {path.name: path.read_text() for path in packaged.zip.parent.glob("*.json")}
    assert set(files) == {
        *("template.json", "primary.json", "witness.json", "access-primary.json"),
        *("alarms-us-east-1.json", f"alarms-{HEALTH_BACKUP_REGION}.json"),
    }
    for name, content in generate.generated(policy).items():
        files[name] = json.dumps(content)
    for name, text in files.items():
        # An alarm over Route 53's metrics stands where those are; its topic and the right to ask for it do too. AWS
        # Health tells of every region in a second one as well.
        assert ours(text) <= {ROUTE53_METRICS_REGION, HEALTH_BACKUP_REGION}, name
    assert not ours(files["primary.json"])


def test_the_alarm_over_route53_and_its_check_stand_where_its_metrics_are(policy: Policy) -> None:
    here = generate.generated(policy)["alarms-us-east-1.json"]["Resources"]
    assert here["AcmeEndpointHealthAlarm"]["Properties"]["Dimensions"][0]["Value"] == {"Ref": "EndpointCheck"}
    assert here["EndpointCheck"]["Properties"]["HealthCheckConfig"]["FullyQualifiedDomainName"] == "api.acme.example"
    assert "EndpointCheck" not in generate.generated(policy)["primary.json"]["Resources"]


def test_every_alarm_of_policy_stands_in_exactly_one_template(policy: Policy) -> None:
    for each in (policy, SHIPPED):
        templates = generate.templates(each).values()
        alarms = [
            resource["Properties"]["AlarmName"]
            for template in templates
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::CloudWatch::Alarm"
        ]
        # The responder's own, about itself, are in each region.
        theirs = [name for name in alarms if not name.startswith(f"{names.app(each)}-")]
        assert sorted(theirs) == sorted(alarm.name for alarm in each.signals.alarms)


def test_the_responder_is_invoked_by_the_topics_of_both_regions(policy: Policy) -> None:
    resources = generate.generated(policy)[generate.MERGED]["Resources"]
    sources = {
        r["Properties"].get("SourceArn") for r in resources.values() if r.get("Type") == "AWS::Lambda::Permission"
    }
    assert {
        "arn:aws:sns:eu-west-1:444455556666:acme-dr-alarms",
        "arn:aws:sns:us-east-1:444455556666:acme-dr-alarms",
    } <= sources


def test_packaging_another_platform_changes_nothing_that_is_checked_in(packaged: Package) -> None:
    assert packaged.zip.exists()
    assert generate.drift(ROOT / ".chalice", SHIPPED) == []


def modules() -> list[Path]:
    found = [path for top in ("chalicelib", "drctl") for path in sorted((ROOT / top).rglob("*.py"))]
    return [ROOT / "app.py", *found]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_names_the_shipped_platform(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"(?i)neurectomy|111122223333|westus2", text)
    tree = ast.parse(text)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    # A fact of AWS is a constant of the module with a name in capitals; an example in prose is nobody's region.
    facts = {id(inner) for node in tree.body if _is_constant(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | facts:
            assert not re.search(r"us-(east-[12]|west-2)", node.value), f"line {node.lineno}"


def _is_constant(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return bool(targets) and all(isinstance(t, ast.Name) and t.id.isupper() for t in targets)
