"""What goes wrong in a cluster when the world wants it to: containers that exit, nodes that fall silent."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from drctl.neighbours.kubernetes.crashing import Crash
from drctl.neighbours.kubernetes.karpenter import Karpenter, Reason
from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.nodes import Nodes
from drctl.neighbours.kubernetes.objects import Cluster
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.workloads import Workloads


class Trouble:
    """`turn` is held while something is changed, where several threads ask the cluster."""

    def __init__(self, cluster: Cluster, workloads: Workloads, nodes: Nodes, karpenter: Karpenter) -> None:
        self.turn: AbstractContextManager[Any] = nullcontext()
        self._cluster, self._workloads, self._nodes, self._karpenter = cluster, workloads, nodes, karpenter

    def crash(self, namespace: str, name: str, *, exit_code: int = 1, reason: str = "Error", message: str = "") -> None:
        """The containers of a Deployment exit from now on, the running ones at once. KeyError when it is not there."""
        with self.turn:
            self._cluster.advance()
            for pod in self._workloads.crashing.begin(namespace, name, Crash(exit_code, reason, message)):
                self._workloads.start(pod)

    def end_crash(self, namespace: str, name: str) -> None:
        """They run again from their next start on."""
        with self.turn:
            self._cluster.advance()
            self._workloads.crashing.end(namespace, name)

    def kill_pods(self, namespace: str, name: str) -> int:
        """The Deployment's pods are gone, as if somebody had deleted them; how many."""
        with self.turn:
            self._cluster.advance()
            pods = self._workloads.crashing.pods(namespace, name)
            for pod in pods:
                self._cluster.remove(by_key("pods"), pod)
            self._cluster.advance()
            return len(pods)

    def delete_workloads(self, namespace: str) -> int:
        """Somebody deleted what runs in a namespace and how it is reached: its Deployments and Services, and by them
        their pods. What holds their data stays. How many objects that were.
        """
        with self.turn:
            self._cluster.advance()
            gone = [(k, o) for k in ("deployments.apps", "services") for o in self._cluster.every_object(k, namespace)]
            for key, obj in gone:
                self._cluster.remove(by_key(key), obj)
            self._cluster.advance()
            return len(gone)

    def lose_node(self, name: str) -> None:
        """A node's kubelet falls silent. KeyError when there is none."""
        with self.turn:
            self._cluster.advance()
            self._nodes.lose(name)

    def find_node(self, name: str) -> None:
        """It is back; nothing when Kubernetes has given it up meanwhile."""
        with self.turn:
            self._cluster.advance()
            if self._cluster.get("nodes", "", name) is not None:
                self._nodes.answer(name)

    def shift_zones(self, away: frozenset[str]) -> None:
        """EKS's part in a zonal shift: the nodes of these zones are cordoned, all others are not, no pod is ended, and
        Karpenter launches nothing there.
        """
        with self.turn:
            self._cluster.advance()
            for node in self._cluster.every_object("nodes"):
                wanted = node["metadata"].get("labels", {}).get("topology.kubernetes.io/zone") in away
                if bool(node["spec"].get("unschedulable")) is not wanted:
                    new = copied(node)
                    new["spec"].pop("unschedulable", None)
                    new["spec"] |= {"unschedulable": True} if wanted else {}
                    self._cluster.write(by_key("nodes"), new)
            self._karpenter.away = away

    def disrupt(self, name: str, reason: Reason) -> None:
        """Karpenter takes a node away. KeyError when none of its NodeClaims has it."""
        with self.turn:
            self._cluster.advance()
            self._karpenter.disrupt(name, reason)
