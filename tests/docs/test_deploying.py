"""Every name on the pages about deploying is one that exists: commands, flags, parameters, resources, files.

AWS's commands are compared with botocore's models, from which the AWS CLI makes its own: an operation is a command, a
member of its input an option (docs.aws.amazon.com/cli/latest/userguide/cli-usage-commandstructure.html).
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import typer
from botocore import xform_name

from chalicelib import names
from chalicelib.policy.load import load
from chalicelib.policy.signals import Alarm
from drctl.cli.main import app
from drctl.deployment import generate
from drctl.deployment.project import package_of
from tests.docs.commands import ROOT, Command, commands

POLICY = load(ROOT / "policies")
PAGES = {name: (ROOT / "docs" / name).read_text() for name in ("deploying.md", "deploying-private-clusters.md")}
PAGE = PAGES["deploying.md"]
ALL = [(name, command) for name, page in PAGES.items() for command in commands(page)]


def these(program: str, option: str = "") -> list[Any]:
    """The pages' commands of a program, with that option if one is named, as cases of a test."""
    wanted = [(n, c) for n, c in ALL if c.words[0] == program and (not option or option in c.options)]
    return [pytest.param(c, id=f"{n}: {c.text[:70]}") for n, c in wanted]


KNOWN = {"HealthCheckId", *(name for alarm in POLICY.signals.alarms for name in alarm.dimensions)}
"""Dimensions that some alarm of policy names."""
EVERYWHERE = {"--region", "--profile", "--output", "--query"}
"""The CLI's global options, of which these are used (docs.aws.amazon.com/cli/latest/reference/)."""
CUSTOM: dict[tuple[str, str], set[str]] = {
    ("cloudformation", "package"): {"--template-file", "--s3-bucket", "--use-json", "--output-template-file"},
    ("cloudformation", "deploy"): {
        "--stack-name",
        "--template-file",
        "--s3-bucket",
        "--capabilities",
        "--parameter-overrides",
    },
    ("s3", "cp"): set(),
    ("s3", "mb"): set(),
    ("logs", "tail"): {"--since"},
}
"""What the CLI adds to AWS's operations (docs.aws.amazon.com/cli/latest/reference/cloudformation/deploy/ and so on)."""
RENAMED = {"--notification-endpoint": "--endpoint"}
"""Options that the CLI calls otherwise than the API (docs.aws.amazon.com/cli/latest/reference/sns/subscribe.html)."""
API = {"s3api": "s3"}
"""Services that the CLI calls otherwise (docs.aws.amazon.com/cli/latest/reference/s3api/)."""
SHELL = {
    "APP": names.app(POLICY),
    "PLATFORM": POLICY.platform.name,
    "ACCOUNT": POLICY.platform.account,
    "PRIMARY": POLICY.platform.regions.primary,
    "STANDBY": POLICY.platform.regions.standby,
    "WITNESS": POLICY.platform.regions.witness,
}


def filled(text: str) -> str:
    """The text with the shell's variables as the page sets them."""
    for name, value in sorted(SHELL.items(), key=lambda v: -len(v[0])):
        text = text.replace(f"${name}", value)
    return text


@cache
def templates() -> dict[str, Any]:
    """File name → template, as a package has them."""
    made = package_of(ROOT, ROOT / "policies", POLICY, "prod")
    return {p.name: json.loads(p.read_text()) for p in made.zip.parent.glob("*.json") if p.name != "packaged.json"}


def stack_template(stack: str) -> dict[str, Any]:
    """The template of a stack, by the `deploy` that makes it."""
    for command in commands(PAGE):
        if command.words[:3] == ("aws", "cloudformation", "deploy") and filled(command.value("--stack-name")) == stack:
            name = Path(command.value("--template-file")).name
            found: dict[str, Any] = templates()["template.json" if name == "packaged.json" else name]
            return found
    raise AssertionError(f"the page deploys no stack {stack!r}")


def of_drctl(words: tuple[str, ...]) -> Any:
    """The command that these words lead to; a word that is none of a group's fails."""
    found: Any = typer.main.get_command(app)
    for word in words[1:]:
        if not hasattr(found, "commands"):
            break
        assert word in found.commands, f"drctl has no {word}"
        found = found.commands[word]
    return found


@pytest.mark.parametrize("command", these("drctl"))
def test_every_command_of_drctl_is_there_with_its_flags(command: Command) -> None:
    known = {option for p in of_drctl(command.words).params for option in p.opts}
    assert set(command.options) <= known


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(API.get(service, service))


@pytest.mark.parametrize("command", these("aws"))
def test_every_command_of_aws_is_there_with_its_options(command: Command) -> None:
    _, service, operation = command.words[:3]
    if (service, operation) in CUSTOM:
        assert set(command.options) - EVERYWHERE <= CUSTOM[service, operation]
        return
    shapes = {xform_name(name, "-"): name for name in model(service).operation_names}
    assert operation in shapes
    shape = model(service).operation_model(shapes[operation]).input_shape
    options = {f"--{xform_name(member, '-')}" for member in shape.members}
    given = {RENAMED.get(option, option) for option in command.options}
    assert given - EVERYWHERE <= options
    wanted = {f"--{xform_name(member, '-')}" for member in shape.required_members}
    assert not command.options or wanted <= given


def deployments() -> list[Command]:
    return [c for c in commands(PAGE) if c.words[:3] == ("aws", "cloudformation", "deploy")]


def test_the_page_deploys_every_template_there_is() -> None:
    deployed = {Path(c.value("--template-file")).name for c in deployments()}
    assert {"packaged.json", "primary.json", "witness.json", "access-primary.json"} <= deployed
    assert set(generate.templates(POLICY)) <= deployed


@pytest.mark.parametrize("name", ["primary.json", "witness.json"])
def test_each_stack_is_given_parameters_that_it_has_and_all_that_it_needs(name: str) -> None:
    (command,) = [c for c in deployments() if Path(c.value("--template-file")).name == name]
    given = {pair.partition("=")[0] for pair in command.options["--parameter-overrides"]}
    parameters = templates()[name]["Parameters"]
    assert given <= set(parameters)
    assert {p for p, row in parameters.items() if "Default" not in row} <= given
    stage = next(p for p in command.options["--parameter-overrides"] if p.startswith("Stage="))
    assert stage.partition("=")[2] in parameters["Stage"]["AllowedValues"]


def test_the_access_entries_are_given_the_role_of_every_function() -> None:
    (listed,) = re.findall(r"for F in ([\w ]+); do", PAGE)
    wanted = set(templates()["access-primary.json"]["Parameters"])
    assert {f"{name}RoleArn" for name in listed.split()} == wanted
    assert {f"{name}Role" for name in listed.split()} <= set(templates()["template.json"]["Resources"])


def test_the_stacks_are_named_as_the_code_names_them() -> None:
    stacks = {filled(c.value("--stack-name")) for c in deployments()}
    app_name = names.app(POLICY)
    assert names.alarm_stack(POLICY, POLICY.platform.regions.primary) in stacks
    assert {app_name, f"{app_name}-{names.WITNESS}"} <= stacks


@pytest.mark.parametrize("alarm", POLICY.signals.alarms, ids=lambda a: a.name)
def test_the_page_says_of_every_metric_that_an_alarm_reads_where_it_is_and_which_case_is_shut_without_it(
    alarm: Alarm,
) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| `") and f"`{alarm.metric}`" in line]
    what, unit, publisher, shut = row.strip("| ").split(" | ")
    assert f"`{alarm.namespace}`" in what
    ours = {"HealthCheckId"} if alarm.name == POLICY.signals.health_check.alarm else set(alarm.dimensions)
    assert {name for name in re.findall(r"`(\w+)`", what) if name in KNOWN} == ours
    assert unit
    assert publisher
    leaning = {r.scenario for r in POLICY.signals.rules if any(alarm.name in o.alarms for o in r.observers)}
    assert all(f"`{scenario}`" in shut for scenario in leaning)


@pytest.mark.parametrize("command", these("aws", "--logical-resource-id"))
def test_every_resource_that_is_asked_for_is_in_its_stack(command: Command) -> None:
    found = stack_template(filled(command.value("--stack-name")))
    name = command.value("--logical-resource-id")
    # The loop over all functions is judged by the test above, for each of them.
    assert name == "${F}Role" or name in found["Resources"]


def test_every_output_that_is_named_is_one() -> None:
    outputs = {name for t in templates().values() for name in t.get("Outputs", {})}
    asked = set(re.findall(r"OutputKey=='(\w+)'", PAGE)) | set(re.findall(r"output `(\w+)`", PAGE))
    assert asked == {"AlarmTopicArn", "OnAlarmDirectArn"}
    assert asked <= outputs


def texts() -> str:
    return json.dumps([*templates().values()])


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            *re.findall(r"`(neurectomy-dr-[\w-]+)`", PAGE),
            *(
                f"neurectomy-dr{tail}"
                for tail in re.findall(r"\$APP(-(?:alarms|trouble|tick|probe|heart|witness))\b", PAGE)
            ),
        }
        - {"neurectomy-dr-primary", "neurectomy-dr-witness"}
    ),
)
def test_every_queue_topic_alarm_and_function_that_is_named_is_in_a_template(name: str) -> None:
    assert f'"{name}"' in texts() or f'{name}"' in texts()


def test_the_alarm_of_the_synthetic_test_is_one_of_policy() -> None:
    (said,) = [c for c in commands(PAGE) if c.words[:3] == ("aws", "cloudwatch", "set-alarm-state")]
    assert said.value("--alarm-name") in POLICY.signals.regions
    assert POLICY.signals.regions[said.value("--alarm-name")] == filled(said.value("--region"))


def test_every_secret_that_is_created_is_one_that_policy_reads_and_none_is_missing() -> None:
    made = {
        filled(c.value("--name")) for c in commands(PAGE) if c.words[:3] == ("aws", "secretsmanager", "create-secret")
    }
    told = POLICY.notifications
    channels = {c.secret for c in (*told.channels, *told.trouble) if hasattr(c, "secret")}
    platform = POLICY.platform
    assert made == channels | {platform.database.credentials_secret, platform.application_secret.name}


def test_every_generated_file_that_is_named_is_generated() -> None:
    generated = {*generate.generated(POLICY), "template.json", "packaged.json", "package.zip"}
    for page in PAGES.values():
        for path in re.findall(r"(?:\$PACKAGE|\.chalice)/([\w.-]+\.(?:json|yaml|zip))", page):
            assert path in generated, path


@pytest.mark.parametrize("page", ["README.md", "deploying.md", "deploying-private-clusters.md", "decisions/README.md"])
def test_every_link_within_the_repository_leads_somewhere(page: str) -> None:
    path = ROOT / "docs" / page
    text = path.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_index_and_the_readme_lead_to_every_page() -> None:
    index, readme = (ROOT / "docs" / "README.md").read_text(), (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        if page.name != "README.md":
            assert f"({page.name})" in index
    assert "(docs/README.md)" in readme
    assert "(docs/deploying.md)" in readme


def test_the_decisions_are_all_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {p.name for p in folder.glob("0*.md")}
