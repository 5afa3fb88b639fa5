"""Who may ask: host names, origins, and what listens where."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from marina.errors import MarinaError
from marina.nginx import Access
from marina.replicas import render_compose
from tests.conftest import ROOT
from tests.servers import RunningServer, marina, start_server

APP = "https://app.example"


@pytest.fixture(scope="module")
def open_server(store: Path) -> Iterator[RunningServer]:
    """A server that is told of further host names and of a site whose pages may ask."""
    options = ("--allow-host", "api.example.com", "--allow-host", "*.lan", "--allow-origin", APP)
    with start_server("--store", store, "--models", "colours", "--host", "0.0.0.0", *options) as running:
        yield running


@pytest.fixture(scope="module")
def balanced_server(store: Path) -> Iterator[RunningServer]:
    """The same with two replicas."""
    options = ("--allow-host", "api.example.com", "--allow-host", "*.lan", "--allow-origin", APP)
    with start_server(
        "--store", store, "--models", "colours", "--host", "0.0.0.0", "--replicas", 2, *options
    ) as running:
        yield running


def local(server: RunningServer) -> str:
    return f"http://127.0.0.1:{server.port}"


def ask(port: int, path: str = "/ping", method: str = "GET", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, f"http://127.0.0.1:{port}{path}", headers=named, trust_env=False)


def assert_refused(response: httpx.Response, kind: str) -> None:
    assert (response.status_code, response.json()["type"]) == (403, kind)


EVIL = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.localhost.example", "2130706433", "x"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_loopback_names_are_served_with_any_port(server: RunningServer, host: str) -> None:
    assert ask(server.port, host=host).status_code == 200
    assert ask(server.port, host=f"{host}:1234").status_code == 200


@pytest.mark.parametrize("host", [*EVIL, "10.1.2.3", "[fe80::1]"])
def test_another_host_name_is_refused_everywhere(server: RunningServer, host: str) -> None:
    """A web page may point a name of its own at this machine (DNS rebinding)."""
    for path in ("/", "/ping", "/models.json", "/docs/"):
        assert_refused(ask(server.port, path, host=host), "HostNotAllowed")
    assert_refused(ask(server.port, "/predictions/colours", "POST", host=host), "HostNotAllowed")
    ports = server.state.ports
    for port in filter(None, (ports.management, ports.metrics)):
        assert ask(port, "/metrics", host=host).status_code in (401, 403)


def test_http_1_0_needs_no_host(server: RunningServer, balanced_server: RunningServer) -> None:
    for each in (server, balanced_server):
        with socket.create_connection(("127.0.0.1", each.port)) as connection:
            connection.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
            assert connection.makefile("rb").readline().split()[1] == b"200"


@pytest.mark.parametrize("kind", ["open_server", "balanced_server"])
def test_beyond_loopback_addresses_and_named_hosts_are_served(kind: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(kind)
    for host in ("localhost", "10.1.2.3", "[fe80::1]", "api.example.com", "API.example.com:8000", "a.lan", "a.b.lan"):
        assert ask(server.port, host=host).status_code == 200, host
    for host in (*EVIL, "example.com", "x.api.example.com", "lan", "10.1.2.3.evil.example"):
        assert_refused(ask(server.port, host=host), "HostNotAllowed")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://evil.example:8000", "http://127.0.0.1:1"])
def test_a_page_of_another_site_may_not_ask(server: RunningServer, jpeg: bytes, origin: str) -> None:
    for method in ("POST", "PUT"):
        response = httpx.request(
            method,
            f"{server.url}/predictions/colours",
            content=jpeg,
            headers={"Origin": origin, "Content-Type": "image/jpeg"},
            trust_env=False,
        )
        assert_refused(response, "OriginNotAllowed")
        assert "access-control-allow-origin" not in response.headers


def test_the_servers_own_page_may_ask(server: RunningServer, jpeg: bytes) -> None:
    for origin in (server.url, server.url.replace("http", "https")):  # the second behind a proxy that ends TLS
        response = httpx.post(
            f"{server.url}/predictions/colours", content=jpeg, headers={"Origin": origin}, trust_env=False
        )
        assert response.status_code == 200


@pytest.mark.parametrize("kind", ["open_server", "balanced_server"])
def test_a_page_of_an_allowed_site_may_ask(kind: str, request: pytest.FixtureRequest, jpeg: bytes) -> None:
    server = request.getfixturevalue(kind)
    path = "/predictions/colours"
    preflight = ask(
        server.port,
        path,
        "OPTIONS",
        origin=APP,
        access_control_request_method="POST",
        access_control_request_headers="content-type",
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == APP
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "Content-Type" in preflight.headers["access-control-allow-headers"]
    headers = {"Origin": APP, "Content-Type": "image/jpeg"}
    for body, status in ((jpeg, 200), (b"no picture", 400)):
        response = httpx.post(local(server) + path, content=body, headers=headers, trust_env=False)
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == APP
        assert "Origin" in response.headers["vary"]
    for origin in ("https://app.example.evil", "https://evil.example", "http://app.example", "null"):
        response = httpx.post(local(server) + path, content=jpeg, headers={"Origin": origin}, trust_env=False)
        assert_refused(response, "OriginNotAllowed")
        assert ask(server.port, path, "OPTIONS", origin=origin).status_code == 405


def test_without_allowed_origins_no_page_is_told_that_it_may(server: RunningServer) -> None:
    response = ask(server.port, "/predictions/colours", "OPTIONS", origin=APP)
    assert response.status_code == 405
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_the_model_server_listens_on_sockets_that_nginx_alone_reaches(server: RunningServer) -> None:
    sockets = server.folder / "sockets"
    assert sockets.stat().st_mode & 0o077 == 0
    assert (sockets / "inference.sock").is_socket()
    listening = [
        connection.laddr.port
        for connection in psutil.Process(server.state.process).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    ports = server.state.ports
    assert sorted(listening) == sorted(filter(None, (ports.grpc_inference, ports.grpc_management)))


def test_management_and_metrics_show_nothing_else(torchserve: RunningServer) -> None:
    ports, key = torchserve.state.ports, torchserve.management.client.headers["authorization"]
    for port in (ports.management, ports.metrics):
        for method, path in (
            ("OPTIONS", "/"),
            ("GET", "/"),
            ("GET", "/api-description"),
            ("POST", "/workflows"),
            ("GET", "/predictions/colours"),
        ):
            response = ask(port, path, method, authorization=key)
            assert (response.status_code, response.json()["type"]) == (404, "NotFound")
    assert ask(ports.management, "/models", "OPTIONS", authorization=key).status_code == 405
    assert ask(ports.metrics, "/models", authorization=key).status_code == 404


def test_metrics_are_read_on_their_port_and_with_a_token_on_managements(torchserve: RunningServer) -> None:
    ports, key = torchserve.state.ports, torchserve.management.client.headers["authorization"]
    assert "ts_inference_requests_total" in ask(ports.metrics, "/metrics").text
    assert "ts_inference_requests_total" in ask(ports.management, "/metrics", authorization=key).text
    for wrong in ({}, {"authorization": "Bearer x"}):
        response = ask(ports.management, "/metrics", **wrong)
        assert (response.status_code, response.json()["type"]) == (401, "Unauthorized")


def test_a_page_of_another_site_may_not_change_models(torchserve: RunningServer) -> None:
    ports, key = torchserve.state.ports, torchserve.management.client.headers["authorization"]
    response = ask(
        ports.management, "/models/colours?min_worker=2", "PUT", authorization=key, origin="http://evil.example"
    )
    assert_refused(response, "OriginNotAllowed")


@pytest.mark.parametrize("host", ["a b", "x;y", "x{", "http://x", "x:80", "", "*", "a..b", '"'])
def test_what_is_no_host_name_is_not_allowed(host: str) -> None:
    with pytest.raises(MarinaError, match="--allow-host"):
        Access(hosts=[host])


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/", "ftp://x", "https://x;", 'https://x"', ""])
def test_what_is_no_origin_is_not_allowed(origin: str) -> None:
    with pytest.raises(MarinaError, match="--allow-origin"):
        Access(origins=[origin])


def test_a_wrong_host_name_is_told_in_a_sentence(store: Path) -> None:
    done = subprocess.run(marina("serve", "--store", store, "--allow-host", "x;"), capture_output=True, text=True)
    assert done.returncode == 1
    assert "--allow-host" in done.stderr
    assert "Traceback" not in done.stderr


def test_nginx_takes_the_configuration_of_compose(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(render_compose().replace("/srv/marina/deploy", str(ROOT / "deploy")).replace("/tmp", str(tmp_path)))
    command = ["nginx", "-t", "-e", "stderr", "-p", tmp_path, "-c", path]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert "test is successful" in done.stderr, done.stderr
