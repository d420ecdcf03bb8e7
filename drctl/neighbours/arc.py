"""ARC's routing controls: one cluster, its five endpoints, and the safety rules that it holds a change to.

Only the data plane (`route53-recovery-cluster`) is here; clusters, panels and rules are there from the start. What the
controls mean for traffic is in healthchecks.py (`RECOVERY_CONTROL`).

Sources, named below by their short names:
- *api*: docs.aws.amazon.com/routing-control/latest/APIReference (operations, errors and their HTTP statuses)
- *endpoints*: docs.aws.amazon.com/r53recovery/latest/dg/routing-control.update.api.html (five, cycled through
  maintenance, at least three of them up) and …/dg/introduction-regions-routing.html (which regions)
- *rules*: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-route53recoverycontrol-safetyrule.html:
  an assertion rule is judged by the states after the transaction
- *override*: docs.aws.amazon.com/r53recovery/latest/dg/routing-control.override-safety-rule.html: the message of a
  refusal holds the rule's ARN, and a request may name rules to override
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from drctl.neighbours.aws import DEFAULT_ACCOUNT, AwsError

REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2")
"""*endpoints*: where every cluster has one."""
State = Literal["On", "Off"]


@dataclass(slots=True)
class Control:
    """A routing control. Its panel's ARN is the first part of its own."""

    arn: str
    name: str
    state: State
    account: str

    @property
    def panel(self) -> str:
        return self.arn.partition("/routingcontrol/")[0]


@dataclass(frozen=True, slots=True)
class Rule:
    """An assertion rule of the type ATLEAST: so many of these controls are On after every change."""

    arn: str
    controls: tuple[str, ...]
    threshold: int


class Arc:
    """The model: no timer. An operation's region is that of the endpoint that is asked."""

    def __init__(self) -> None:
        self._controls: dict[str, Control] = {}
        self._rules: list[Rule] = []
        self._away: set[str] = set()

    # What the local world does to it

    def add(self, arn: str, name: str, state: State, *, account: str = DEFAULT_ACCOUNT) -> None:
        """A control that is there from the start."""
        self._controls[arn] = Control(arn, name, state, account)

    def assert_at_least(self, threshold: int, controls: Sequence[str], *, rule: str) -> None:
        """A safety rule that is there from the start; `rule` is its ARN."""
        self._rules.append(Rule(rule, tuple(controls), threshold))

    def take_away(self, region: str) -> None:
        """This endpoint is in maintenance. KeyError for a region that has none."""
        if region not in REGIONS:
            raise KeyError(f"a cluster has no endpoint in {region!r}; it has them in {', '.join(REGIONS)}")
        self._away.add(region)

    def give_back(self, region: str) -> None:
        """This endpoint answers again."""
        self._away.discard(region)

    def is_on(self, arn: str) -> bool | None:
        """What health checks see of a control, whatever the endpoints do; None when there is no such control."""
        control = self._controls.get(arn)
        return None if control is None else control.state == "On"

    # ARC's operations

    def get_routing_control_state(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetRoutingControlState, or ResourceNotFoundException."""
        self._reach(region)
        control = self._known(account, params["RoutingControlArn"])
        return {
            "RoutingControlArn": control.arn,
            "RoutingControlName": control.name,
            "RoutingControlState": control.state,
        }

    def list_routing_controls(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListRoutingControls, in one page."""
        self._reach(region)
        panel = params.get("ControlPanelArn")
        mine = [c for c in self._controls.values() if c.account == account and panel in (None, c.panel)]
        if panel is not None and not mine:
            raise _not_found(panel, "control panel")
        return {
            "RoutingControls": [
                {
                    "ControlPanelArn": c.panel,
                    "RoutingControlArn": c.arn,
                    "RoutingControlName": c.name,
                    "RoutingControlState": c.state,
                    "Owner": c.account,
                }
                for c in mine
            ]
        }

    def update_routing_control_state(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateRoutingControlState: a batch of one."""
        self._reach(region)
        self._update(account, [params], params.get("SafetyRulesToOverride", ()))
        return {}

    def update_routing_control_states(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateRoutingControlStates: all of the batch, or nothing of it."""
        self._reach(region)
        self._update(account, params["UpdateRoutingControlStateEntries"], params.get("SafetyRulesToOverride", ()))
        return {}

    def _update(self, account: str, entries: Sequence[Mapping[str, Any]], overridden: Sequence[str]) -> None:
        wanted: dict[str, State] = {}
        if not entries:
            raise _invalid("the batch is empty")
        for entry in entries:
            arn, state = self._known(account, entry["RoutingControlArn"]).arn, entry["RoutingControlState"]
            # botocore's validator does not look at enumerations.
            if state not in ("On", "Off"):
                raise _invalid(f"RoutingControlState {state!r} is not one of On, Off")
            if arn in wanted:
                raise _invalid(f"routing control {arn} stands in the batch twice")
            wanted[arn] = state
        for arn in overridden:
            if arn not in {rule.arn for rule in self._rules}:
                raise _not_found(arn, "safety rule")
        after = {arn: wanted.get(arn, control.state) for arn, control in self._controls.items()}
        for rule in self._rules:
            touched = not wanted.keys().isdisjoint(rule.controls)
            on = sum(after[arn] == "On" for arn in rule.controls)
            if touched and on < rule.threshold and rule.arn not in overridden:
                message = (
                    f"The change breaks safety rule {rule.arn}: {on} controls would be On, {rule.threshold} must be"
                )
                raise AwsError("ConflictException", message, 409, resourceId=rule.arn, resourceType="safety rule")
        for arn, state in wanted.items():
            self._controls[arn].state = state

    def _reach(self, region: str) -> None:
        if region not in REGIONS:
            # On AWS there is no such host; whoever asks here has signed for a region without an endpoint.
            message = f"Credential should be scoped to a valid region: the cluster has no endpoint in {region}"
            raise AwsError("AccessDeniedException", message, 403)
        if region in self._away:
            message = "The cluster endpoint isn't available. Try another cluster endpoint."
            raise AwsError("EndpointTemporarilyUnavailableException", message, 503)

    def _known(self, account: str, arn: str) -> Control:
        control = self._controls.get(arn)
        if control is None or control.account != account:
            raise _not_found(arn, "routing control")
        return control


def _not_found(arn: str, kind: str) -> AwsError:
    message = f"There is no {kind} {arn}"
    return AwsError("ResourceNotFoundException", message, 404, resourceId=arn, resourceType=kind)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message, 400, reason="fieldValidationFailed")
