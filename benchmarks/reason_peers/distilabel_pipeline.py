"""distilabel: a pipeline of one TextGeneration step; a batch is what it sends at once."""

from contender import KEY, MAX_TOKENS, MODEL, done, order
from distilabel.models import OpenAILLM  # type: ignore[import-not-found]
from distilabel.pipeline import Pipeline  # type: ignore[import-not-found]
from distilabel.steps import LoadDataFromDicts  # type: ignore[import-not-found]
from distilabel.steps.tasks import TextGeneration  # type: ignore[import-not-found]

if __name__ == "__main__":
    given = order()
    rows = [{"id": row["id"], "instruction": row["prompt"]} for row in given.questions()]
    with Pipeline(name="reason", cache_dir=given.folder) as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=given.workers)
        ask = TextGeneration(
            llm=OpenAILLM(
                model=MODEL, base_url=given.url, api_key=KEY, generation_kwargs={"max_new_tokens": MAX_TOKENS}
            ),
            input_batch_size=given.workers,
        )
        load >> ask
    found = pipeline.run(use_cache=False)["default"]["train"]
    done([(row["id"], row["generation"]) for row in found])
