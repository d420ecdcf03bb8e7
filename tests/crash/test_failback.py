"""The way back on the real desk and actions: over and back, and the platform is as it was."""

from __future__ import annotations

import pytest

from chalicelib.core.book import StepState
from tests.crash.as_was import differences, whole
from tests.crash.ending import archives
from tests.crash.failbacks import RETURN, FailbackStory


@pytest.mark.parametrize("planned", [False, True])
def test_over_and_back_the_platform_is_as_it_was(planned: bool) -> None:
    story = FailbackStory(planned=planned)
    platform = story.tell()
    back = next(i for i in archives(platform) if i.scenario == RETURN)
    assert {r.state for r in back.steps.values()} == {StepState.DONE}
    assert differences(story.before, whole(platform)) == []
