"""What is sent to the model server and read from it, as JSON."""

from typing import Any, TypedDict


class Step(TypedDict, total=False):
    """One answer of the scripted model; every field may be left out.

    Attributes:
        output: Wire output items. Ids and the long forms are filled in:
            `{"type": "message", "text": "Hello"}`,
            `{"type": "function_call", "name": "add", "arguments": {"a": 1}}`.
        usage: Token counts in wire form; what is missing is derived from the sizes.
        match: Keeps the step for requests whose last user message, model name or instructions
            hold this text; `{"text": …, "model": …, "instructions": …}` looks in one of them.
        expect: What the request's body must hold; another request is answered with 422.
        hold: The gate at which the request waits until `release`.
        fault: What goes wrong: `status`, `headers`, `body`, `raw`, `cut_after` (bytes),
            `delay_ms`, `hang`, `error_event`.
        search: What a web search finds, such as `{"web": [{"url": …, "title": …}]}`; such a step
            answers Firecrawl requests and no others.
        response: Fields that replace those of the response, such as `{"status": "incomplete"}`.
    """

    output: list[dict[str, Any]]
    usage: dict[str, Any]
    match: str | dict[str, str]
    expect: dict[str, Any]
    hold: str
    fault: dict[str, Any]
    search: dict[str, Any]
    response: dict[str, Any]


class JournalEntry(TypedDict):
    """One request that the server received.

    Attributes:
        method: The HTTP method.
        path: Path and query, such as `/v1/responses`.
        headers: The headers; names are in lower case.
        body: The exact text of the body.
        at: When it had arrived, in milliseconds since 1970.
        status: The status of the answer; None while it is held and when nothing was sent.
        script: The id of the script that it named; None when it named none.
        step: The position of the step that answered, from 0; None when none did.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: str
    at: int
    status: int | None
    script: str | None
    step: int | None
