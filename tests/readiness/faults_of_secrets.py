"""Faults of what is kept in Secrets Manager."""

from __future__ import annotations

from tests.crash.platform_in_process import POLICY
from tests.readiness.day import Day
from tests.readiness.fault import Change, Fault

PLATFORM = POLICY.platform
OWN = (PLATFORM.responder.region, PLATFORM.database.credentials_secret)
APPLICATION = (PLATFORM.application_secret.region, PLATFORM.application_secret.name)


def secret_is_gone(region: str, name: str) -> Change:
    def done(day: Day) -> None:
        day.kept[name] = day.platform.secrets.secrets.pop((region, name))

    return done


def secret_is_back(region: str, name: str) -> Change:
    def done(day: Day) -> None:
        day.platform.secrets.secrets[region, name] = day.kept[name]

    return done


def without_a_password(day: Day) -> None:
    region, name = PLATFORM.responder.region, PLATFORM.database.credentials_secret
    day.kept[name] = day.platform.secrets.secrets[region, name]
    day.platform.secrets.add(region, name, {"username": "responder"})


SECRETS = (
    Fault(
        kind="the responder's database credentials are gone",
        done=secret_is_gone(*OWN),
        mended=secret_is_back(*OWN),
        judge="secrets",
        subject="database credentials",
        said="cannot be read",
    ),
    Fault(
        kind="a secret lacks what is needed of it",
        done=without_a_password,
        mended=secret_is_back(*OWN),
        judge="secrets",
        subject="database credentials",
        said="holds no password",
    ),
    Fault(
        kind="the applications' secret is gone",
        done=secret_is_gone(*APPLICATION),
        mended=secret_is_back(*APPLICATION),
        judge="secrets",
        subject="applications' database secret",
        said="cannot be read",
    ),
    Fault(
        kind="the look of a step is refused",
        done=secret_is_gone(*APPLICATION),
        mended=secret_is_back(*APPLICATION),
        judge="steps",
        subject="Point the applications at the promoted database",
        said="its look is refused",
    ),
)
