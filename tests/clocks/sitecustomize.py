"""Let Python sleep under libfaketime 0.9.10, as Debian 12 and Ubuntu 24.04 have it.

From Python 3.11 on, ``time.sleep`` waits until a moment of the monotonic clock. That release of libfaketime changes the
moment although it leaves that clock alone: the call fails with EINVAL, or sleeps for as long as the machine is up.
"""

import select
import time


def _sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = _sleep
