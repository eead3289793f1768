"""The agents as genuine Prefect flows, for `prefect deploy` and a work pool.

Only here is Prefect imported without a server having answered. An agent that `maia hunter` starts does not need this
module; it reports to a server by itself where `PREFECT_API_URL` names one.

Under a work pool the exit code does not come out: a churn is a run in the state Crashed.
"""

from maia.hunter import run_hunter_cycle
from maia.janitor import run_janitor_cycle
from maia.tracker import run_tracker_cycle

__all__ = ["hunter", "janitor", "tracker"]

hunter = run_hunter_cycle.as_prefect()
janitor = run_janitor_cycle.as_prefect()
tracker = run_tracker_cycle.as_prefect()
