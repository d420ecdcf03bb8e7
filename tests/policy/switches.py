"""The switch of the shipped policies, and what stands there on a platform that has one of the other two."""

from __future__ import annotations

from pathlib import Path

from chalicelib.policy import Policy
from chalicelib.policy.load import load
from tests.policy.broken import Broken

METRIC = """    kind: metric
    region: us-west-2
    namespace: NeurectomyDR
    metric: StandbyTakesOver
    alarm: neurectomy-traffic-switch
    health_check: neurectomy-traffic-switch
    insufficient_data: LastKnownStatus
"""
OBJECT = """    kind: object
    region: us-west-2
    bucket: neurectomy-switch
    key: standby-takes-over
    health_check: neurectomy-traffic-switch
    deletion_denied: true
    primary_ingress_closed: true
"""
_PANEL = "arn:aws:route53-recovery-control::111122223333:controlpanel/0f1e2d3c4b5a69788796a5b4c3d2e1f0"
ARC = f"""    kind: arc
    endpoints:
      - {{ region: us-east-1, url: "https://1a2b3c4d.route53-recovery-cluster.us-east-1.amazonaws.com/v1" }}
      - {{ region: us-west-2, url: "https://5e6f7a8b.route53-recovery-cluster.us-west-2.amazonaws.com/v1" }}
      - {{ region: eu-west-1, url: "https://9c0d1e2f.route53-recovery-cluster.eu-west-1.amazonaws.com/v1" }}
      - {{ region: ap-northeast-1, url: "https://3a4b5c6d.route53-recovery-cluster.ap-northeast-1.amazonaws.com/v1" }}
      - {{ region: ap-southeast-2, url: "https://7e8f9a0b.route53-recovery-cluster.ap-southeast-2.amazonaws.com/v1" }}
    primary_control: {_PANEL}/routingcontrol/a1b2c3d4e5f60718
    standby_control: {_PANEL}/routingcontrol/b2c3d4e5f6071829
    health_check: neurectomy-traffic-switch
"""
KINDS = {"metric": METRIC, "object": OBJECT, "arc": ARC}


def platform_with(kind: str, folder: Path, *, speed: float = 1) -> Policy:
    """The shipped policies with a switch of this kind; `folder` is where their copy goes."""
    Broken.copied(folder).edit("platform", METRIC, KINDS[kind])
    return load(folder, speed=speed)
