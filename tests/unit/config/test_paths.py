from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lastcall import paths
from lastcall.config.load import load
from lastcall.config.problems import ConfigError
from messages.errors import EXIT_CONFIG, Refusal, error


def test_the_state_directory_follows_xdg(home: Path, work: Path) -> None:
    places = paths.find({"HOME": str(home)}, work)
    assert places.state_dir == home / ".local/state/lastcall"
    assert places.socket == home / ".local/state/lastcall/run/admin.sock"
    assert places.host == f"unix://{places.socket}"
    assert not places.host_chosen
    assert paths.find({"XDG_STATE_HOME": "/s"}, work).state_dir == Path("/s/lastcall")


def test_without_home_the_user_database_is_asked(work: Path) -> None:
    assert paths.find({}, work).state_dir.is_absolute()


def test_flag_variable_and_file_choose_in_that_order(home: Path, work: Path) -> None:
    (work / "config.toml").write_text("state_dir = 'from-file'\nhost = 'unix:///file.sock'\n")
    environ = {"HOME": str(home)}
    places = paths.find(environ, work)
    assert (places.state_dir, places.socket) == (work / "from-file", Path("/file.sock"))
    environ |= {"LASTCALL_STATE_DIR": "/env", "LASTCALL_HOST": "unix:///env.sock"}
    places = paths.find(environ, work)
    assert (places.state_dir, places.socket) == (Path("/env"), Path("/env.sock"))
    places = paths.find(environ, work, state_dir="flag", host="unix:///flag.sock")
    assert (places.state_dir, places.socket) == (work / "flag", Path("/flag.sock"))
    assert places.host_chosen


@pytest.mark.parametrize(
    ("environ", "file"),
    [
        ({}, ""),
        ({"LASTCALL_STATE_DIR": "rel"}, ""),
        ({"LASTCALL_STATE_DIR": "~/x"}, ""),
        ({}, "state_dir = 'rel'\n"),
        ({"LASTCALL_CONFIG": "other.toml"}, "state_dir = 'rel'\n"),
    ],
)
def test_command_line_and_daemon_agree(home: Path, work: Path, environ: dict[str, str], file: str) -> None:
    (work / "config.toml").write_text(file)
    (work / "other.toml").write_text("state_dir = '/other'\n")
    environ = {"HOME": str(home), **environ}
    found = paths.find(environ, work)
    settings = load(environ, work).settings
    assert found.state_dir == (settings.state_dir or paths.default_state_dir(environ))


@pytest.mark.parametrize("host", ["tcp://1.2.3.4:5", "/run/x.sock", "unix://relative.sock", "unix://"])
def test_only_unix_sockets_are_hosts(home: Path, work: Path, host: str) -> None:
    with pytest.raises(ConfigError, match=r"^LASTCALL_HOST: host must look like unix:///path/to/admin.sock, not "):
        paths.find({"HOME": str(home), "LASTCALL_HOST": host}, work)


@pytest.mark.parametrize("variable", ["LASTCALL_STATE_DIR", "LASTCALL_HOST"])
def test_a_socket_path_that_is_too_long_is_explained(home: Path, work: Path, variable: str) -> None:
    """107 bytes are the system's limit, not characters: fault of umlauts in a home directory."""
    text = ("unix://" if variable == "LASTCALL_HOST" else "") + "/" + "ü" * 60
    with pytest.raises(Refusal) as caught:
        paths.find({"HOME": str(home), variable: text}, work)
    assert caught.value.code == "E-SOCKETPATH"
    assert error("E-SOCKETPATH").exit == EXIT_CONFIG
    assert "at most 107 are possible" in caught.value.detail


def test_the_longest_possible_socket_is_accepted() -> None:
    assert paths.checked_socket(Path("/" + "a" * 106))
    with pytest.raises(Refusal):
        paths.checked_socket(Path("/" + "a" * 107))


def test_a_setting_of_the_wrong_type_is_one_line(home: Path, work: Path) -> None:
    (work / "config.toml").write_text("state_dir = 5\n")
    with pytest.raises(ConfigError) as caught:
        paths.find({"HOME": str(home)}, work)
    assert caught.value.lines == (f"{work}/config.toml: state_dir must be a text in quotes",)


def test_other_mistakes_in_a_file_are_left_to_the_daemon(home: Path, work: Path) -> None:
    (work / "config.toml").write_text("[limits]\nmax_machines = 'x'\n")
    assert paths.find({"HOME": str(home)}, work)


def test_finding_the_socket_needs_only_the_standard_library() -> None:
    code = (
        "import sys; from lastcall import paths; "
        "heavy = {'pydantic', 'aiohttp', 'structlog', 'click', 'numpy'} & set(sys.modules); sys.exit(bool(heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
