"""Extractive question answering with the settings of the question-answering example of transformers, in its plain PyTorch.

python transformers_answers.py TRAIN.jsonl TEST.jsonl ENCODER [--epochs 2]    lines with id, question, context, answers

The example's README trains BERT on SQuAD with batches of 12, a learning rate of 3e-5 that falls linearly to nothing, two epochs, windows of 384
tokens padded to that length, and a stride of 128 (github.com/huggingface/transformers, examples/pytorch/question-answering); AdamW without decay
and gradients clipped at 1 are its trainer's defaults. Answers are the best of the 20 × 20 best begins and ends within 30 tokens.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, get_linear_schedule_with_warmup

LONGEST, STRIDE, BATCH, RATE, BEST, LONGEST_ANSWER = 384, 128, 12, 3e-5, 20, 30


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("encoder")
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    began = time.monotonic()
    torch.manual_seed(0)
    train, test = ([json.loads(line) for line in path.open()] for path in (given.train, given.test))
    tokenizer = AutoTokenizer.from_pretrained(given.encoder)
    model = AutoModelForQuestionAnswering.from_pretrained(given.encoder)
    seen, owners, offsets = windows(tokenizer, train)
    aims = torch.tensor([aim(train[owner], spans, ids) for owner, spans, ids in zip(owners, offsets, seen["input_ids"].tolist(), strict=True)])
    fit(model, seen, aims, given.epochs)
    found = predict(model, tokenizer, test)
    print("RESULT " + json.dumps({"adapting": time.monotonic() - began, "answers": found}))


def windows(tokenizer, rows):
    """Padded windows of all rows, the row of each, and where each token of the context stands in it (None for the others)."""
    found = tokenizer(
        [row["question"].lstrip() for row in rows], [row["context"] for row in rows], truncation="only_second", max_length=LONGEST,
        stride=STRIDE, return_overflowing_tokens=True, return_offsets_mapping=True, padding="max_length", return_tensors="pt",
    )  # fmt: skip
    owners = found.pop("overflow_to_sample_mapping").tolist()
    everywhere = found.pop("offset_mapping").tolist()
    offsets = [
        [span if side == 1 else None for span, side in zip(spans, found.sequence_ids(number), strict=True)]
        for number, spans in enumerate(everywhere)
    ]
    return dict(found), owners, offsets


def aim(row, spans, ids):
    """The tokens of the first answer in a window; the first token where the window does not hold it whole."""
    begin = row["answers"]["answer_start"][0]
    end = begin + len(row["answers"]["text"][0])
    first = [place for place, span in enumerate(spans) if span and span[0] <= begin < span[1]]
    last = [place for place, span in enumerate(spans) if span and span[0] < end <= span[1]]
    return (first[0], last[-1]) if first and last else (0, 0)


def fit(model, seen, aims, epochs):
    """Two epochs of AdamW."""
    steps = epochs * -(-len(aims) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, steps)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(aims)).split(BATCH):
            inputs = {name: tensor[rows] for name, tensor in seen.items()}
            loss = model(**inputs, start_positions=aims[rows, 0], end_positions=aims[rows, 1]).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


def predict(model, tokenizer, rows):
    """The best answer to each row."""
    seen, owners, offsets = windows(tokenizer, rows)
    best = {row["id"]: (-np.inf, "") for row in rows}
    model.eval()
    for places in torch.arange(len(owners)).split(8):
        with torch.inference_mode():
            out = model(**{name: tensor[places] for name, tensor in seen.items()})
        for place, begins, ends in zip(places.tolist(), out.start_logits.numpy(), out.end_logits.numpy(), strict=True):
            row, spans = rows[owners[place]], offsets[place]
            for first in np.argsort(-begins)[:BEST]:
                for last in np.argsort(-ends)[:BEST]:
                    if spans[first] and spans[last] and first <= last < first + LONGEST_ANSWER:
                        score = float(begins[first] + ends[last])
                        if score > best[row["id"]][0]:
                            best[row["id"]] = (score, row["context"][spans[first][0] : spans[last][1]])
    return {name: text for name, (_, text) in best.items()}


main()
