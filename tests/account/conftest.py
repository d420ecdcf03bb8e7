"""The platform whose account is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.policy import Policy
from drctl.another.asked import Asked
from drctl.another.make import make
from tests.account.house import ACCOUNT, PRIMARY, STANDBY

SHIPPED = Path(__file__).parents[2] / "policies"


@pytest.fixture(autouse=True)
def _no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto makes 1,300 machine images in every region that is asked; nobody here asks for one."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    asked = Asked.read("acme", primary=PRIMARY, standby=STANDBY, witness="eu-west-3", account=ACCOUNT)
    return make(SHIPPED, asked, tmp_path_factory.mktemp("acme") / "policies")
