from __future__ import annotations

from tests.policy.broken import Broken


def test_a_rollback_of_what_is_neither_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "of: configuration, stood: 10m", "of: configurations, stood: 10m").says(
        "rollback-says-what-it-means",
        "runbooks.yaml runbooks[11].steps[0].with.of",
        at="of: configurations, stood",
        found="configurations",
        allowed="one of: services, configuration",
        because="did you mean 'configuration'?",
    )


def test_a_time_that_cannot_be_read_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "stood: 10m, blames: 1h", "stood: ten minutes, blames: 1h").says(
        "rollback-says-what-it-means",
        "runbooks.yaml runbooks[10].steps[1].with.stood",
        at="stood: ten minutes",
        found="ten minutes",
        allowed="a duration like 10m",
        because="could not be judged",
    )


def test_a_rollback_of_a_configuration_that_nothing_deploys_is_told(broken: Broken) -> None:
    line = "configuration: { application: platform-configuration, namespace: argocd }\n"
    broken.edit("services", line, "").says(
        "rollback-says-what-it-means",
        "runbooks.yaml runbooks[11].steps[0].with",
        at="with: { cluster: primary, of: configuration, stood: 10m, blames: 24h, revision",
        found="neither",
        allowed="a managed_by, or a configuration",
    )


def test_a_state_that_is_none_is_told_with_the_one_that_was_meant(broken: Broken) -> None:
    broken.edit("runbooks", "state: infrastructure", "state: infrastructur").says(
        "state-step-names-a-state",
        "runbooks.yaml runbooks[11].steps[2].with.state",
        at="state: infrastructur",
        found="infrastructur",
        allowed="one of: infrastructure",
        because="did you mean 'infrastructure'?",
    )
