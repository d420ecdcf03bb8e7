"""`drctl init` writes policies that are another platform's through and through, and says what is left to decide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from chalicelib.actions.registry import ACTIONS
from chalicelib.policy.lint import ActionFacts, lint
from chalicelib.policy.load import FILES, load
from chalicelib.policy.platform import MetricSwitch
from chalicelib.readiness.registry import NAMES as JUDGES
from drctl.another import regions
from drctl.another.asked import LONGEST, NO_ACCOUNT, Asked, PlatformRefusedError
from drctl.another.make import FolderRefusedError, decisions, make
from drctl.another.rewrite import rewrite, written
from drctl.cli.main import app

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "policies"
EUROPE = {"primary": "eu-west-1", "standby": "eu-central-1", "witness": "eu-west-3"}
OURS = re.compile(r"(?i)neurectomy|111122223333|us-west-2|us-east-2|westus2|West US 2|\buse1\b|\busw2\b|\bazw2\b")


def made(folder: Path, name: str = "acme", **asked: str) -> Path:
    make(SHIPPED, Asked.read(name, **(EUROPE | asked)), folder)
    return folder


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("acme", {}),
        ("big-shop", {"primary": "ap-southeast-2", "standby": "ap-northeast-1", "witness": "ap-southeast-1"}),
        # The shipped platform's own regions, the other way round.
        ("mirror", {"primary": "us-west-2", "standby": "us-east-1", "witness": "us-east-2"}),
        ("n" * LONGEST, {"display_name": 'The "N" & Co', "domain": "n.co.uk", "account": "012345678901"}),
    ],
)
def test_the_linter_finds_no_error(tmp_path: Path, name: str, asked: dict[str, str]) -> None:
    made(tmp_path / "p", name, **asked)
    findings = lint(tmp_path / "p", actions={n: ActionFacts.of(a) for n, a in ACTIONS.items()}, judges=JUDGES)
    assert [f for f in findings if f.severity == "error"] == []


def test_nothing_of_the_shipped_platform_is_left(tmp_path: Path) -> None:
    for path in made(tmp_path / "p").rglob("*"):
        if path.is_file():
            assert not OURS.search(path.read_text()), path


def test_us_east_1_is_left_only_where_route53_is_meant(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    lines = [f"{p.stem}: {line.strip()}" for p in folder.glob("*.yaml") for line in p.read_text().splitlines()]
    assert [line for line in lines if "us-east-1" in line] == [
        "signals: regions: [us-east-1, ap-southeast-1, sa-east-1]",
        "signals: region: us-east-1",
    ]
    alarm = next(a for a in load(folder).signals.alarms if a.region == "us-east-1")
    assert alarm.namespace == "AWS/Route53"


def test_comments_and_order_stay(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    for name in FILES:
        # A list of names has no colon to stop at, and names are what changes.
        shipped = (SHIPPED / f"{name}.yaml").read_text().replace("- neurectomy/", "- acme/").splitlines()
        ours = [re.match(r"[^:]*", line) for line in shipped]
        lines = (folder / f"{name}.yaml").read_text().splitlines()
        notes = [line for line in lines if re.search(r"# (Chosen: |To be named: |Route 53's metrics are)", line)]
        theirs = [re.match(r"[^:]*", line) for line in lines if line not in notes]
        assert len(notes) == {"platform": 3, "signals": 2}.get(name, 0)
        assert [m and m[0] for m in theirs] == [m and m[0] for m in ours]


def test_a_platform_s_own_regions_the_other_way_round_are_swapped_and_not_merged(tmp_path: Path) -> None:
    platform = load(made(tmp_path / "p", primary="us-west-2", standby="us-east-1", witness="us-east-2")).platform
    assert platform.clusters.primary.name == "acme-usw2"
    assert platform.clusters.standby.name == "acme-use1"
    assert platform.responder.region == "us-east-1"


def test_every_derived_name_is_the_new_platform_s(tmp_path: Path) -> None:
    policy = load(made(tmp_path / "p", "big-shop", account="444455556666", domain="shop.test", display_name="Big Shop"))
    platform, switch = policy.platform, policy.platform.traffic.switch
    assert isinstance(switch, MetricSwitch)
    assert (platform.name, platform.display_name, platform.account) == ("big-shop", "Big Shop", "444455556666")
    assert (platform.clusters.primary.name, platform.clusters.standby.name) == ("big-shop-euw1", "big-shop-euc1")
    assert platform.database.replica.instance == "big-shop-pg-euc1"
    assert platform.database.name == "big_shop"
    assert switch.namespace == "BigShopDR"
    assert [e.url for e in platform.endpoints] == [
        "https://api.eu-west-1.shop.test",
        "https://api.eu-central-1.shop.test",
    ]
    assert policy.backups.replication[0].destination == "big-shop-backups-eu-central-1"
    assert policy.signals.rules[0].scope == "eu-west-1"
    assert policy.signals.rules[0].observers[0].alarms == ("big-shop-endpoint-health",)


def test_what_nobody_named_is_chosen_and_says_so(tmp_path: Path) -> None:
    make(SHIPPED, Asked.read("acme", primary="eu-west-1", standby="eu-central-1"), tmp_path / "p")
    policy, text = load(tmp_path / "p"), (tmp_path / "p" / "platform.yaml").read_text()
    assert policy.platform.account == NO_ACCOUNT
    assert policy.platform.traffic.zone == "acme.example"
    assert policy.platform.regions.witness == "eu-west-2"
    for field in ("account", "witness", "zone", "tertiary"):
        line = next(i for i, t in enumerate(text.splitlines()) if t.strip().startswith(f"{field}:"))
        assert re.search(r"# (To be named|Chosen):", text.splitlines()[line - 1]), field


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("Acme", {}, "NAME is 'Acme'; allowed: lower case, digits and single hyphens"),
        ("a--b", {}, "NAME is 'a--b'; allowed: lower case, digits and single hyphens"),
        ("acme-", {}, "NAME is 'acme-'; allowed: lower case, digits and single hyphens"),
        ("a" * (LONGEST + 1), {}, f"at most {LONGEST} characters"),
        ("acme", {"primary": "europe"}, "--primary is 'europe'; allowed: an AWS region like 'eu-west-1'"),
        ("acme", {"primary": "eu-west-9"}, "--primary is 'eu-west-9', which is no region of the partition 'aws'"),
        ("acme", {"primary": "cn-north-1"}, "which is no region of the partition 'aws'"),
        ("acme", {"standby": "eu-west-1"}, "--standby is 'eu-west-1', which --primary is too"),
        ("acme", {"witness": "eu-west-1"}, "--witness is 'eu-west-1', which --primary is too"),
        ("acme", {"account": "1234"}, "--account is '1234'; allowed: an AWS account, twelve digits"),
        ("acme", {"domain": "acme"}, "--domain is 'acme'; allowed: a domain in lower case"),
        ("acme", {"display_name": " "}, "--display-name is empty"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(name: str, asked: dict[str, str], told: str) -> None:
    with pytest.raises(PlatformRefusedError, match=re.escape(told)):
        Asked.read(name, **(EUROPE | asked))


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(PlatformRefusedError) as refused:
        Asked.read("A", primary="x", standby="y", account="z")
    assert len(str(refused.value).splitlines()) == 4


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("x")
    with pytest.raises(FolderRefusedError, match="is there and not empty"):
        made(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.yaml"]


def test_every_decision_points_at_the_line_of_its_field(tmp_path: Path) -> None:
    folder = made(tmp_path / "p")
    found = {d.what: d for d in decisions(folder)}
    rpo = found["how much data of the database may be lost (RPO)"]
    assert rpo.file.read_text().splitlines()[rpo.line - 1].strip() == "rpo: 1m"
    tiers = [d for w, d in found.items() if "(RTO)" in w]
    assert [
        f"rto: {t}" in d.file.read_text().splitlines()[d.line - 1] for t, d in zip(("15m", "1h"), tiers, strict=False)
    ]
    assert {d.file.stem for d in found.values()} >= {"platform", "services", "notifications", "backups", "signals"}
    mail = found["who reads email-on-call"]
    assert "recipients: [on-call@acme.example]" in mail.file.read_text().splitlines()[mail.line - 1]


def test_the_command_writes_and_says_what_to_look_at(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    done = CliRunner().invoke(app, ["init", "acme", *_options(EUROPE), "--policies", str(folder)])
    assert done.exit_code == 0, done.output
    assert re.search(rf"{folder}/services\.yaml:\d+ .*RTO", done.output)
    assert f"make demo POLICIES={folder}" in done.output
    again = CliRunner().invoke(app, ["init", "acme", *_options(EUROPE), "--policies", str(folder)])
    assert again.exit_code == 2


def _options(asked: dict[str, str]) -> list[str]:
    return [word for key, value in asked.items() for word in (f"--{key}", value)]


@pytest.mark.parametrize(
    ("region", "short"),
    [("eu-west-1", "euw1"), ("ap-southeast-2", "apse2"), ("us-east-1", "use1"), ("ap-northeast-3", "apne3")],
)
def test_a_region_s_short_name(region: str, short: str) -> None:
    assert regions.short(region) == short


def test_every_region_has_a_short_name_of_its_own() -> None:
    shorts = [regions.short(region) for region in regions.known()]
    assert len(set(shorts)) == len(regions.known()) > 20


def test_checkers_stand_outside_the_platform() -> None:
    for primary in regions.known():
        found = regions.checkers((primary, "us-east-1", "eu-west-1"), 3)
        assert len(set(found)) == 3
        assert not {primary, "us-east-1", "eu-west-1"} & set(found)


@pytest.mark.parametrize(
    "value", ["plain", "a: b", "#x", "012345678901", "yes", 'say "x" \\ y', "- a", "", "a, b", "a]"]
)
@pytest.mark.parametrize("style", [None, "'", '"'])
def test_what_is_written_reads_as_it_was(value: str, style: str | None) -> None:
    assert yaml.safe_load(f"k: [{written(value, style)}]") == {"k": [value]}
    assert yaml.safe_load(f"k: {written(value, style)}") == {"k": value}


def test_only_scalars_and_comments_are_rewritten() -> None:
    text = "# of old\nold: old # old\nlist: [old, 'x#old']\n"
    found = rewrite(text, lambda _, v: v.replace("old", "new"), lambda t: t.replace("old", "new"), {("list",): "Why."})
    assert found == "# of new\nold: new # new\n# Why.\nlist: [new, 'x#new']\n"
