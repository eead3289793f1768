"""Leave out what belongs to the checkout where the tests run beside an installed wheel."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("action") else ["action"]
