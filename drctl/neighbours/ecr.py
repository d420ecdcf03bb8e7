"""Amazon ECR: private registries by account and region, what is in them, and what a node says that cannot pull.

An image is here in the region that it was pushed or replicated to, and nowhere else.

Sources, named below by their short names:
- *api*: docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html (errors: botocore's description)
- *observed*: messages of real answers, in the threads hashicorp/terraform-provider-aws#35268 (image) and
  turbot/steampipe-plugin-aws#1938 (repository)
- *lifecycle*: …/AmazonECR/latest/APIReference/API_PutLifecyclePolicy.html, and Get and Delete beside it; the rules of a
  text: …/userguide/lifecycle_policy_parameters.html; messages: the threads iann0036/former2#16 (there is none) and
  cloudposse/terraform-aws-ecr#158 (a text that is none)
- *resolver*: github.com/containerd/containerd, core/remotes/docker/resolver.go
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from drctl.neighbours.aws import AwsError

_HOST: Final = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")
COUNTS: Final = ("imageCountMoreThan", "sinceImagePushed", "sinceImagePulled", "sinceImageTransitioned")
DONE: Final = ("expire", "transition")


@dataclass(slots=True)
class Repository:
    """Tags by digest, in the order of their pushing, and the text of its lifecycle policy, '' without one."""

    name: str
    images: dict[str, list[str]] = field(default_factory=dict)
    lifecycle: str = ""


class Ecr:
    """The model: `clock` gives aware UTC."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.dark: frozenset[str] = frozenset()
        self._kept: dict[tuple[str, str], dict[str, Repository]] = {}
        self._pushed_at = clock()

    # What the local world does to it

    def push(self, region: str, account: str, repository: str, tag: str) -> None:
        """An image that is there; the same name has the same digest in every region, as a replicated one has."""
        digest = "sha256:" + hashlib.sha256(f"{repository}:{tag}".encode()).hexdigest()
        kept = self._kept.setdefault((region, account), {}).setdefault(repository, Repository(repository))
        kept.images.setdefault(digest, []).append(tag)

    def expire(self, region: str, account: str, repository: str, text: str) -> None:
        """A repository has a lifecycle policy; one that nobody has pushed to is made."""
        kept = self._kept.setdefault((region, account), {})
        kept.setdefault(repository, Repository(repository)).lifecycle = text

    def lifecycles(self) -> dict[tuple[str, str], str]:
        """(region, repository) → the text of its lifecycle policy, of those that have one."""
        rows = ((region, r) for (region, _), kept in self._kept.items() for r in kept.values())
        return {(region, r.name): r.lifecycle for region, r in rows if r.lifecycle}

    def drop(self, region: str, account: str, repository: str, tag: str = "") -> None:
        """Takes a tag away, or without one the repository."""
        if not tag:
            self._kept.get((region, account), {}).pop(repository, None)
            return
        images = self._kept[region, account][repository].images
        for digest in [d for d, tags in images.items() if tag in tags]:
            images[digest].remove(tag)

    def pull(self, image: str) -> str | None:
        """What containerd says of an image that a node cannot get (*resolver*); None when it can.

        Registries that are not ours are taken to have everything. `dark` regions answer nobody.
        """
        host, _, rest = image.partition("/")
        found = _HOST.fullmatch(host)
        if found is None:
            return None
        repository, _, tag = rest.partition(":")
        head = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}":'
        if found["region"] in self.dark:
            asked = f"https://{host}/v2/{repository}/manifests/{tag or 'latest'}"
            return f'{head} failed to do request: Head "{asked}": dial tcp: lookup {host}: i/o timeout'
        kept = self._kept.get((found["region"], found["account"]), {}).get(repository)
        if kept is None or not any((tag or "latest") in tags for tags in kept.images.values()):
            return f"{head} {image}: not found"
        return None

    # ECR's operations

    def describe_images(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeImages, in one page; RepositoryNotFoundException, ImageNotFoundException."""
        registry, name = params.get("registryId", account), params["repositoryName"]
        wanted = params.get("imageIds")
        if wanted and ("maxResults" in params or "nextToken" in params):
            # *api*: neither can be used when images are specified.
            raise AwsError("InvalidParameterException", "maxResults and nextToken cannot be used with imageIds")
        repository = self._known(region, registry, name)
        digests = [self._digest(repository, i, registry) for i in wanted] if wanted else list(repository.images)
        status = (params.get("filter") or {}).get("tagStatus", "ANY")
        shown = [
            d for d in dict.fromkeys(digests) if status == "ANY" or (status == "TAGGED") == bool(repository.images[d])
        ]
        return {"imageDetails": [self._shown(repository, digest, registry) for digest in shown]}

    def get_lifecycle_policy(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetLifecyclePolicy; RepositoryNotFoundException, LifecyclePolicyNotFoundException."""
        registry, repository = self._with_policy(region, account, params)
        return self._policy(registry, repository) | {"lastEvaluatedAt": self._pushed_at}

    def put_lifecycle_policy(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """PutLifecyclePolicy: replaces what there is. The text is looked at first (*lifecycle*)."""
        registry = params.get("registryId", account)
        repository = self._known(region, registry, params["repositoryName"])
        if wrong := wrong_lifecycle(params["lifecyclePolicyText"]):
            said = (
                "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation"
            )
            raise AwsError("InvalidParameterException", f"{said} failure: {wrong}'")
        repository.lifecycle = params["lifecyclePolicyText"]
        return self._policy(registry, repository)

    def delete_lifecycle_policy(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteLifecyclePolicy: answers what it was; the same refusals as to get it."""
        registry, repository = self._with_policy(region, account, params)
        answer = self._policy(registry, repository) | {"lastEvaluatedAt": self._pushed_at}
        repository.lifecycle = ""
        return answer

    def _with_policy(self, region: str, account: str, params: Mapping[str, Any]) -> tuple[str, Repository]:
        registry = params.get("registryId", account)
        repository = self._known(region, registry, params["repositoryName"])
        if not repository.lifecycle:
            where = f"repository with name '{repository.name}' in the registry with id '{registry}'"
            raise AwsError("LifecyclePolicyNotFoundException", f"Lifecycle policy does not exist for the {where}")
        return registry, repository

    @staticmethod
    def _policy(registry: str, repository: Repository) -> dict[str, Any]:
        return {
            "registryId": registry,
            "repositoryName": repository.name,
            "lifecyclePolicyText": repository.lifecycle,
        }

    def _known(self, region: str, registry: str, name: str) -> Repository:
        repository = self._kept.get((region, registry), {}).get(name)
        if repository is None:
            message = f"The repository with name '{name}' does not exist in the registry with id '{registry}'"
            raise AwsError("RepositoryNotFoundException", message)
        return repository

    def _shown(self, repository: Repository, digest: str, registry: str) -> dict[str, Any]:
        return {
            "registryId": registry,
            "repositoryName": repository.name,
            "imageDigest": digest,
            "imageTags": list(repository.images[digest]),
            "imageSizeInBytes": 31_457_280,
            "imagePushedAt": self._pushed_at,
            "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        }

    @staticmethod
    def _digest(repository: Repository, wanted: Mapping[str, str], registry: str) -> str:
        """The digest of an image identifier. With both, both must be of one image."""
        digest, tag = wanted.get("imageDigest"), wanted.get("imageTag")
        if not digest and not tag:
            raise AwsError("InvalidParameterException", "Invalid request provided: imageId must have a tag or a digest")
        for held, tags in repository.images.items():
            if (digest is None or held == digest) and (tag is None or tag in tags):
                return held
        named = f"{{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}}"
        place = f"within the repository with name '{repository.name}' in the registry with id '{registry}'"
        raise AwsError("ImageNotFoundException", f"The image with imageId {named} does not exist {place}")


def wrong_lifecycle(text: str) -> str:
    """Why a text is no lifecycle policy, '' when it is one: rules, each with a priority of its own, which images it
    chooses, by what count, and what is done to them (*lifecycle*).
    """
    try:
        rules = json.loads(text)["rules"]
    except (ValueError, KeyError, TypeError):
        return "instance failed to match exactly one schema (matched 0 out of 2)"
    if not isinstance(rules, list) or not rules:
        return "array is too short: must have at least 1 elements but instance has 0 elements"
    priorities = [rule.get("rulePriority") for rule in rules]
    if len({*priorities}) < len(priorities):
        return "rulePriority must be unique"
    for rule in rules:
        chosen, count = rule.get("selection") or {}, (rule.get("selection") or {}).get("countType")
        known = chosen.get("tagStatus") in ("tagged", "untagged", "any") and count in COUNTS
        if not known or int(chosen.get("countNumber") or 0) < 1 or (rule.get("action") or {}).get("type") not in DONE:
            return "instance failed to match exactly one schema (matched 0 out of 2)"
    return ""
