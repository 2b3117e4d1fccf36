"""Asks a server in the way of every official SDK and prints what each of them understood, as JSON.

Usage: sdks.py URL. Every event is also checked against the SDK's own types, which in a stream it
does not do by itself.
"""

import base64
import json
import sys

import anthropic
import ollama
import openai
from google import genai
from google.genai import types

BASE = sys.argv[1]
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
CHAT_TOOL = {
    "type": "function",
    "function": {"name": "read", "description": "Reads.", "parameters": SCHEMA},
}


def checked(event):
    """An event, if it has all that its type demands."""
    type(event).model_validate(event.to_dict())
    return event


def of_anthropic(tools):
    client = anthropic.Anthropic(base_url=BASE, api_key="x", max_retries=0)
    ask = {
        "model": "large",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "hello"}],
    }
    if tools:
        ask["tools"] = [{"name": "read", "description": "Reads.", "input_schema": SCHEMA}]
    for event in client.messages.create(stream=True, **ask):
        checked(event)
    with client.messages.stream(**ask) as stream:
        message = stream.get_final_message()
    type(message).model_validate(message.to_dict())
    blocks = message.content
    return {
        "text": "".join(block.text for block in blocks if block.type == "text"),
        "thinking": "".join(block.thinking for block in blocks if block.type == "thinking"),
        "signatures": [block.signature for block in blocks if block.type == "thinking"],
        "calls": [[block.name, block.input] for block in blocks if block.type == "tool_use"],
        "stop": message.stop_reason,
        "usage": [
            message.usage.input_tokens,
            message.usage.cache_read_input_tokens,
            message.usage.cache_creation_input_tokens,
            message.usage.output_tokens,
        ],
    }


def of_openai_chat(tools):
    client = openai.OpenAI(base_url=BASE + "/v1", api_key="x", max_retries=0)
    ask = {
        "model": "large",
        "messages": [{"role": "user", "content": "hello"}],
        "stream_options": {"include_usage": True},
    }
    if tools:
        ask["tools"] = [CHAT_TOOL]
    for event in client.chat.completions.create(stream=True, **ask):
        checked(event)
    thinking = ""
    with client.chat.completions.stream(**ask) as stream:
        for event in stream:
            if event.type == "chunk" and event.chunk.choices:
                thinking += getattr(event.chunk.choices[0].delta, "reasoning_content", None) or ""
        completion = stream.get_final_completion()
    message = completion.choices[0].message
    calls = [call.function for call in message.tool_calls or []]
    return {
        "text": message.content or "",
        "thinking": thinking,
        "signatures": [],
        "calls": [[call.name, json.loads(call.arguments)] for call in calls],
        "stop": completion.choices[0].finish_reason,
        "usage": [
            completion.usage.prompt_tokens,
            completion.usage.prompt_tokens_details.cached_tokens,
            completion.usage.prompt_tokens_details.cache_write_tokens,
            completion.usage.completion_tokens,
        ],
    }


def of_openai_responses(tools):
    client = openai.OpenAI(base_url=BASE + "/v1", api_key="x", max_retries=0)
    ask = {
        "model": "large",
        "input": "hello",
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    if tools:
        ask["tools"] = [
            {
                "type": "function",
                "name": "read",
                "description": "Reads.",
                "parameters": SCHEMA,
                "strict": False,
            }
        ]
    for event in client.responses.create(stream=True, **ask):
        checked(event)
    with client.responses.stream(**ask) as stream:
        response = stream.get_final_response()
    thoughts = [item for item in response.output if item.type == "reasoning"]
    calls = [item for item in response.output if item.type == "function_call"]
    return {
        "text": response.output_text,
        "thinking": "".join(part.text for item in thoughts for part in item.summary),
        "signatures": [item.encrypted_content for item in thoughts],
        "calls": [[call.name, json.loads(call.arguments)] for call in calls],
        "stop": response.status,
        "usage": [
            response.usage.input_tokens,
            response.usage.input_tokens_details.cached_tokens,
            response.usage.input_tokens_details.cache_write_tokens,
            response.usage.output_tokens,
        ],
    }


def of_gemini(tools):
    client = genai.Client(api_key="x", http_options=types.HttpOptions(base_url=BASE))
    config = types.GenerateContentConfig(system_instruction="Be brief.")
    if tools:
        read = types.FunctionDeclaration(
            name="read", description="Reads.", parameters_json_schema=SCHEMA
        )
        config.tools = [types.Tool(function_declarations=[read])]
        config.automatic_function_calling = types.AutomaticFunctionCallingConfig(disable=True)
    heard = {"text": "", "thinking": "", "signatures": [], "calls": [], "stop": None}
    for chunk in client.models.generate_content_stream(
        model="large", contents="hello", config=config
    ):
        for part in chunk.candidates[0].content.parts:
            if part.thought_signature:
                signature = base64.b64encode(part.thought_signature)
                heard["signatures"].append(signature.decode("ascii"))
            if part.function_call:
                heard["calls"].append([part.function_call.name, part.function_call.args])
            heard["thinking" if part.thought else "text"] += part.text or ""
        reason = chunk.candidates[0].finish_reason
        heard["stop"] = reason.value if reason else heard["stop"]
        usage = chunk.usage_metadata
        heard["usage"] = [
            usage.prompt_token_count,
            usage.cached_content_token_count,
            0,
            usage.candidates_token_count,
        ]
    return heard


def of_ollama(tools):
    client = ollama.Client(host=BASE)
    heard = {"text": "", "thinking": "", "signatures": [], "calls": [], "stop": None}
    for part in client.chat(
        model="large",
        messages=[{"role": "user", "content": "hello"}],
        tools=[CHAT_TOOL] if tools else None,
        stream=True,
    ):
        heard["text"] += part.message.content or ""
        heard["thinking"] += part.message.thinking or ""
        for call in part.message.tool_calls or []:
            heard["calls"].append([call.function.name, dict(call.function.arguments)])
        heard["stop"] = part.done_reason
        heard["usage"] = [part.prompt_eval_count, 0, 0, part.eval_count]
    return heard


SDKS = {
    "anthropic": of_anthropic,
    "openai-chat": of_openai_chat,
    "openai-responses": of_openai_responses,
    "gemini": of_gemini,
    "ollama": of_ollama,
}

print(
    json.dumps(
        {name: {"text": ask(False), "tools": ask(True)} for name, ask in SDKS.items()}
    )
)
