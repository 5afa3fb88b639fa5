"""What `marina serve` does about processes that stop, models that can't be loaded, and its own end."""

import ctypes
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from marina.archive import build_archive
from marina.management import mms_processes
from marina.processes import STOPPED
from marina.run_folder import folder_of
from tests.contract.test_replicas import all_ready, ports_of
from tests.contract.test_serving import BOTH, NewServer, folders_of, ping, wait_until
from tests.servers import FREE_PORTS, RunningServer, marina
from tests.tiny import CONFIG, write_tiny_model, write_tiny_names

PTRACE_ATTACH = 16  # sys/ptrace.h


@pytest.fixture(scope="module")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archives of two tiny models, ``colours`` and ``names``."""
    folder = tmp_path_factory.mktemp("small")
    write_tiny_model(folder / "colours")
    write_tiny_names(folder / "names")
    for name in ("colours", "names"):
        build_archive(folder / name, folder)
    return folder


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def answers(server: RunningServer, body: bytes) -> bool:
    """Whether it is ready, and predicts."""
    try:
        return ping(server) == 200 and server.predict("colours", body).status_code == 200
    except httpx.TransportError:
        return False


def assert_replaced(server: RunningServer, pid: int, jpeg: bytes) -> None:
    assert wait_until(lambda: is_gone(pid)), "".join(server.lines)
    assert wait_until(lambda: answers(server, jpeg), 60), "".join(server.lines)


@contextmanager
def debugged(pid: int) -> Iterator[None]:
    """A debugger has stopped the process while the block lasts."""
    attached, over = threading.Event(), threading.Event()
    errors: list[int] = []

    def attach() -> None:  # and wait for it: only the thread that attached may
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
            errors.append(ctypes.get_errno())
        else:
            os.waitpid(pid, 0x40000000)  # __WALL
        attached.set()
        if not errors:
            os.waitpid(pid, 0x40000000)

    thread = threading.Thread(target=attach, daemon=True)
    thread.start()
    attached.wait()
    if errors:
        pytest.skip("this user may not debug other processes")
    yield
    over.set()
    thread.join(30)


@BOTH
def test_a_stopped_worker_is_not_ready_and_is_replaced(
    small_store: Path, new_server: NewServer, kind: str, jpeg: bytes
) -> None:
    server = new_server("--store", small_store, "--server", kind, "--models", "colours", "--workers", 1)
    (pid,) = server.worker_pids("colours")
    os.kill(pid, signal.SIGSTOP)
    assert wait_until(lambda: ping(server) == 503), "".join(server.lines)
    assert_replaced(server, pid, jpeg)


@BOTH
def test_while_another_worker_answers_the_model_is_ready(
    small_store: Path, new_server: NewServer, kind: str, jpeg: bytes
) -> None:
    server = new_server("--store", small_store, "--server", kind, "--models", "colours", "--workers", 2)
    first, second = server.worker_pids("colours")
    os.kill(first, signal.SIGSTOP)
    statuses = set()

    def is_replaced() -> bool:
        statuses.add(ping(server))
        return is_gone(first) and server.management.count_workers("colours").ready == 2

    assert wait_until(is_replaced), "".join(server.lines)
    assert statuses == {200}
    assert not is_gone(second)


def test_a_worker_that_a_debugger_stops_is_replaced(small_store: Path, new_server: NewServer, jpeg: bytes) -> None:
    server = new_server("--store", small_store, "--models", "colours", "--workers", 1)
    (pid,) = server.worker_pids("colours")
    with debugged(pid):
        assert psutil.Process(pid).status() in STOPPED
        assert wait_until(lambda: ping(server) == 503), "".join(server.lines)
        assert wait_until(lambda: is_gone(pid))
    assert_replaced(server, pid, jpeg)


def nginx_of(server: RunningServer) -> psutil.Process:
    tool = psutil.Process(server.process.pid)
    return next(child for child in tool.children() if child.name() == "nginx")


PARTS: dict[str, Callable[[RunningServer], int]] = {
    "java": lambda server: server.state.process,
    "nginx": lambda server: nginx_of(server).pid,
    "worker of nginx": lambda server: nginx_of(server).children()[0].pid,
}


@BOTH
@pytest.mark.parametrize("part", PARTS)
def test_a_stopped_part_is_replaced(
    small_store: Path, new_server: NewServer, kind: str, part: str, jpeg: bytes
) -> None:
    server = new_server("--store", small_store, "--server", kind, "--models", "colours")
    pid = PARTS[part](server)
    os.kill(pid, signal.SIGSTOP)
    assert_replaced(server, pid, jpeg)


def test_a_stopped_process_that_mms_forks_workers_from_is_replaced(
    small_store: Path, new_server: NewServer, jpeg: bytes
) -> None:
    server = new_server("--store", small_store, "--server", "mms", "--models", "colours")
    (parent,) = mms_processes(server.state.process, "colours")
    parent.suspend()
    assert_replaced(server, parent.pid, jpeg)


@pytest.mark.parametrize("part", ["replica", "nginx"])
def test_a_stopped_part_of_replicas_is_replaced(
    small_store: Path, new_server: NewServer, part: str, jpeg: bytes
) -> None:
    server = new_server("--store", small_store, "--models", "colours", "--replicas", 2)
    tool = psutil.Process(server.process.pid)
    found = next(child for child in tool.children() if (child.name() == "nginx") == (part == "nginx"))
    if part == "replica":
        port = ports_of(server)[0]
        found = next(child for child in tool.children() if str(port) in child.cmdline())
    found.suspend()
    assert_replaced(server, found.pid, jpeg)
    assert wait_until(lambda: all_ready(server), 60), "".join(server.lines)


@BOTH
def test_a_stop_does_not_wait_for_what_is_stopped(small_store: Path, new_server: NewServer, kind: str) -> None:
    server = new_server("--store", small_store, "--server", kind, "--models", "colours")
    family = server.family()
    os.kill(server.state.process, signal.SIGSTOP)
    assert server.stop() == 0
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


ALL = pytest.mark.parametrize("options", [("--server", "torchserve"), ("--server", "mms"), ("--replicas", 2)])


def is_left(processes: list[psutil.Process]) -> bool:
    return any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@ALL
@pytest.mark.parametrize("how", ["working", "stopped"])
def test_a_killed_server_takes_everything_with_it(
    small_store: Path, new_server: NewServer, options: tuple[object, ...], how: str
) -> None:
    """Its workers and its tokens, at once, even what is stopped."""
    server = new_server("--store", small_store, "--models", "colours", *options)
    family, folders = server.family(), [server.folder]
    folders += [folder_of(port) for port in ports_of(server)] if "--replicas" in options else []
    if how == "stopped":
        for process in family[1:]:
            if process.name() != "sh":  # what waits for the end
                process.suspend()
    server.stop(signal.SIGKILL)
    assert wait_until(lambda: not is_left(family))
    assert wait_until(lambda: not any(folder.exists() for folder in folders))


@pytest.mark.parametrize("kind", ["torchserve", "mms"])
@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGQUIT])
def test_every_signal_of_a_terminal_ends_it_in_order(
    small_store: Path, new_server: NewServer, kind: str, how: signal.Signals
) -> None:
    server = new_server("--store", small_store, "--models", "colours", "--server", kind)
    family, folder = server.family(), server.folder
    assert server.stop(how) == 0
    assert not is_left(family)
    assert not folder.exists()


@ALL
def test_it_ends_with_its_terminal(small_store: Path, options: tuple[object, ...]) -> None:
    """Although SIGHUP, when an administrator sends it, restarts replicas."""
    process, terminal = start_in_terminal(small_store, options)
    family = [process, *process.children(recursive=True)]
    os.close(terminal)
    assert process.wait(60) == 0
    assert not is_left(family)
    assert not folders_of(process.pid)


def test_it_outlives_its_terminal_under_nohup(small_store: Path) -> None:
    process, terminal = start_in_terminal(small_store, (), lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    os.close(terminal)
    with pytest.raises(psutil.TimeoutExpired):
        process.wait(3)
    (folder,) = folders_of(process.pid)
    assert httpx.get(f"http://127.0.0.1:{folder.name}/ping", trust_env=False).status_code == 200
    process.terminate()
    process.wait(30)
    assert not folder.exists()


def start_in_terminal(
    store: Path, options: tuple[object, ...], prepare: Callable[[], object] = lambda: None
) -> tuple[psutil.Popen, int]:
    """A `marina serve` that answers, and the other end of its terminal."""
    terminal, own = os.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(own, termios.TIOCSCTTY, 0)
        prepare()

    command = marina("serve", *FREE_PORTS, "--store", store, "--models", "colours", *options)
    process = psutil.Popen(command, stdin=own, stdout=own, stderr=own, preexec_fn=take_terminal)
    os.close(own)
    printed = ""
    while "Ctrl-C stops it." not in printed:
        printed += os.read(terminal, 4096).decode()
    return process, terminal


@ALL
def test_status_finds_it_from_a_shell_with_another_environment(
    small_store: Path, new_server: NewServer, options: tuple[object, ...], tmp_path: Path
) -> None:
    server = new_server("--store", small_store, "--models", "colours", *options)
    for environment in ({"TMPDIR": str(tmp_path)}, {"XDG_RUNTIME_DIR": str(tmp_path)}, {"HOME": str(tmp_path)}):
        done = subprocess.run(
            marina("status", "--json", "--port", server.port),
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        servers = json.loads(done.stdout)["servers"]
        assert [model["workers_ready"] for each in servers for model in each["models"]] == [1] * len(servers)
        assert all((Path(each["folder"]) / "state.json").is_file() for each in servers)


ODD = ("a b", "a;b", "a{b}", 'a"b', "a'b", "a$b", "a\\b", "a\nb", "modèles", "模", "x" * 100)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@BOTH
def test_odd_paths_and_a_plain_locale_are_no_obstacle(
    small_store: Path, new_server: NewServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, odd: str
) -> None:
    """TMPDIR and the store: what is rendered from them is read as it was written."""
    folder = tmp_path / odd
    folder.mkdir(mode=0o700)
    shutil.copy(small_store / "colours.mar", folder)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("LC_ALL", "C")
    server = new_server("--store", folder, "--server", kind)
    assert ping(server) == 200
    assert httpx.get(server.url, trust_env=False).status_code == 200


FAULTS = {
    "raises": ('raise ValueError("the weights are of another model")', "ValueError: the weights are of another model"),
    "imports": ("import nothing_like_it", "No module named 'nothing_like_it'"),
    "dies": ("import os; os._exit(3)", "ended without a word"),
}
TASK = """\
from handlers.image_classification import ImageClassification


class Task(ImageClassification):
    def initialize(self, context):
        if "server_name" in context.system_properties:
            {fault}
        super().initialize(context)
"""


def write_faulty(folder: Path, fault: str) -> None:
    """A model that can be built, and does this when a server loads it."""
    write_tiny_model(folder)
    (folder / "faulty.py").write_text(TASK.format(fault=fault))
    config = CONFIG.replace("task: image_classification", "task: faulty:Task")
    (folder / "model-config.yaml").write_text(config.replace("startupTimeout: 60", "startupTimeout: 600"))
    build_archive(folder, folder.parent)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("options", [("--server", "torchserve"), ("--server", "mms"), ("--replicas", 2)])
def test_a_model_that_can_not_be_loaded_ends_the_start_with_its_reason(
    small_store: Path, tmp_path: Path, options: tuple[object, ...], name: str
) -> None:
    fault, reason = FAULTS[name]
    write_faulty(tmp_path / name, fault)
    shutil.copy(small_store / "names.mar", tmp_path)
    command = marina("serve", *FREE_PORTS, "--store", tmp_path, *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    if "--replicas" in options:
        assert f"marina: {name} can't be loaded: " in done.stderr
    else:
        assert f"marina: {name} can't be loaded: " in done.stderr.splitlines()[-1]
    assert reason in done.stderr


def test_an_interpreter_without_the_servers_packages_is_told(small_store: Path, tmp_path: Path) -> None:
    command = marina("serve", *FREE_PORTS, "--store", small_store, "--server-python")
    for python in (tmp_path / "python", "/bin/false"):
        done = subprocess.run([*command, python], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert str(python) in done.stderr
        assert "Traceback" not in done.stderr


@BOTH
def test_after_a_restart_the_other_models_are_served(
    small_store: Path, new_server: NewServer, tmp_path: Path, kind: str, jpeg: bytes
) -> None:
    flag = tmp_path / "damaged"
    write_faulty(tmp_path / "faulty", f'if __import__("os").path.exists({str(flag)!r}): raise ValueError("damaged")')
    shutil.copy(small_store / "colours.mar", tmp_path)
    server = new_server("--store", tmp_path, "--server", kind)
    assert server.predict("faulty", jpeg).status_code == 200
    flag.touch()
    os.kill(server.state.process, signal.SIGKILL)
    assert wait_until(lambda: answers_for(server, "colours", jpeg), 60), "".join(server.lines)
    assert ping(server) == 503
    assert not answers_for(server, "faulty", jpeg)
    assert any("faulty can't be loaded: ValueError: damaged; the others are served" in line for line in server.lines)
    flag.unlink()
    assert wait_until(lambda: answers_for(server, "faulty", jpeg), 120), "".join(server.lines)
    assert wait_until(lambda: ping(server) == 200)


def answers_for(server: RunningServer, model: str, body: bytes) -> bool:
    try:
        return server.predict(model, body).status_code == 200
    except httpx.TransportError:
        return False


NOISY = """\
import os

from handlers.image_classification import ImageClassification


class Task(ImageClassification):
    def postprocess(self, output, request):
        for _ in range(2000):
            os.write(2, (b"a warning of a library, \\xff" + b"." * 70 + b"\\n") * 100)
        return super().postprocess(output, request)
"""


@BOTH
def test_what_workers_say_is_bounded(new_server: NewServer, tmp_path: Path, kind: str, jpeg: bytes) -> None:
    """20 MB of it, and not all of it text."""
    write_tiny_model(tmp_path / "noisy")
    (tmp_path / "noisy" / "noisy.py").write_text(NOISY)
    config = CONFIG.replace("task: image_classification", "task: noisy:Task")
    config = config.replace("responseTimeout: 10", "responseTimeout: 100")
    (tmp_path / "noisy" / "model-config.yaml").write_text(config)
    (tmp_path / "noisy" / "samples" / "red.png").unlink()
    build_archive(tmp_path / "noisy", tmp_path)
    server = new_server("--store", tmp_path, "--server", kind)
    assert server.predict("noisy", jpeg).status_code == 200
    assert server.predict("noisy", jpeg).status_code == 200
    assert wait_until(lambda: any("left out" in line for line in server.lines))
    assert sum(map(len, server.lines)) < 300_000
    files = [path for path in server.folder.rglob("*") if path.is_file() and "models" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 3_000_000, files


def test_few_open_files_are_told_or_allowed(small_store: Path, new_server: NewServer) -> None:
    command = marina("serve", *FREE_PORTS, "--store", small_store)
    limit = (256, 256)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit),
    )
    assert done.returncode == 1
    assert re.fullmatch(r"marina: only 256 files may be open here.* needs \d+: .*ulimit -n \d+.*\n", done.stderr)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        server = new_server("--store", small_store, "--models", "colours")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    for process in server.family():
        if process.name() != "sh":
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            assert int(re.findall(r"^Max open files +(\d+)", limits, re.MULTILINE)[0]) > 512


@pytest.mark.parametrize(
    "options",
    [
        ("--port", 99999),
        ("--port", -1),
        ("--inference-port", 99999),
        ("--management-port", -1),
        ("--metrics-port", 65536),
        ("--workers", 0),
        ("--workers", 10**9),
        ("--replicas", 10**9),
        ("--host", ""),
        ("--host", "a..b"),
        ("--host", "no such host;"),
    ],
)
def test_options_out_of_range_are_told_in_a_sentence(small_store: Path, options: tuple[str, object]) -> None:
    done = subprocess.run(
        marina("serve", *FREE_PORTS, "--store", small_store, *options), capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (1, 2)
    assert options[0] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--port", 99999),
        ("scale", "colours", 1, "--timeout", "nan"),
        ("scale", "colours", 1, "--port", -1),
        ("restart", "--timeout", "inf"),
        ("tune", "colours", "--p99-ms", "nan"),
        ("tune", "colours", "--rps", "inf"),
        ("tune", "colours", "--budget-minutes", "nan"),
    ],
)
def test_numbers_out_of_range_are_told_by_every_command(arguments: tuple[object, ...]) -> None:
    done = subprocess.run(marina(*arguments), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert str(arguments[-2]) in done.stderr
    assert "Traceback" not in done.stderr
