"""`ChatOpenAI.invoke` in as many threads, and nothing else: what the client library itself can do."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from contender import KEY, MAX_TOKENS, MODEL, TIMEOUT, done, order
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

given = order()
questions = given.questions()
model = ChatOpenAI(
    model=MODEL, api_key=SecretStr(KEY), base_url=given.url, timeout=TIMEOUT, max_completion_tokens=MAX_TOKENS
)


def ask(row: dict[str, Any]) -> tuple[str, str | None]:
    try:
        return row["id"], str(model.invoke(row["prompt"]).text)
    except Exception:
        return row["id"], None


with ThreadPoolExecutor(given.workers) as pool:
    found = list(pool.map(ask, questions))
done(found)
