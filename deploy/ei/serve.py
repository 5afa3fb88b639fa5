"""MMS on the Elastic Inference image, with one archive, as process 1 of Dockerfile.ei. Python 3.6, no tool of Marina's.

BATCH_SIZE, LINGER_MS and WORKERS set what model-config.yaml would; GPUS has no meaning there. MMS is told the rest over
its management, which listens on loopback inside the container.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

FOLDER = os.path.dirname(os.path.abspath(__file__))
MANAGEMENT = "http://127.0.0.1:8081/models"
DEFAULTS = {"BATCH_SIZE": "16", "LINGER_MS": "1", "WORKERS": "1"}
START_TIMEOUT_S = 120


def ask(url, method="GET"):
    """The status and the body; status 0 while nobody listens."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=START_TIMEOUT_S) as answer:
            return answer.status, answer.read().decode("utf-8")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8")
    except OSError:
        return 0, ""


def number(name):
    value = os.environ.get(name) or DEFAULTS[name]
    if not value.isdigit():
        sys.exit("The variable %s must be a whole number." % name)
    return value


def start_mms():
    command = ["--start", "--foreground", "--mms-config", os.path.join(FOLDER, "mms.properties")]
    return subprocess.Popen([sys.executable, "-m", "mms.model_server", *command, "--model-store", sys.argv[1]])


def register(mms):
    query = {
        "url": "resnet18.mar",
        "model_name": "resnet18",
        "batch_size": number("BATCH_SIZE"),
        "max_batch_delay": number("LINGER_MS"),
        "initial_workers": number("WORKERS"),
        "synchronous": "true",
    }
    end = time.time() + START_TIMEOUT_S
    while ask(MANAGEMENT)[0] != 200:
        if mms.poll() is not None or time.time() > end:
            sys.exit("MMS did not start; its output is above.")
        time.sleep(0.2)
    status, body = ask(MANAGEMENT + "?" + urllib.parse.urlencode(query), "POST")
    if status != 200:
        sys.exit("MMS does not take the archive: %s" % body)
    workers = json.loads(ask(MANAGEMENT + "/resnet18")[1])["workers"]
    sys.stdout.write("resnet18 is served with %d workers.\n" % len(workers))
    sys.stdout.flush()


def main():
    mms = start_mms()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda received, frame: mms.terminate())
    try:
        register(mms)
        status = mms.wait()
    finally:
        if mms.poll() is None:
            mms.terminate()
    sys.exit(status)


if __name__ == "__main__":
    main()
