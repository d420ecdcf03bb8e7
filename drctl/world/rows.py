"""What the platform's database holds in the local world, and what becomes of it when somebody corrupts it.

MLflow's own tables, as far as the integrity checks of policy ask for them. Source of their columns:
https://github.com/mlflow/mlflow/blob/master/mlflow/store/tracking/dbmodels/models.py (SqlExperiment, SqlRun). Like
MLflow's they are whole by convention of the application: here nothing but a check says that a run is of no experiment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pg8000.dbapi

from chalicelib.clients.postgres import connected
from chalicelib.policy import Policy
from drctl.world.seeds import DATABASE_PASSWORD, DATABASE_USER

EXPERIMENTS: Final = 3
RUNS: Final = 40
SPOILED: Final = 12
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS experiments (experiment_id int PRIMARY KEY, name text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS runs (run_uuid text PRIMARY KEY, experiment_id int, artifact_uri text)",
)
LOST: Final = -1
"""An experiment that there never was."""


class Rows:
    """The rows of the database at the address that `where` gives."""

    def __init__(self, policy: Policy, where: Callable[[], tuple[str, int]]) -> None:
        self._policy, self._where = policy, where

    def furnish(self) -> None:
        """As on a good day."""
        experiments = [(n, f"experiment {n}") for n in range(EXPERIMENTS)]
        runs = [(f"run-{n:03d}", n % EXPERIMENTS, f"artifacts/{n % EXPERIMENTS}/run-{n:03d}") for n in range(RUNS)]
        for table in TABLES:
            self._run(table)
        self._run("INSERT INTO experiments VALUES (%s, %s) ON CONFLICT DO NOTHING", experiments)
        self._run("INSERT INTO runs VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", runs)

    def spoil(self) -> Callable[[], None]:
        """A bad release points runs at an experiment that is not there; what is answered puts them right again."""
        held = self._run("SELECT run_uuid, experiment_id FROM runs ORDER BY run_uuid LIMIT %s", [(SPOILED,)])
        self._run("UPDATE runs SET experiment_id = %s WHERE run_uuid = %s", [(LOST, uuid) for uuid, _ in held])
        # Where it was spoiled: the applications may look elsewhere when it is mended.
        there = self._where()

        def mend() -> None:
            right = [(experiment, uuid) for uuid, experiment in held]
            self._run("UPDATE runs SET experiment_id = %s WHERE run_uuid = %s", right, there)

        return mend

    def seen(self) -> Mapping[str, float]:
        """IntegrityViolations, as the database's monitoring agent counts them where the applications look; nothing when
        a check is not answered: nobody then knows.
        """
        integrity = self._policy.platform.integrity
        try:
            counts = [int(self._run(check.sql)[0][0]) for check in integrity.checks] if integrity else []
        except (pg8000.dbapi.Error, OSError):
            return {}
        return {"IntegrityViolations": float(sum(counts))}

    def _run(
        self, statement: str, each: Sequence[tuple[Any, ...]] = ((),), where: tuple[str, int] | None = None
    ) -> list[list[Any]]:
        host, port = where or self._where()
        name = self._policy.platform.database.name
        login = {"user": DATABASE_USER, "password": DATABASE_PASSWORD, "database": name}
        with connected(host, port, timeout=2, **login) as connection:
            cursor = connection.cursor()
            for arguments in each:
                cursor.execute(statement, arguments)
            rows = [list(row) for row in cursor.fetchall()] if cursor.description else []
            connection.commit()
        return rows
