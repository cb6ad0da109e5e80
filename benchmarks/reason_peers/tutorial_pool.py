"""The pool of a tutorial: five threads around the openai client, an error becomes an empty text."""

from concurrent.futures import ThreadPoolExecutor, as_completed

from contender import KEY, MAX_TOKENS, MODEL, done, order
from openai import OpenAI

given = order()
questions = given.questions()
client = OpenAI(api_key=KEY, base_url=given.url)


def call(prompt: str) -> str:
    try:
        reply = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": prompt}], max_tokens=MAX_TOKENS
        )
        return reply.choices[0].message.content or ""
    except Exception:
        return ""


found: list[tuple[str, str | None]] = []
with ThreadPoolExecutor(max_workers=5) as pool:
    futures = {pool.submit(call, row["prompt"]): row["id"] for row in questions}
    for future in as_completed(futures):
        found.append((futures[future], future.result()))
done(found)
