"""Amazon ECR: private registries by account and region, what is in them, and what a node says that cannot pull.

An image is here in the region that it was pushed or replicated to, and nowhere else.

Sources, named below by their short names:
- *api*: docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html (errors: botocore's description)
- *observed*: messages of real answers, in the threads hashicorp/terraform-provider-aws#35268 (image) and
  turbot/steampipe-plugin-aws#1938 (repository)
- *resolver*: github.com/containerd/containerd, core/remotes/docker/resolver.go
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from drctl.neighbours.aws import AwsError

_HOST: Final = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")


@dataclass(slots=True)
class Repository:
    """Tags by digest, in the order of their pushing."""

    name: str
    images: dict[str, list[str]] = field(default_factory=dict)


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
        repository = self._kept.get((region, registry), {}).get(name)
        if repository is None:
            message = f"The repository with name '{name}' does not exist in the registry with id '{registry}'"
            raise AwsError("RepositoryNotFoundException", message)
        digests = [self._digest(repository, i, registry) for i in wanted] if wanted else list(repository.images)
        status = (params.get("filter") or {}).get("tagStatus", "ANY")
        shown = [
            d for d in dict.fromkeys(digests) if status == "ANY" or (status == "TAGGED") == bool(repository.images[d])
        ]
        return {"imageDetails": [self._shown(repository, digest, registry) for digest in shown]}

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
