"""The body of a flow or a task, for `maia.orchestration` and `maia.prefect.engine`."""

import functools
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
AsyncFunction = Callable[P, Coroutine[Any, Any, R]]

inside_run: ContextVar[bool] = ContextVar("maia_inside_prefect_run", default=False)
"""True in the body of a flow that Prefect watches: its tasks are task runs, its logs go to the run."""


class Body(Generic[P, R]):
    """The plain function of a flow or task, and its name, on a Prefect server too."""

    def __init__(self, fn: AsyncFunction[P, R], name: str) -> None:
        self.fn = fn
        self.name = name
        functools.update_wrapper(self, fn)  # type: ignore[arg-type]  # it is called as a flow or a task
