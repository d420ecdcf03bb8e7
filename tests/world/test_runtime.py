"""The boto3 of Lambda's runtime is older than ours, and it refuses to send what it does not know.

What an action calls was once taken by the boto3 that the tests use, and by nobody else: the step asked, was approved,
and its call never left the function.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.validate import validate_parameters

from chalicelib.actions.contract import AwsOp
from chalicelib.actions.registry import ACTIONS
from drctl.world.ministack import environment_of
from tests.actions.test_next import CALLS, call_of, is_one_of_aws

DECLARED: Final = sorted(
    {
        (op.service, op.operation)
        for action in ACTIONS.values()
        for op in (*action.reads, *action.calls)
        if isinstance(op, AwsOp)
    }
)


@pytest.fixture(scope="module")
def runtime(installed: Path) -> Loader:
    """The descriptions of services that the runtime has."""
    (found,) = environment_of(installed, "lambda").glob("lib/python*/site-packages/botocore/data")
    return Loader(extra_search_paths=[str(found)], include_default_search_paths=False)


def described(runtime: Loader, service: str, operation: str) -> OperationModel:
    model = ServiceModel(runtime.load_service_model(service, "service-2"), service_name=service)
    names = {name.lower(): name for name in model.operation_names}
    assert operation.replace("_", "") in names, f"the runtime's botocore knows no {service} {operation}"
    return model.operation_model(names[operation.replace("_", "")])


@pytest.mark.parametrize(("service", "operation"), DECLARED)
def test_the_runtime_knows_every_operation_that_an_action_declares(
    runtime: Loader, service: str, operation: str
) -> None:
    assert described(runtime, service, operation)


@pytest.mark.parametrize(("name", "params", "facts"), [c for c in CALLS if is_one_of_aws(*c)])
def test_the_runtime_sends_every_call_that_an_action_wants(
    runtime: Loader, name: str, params: dict[str, str], facts: Any
) -> None:
    call = call_of(name, params, facts)
    given = {k: v for k, v in call.params.items() if k != "merge"}
    if "merge" in call.params:
        given["SecretString"] = "{}"
    validate_parameters(given, described(runtime, call.service, call.operation).input_shape)
