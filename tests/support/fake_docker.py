"""Stands in for the command `docker`: plays what the file `behaviour` says, and records how it was called.

It runs as a script, without the test's environment; FAKE_DOCKER names the folder of its files. A test starts it many
times: it imports only what Python has loaded or built in, and its files are marshalled.
"""

import marshal
import os
import sys
import time

FOLDER = os.environ["FAKE_DOCKER"]


def file(name):
    return os.path.join(FOLDER, name)


with open(file("behaviour"), "rb") as given:
    BEHAVIOUR = marshal.load(given)


def record(arguments):
    """Write the call down; return how many of this verb came before it."""
    names = [arguments[i + 1] for i, word in enumerate(arguments[:-1]) if word == "--env"]
    if any(secret in word for secret in BEHAVIOUR["secrets"] for word in arguments):
        write("leaked", " ".join(arguments))
    stdin = "" if sys.stdin.isatty() else sys.stdin.read()
    call = {"arguments": arguments, "env": {n: os.environ.get(n) for n in names}, "stdin": stdin, "sid": os.getsid(0)}
    before = 0
    with open(file("calls"), "a+b") as calls:
        calls.seek(0)
        while calls.peek(1):
            before += marshal.load(calls)["arguments"][0] == arguments[0]
        calls.write(marshal.dumps(call))
    return before


def write(name, text=""):
    with open(file(name), "w") as target:
        target.write(text)


def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def fail(message):
    sys.stderr.write(message + "\n")
    return 1


def play(verb, before):
    """The behaviour of this call of a verb: the last one given stands for all after it."""
    given = BEHAVIOUR[verb]
    how = given[min(before, len(given) - 1)]
    say(how.get("output", ""))
    return how


def state_of(name):
    if not os.path.exists(file(name)):
        return None
    with open(file(name), "rb") as state:
        return marshal.load(state)


def run(arguments, before):
    given = BEHAVIOUR["run"]
    name = arguments[arguments.index("--name") + 1]
    how = given[min(before, len(given) - 1)]
    if how.get("started", True):
        with open(file(name), "wb") as state:
            marshal.dump(how, state)
    if how.get("block"):
        os.mkfifo(file(f"{name}.fifo"))
        pipe = os.open(file(f"{name}.fifo"), os.O_RDWR)  # both ends, so that opening it does not wait
        play("run", before)
        write("run.busy")
        os.read(pipe, 1)
    else:
        play("run", before)
    return how["code"]


def stop(arguments, before):
    fifo = file(f"{arguments[-1]}.fifo")
    if before < BEHAVIOUR["deaf_stops"] or not os.path.exists(fifo):
        return fail(f"Error response from daemon: No such container: {arguments[-1]}")
    with open(fifo, "wb", buffering=0) as pipe:
        pipe.write(b".")
    return 0


def inspect(arguments, before):
    how = state_of(arguments[-1])
    if how is None:
        return 1
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z", time.gmtime())
    killed = str(how.get("oom", False)).lower()
    say(f'{{"OOMKilled": {killed}, "ExitCode": {how["code"]}, "StartedAt": "{stamp}"}}')
    return 0


def cp(arguments, before):
    how = state_of(arguments[1].partition(":")[0])
    if how is None or how.get("result") is None:
        return fail("Error: No such container:path")
    if how.get("link"):
        os.symlink("/etc/passwd", arguments[2])
    else:
        with open(arguments[2], "w") as target:
            target.write(how["result"][: how.get("cut")])
    return 0


def rm(arguments, before):
    if not os.path.exists(file(arguments[-1])):
        return fail(BEHAVIOUR["absent"])
    os.unlink(file(arguments[-1]))
    return fail(BEHAVIOUR["rm"]) if BEHAVIOUR["rm"] else 0


def image(arguments, before):
    if BEHAVIOUR["engine"]:
        return fail(BEHAVIOUR["engine"])
    if arguments[-1] in BEHAVIOUR["images"] or os.path.exists(file("built")):
        say(BEHAVIOUR["image_id"] + "\n")
        return 0
    return fail(f"Error: No such image: {arguments[-1]}")


def pull(arguments, before):
    how = play(arguments[0], before)
    if how.get("block") or how.get("busy"):
        write(f"{arguments[0]}.busy")
    if how.get("block"):
        time.sleep(600)
    return how["code"]


def build(arguments, before):
    code = pull(arguments, before)
    if code == 0 and not BEHAVIOUR["lost"]:
        write("built")
    return code


COMMANDS = {f.__name__: f for f in (run, stop, inspect, cp, rm, image, pull, build)}
ARGUMENTS = sys.argv[1:]
sys.exit(COMMANDS[ARGUMENTS[0]](ARGUMENTS, record(ARGUMENTS)))
