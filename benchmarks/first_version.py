"""What the first public version of this system did, measured on 2 cores against a local API and a plain PostgreSQL.

Its archive was set to cost nothing; both kinds of figures are per process.
"""

HUNTER_SEARCHES = {0.0: 6.0, 0.1: 3.7}
"""API latency (seconds) → searches a second, stored."""
HUNTER_NEW_VIDEOS = {0.0: 107.0}
"""API latency (seconds) → new video rows a second."""
TRACKER_VIDEOS = {0.0: 181.0, 0.1: 148.0}
"""API latency (seconds) → videos a second, inside one process."""
