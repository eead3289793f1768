"""Stands in for the command `docker`: plays what behaviour.json says, and records how it was called.

It runs as a script, without the test's environment; FAKE_DOCKER names the folder with behaviour.json.
"""

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ["FAKE_DOCKER"])
BEHAVIOUR = json.loads((FOLDER / "behaviour.json").read_text())


def record(arguments):
    """Writes the call down; how many of this verb came before it."""
    names = [arguments[i + 1] for i, word in enumerate(arguments[:-1]) if word == "--env"]
    leaked = [secret for secret in BEHAVIOUR["secrets"] if any(secret in word for word in arguments)]
    if leaked:
        (FOLDER / "leaked").write_text(" ".join(arguments))
    stdin = "" if sys.stdin.isatty() else sys.stdin.read()
    call = {"arguments": arguments, "env": {n: os.environ.get(n) for n in names}, "stdin": stdin, "sid": os.getsid(0)}
    with (FOLDER / "calls").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        before = sum(json.loads(line)["arguments"][0] == arguments[0] for line in file)
        file.write(json.dumps(call) + "\n")
    return before


def play(verb, before):
    """The behaviour of this call of a verb: the last one given stands for all after it."""
    given = BEHAVIOUR[verb]
    return given[min(before, len(given) - 1)]


def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def run(arguments, before):
    how = play("run", before)
    name = arguments[arguments.index("--name") + 1]
    fifo = FOLDER / f"{name}.fifo"
    if how.get("started", True):
        (FOLDER / name).write_text(json.dumps(how))
    if how.get("block"):
        os.mkfifo(fifo)
        # both ends, so that opening it does not wait
        pipe = os.open(fifo, os.O_RDWR)
        say(how.get("output", ""))
        (FOLDER / f"{name}.up").touch()
        os.read(pipe, 1)
    else:
        say(how.get("output", ""))
    return how["code"]


def stop(arguments, before):
    name = arguments[-1]
    if before < BEHAVIOUR["deaf_stops"] or not (FOLDER / f"{name}.fifo").exists():
        sys.stderr.write(f"Error response from daemon: No such container: {name}\n")
        return 1
    with (FOLDER / f"{name}.fifo").open("wb", buffering=0) as pipe:
        pipe.write(b".")
    return 0


def state_of(name):
    path = FOLDER / name
    return json.loads(path.read_text()) if path.exists() else None


def inspect(arguments, before):
    how = state_of(arguments[-1])
    if how is None:
        return 1
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z", time.gmtime())
    say(json.dumps({"OOMKilled": how.get("oom", False), "ExitCode": how["code"], "StartedAt": stamp}))
    return 0


def cp(arguments, before):
    how = state_of(arguments[1].partition(":")[0])
    if how is None or how.get("result") is None:
        sys.stderr.write("Error: No such container:path\n")
        return 1
    target = Path(arguments[2])
    if how.get("link"):
        target.symlink_to("/etc/passwd")
    else:
        data = how["result"] if isinstance(how["result"], str) else json.dumps(how["result"])
        target.write_text(data[: how.get("cut", len(data))])
    return 0


def rm(arguments, before):
    path = FOLDER / arguments[-1]
    if not path.exists():
        sys.stderr.write("Error: No such container\n")
        return 1
    path.unlink()
    return 0


def image(arguments, before):
    if BEHAVIOUR["engine"]:
        sys.stderr.write(BEHAVIOUR["engine"] + "\n")
        return 1
    if arguments[-1] in BEHAVIOUR["images"] or (FOLDER / "built").exists():
        say(BEHAVIOUR["image_id"] + "\n")
        return 0
    sys.stderr.write(f"Error: No such image: {arguments[-1]}\n")
    return 1


def work(verb, before):
    how = play(verb, before)
    say(how.get("output", ""))
    if how.get("block"):
        signal.pause()
    return how["code"]


def pull(arguments, before):
    return work("pull", before)


def build(arguments, before):
    code = work("build", before)
    if code == 0 and not play("build", before).get("lost"):
        (FOLDER / "built").touch()
    return code


COMMANDS = {f.__name__: f for f in (run, stop, inspect, cp, rm, image, pull, build)}
ARGUMENTS = sys.argv[1:]
sys.exit(COMMANDS[ARGUMENTS[0]](ARGUMENTS, record(ARGUMENTS)))
