r"""Fan-out and fan-in: many parts at the same time, each durable, and one answer.

A text is cut into paragraphs. A worker counts the words of each in an invocation of its own: the
parts run side by side, fail and retry alone, and are not counted again when the process dies. Plain
`asyncio.gather` brings the results together.

    curl localhost:8080/WordCount/count --json '"To be or not to be.\n\nThat is the question."'
"""

import asyncio
from collections import Counter

import perdure
from examples.outside import reach

word_count = perdure.Service("WordCount", description="Counts words, all paragraphs at once.")
worker = perdure.Service("WordCountWorker", ingress_private=True)


@word_count.handler()
async def count(ctx: perdure.Context, text: str) -> dict[str, int]:
    """Count the words of a text."""
    paragraphs = [part for part in text.split("\n\n") if part.strip()]
    calls = [ctx.service_call(count_part, arg=paragraph) for paragraph in paragraphs]
    total: Counter[str] = Counter()
    for part in await asyncio.gather(*calls):
        total.update(part)
    return dict(sorted(total.items()))


@worker.handler()
async def count_part(ctx: perdure.Context, paragraph: str) -> dict[str, int]:
    """Count the words of a paragraph."""
    return await ctx.run_typed("count", count_words, paragraph=paragraph)


def count_words(paragraph: str) -> dict[str, int]:
    """Do the work, which is heavy in real life."""
    reach(f"read {len(paragraph)} characters")
    words = [word.strip(".,;:!?").lower() for word in paragraph.split()]
    return dict(Counter(word for word in words if word))


app = perdure.app([word_count, worker])
