"""run, demo, break, mend, ledger: the local world. And package, which makes what is deployed."""

from __future__ import annotations

import asyncio
import json as jsonlib
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from rich.panel import Panel
from rich.table import Table

from chalicelib.reports.readiness.render import KEY
from drctl.cli.demo import demo as run_demo
from drctl.cli.places import POLICIES, ROOT, JsonOption, PoliciesOption, fail, out, read_policies, show_json
from drctl.deployment import generate
from drctl.deployment.project import package_of
from drctl.world.ministack import WorldError, install
from drctl.world.supervisor import running

PANEL = "Local world"
BREAKING = typer.Typer(help="Break something in the local world.", no_args_is_help=True)
Speed = Annotated[float, typer.Option("--speed", min=1, max=100, help="Divides every duration; the clock stays true.")]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command(rich_help_panel=PANEL)(run)
    app.command(rich_help_panel=PANEL)(demo)
    BREAKING.command(name="region")(break_region)
    BREAKING.command(name="provider")(break_provider)
    BREAKING.command(name="service")(break_service)
    BREAKING.command(name="pods")(break_pods)
    BREAKING.command(name="node")(break_node)
    BREAKING.command(name="zone")(break_zone)
    BREAKING.command(name="data")(break_data)
    BREAKING.command(name="deletion")(break_deletion)
    BREAKING.command(name="deployment")(break_deployment)
    BREAKING.command(name="configuration")(break_configuration)
    BREAKING.command(name="backups")(break_backups)
    BREAKING.command(name="health")(break_health)
    BREAKING.command(name="finding")(break_finding)
    app.add_typer(BREAKING, name="break", rich_help_panel=PANEL)
    app.command(rich_help_panel=PANEL)(mend)
    app.command(rich_help_panel=PANEL)(ledger)
    app.command(rich_help_panel="Deployment")(package)
    app.command(rich_help_panel="Deployment")(setup)


def run(policies: PoliciesOption = POLICIES, speed: Speed = 10.0) -> None:
    """Start the local world with the responder deployed in it, and stay until Ctrl-C."""
    from drctl.world.local import LocalWorld

    read_policies(policies)

    async def stay() -> None:
        with out.status("installing what the local world runs on (half a minute the first time)") as status:
            world = LocalWorld(ROOT, policies, speed=speed, told=status.update)
            await world.__aenter__()
        try:
            out.print(screen(world))
            await world.stopped()
            out.print("\nstopping; nothing is left running")
        finally:
            await world.__aexit__(None, None, None)

    try:
        asyncio.run(stay())
    except WorldError as error:
        fail(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        out.print("\nstopped")


def screen(world: Any) -> Panel:
    """What is up, where the pages are, how to break and mend things."""
    policy = world.policy
    regions = policy.platform.regions
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    grid.add_row("primary", f"{regions.primary}: {world.world_url(regions.primary)}/health")
    grid.add_row("standby", f"{regions.standby}: {world.world_url(regions.standby)}/health")
    grid.add_row("AWS", f"{world.world.gate_url}  (any AWS client: --endpoint-url, key {policy.platform.account})")
    grid.add_row("status page", f"{world.world.gate_url}/{policy.platform.responder.status_bucket}/index.html")
    if bucket := policy.platform.responder.operators_bucket:
        grid.add_row("readiness", f"{world.world.gate_url}/{bucket}/{KEY}")
    for name in ("pagerduty", "slack"):
        url = next(n.url for n in world.world.neighbours if n.name == name)
        grid.add_row(name, f"{url}/_seen")
    grid.add_row("speed", f"durations are divided by {policy.speed:g}")
    grid.add_row("", "")
    grid.add_row("let it act", ".venv/bin/drctl set-mode automatic   (it starts in observe, and touches nothing)")
    grid.add_row("break", f".venv/bin/drctl break region {regions.primary}   (or what `drctl break --help` lists)")
    grid.add_row("watch", ".venv/bin/drctl status      .venv/bin/drctl show")
    grid.add_row("answer", ".venv/bin/drctl approve     .venv/bin/drctl --help")
    grid.add_row("mend", ".venv/bin/drctl mend")
    title = f"{policy.platform.display_name}: local world, ready in {world.ready_in:.1f} s"
    return Panel(grid, title=title, subtitle="Ctrl-C stops everything", border_style="green")


def demo(
    policies: PoliciesOption = POLICIES,
    speed: Speed = 10.0,
    folder: Annotated[Path, typer.Option("--out", help="Where the report goes.")] = ROOT / "out",
) -> None:
    """Break the primary region, let a scripted person approve, wait for the end, print and write the report."""
    read_policies(policies)
    try:
        raise typer.Exit(asyncio.run(run_demo(ROOT, policies, speed=speed, folder=folder)))
    except WorldError as error:
        fail(str(error))


def _world() -> dict[str, Any]:
    state = running(ROOT / ".local" / "world.json")
    if state is None:
        fail("the local world is not up; start it with `make run`. Only the local world can be broken.")
    return dict(state)


def control(method: str, path: str, **more: Any) -> Any:
    url = f"{_world()['control']}{path}"
    answer = httpx2.request(method, url, timeout=10, trust_env=False, **more)
    body = answer.json()
    if answer.status_code >= 400:
        fail(body["error"])
    return body


def break_region(
    region: Annotated[str, typer.Argument(help="Such as eu-west-1.")],
    *,
    kind: Annotated[str, typer.Option("--kind", help="lose, slow or error.")] = "lose",
    seconds: Annotated[float, typer.Option("--seconds", help="How long it takes to answer, when slow.")] = 30.0,
    silent: Annotated[bool, typer.Option("--silent", help="Its alarms and topics fall silent too.")] = False,
    json: JsonOption = False,
) -> None:
    """A region is gone (its APIs, clusters, databases and services answer nobody), or ails: slow, or in error."""
    wanted: dict[str, object] = {"kind": kind, "region": region, "silent": silent}
    if kind == "slow":
        wanted["seconds"] = seconds
    fault = control("POST", "/faults", json=wanted)
    said = {
        "lose": "answers nobody any more" + (", and its alarms are silent" if silent else ""),
        "slow": f"answers after {seconds:g} s: its APIs, its cluster and its services",
    }
    broken(
        fault,
        f"{region} {said.get(kind, 'answers with errors only: its APIs, its cluster and its services')}",
        json=json,
    )


def break_provider(*, json: JsonOption = False) -> None:
    """All of AWS is gone: every region, every service, and Route 53's name servers."""
    fault = control("POST", "/faults", json={"kind": "lose", "silent": True})
    broken(fault, "all of AWS answers nobody any more; go on with `drctl respond --offline`", json=json)


def break_service(
    service: Annotated[str, typer.Argument(help="By its signing name, such as dynamodb, rds, route53.")],
    *,
    region: Annotated[str | None, typer.Option("--region")] = None,
    operation: Annotated[str | None, typer.Option("--operation", help="Such as PromoteReadReplica.")] = None,
    kind: Annotated[str, typer.Option("--kind", help="lose, slow, throttle or error.")] = "error",
    seconds: Annotated[float, typer.Option("--seconds", help="For slow.")] = 0.0,
    times: Annotated[int | None, typer.Option("--times", help="So often; until mended when left out.")] = None,
    after: Annotated[bool, typer.Option("--after", help="The call takes effect, and only its answer is lost.")] = False,
    json: JsonOption = False,
) -> None:
    """One AWS service is lost, slow, throttled or broken."""
    wanted = {
        "kind": kind,
        "service": service,
        "region": region,
        "operation": operation,
        "seconds": seconds,
        "times": times,
        "phase": "after" if after else "before",
    }
    fault = control("POST", "/faults", json={k: v for k, v in wanted.items() if v is not None})
    broken(fault, f"{service} {operation or ''} in {region or 'every region'}: {kind}", json=json)


def break_pods(
    service: Annotated[str, typer.Argument(help="By its name in services.yaml, such as redis.")],
    *,
    crash_loop: Annotated[bool, typer.Option("--crash-loop", help="Its containers exit, again and again.")] = False,
    json: JsonOption = False,
) -> None:
    """A service's pods in the primary cluster are gone, or crash in a loop."""
    made = control("POST", "/faults", json={"kind": "pods", "service": service, "crash_loop": crash_loop})
    broken(made, f"the pods of {made['what']}: {made['because']}", json=json)


def break_node(
    node: Annotated[str | None, typer.Argument(help="Its name; one that holds a volume when left out.")] = None,
    *,
    volume_stuck: Annotated[
        bool, typer.Option("--volume-stuck", help="Stopped and not terminated: its volumes stay on it.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """A node of the primary cluster dies."""
    wanted = {"kind": "node", "node": node, "volume_stuck": volume_stuck}
    made = control("POST", "/faults", json={k: v for k, v in wanted.items() if v is not None})
    broken(made, f"node {made['what']}: {made['because']}", json=json)


def break_zone(
    zone: Annotated[str, typer.Argument(help="By its name in platform.yaml, such as eu-west-1b.")],
    *,
    database_stuck: Annotated[
        bool, typer.Option("--database-stuck", help="RDS does not notice that the writer is lost.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """An availability zone of the primary region is down: its nodes, its capacity, and the database's writer there."""
    made = control("POST", "/faults", json={"kind": "zone", "zone": zone, "database_stuck": database_stuck})
    broken(made, f"zone {made['what']}: {made['because']}", json=json)


def break_data(*, json: JsonOption = False) -> None:
    """Rows of the primary database go wrong, as a bad release would do it."""
    made = control("POST", "/faults", json={"kind": "data"})
    broken(made, f"the data in {made['what']}: {made['because']}", json=json)


def break_deletion(
    *,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="Whose workloads go; the last when left out.")
    ] = None,
    folder: Annotated[str | None, typer.Option("--folder", help="bucket/prefix of what goes in S3.")] = None,
    configuration: Annotated[
        bool, typer.Option("--configuration", help="A commit deletes an external secret from the configuration too.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Objects below a prefix in S3 and the workloads of a namespace are deleted."""
    wanted = {"kind": "deletion", "namespace": namespace, "folder": folder, "configuration": configuration or None}
    made = control("POST", "/faults", json={k: v for k, v in wanted.items() if v is not None})
    broken(made, f"{made['what']}: {made['because']}", json=json)


def break_deployment(
    service: Annotated[str, typer.Argument(help="By its name in services.yaml, such as api-gateway.")],
    *,
    canary: Annotated[bool, typer.Option("--canary", help="Of its Rollout, which goes forward step by step.")] = False,
    json: JsonOption = False,
) -> None:
    """A bad revision is pushed, and Argo CD deploys it. `drctl mend` pushes its revert."""
    made = control("POST", "/faults", json={"kind": "deployment", "service": service, "canary": canary})
    broken(made, f"the deployment of {made['what']}: {made['because']}", json=json)


def break_configuration(
    *,
    secret: Annotated[bool, typer.Option("--secret", help="The store loses a secret; Git is right.")] = False,
    state: Annotated[bool, typer.Option("--state", help="Terraform's state is overwritten: no alarm sees it.")] = False,
    json: JsonOption = False,
) -> None:
    """A bad commit to the configuration, a secret that its store has lost, or an overwritten state of Terraform."""
    made = control("POST", "/faults", json={"kind": "configuration", "secret": secret, "state": state})
    broken(made, f"the configuration of {made['what']}: {made['because']}", json=json)


def break_backups(
    *,
    location: Annotated[bool, typer.Option("--location", help="Nobody reaches the bucket of the backups.")] = False,
    node_agent: Annotated[bool, typer.Option("--node-agent", help="No node-agent runs, so no volume is read.")] = False,
    json: JsonOption = False,
) -> None:
    """Backups of the primary cluster fail: by an item's error, or as an option says. `drctl mend` ends it."""
    made = control("POST", "/faults", json={"kind": "backups", "location": location, "node_agent": node_agent})
    broken(made, f"backups: {made['because']}", json=json)


def break_health(
    region: Annotated[str, typer.Argument(help="Such as eu-west-1.")],
    *,
    service: Annotated[str, typer.Option("--service", help="By AWS Health's code, such as EC2.")] = "EC2",
    json: JsonOption = False,
) -> None:
    """AWS Health tells of an issue in a region. It is AWS's word and no more: nothing fails. `drctl mend` closes it."""
    made = control("POST", "/faults", json={"kind": "health", "region": region, "service": service})
    broken(made, f"{made['what']}: {made['because']}", json=json)


def break_finding(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="Such as Backdoor:EC2/C&CActivity.B.")],
    *,
    region: Annotated[str, typer.Option("--region", help="Where GuardDuty found it.")],
    severity: Annotated[float, typer.Option("--severity", min=1, max=10)] = 8.0,
    json: JsonOption = False,
) -> None:
    """GuardDuty finds something. `drctl mend` archives it, which proves nothing."""
    wanted = {"kind": "finding", "type": kind, "region": region, "severity": severity}
    made = control("POST", "/faults", json=wanted)
    broken(made, f"{made['what']}: {made['because']}", json=json)


def broken(fault: dict[str, Any], sentence: str, *, json: bool) -> None:
    if json:
        show_json(fault)
    else:
        out.print(f"[red]broken[/red] {sentence}  [dim](fault {fault['id']}; `drctl mend` ends it)[/dim]")


def mend(
    fault: Annotated[int | None, typer.Argument(help="Only this fault; all when left out.")] = None,
    *,
    json: JsonOption = False,
) -> None:
    """End what `break` began."""
    gone = control("DELETE", f"/faults/{fault}" if fault else "/faults")
    if json:
        show_json(gone)
    else:
        count = 1 if fault else len(gone)
        out.print(f"[green]mended[/green] {count} fault{'' if count == 1 else 's'}")


def ledger(
    service: Annotated[str | None, typer.Option("--service")] = None,
    region: Annotated[str | None, typer.Option("--region")] = None,
    operation: Annotated[str | None, typer.Option("--operation")] = None,
    function: Annotated[str | None, typer.Option("--function", help="Such as Tick.")] = None,
    last: Annotated[int, typer.Option("--last", help="The newest so many.")] = 40,
    *,
    json: JsonOption = False,
) -> None:
    """Every AWS call that passed the gate."""
    wanted = {"service": service, "region": region, "operation": operation, "function": function, "last": last}
    calls = control("GET", "/ledger", params={k: v for k, v in wanted.items() if v is not None})
    if json:
        for call in calls:
            typer.echo(jsonlib.dumps(call))
        return
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("at", "function", "region", "service", "operation", "status", "ms", "fault"):
        table.add_column(column, no_wrap=True, justify="right" if column == "ms" else "left")
    for call in calls:
        colour = "red" if call["status"] == 0 or call["status"] >= 500 else "yellow" if call["status"] >= 400 else ""
        status = str(call["status"]) if call["status"] else "no answer"
        table.add_row(
            call["at"][11:19],
            call["function"] or "-",
            call["region"],
            call["service"],
            call["operation"],
            f"[{colour}]{status}[/{colour}]" if colour else status,
            f"{call['ms']:.0f}",
            call["fault"],
        )
    out.print(table)


def package(
    policies: PoliciesOption = POLICIES,
    stage: Annotated[str, typer.Option("--stage")] = "prod",
    *,
    lint: Annotated[bool, typer.Option("--lint", help="Let cfn-lint judge the templates.")] = False,
) -> None:
    """The deployment package and its template, by Chalice; at most 8 MB, without boto3."""
    policy = read_policies(policies)
    try:
        made = package_of(ROOT, policies, policy, stage)
    except WorldError as error:
        fail(str(error))
    template = made.zip.parent / "template.json"
    out.print(f"{made.zip.relative_to(ROOT)}  {made.zip.stat().st_size / 1e6:.1f} MB")
    out.print(f"{template.relative_to(ROOT)}  {len(made.template['Resources'])} resources")
    if lint:
        targets = [str(template), *(str(made.zip.parent / name) for name in generate.templates(policy))]
        command = [str(Path(sys.executable).with_name("cfn-lint")), "--non-zero-exit-code", "warning", *targets]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            fail(done.stdout + done.stderr)
        out.print(f"cfn-lint finds nothing in {len(targets)} templates")


def setup() -> None:
    """Install what the local world runs on, if it is not there yet."""
    try:
        install(ROOT)
    except WorldError as error:
        fail(str(error))
