"""Where an Ollama model runs: spec/vectors/models/destinations.json and hosts.json."""

from typing import Any

import pytest
from agents import Model
from openai import AsyncOpenAI
from support.vectors import assert_error, rows
from timestep.errors import ConfigurationError
from timestep.models import MultiModelProvider, MultiModelProviderMap, OllamaModelProvider
from timestep.models.destination import parse_host


def model_of(row: dict[str, Any]) -> Model:
    """Make the row's model; where no provider is given, the built-in one makes it."""
    if row["through"] == "direct":
        return OllamaModelProvider(**row["provider"]).get_model(row["model"])
    providers = MultiModelProviderMap()
    if "provider" in row:
        providers.add_provider("ollama", OllamaModelProvider(**row["provider"]))
    return MultiModelProvider(provider_map=providers).get_model(f"ollama/{row['model']}")


@pytest.mark.parametrize("row", rows("models/destinations.json"))
def test_a_model_runs_where_the_table_says(
    row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in row.get("environment", {}).items():
        monkeypatch.setenv(name, value)
    if "error" in row:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - the row names class and words
            model_of(row)
        assert_error(raised.value, row["error"])
        return
    model: Any = model_of(row)
    client: AsyncOpenAI = model._client
    assert model.model == row["client"]["model"]
    assert str(client.base_url) == row["client"]["base_url"]
    assert sent_headers(client) == {"authorization": f"Bearer {row['client']['key']}"}
    assert f"key='{row['client']['key']}'" not in repr(model._destination)


def sent_headers(client: AsyncOpenAI) -> dict[str, str]:
    """Return what the client sends about who asks, in a copy with fewer retries as in a call."""
    from openai._models import FinalRequestOptions

    copy = client.with_options(max_retries=0)
    options = FinalRequestOptions.construct(method="post", url="/responses", json_data={})
    headers = copy._build_request(options).headers
    told = ("authorization", "openai-organization", "openai-project", "x-team", "api-key")
    return {name: headers[name] for name in told if name in headers}


@pytest.mark.parametrize("row", rows("models/hosts.json"))
def test_a_host_is_read_as_ollama_reads_it(row: dict[str, Any]) -> None:
    if "error" in row:
        with pytest.raises(ConfigurationError) as raised:
            parse_host(row["input"], "OLLAMA_HOST")
        assert_error(raised.value, row["error"])
        return
    assert parse_host(row["input"], "OLLAMA_HOST") == row["output"]


def test_a_password_in_a_host_is_not_told() -> None:
    with pytest.raises(ConfigurationError) as raised:
        OllamaModelProvider(base_url="ftp://ann:hunter2@box")
    assert "hunter2" not in str(raised.value)


def test_the_environment_is_read_when_a_model_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = OllamaModelProvider()
    monkeypatch.setenv("OLLAMA_HOST", "first")
    first: Any = provider.get_model("llama3")
    monkeypatch.setenv("OLLAMA_HOST", "second")
    second: Any = provider.get_model("llama3")
    assert str(first._client.base_url) == "http://first:11434/v1/"
    assert str(second._client.base_url) == "http://second:11434/v1/"


def test_a_client_of_ones_own_is_called() -> None:
    client = AsyncOpenAI(base_url="http://box:11434/v1", api_key="mine")
    model: Any = OllamaModelProvider(client=client).get_model("llama3-cloud")
    assert model._client is client
    assert model.model == "llama3-cloud"


def test_a_client_and_an_address_contradict_each_other() -> None:
    client = AsyncOpenAI(base_url="http://box:11434/v1", api_key="mine")
    with pytest.raises(ConfigurationError, match="not both"):
        OllamaModelProvider(base_url="http://box:11434", client=client)
