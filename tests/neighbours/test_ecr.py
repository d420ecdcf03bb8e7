from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.ecr import Ecr
from drctl.world.workloads import LIFECYCLE

ACCOUNT = "111122223333"
WEST = f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com"


@pytest.fixture
def ecr() -> Ecr:
    model = Ecr(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    model.push("us-west-2", ACCOUNT, "team/web", "1")
    model.push("us-west-2", ACCOUNT, "team/web", "2")
    return model


def client(ecr: Ecr, region: str = "us-west-2") -> Any:
    return make_client(Aws({"ecr": ecr}), "ecr", region, account=ACCOUNT)


def ask(ecr: Ecr, region: str = "us-west-2", **params: Any) -> Any:
    return client(ecr, region).describe_images(**params)


@pytest.mark.parametrize(
    ("params", "code", "said"),
    [
        (
            {"repositoryName": "team/none"},
            "RepositoryNotFoundException",
            "The repository with name 'team/none' does not exist in the registry with id '111122223333'",
        ),
        (
            {"repositoryName": "team/web", "registryId": "999999999999"},
            "RepositoryNotFoundException",
            "in the registry with id '999999999999'",
        ),
        (
            {"repositoryName": "team/web", "imageIds": [{"imageTag": "3"}]},
            "ImageNotFoundException",
            (
                "The image with imageId {imageDigest:'null', imageTag:'3'} does not exist within the repository with "
                "name 'team/web' in the registry with id '111122223333'"
            ),
        ),
        (
            {"repositoryName": "team/web", "imageIds": [{"imageTag": "1"}, {"imageTag": "3"}]},
            "ImageNotFoundException",
            "imageTag:'3'",
        ),
        ({"repositoryName": "team/web", "imageIds": [{}]}, "InvalidParameterException", "a tag or a digest"),
        (
            {"repositoryName": "team/web", "imageIds": [{"imageTag": "1"}], "maxResults": 5},
            "InvalidParameterException",
            "cannot be used with imageIds",
        ),
    ],
)
def test_what_is_not_there_is_refused_by_its_own_code(ecr: Ecr, params: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(ClientError) as refused:
        ask(ecr, **params)
    assert refused.value.response["Error"]["Code"] == code
    assert said in refused.value.response["Error"]["Message"]


def test_an_image_that_was_not_replicated_is_in_its_own_region_only(ecr: Ecr) -> None:
    found = ask(ecr, repositoryName="team/web", imageIds=[{"imageTag": "1"}])["imageDetails"]
    assert [i["imageTags"] for i in found] == [["1"]]
    with pytest.raises(ClientError, match="RepositoryNotFoundException"):
        ask(ecr, "us-east-1", repositoryName="team/web")


def test_all_images_are_listed_and_those_without_a_tag_apart(ecr: Ecr) -> None:
    ecr.drop("us-west-2", ACCOUNT, "team/web", "1")
    assert len(ask(ecr, repositoryName="team/web")["imageDetails"]) == 2
    tagged = ask(ecr, repositoryName="team/web", filter={"tagStatus": "TAGGED"})["imageDetails"]
    assert [i["imageTags"] for i in tagged] == [["2"]]


def test_a_node_cannot_pull_what_is_not_there_or_whose_region_is_dark(ecr: Ecr) -> None:
    assert ecr.pull(f"{WEST}/team/web:1") is None
    assert ecr.pull("registry.k8s.io/pause:3.10") is None
    assert str(ecr.pull(f"{WEST}/team/web:9")).endswith(f"{WEST}/team/web:9: not found")
    ecr.dark = frozenset({"us-west-2"})
    assert "i/o timeout" in str(ecr.pull(f"{WEST}/team/web:1"))


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as found:
        call(**params)
    return found.value.response["Error"]["Code"], found.value.response["Error"]["Message"]


@pytest.mark.parametrize("operation", ["get_lifecycle_policy", "delete_lifecycle_policy"])
def test_a_lifecycle_policy_that_is_not_there_is_refused_by_its_own_code(ecr: Ecr, operation: str) -> None:
    call = getattr(client(ecr), operation)
    assert refused(call, repositoryName="team/none")[0] == "RepositoryNotFoundException"
    code, said = refused(call, repositoryName="team/web")
    assert code == "LifecyclePolicyNotFoundException"
    assert said.startswith("Lifecycle policy does not exist for the repository with name 'team/web' in the registry")
    ecr.expire("us-west-2", ACCOUNT, "team/web", LIFECYCLE)
    # It belongs to the repository of one region.
    assert refused(getattr(client(ecr, "us-east-1"), operation), repositoryName="team/web")[0] == (
        "RepositoryNotFoundException"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "matched 0 out of 2"),
        ('{"Rules": []}', "matched 0 out of 2"),
        ('{"rules": []}', "array is too short"),
        (LIFECYCLE.replace('"any"', '"all"'), "matched 0 out of 2"),
        (LIFECYCLE.replace("imageCountMoreThan", "imageCount"), "matched 0 out of 2"),
        (LIFECYCLE.replace("50}", "0}"), "matched 0 out of 2"),
        (LIFECYCLE.replace('"expire"', '"delete"'), "matched 0 out of 2"),
        (LIFECYCLE.replace("[{", "[{}, {").replace("[{},", '[{"rulePriority": 1},'), "rulePriority must be unique"),
    ],
)
def test_a_text_that_is_no_lifecycle_policy_is_refused_and_changes_nothing(ecr: Ecr, text: str, said: str) -> None:
    ecr.expire("us-west-2", ACCOUNT, "team/web", LIFECYCLE)
    call = client(ecr).put_lifecycle_policy
    code, message = refused(call, repositoryName="team/web", lifecyclePolicyText=text.ljust(100))
    assert code == "InvalidParameterException"
    assert "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint" in message
    assert said in message
    assert ecr.lifecycles() == {("us-west-2", "team/web"): LIFECYCLE}


def test_a_lifecycle_policy_is_got_deleted_and_put_back_as_it_was(ecr: Ecr) -> None:
    ecr.expire("us-west-2", ACCOUNT, "team/web", LIFECYCLE)
    one = {"repositoryName": "team/web"}
    assert client(ecr).get_lifecycle_policy(**one)["lifecyclePolicyText"] == LIFECYCLE
    assert client(ecr).delete_lifecycle_policy(**one)["lifecyclePolicyText"] == LIFECYCLE
    assert ecr.lifecycles() == {}
    put = client(ecr).put_lifecycle_policy(**one, lifecyclePolicyText=LIFECYCLE)
    assert (put["registryId"], put["repositoryName"]) == (ACCOUNT, "team/web")
    assert client(ecr).get_lifecycle_policy(**one)["lifecyclePolicyText"] == LIFECYCLE
