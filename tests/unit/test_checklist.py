"""The consistency checklist of CONTRIBUTING.md: its boxes are tied to checks that exist, and some of these are here."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from pathlib import Path

import atlas
import maia

from ..support.documents import CHECKOUT, document, sections

PACKAGES = {"atlas": Path(atlas.__file__).parent, "maia": Path(maia.__file__).parent}

BOXES = (
    "No raw SQL (all queries in `MaiaDAO`)",
    "No local state persistence",
    "Resiliency Strategy respected (429 → SystemExit)",
    "All functions have type hints",
    "Tests added for new functionality",
    "Error handling follows strategy above",
    "Configuration uses `atlas.config.settings`",
    "Imports from Atlas are correct",
    "Documentation updated",
    "Logging uses appropriate logger",
)


@functools.cache
def sources(*packages: str) -> dict[str, ast.Module]:
    """Return the tree of every module by its name, such as ``maia/hunter.py``."""
    found = {}
    for package in packages:
        folder = PACKAGES[package]
        for path in sorted(folder.rglob("*.py")):
            name = f"{package}/{path.relative_to(folder).as_posix()}"
            found[name] = ast.parse(path.read_text(encoding="utf-8"), name)
    return found


def boxes() -> dict[str, list[str]]:
    """The text of each box, and the checks that it names."""
    (checklist,) = (s for s in sections(document("CONTRIBUTING.md")) if s.heading == "Consistency checklist")
    found = re.findall(r"^- \[ \] \*\*(.+?)\*\*: (.+)$", checklist.text, re.MULTILINE)
    return {text: re.findall(r"`([^`]+)`", checks) for text, checks in found}


def test_the_boxes_are_all_there_and_each_has_checks_that_exist() -> None:
    assert tuple(boxes()) == BOXES
    assert all(boxes().values())
    for check in itertools.chain(*boxes().values()):
        if check.startswith("make "):
            makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{check.removeprefix('make ')}:", makefile, re.MULTILINE), check
            continue
        file, _, test = check.partition("::")
        path = CHECKOUT / file
        assert path.is_file(), check
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert test in tests if test else any(name.startswith("test_") for name in tests), check


MAY_TOUCH_THE_ENVIRONMENT = {
    "atlas/config/definitions.py": "the settings: XDG_DATA_HOME, for the defaults",
    "atlas/result_path.py": "before the settings can be read: where to say that a signal ended the process",
    "atlas/config/prefect_environment.py": "writes what Prefect reads for itself",
    "atlas/db/psql.py": "hands all of it on to psql, with the password",
    "atlas/db/embedded/_client.py": "hands a few variables on to processes that outlive their client",
    "atlas/db/embedded/_keeper.py": "likewise",
}


def test_only_the_settings_read_the_environment() -> None:
    readers = {"environ", "environb", "getenv"}
    found = {
        name
        for name, tree in sources("atlas", "maia").items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in readers)
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and {each.name for each in node.names} & readers)
    }
    assert found == set(MAY_TOUCH_THE_ENVIRONMENT)


def writes(node: ast.AST) -> bool:
    """Whether this call opens or makes a file for writing."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called in {"write_text", "write_bytes", "mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory"}:
        return True
    modes = [a.value for a in node.args if isinstance(a, ast.Constant)] + [
        k.value.value for k in node.keywords if k.arg == "mode" and isinstance(k.value, ast.Constant)
    ]
    writable = any(isinstance(mode, str) and re.fullmatch(r"[rwaxbt+]*[wax+][rwaxbt+]*", mode) for mode in modes)
    return called in {"open", "fdopen"} and writable


def imports(tree: ast.Module) -> set[str | None]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.name for node in nodes for alias in node.names} | {getattr(node, "module", None) for node in nodes}


def test_maia_writes_no_files_but_its_result_and_those_that_a_command_names() -> None:
    trees = sources("maia")
    assert {name for name, tree in trees.items() if any(map(writes, ast.walk(tree)))} == {"maia/runtime/result_file.py"}
    assert {name for name, tree in trees.items() if "atlas.commands.output_file" in imports(tree)} == {
        "maia/commands/metrics.py",
        "maia/commands/report.py",
    }
    stores = {"sqlite3", "shelve", "dbm", "pickle", "diskcache"}
    assert [name for name, tree in trees.items() if imports(tree) & stores] == []


# where a SystemExit is carried as a value to the code that raises it again, or ends the process with its code
CARRIERS = {"maia/resilience.py", "maia/prefect/engine.py", "maia/runtime/concurrency.py", "maia/deployments.py"}
WIDE = {"SystemExit", "BaseException", "BaseExceptionGroup", "ChurnExit", "CancelledExit"}


def test_a_system_exit_is_caught_only_where_it_is_carried_on() -> None:
    seen = set()
    for name, tree in sources("atlas", "maia").items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                kinds = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else WIDE
                if kinds & WIDE:
                    seen.add(name)
                    again = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                    assert again or name in CARRIERS, f"{name}:{node.lineno} swallows a SystemExit"
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "suppress":
                suppressed = {n.id for a in node.args for n in ast.walk(a) if isinstance(n, ast.Name)}
                assert not suppressed & WIDE, f"{name}:{node.lineno} swallows a SystemExit"
    assert seen >= CARRIERS


LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
LOGGERS = {"logging.getLogger(__name__)", "get_run_logger()", "get_run_logger(__name__)"}
# the one line on stderr that says how a run ended
MAY_PRINT = {"maia/resilience.py"}


def test_each_log_line_comes_from_the_modules_or_the_runs_logger() -> None:
    for name, tree in sources("atlas", "maia").items():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="logging"), attr=attr)):
                    assert attr not in LEVELS, f"{name}:{node.lineno} logs to the root logger"
                case ast.Call(func=ast.Name(id="print")):
                    assert name in MAY_PRINT, f"{name}:{node.lineno} prints"
                case ast.Assign(targets=[ast.Name(id="logger"), *_], value=value):
                    assert ast.unparse(value) in LOGGERS, f"{name}:{node.lineno}"


def test_flows_and_tasks_use_the_runs_logger_alone() -> None:
    trees = sources("maia")
    for flows in ("maia/hunter.py", "maia/janitor.py", "maia/tracker.py"):
        assert "logging" not in imports(trees[flows]), flows
        names = {node.id for node in ast.walk(trees[flows]) if isinstance(node, ast.Name)}
        assert "get_run_logger" in names, flows
