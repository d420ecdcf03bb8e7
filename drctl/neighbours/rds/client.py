"""The responder's database port, over databases in memory: the answers of chalicelib/clients/database.py, no sockets.

Credentials are not asked for; everything else that client tells apart is: a refusal by its SQLSTATE, and nobody there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.core.outcome import Made, NoData, Outcome, Refused
from drctl.neighbours.rds.engine import InMemoryEngine, SqlError


class InMemoryClients:
    """`query` and `execute` with the signatures and outcomes of `DatabaseClients`."""

    def __init__(self, engine: InMemoryEngine) -> None:
        self.engine = engine

    def query(
        self, host: str, port: int, statement: str, arguments: Sequence[Any] = ()
    ) -> list[list[Any]] | Refused | NoData:
        """Rows of a named read."""
        return self._run(host, port, (statement,), arguments)

    def execute(
        self, host: str, port: int, statements: Sequence[str], arguments: Sequence[Any], *, until: str
    ) -> Outcome:
        """Named statements one after another; the arguments are the last one's."""
        said = self._run(host, port, statements, arguments)
        match said:
            case Refused():
                return said
            case NoData(because=because):
                return Refused(code="Unreachable", because=because)
        return Made(because=f"{statements[-1]} at {host}:{port} was committed; done when {until}")

    def beat(self, host: str, port: int, source: str) -> list[list[Any]] | Refused | NoData:
        """Writes the next row of a heartbeat, and answers its number and time."""
        return self._run(host, port, ("prepare-beat", "write-beat"), (source,))

    def _run(
        self, host: str, port: int, statements: Sequence[str], arguments: Sequence[Any]
    ) -> list[list[Any]] | Refused | NoData:
        where = f"database {host}:{port}"
        try:
            for statement in statements[:-1]:
                self.engine.run(host, port, statement)
            return self.engine.run(host, port, statements[-1], arguments)
        except SqlError as error:
            return Refused(code=error.sqlstate, because=f"{where}, {statements[-1]}: {error}")
        except OSError as error:
            return NoData(because=f"{where} was not reached: {error}")
