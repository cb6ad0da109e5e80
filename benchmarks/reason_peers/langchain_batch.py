"""LangChain's own `.batch`, with its limit on concurrency."""

from contender import KEY, MAX_TOKENS, MODEL, TIMEOUT, done, order
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

given = order()
questions = given.questions()
model = ChatOpenAI(
    model=MODEL, api_key=SecretStr(KEY), base_url=given.url, timeout=TIMEOUT, max_completion_tokens=MAX_TOKENS
)
replies = model.batch(
    [row["prompt"] for row in questions], config={"max_concurrency": given.workers}, return_exceptions=True
)
done(
    (row["id"], None if isinstance(reply, Exception) else str(reply.text))
    for row, reply in zip(questions, replies, strict=True)
)
