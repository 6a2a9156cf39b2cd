"""What the faults of a run excuse: a planned death, and what else they do to those they strike.

The rules are argued in docs/verdicts.md. An excuse is no verdict: what became of a chunk is counted
all the same, and only the reason that it would be against the run is taken away.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from chunk7.analysis.faults import (
    CLIENTS,
    COLUMNS,
    NOTICED_NS,
    RECOVERY_NS,
    during,
    faults,
    planned_deaths,
)
from chunk7.analysis.run_folder import Instants, Run
from chunk7.analysis.verdicts import Bits
from chunk7.wire.plan import NOBODY

LAST_FLUSH_NS = 2_000_000_000
"""A process writes its records down once a second; of a killed one so much may be missing."""
REPLACING = ("store_restart", "store_failover")
"""Faults that put another server in the store's place."""
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Excuses:
    """`struck` as `chunk7.analysis.faults.faults`, `deaths` as its `planned_deaths`."""

    struck: pd.DataFrame
    deaths: dict[str, float] = field(default_factory=dict)

    @property
    def none(self) -> bool:
        """Whether there is nothing that excuses anything."""
        return self.struck.empty and not self.deaths

    def excuse(self, at_ns: Instants) -> Bits:
        """Which instants are in the time of a fault of the servers, or soon after it."""
        return during(self._of_servers, at_ns)

    def excuse_second(self, at_ns: Instants) -> Bits:
        """The same of any fault, for instants that speak of the second before them."""
        return during(self.struck, at_ns, late_ns=RECOVERY_NS + _SECOND_NS)

    def unwritten(self, at_ns: Instants) -> Bits:
        """Which instants are of what a process that was then killed on purpose may have taken
        along."""
        taken = np.zeros(len(at_ns), bool)
        for death_ns in self.deaths.values():
            taken |= (at_ns >= death_ns - LAST_FLUSH_NS) & (at_ns <= death_ns)
        return taken

    def excuse_replacement(self, at_ns: Instants) -> Bits:
        """Which instants, at which another server was found, are those of a fault that put it
        there, or of so long after it that a process may only then have noticed."""
        replacing = self.struck[self.struck["name"].isin(REPLACING)]
        return during(replacing, at_ns, late_ns=NOTICED_NS)

    @property
    def _of_servers(self) -> pd.DataFrame:
        return self.struck[self.struck["target"] != CLIENTS]

    @property
    def aside(self) -> str:
        """In front of a limit that leaves out the time of the faults."""
        return "outside of the faults " if len(self._of_servers) else ""

    @property
    def but_the_killed(self) -> str:
        """Behind what nobody recorded, and no planned death explains."""
        return ", and were not killed with their node" if self.deaths else ""


NO_EXCUSES = Excuses(pd.DataFrame(columns=list(COLUMNS)))


def excuses_of(run: Run) -> Excuses:
    """The excuses of a run: none without faults, and none by those that struck nobody."""
    struck = faults(run)
    return Excuses(struck[struck["target"] != NOBODY], planned_deaths(run))
