"""Which provider a model's name means: spec/vectors/models/names.json."""

from typing import Any

import pytest
from agents import UserError
from support.vectors import assert_error, rows
from timestep.models import MultiModelProvider, MultiModelProviderMap, OllamaModelProvider


def provider_for(row: dict[str, Any]) -> MultiModelProvider:
    providers = MultiModelProviderMap()
    for prefix, host in row.get("map", {}).items():
        providers.add_provider(prefix, OllamaModelProvider(base_url=host))
    return MultiModelProvider(provider_map=providers, openai_api_key="openai-key")


@pytest.mark.parametrize("row", rows("models/names.json"))
def test_a_name_means_a_provider(row: dict[str, Any]) -> None:
    provider = provider_for(row)
    if "error" in row:
        with pytest.raises(UserError) as raised:
            provider.get_model(row["model"])
        assert_error(raised.value, row["error"])
        return
    model: Any = provider.get_model(row["model"])
    called = str(model._client.base_url)
    host = "https://api.openai.com" if row["goes_to"] == "openai" else row["goes_to"]
    assert called == f"{host}/v1/"
    assert model.model == row.get("name", model.model)
    assert model.model


def test_a_client_is_made_once_for_each_host() -> None:
    provider = MultiModelProvider()
    first: Any = provider.get_model("ollama/llama3")
    again: Any = provider.get_model("ollama/llama3")
    other: Any = provider.get_model("ollama/qwen3")
    assert first is again
    assert first._client is other._client


def test_an_empty_openai_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    model: Any = MultiModelProvider(openai_api_key="").get_model("gpt-4.1")
    assert model._client.api_key == "from-the-environment"


def test_the_sdk_can_ask_the_openai_model_all_it_asks_its_own() -> None:
    model: Any = MultiModelProvider(openai_api_key="key").get_model("gpt-4.1")
    assert model._supports_default_prompt_cache_key()
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = model.no_such_thing


def test_providers_can_be_made_with_nothing_set() -> None:
    MultiModelProvider()
    OllamaModelProvider()
    OllamaModelProvider(api_key="key", base_url="http://nowhere.example")
