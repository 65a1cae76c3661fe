from __future__ import annotations

import pytest

from embedder.config import DEFAULT_MODEL, Settings
from embedder.errors import ConfigError


def test_flags_go_before_environment_and_absent_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_PORT", "1234")
    assert Settings.load().port == 1234
    assert Settings.load({"port": None}).port == 1234
    assert Settings.load({"port": 99}).port == 99


def test_empty_variables_are_absent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EMBED_KEY", "EMBED_MODEL", "TESSERA_MODELS", "TESSERA_CACHE_BYTES"):
        monkeypatch.setenv(name, "")
    settings = Settings.load()
    assert (settings.keys, settings.models, settings.default_model) == ((), (), DEFAULT_MODEL)


def test_users_own_variables_work_and_keys_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_KEY", "first-secret, second-secret")
    monkeypatch.setenv("EMBED_MODEL", "org/mine=/a/folder")
    settings = Settings.load()
    assert [key.get_secret_value() for key in settings.keys] == ["first-secret", "second-secret"]
    assert settings.allowed_models == {"org/mine": "/a/folder"}
    assert "secret" not in repr(settings)
    assert "secret" not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TESSERA_PORT", "seven-secret"),
        ("TESSERA_PORT", "70000"),
        ("TESSERA_PAGE_AUTH", "secret"),
        ("TESSERA_PAGE_AUTH", "user:secret,:secret"),
        ("TESSERA_MODELS", "=secret"),
        ("TESSERA_MODELS", f"{DEFAULT_MODEL}=/etc"),
        ("TESSERA_LOG_LEVEL", "secret"),
        ("TESSERA_OPEN", "secret"),
    ],
)
def test_wrong_values_are_refused_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name) as caught:
        Settings.load()
    assert "secret" not in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().port = 1  # type: ignore[misc]


def test_a_space_listens_to_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().host == "127.0.0.1"
    monkeypatch.setenv("SPACE_ID", "someone/tessera")
    assert Settings.load().host == "0.0.0.0"
