"""Which Block Kit blocks a message may carry, and what Slack says about those it may not.

Limits: docs.slack.dev/reference/block-kit/blocks and …/block-kit/composition-objects/text-object.
Words: real refusals quoted in the public threads grafana-cold-storage/oncall#5121 (too long),
adobe/spacecat-api-service#176 and ryanrosello-og/playwright-slack-report#180 (too many). Slack gives no list of its
words; where none was found they follow the same form. A client should read the error's name, never these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

BLOCK_TYPES: Final = frozenset(
    {"actions", "context", "divider", "file", "header", "image", "input"}
    | {"markdown", "rich_text", "section", "table", "video"}
)


def block_errors(blocks: list[Any]) -> Iterable[str]:
    """What Slack would say about these blocks, each with a JSON pointer to its place; nothing when they are valid."""
    if len(blocks) > 50:
        yield "no more than 50 items allowed [json-pointer:/blocks]"
    ids = [b["block_id"] for b in blocks if isinstance(b, dict) and b.get("block_id")]
    if len(ids) != len(set(ids)):
        yield "block_id must be unique in a message [json-pointer:/blocks]"
    for i, block in enumerate(blocks):
        yield from _block_errors(block, f"/blocks/{i}")


def _block_errors(block: object, at: str) -> Iterable[str]:
    if not isinstance(block, dict) or block.get("type") not in BLOCK_TYPES:
        kind = block.get("type") if isinstance(block, dict) else type(block).__name__
        yield f"unsupported type: {kind} [json-pointer:{at}/type]"
        return
    if len(str(block.get("block_id") or "")) > 255:
        yield f"must be less than 256 characters [json-pointer:{at}/block_id]"
    match block["type"]:
        case "header":
            yield from _text_errors(block.get("text"), f"{at}/text", 150, plain=True)
        case "section":
            yield from _section_errors(block, at)
        case "context":
            yield from _items_errors(block, "elements", at, 10)
        case "actions":
            yield from _items_errors(block, "elements", at, 25)
            yield from _action_errors(block.get("elements"), at)
        case "image" if not block.get("alt_text"):
            yield f"missing required field: alt_text [json-pointer:{at}]"
        case _:
            pass


def _text_errors(text: object, at: str, most: int, *, plain: bool = False) -> Iterable[str]:
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if not isinstance(text, dict) or text.get("type") not in kinds:
        yield f"must be a text object of type {' or '.join(kinds)} [json-pointer:{at}]"
    elif not isinstance(text.get("text"), str) or not text["text"]:
        yield f"must be more than 0 characters [json-pointer:{at}/text]"
    elif len(text["text"]) > most:
        yield f"must be less than {most + 1} characters [json-pointer:{at}/text]"


def _items_errors(block: Mapping[str, Any], name: str, at: str, most: int) -> Iterable[str]:
    items = block.get(name)
    if not isinstance(items, list) or not items:
        yield f"missing required field: {name} [json-pointer:{at}]"
    elif len(items) > most:
        yield f"no more than {most} items allowed [json-pointer:{at}/{name}]"


def _section_errors(block: Mapping[str, Any], at: str) -> Iterable[str]:
    if "text" not in block and not block.get("fields"):
        yield f"missing required field: text or fields [json-pointer:{at}]"
    if "text" in block:
        yield from _text_errors(block["text"], f"{at}/text", 3000)
    if "fields" in block:
        yield from _items_errors(block, "fields", at, 10)
        for j, text in enumerate(block["fields"] or ()):
            yield from _text_errors(text, f"{at}/fields/{j}", 2000)


def _action_errors(elements: object, at: str) -> Iterable[str]:
    """Buttons, which are what an approval is asked with; other interactive elements are let through."""
    for j, element in enumerate(elements if isinstance(elements, list) else ()):
        here = f"{at}/elements/{j}"
        if not isinstance(element, dict) or element.get("type") != "button":
            continue
        yield from _text_errors(element.get("text"), f"{here}/text", 75, plain=True)
        for name, most in (("action_id", 255), ("value", 2000), ("url", 3000)):
            if len(str(element.get(name) or "")) > most:
                yield f"must be less than {most + 1} characters [json-pointer:{here}/{name}]"
        if element.get("style", "primary") not in ("primary", "danger"):
            yield f"style must be primary or danger [json-pointer:{here}/style]"
