"""python lorax_asks.py URL QUESTION: what lorax-client hears, as JSON. A process of its own, as an outside client is."""

import json
import sys


def main(url: str, question: str) -> None:
    from lorax import Client

    client = Client(url, timeout=120)
    whole = client.generate(question, adapter_id="logic/1", max_new_tokens=16)
    events = list(client.generate_stream(question, adapter_id="logic/1", max_new_tokens=16))
    try:
        client.generate(question, adapter_id="nope")
        unknown = ""
    except Exception as error:
        unknown = str(error)
    found = {
        "text": whole.generated_text,
        "tokens": whole.details.generated_tokens,
        "finish": whole.details.finish_reason.value,
        "streamed": events[-1].generated_text,
        "pieces": "".join(event.token.text for event in events if not event.token.special),
        "base": client.generate(question, max_new_tokens=16).generated_text,
        "unknown": unknown,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
