"""The environment, typed: every wrong variable is named, with what is allowed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.core.restoring import TAKES
from chalicelib.settings import Settings, SettingsError
from chalicelib.shift import RESERVE

ROOT = Path(__file__).parents[2]


def test_production_is_what_one_gets_without_saying_anything() -> None:
    settings = Settings.read({}, root=ROOT)
    assert (settings.stage, settings.speed, settings.database_tls) == ("prod", 1.0, True)
    assert settings.policies.name == "policies"
    assert settings.shift == timedelta(seconds=55)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DR_STAGE": "staging"}, "allowed: local, prod"),
        ({"DR_SPEED": "10"}, "allowed only in 'local'"),
        ({"DR_DATABASE_TLS": "off"}, "allowed only in 'local'"),
        ({"DR_RESOLVE": "{}"}, "allowed only in 'local'"),
        ({"DR_STAGE": "local", "DR_SPEED": "fast"}, "a number from 1 to 100"),
        ({"DR_STAGE": "local", "DR_SPEED": "0.5"}, "a number from 1 to 100"),
        ({"DR_STAGE": "local", "DR_SPEED": "nan"}, "a number from 1 to 100"),
        ({"DR_STAGE": "local", "DR_RESOLVE": "{"}, "is no JSON"),
        ({"DR_STAGE": "local", "DR_RESOLVE": "[1]"}, "host to base URL"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings.read(variables, root=ROOT)


@pytest.mark.parametrize("speed", ["1", "2", "10", "100"])
def test_a_shift_always_has_room_for_the_longest_call(speed: str) -> None:
    settings = Settings.read({"DR_STAGE": "local", "DR_SPEED": speed}, root=ROOT)
    assert settings.shift >= TAKES + RESERVE + timedelta(seconds=5)
