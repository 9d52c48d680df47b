"""Servers: started, waited for, and gone on every way out."""

import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from common.config import load
from common.serve.config import ServeConfig

FAKE = """
import http.server, subprocess, sys, time
subprocess.Popen(["sleep", "600"])  # a worker that must not outlive the server
time.sleep(float(sys.argv[2]))
if sys.argv[2] == "0.1":
    raise SystemExit(7)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/v1/models" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def fake(tmp_path):
    """A config file whose server is a small script that answers after half a second."""
    port = free_port()
    (tmp_path / "fake.py").write_text(FAKE)
    path = tmp_path / "fake.yaml"
    command = f"[{sys.executable}, {tmp_path}/fake.py, '{{port}}', '0.5']"
    path.write_text(f"model: m\nport: {port}\nready_timeout_s: 60\ncommand: {command}\n")
    return path, port


def answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def running(marker):
    """Whether any process's command line holds the marker."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return any(marker in line for line in listing.splitlines() if "ps -eo" not in line)


def gone(marker):
    for _ in range(100):
        if not running(marker):
            return True
        time.sleep(0.1)
    return False


def test_the_command_line_of_vllm():
    config = load(ServeConfig, [], {"model": "m", "port": 8001, "max_model_len": 100, "arguments": ["--eager"]})
    expected = "vllm serve m --host 127.0.0.1 --port 8001 --gpu-memory-utilization 0.9 --max-model-len 100 --eager"
    assert " ".join(config.words()) == expected


def test_other_machines_are_served_only_with_a_key(monkeypatch):
    for host in ("0.0.0.0", "10.1.2.3", "::", "node7"):
        with pytest.raises(ValueError, match="api_key_env"):
            ServeConfig(model="m", host=host)
    monkeypatch.setenv("A_KEY", "secret")
    config = ServeConfig(model="m", host="0.0.0.0", api_key_env="A_KEY")
    assert config.url == f"http://{socket.gethostname()}:8000/v1"
    assert config.own_url == "http://127.0.0.1:8000/v1"
    assert config.key == "secret"
    assert "secret" not in " ".join(config.words())
    assert "--host 0.0.0.0" in " ".join(config.words())
    for host in ("127.0.0.1", "::1", "localhost"):
        assert ServeConfig(model="m", host=host).own_url == ServeConfig(model="m", host=host).url


KEYED = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        given = self.headers.get("authorization") == "Bearer " + os.environ["VLLM_API_KEY"]
        self.send_response(200 if given else 401)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


@pytest.mark.integration
def test_a_server_with_a_key_is_waited_for_with_it_and_writes_its_url(root, tmp_path):
    port = free_port()
    (tmp_path / "keyed.py").write_text(KEYED)
    command = f"[{sys.executable}, {tmp_path}/keyed.py, '{{host}}', '{{port}}']"
    config = tmp_path / "keyed.yaml"
    config.write_text(f"model: m\nport: {port}\nready_timeout_s: 60\napi_key_env: A_KEY\ncommand: {command}\n")
    place = tmp_path / "run" / "judge_url"
    arguments = ["bash", str(root / "scripts" / "serve.sh"), str(config), f"url_file={place}"]
    refused = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (refused.returncode, "A_KEY" in refused.stderr) == (2, True)
    server = subprocess.Popen(arguments, env=os.environ | {"A_KEY": "secret"}, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline().strip() == f"http://127.0.0.1:{port}/v1"
        assert place.read_text().strip() == f"http://127.0.0.1:{port}/v1"
        assert not running("secret")
        assert not answers(port)  # 401 without the key
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        server.stdout.close()
    assert not place.exists()


ABRUPT = """
import os, signal, subprocess, sys
from common.serve import __main__ as door, process
given = sys.argv.pop(1)
def two(*ignored):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
class Popen(subprocess.Popen):
    def __init__(self, *words, **more):
        super().__init__(*words, **more)
        two()
stop = process.stop
def stop_when_told(*given):
    two()
    stop(*given)
if given == "as it starts":
    subprocess.Popen = Popen
else:
    process.stop = stop_when_told
    process.wait_until_healthy = two
door.main()
"""


@pytest.mark.parametrize("when", ["as it starts", "as it is stopped"])
def test_signals_that_follow_each_other_leave_no_server(fake, root, tmp_path, when):
    # a script that hears Ctrl-C sends SIGTERM at once; the second interrupted the stopping that the first began
    done = subprocess.run(
        [sys.executable, "-c", ABRUPT, when, str(fake[0])],
        capture_output=True, text=True, env=_environment() | {"PYTHONPATH": str(root)}, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert gone(str(tmp_path))


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_prints_its_url_and_ends_with_us(fake, root, number):
    path, port = fake
    command = ["bash", str(root / "scripts" / "serve.sh"), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}/v1"
        assert answers(port)
        waiting = subprocess.run([*command, "--wait"], capture_output=True, text=True, env=_environment(), check=True)
        assert waiting.stdout.strip().endswith(f"{port}/v1")
        second = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
        assert second.returncode == 2 and "answers" in second.stderr
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    assert not answers(port)
    assert gone(str(path.parent))


@pytest.mark.integration
def test_a_server_that_dies_early_is_one_line(fake, root):
    path, _ = fake
    path.write_text(path.read_text().replace("'0.5'", "'0.1'"))
    command = ["bash", str(root / "scripts" / "serve.sh"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    assert done.returncode == 1
    assert "error: the server ended with code 7 before it answered" in done.stderr


@pytest.mark.integration
def test_an_unknown_name_lists_those_there_are(root):
    command = ["bash", str(root / "scripts" / "serve.sh"), "nobody"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "dataman" in done.stderr


def run_of(folder):
    """The head of a run's config whose model and data are here."""
    (folder / "rows.jsonl").write_text('{"prompt": "2 + 2?", "reference": "4"}\n')
    data = f"{{kind: conversations, train: [{folder}/rows.jsonl], eval_rows: 0}}"
    return f"model: rephrase/tiny\nout: {folder}/run\nmax_completion_length: 9\ndata: {data}\n"


@pytest.mark.integration
def test_rl_sh_starts_the_servers_and_takes_them_along_when_it_fails(fake, root, tmp_path):
    path, port = fake
    config = tmp_path / "run.yaml"
    judge = f"{{kind: structure, measure: judge, judge: {{url: 'http://127.0.0.1:{free_port()}/v1', model: m}}}}"
    config.write_text(f"{run_of(tmp_path)}servers: [{path}]\nrewards: [{judge}]\nreward_weights: [1]\n")
    command = ["bash", str(root / "scripts" / "rl.sh"), str(config)]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}/v1" in done.stdout  # it was up
    assert "needs a server at" in done.stderr and "Traceback" not in done.stderr
    assert not answers(port) and gone(str(path))


@pytest.mark.integration
def test_rl_sh_stopped_from_outside_leaves_nothing_running(fake, root, tmp_path):
    path, port = fake
    config = tmp_path / "run.yaml"
    judge = f"{{kind: structure, measure: judge, judge: {{url: 'http://127.0.0.1:{port}/v1', model: m}}}}"
    config.write_text(f"{run_of(tmp_path)}servers: [{path}]\nrewards: [{judge}]\nreward_weights: [1]\n")
    command = ["bash", str(root / "scripts" / "rl.sh"), str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}/v1"
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    assert not answers(port) and gone(str(config)) and gone(str(path))


@pytest.mark.integration
def test_rl_sh_bare_says_what_is_missing_and_what_runs_here(root):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    command = ["bash", str(root / "scripts" / "rl.sh")]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: this config needs an NVIDIA GPU") and "rephraser_smoke_cpu" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def _environment():
    """The scripts take the environment's Python where one is active."""
    bin_folder = os.path.dirname(sys.executable)  # noqa: PTH120 - a link must not be resolved
    return os.environ | {"VIRTUAL_ENV": os.path.dirname(bin_folder), "PATH": f"{bin_folder}:{os.environ['PATH']}"}  # noqa: PTH120


@pytest.mark.integration
def test_a_server_that_is_killed_is_one_line(fake, root):
    path, port = fake
    command = ["bash", str(root / "scripts" / "serve.sh"), str(path)]
    environment = _environment()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}/v1"
        listing = subprocess.run(["ps", "-eww", "-o", "pid,args"], capture_output=True, text=True, check=True).stdout
        [server] = [
            line.split()[0]
            for line in listing.splitlines()
            if f"{path.parent}/fake.py" in line and "common.serve" not in line and "serve.sh" not in line
        ]
        os.kill(int(server), signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "error: the server was killed by SIGKILL" in errors
