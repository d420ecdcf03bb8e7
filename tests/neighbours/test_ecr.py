from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.ecr import Ecr

ACCOUNT = "111122223333"
WEST = f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com"


@pytest.fixture
def ecr() -> Ecr:
    model = Ecr(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    model.push("us-west-2", ACCOUNT, "team/web", "1")
    model.push("us-west-2", ACCOUNT, "team/web", "2")
    return model


def ask(ecr: Ecr, region: str = "us-west-2", **params: Any) -> Any:
    return make_client(Aws({"ecr": ecr}), "ecr", region, account=ACCOUNT).describe_images(**params)


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
