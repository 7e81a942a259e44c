"""Which server commands mean: the line, then variables, then the chosen environment."""

from __future__ import annotations

import pytest
from cli_world import Admin, User

from perdure.cli.admin_api import AdminApi
from perdure.cli.env_file import with_env_file
from perdure.cli.environments import Target, find_target
from perdure.cli.errors import EXIT_USAGE, UsageError
from perdure.cli.global_options import GlobalOptions
from perdure.cli.surroundings import Surroundings

WORD = "t"
CONFIG = """
[prod]
admin_base_url = "https://admin.prod"
ingress_base_url = "https://prod"
bearer_token = "secret"
"""


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / ".config" / "perdure"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(CONFIG)
    return tmp_path


def target(home, environment=None, **options) -> Target:
    surroundings = Surroundings(environment=environment or {}, home=home)
    return find_target(surroundings, GlobalOptions(**options))


def test_without_any_word_it_is_the_local_server(tmp_path):
    assert target(tmp_path) == Target("local", "http://localhost:9070", None, None)


def test_an_environment_is_chosen_by_option_variable_or_file(home):
    prod = Target("prod", "https://admin.prod", "https://prod", "secret")
    assert (
        find_target(Surroundings(environment={}, home=home), GlobalOptions(environment="prod"))
        == prod
    )
    assert target(home, {"PERDURE_ENVIRONMENT": "prod"}) == prod
    assert target(home, {"RESTATE_ENVIRONMENT": "prod"}) == prod
    assert User(home=home).runs("config", "use-environment", "prod").code == 0
    assert target(home) == prod


def test_variables_come_before_the_file_and_ours_before_theirs(home):
    variables = {"PERDURE_ENVIRONMENT": "prod", "RESTATE_ADMIN_URL": "http://theirs"}
    assert target(home, variables).admin_url == "http://theirs"
    assert target(home, variables | {"PERDURE_ADMIN_URL": "http://x"}).admin_url == "http://x"
    assert target(home, {"PERDURE_AUTH_TOKEN": WORD}).bearer_token == WORD


def test_a_host_makes_an_address(home):
    assert target(home, {"RESTATE_HOST": "h"}).admin_url == "http://h:9070"
    variables = {"RESTATE_HOST": "h", "RESTATE_HOST_SCHEME": "https"}
    assert target(home, variables).admin_url == "https://h:9070"
    assert target(home, variables | {"PERDURE_ADMIN_URL": "http://x"}).admin_url == "http://x"


def test_a_file_of_the_folder_stands_below_the_environment(tmp_path):
    (tmp_path / ".env").write_text(
        "# ours\n"
        "export RESTATE_ADMIN_URL='http://file'  # here\n"
        'PERDURE_AUTH_TOKEN = "a b#c"\n'
        "RESTATE_ENVIRONMENT=prod # a word\n"
        "PERDURE_EDITOR=\n"
        "PATH=/bad\n"
        "nonsense\n"
    )
    found = with_env_file({"RESTATE_ADMIN_URL": "http://shell"}, tmp_path)
    assert found == {
        "RESTATE_ADMIN_URL": "http://shell",
        "PERDURE_AUTH_TOKEN": "a b#c",
        "RESTATE_ENVIRONMENT": "prod",
        "PERDURE_EDITOR": "",
    }
    assert with_env_file({}, tmp_path)["RESTATE_ADMIN_URL"] == "http://file"


def test_files_may_begin_with_the_mark_that_editors_write(home):
    mark = "\N{ZERO WIDTH NO-BREAK SPACE}"
    (home / ".env").write_text(mark + "RESTATE_ADMIN_URL=http://file\n")
    assert with_env_file({}, home) == {"RESTATE_ADMIN_URL": "http://file"}
    folder = home / ".config" / "perdure"
    (folder / "config.toml").write_text(mark + CONFIG)
    (folder / "environment").write_text(mark + "prod\n")
    assert target(home).admin_url == "https://admin.prod"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path, content):
    if content is not None:
        (tmp_path / ".env").write_bytes(content)
    assert with_env_file({"A": "b"}, tmp_path) == {"A": "b"}


def test_what_the_line_says_comes_first(home):
    variables = {"PERDURE_ADMIN_URL": "http://x"}
    assert target(home, variables, admin_url="http://y").admin_url == "http://y"
    chosen = find_target(
        Surroundings(environment=variables, home=home), GlobalOptions(environment="prod")
    )
    assert chosen.admin_url == "https://admin.prod"


def test_an_environment_that_does_not_exist_is_refused(home):
    ran = User(home=home).runs("config", "use-environment", "prdo")
    assert ran.code == EXIT_USAGE
    assert "there are local, prod" in ran.err
    assert not (home / ".config" / "perdure" / "environment").exists()


@pytest.mark.parametrize("text", ["= 1", "prod = 1", "[prod]\nadmin_base_url = 1", "\xff"])
def test_a_file_that_cannot_be_used_is_named(home, text):
    (home / ".config/perdure/config.toml").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError):
        find_target(Surroundings(environment={}, home=home), GlobalOptions(environment="prod"))


def test_the_token_goes_to_the_server_and_nowhere_else(home):
    admin = Admin({"GET /services": {"services": []}})
    ran = User(admin, home=home).runs("-v", "-e", "prod", "services", "list")
    assert admin.headers[0]["authorization"] == "Bearer secret"
    assert "GET https://admin.prod/v4/services 200" in ran.err
    view = User(home=home).runs("config", "view", "--json")
    assert list(view.json["prod"].values())[-1] == "***"
    assert "secret" not in ran.out + ran.err + view.out + view.err


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("ALL_PROXY", "ftp://proxy:21", "Unknown scheme"),
        ("ALL_PROXY", "socks5://proxy:1080", "socksio"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "No such file"),
    ],
)
def test_a_proxy_or_certificate_that_cannot_be_used_is_told(monkeypatch, name, value, why):
    monkeypatch.setenv(name, value)
    far = Target("prod", "https://admin.prod", None, None)
    with pytest.raises(UsageError, match=f"{why}.*{name}"):
        AdminApi(far, GlobalOptions(), tell=print)
    AdminApi(far._replace(admin_url="http://localhost:9070"), GlobalOptions(), tell=print)


def test_environments_are_listed_with_the_current_one(home):
    ran = User(home=home, environment={"PERDURE_ENVIRONMENT": "prod"}).runs("config", "list-env")
    assert ran.lines[1:] == [
        ["local", "http://localhost:9070"],
        ["*", "prod", "https://admin.prod"],
    ]


def test_the_first_edit_begins_with_an_example(tmp_path):
    user = User(home=tmp_path, writes=CONFIG)
    ran = user.runs("config", "edit", "--json")
    assert "admin_base_url" in user.edited
    assert ran.json["environments"] == ["local", "prod"]
    assert (tmp_path / ".config/perdure/config.toml").stat().st_mode & 0o777 == 0o600
