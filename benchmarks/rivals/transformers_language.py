"""Causal language modelling with the settings of the language-modelling example of transformers, by its own Trainer.

python transformers_language.py TRAIN.txt MODEL OUT --seconds 60

The example (github.com/huggingface/transformers, examples/pytorch/language-modeling, run_clm) joins all text, cuts it into blocks of the model's
context, 1,024 tokens at most, and trains on batches of 8 at a learning rate of 5e-5 that falls linearly to nothing over three epochs, which are
the Trainer's defaults. Here training ends when the time is over, wherever its
schedule is by then.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments, set_seed


class Until(TrainerCallback):
    """Ends training when the time is over."""

    def __init__(self, end: float) -> None:
        self.end = end

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = control.should_training_stop or time.monotonic() > self.end
        return control


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("train", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--epochs", type=float, default=3)
    given = parser.parse_args()
    began = time.monotonic()
    set_seed(0)
    tokenizer, model = AutoTokenizer.from_pretrained(given.model), AutoModelForCausalLM.from_pretrained(given.model)
    ids = torch.tensor(tokenizer(given.train.read_text(encoding="utf-8"))["input_ids"])
    size = min(1024, model.config.max_position_embeddings)
    blocks = ids[: len(ids) // size * size].view(-1, size)
    rows = [{"input_ids": block, "labels": block} for block in blocks]
    arguments = TrainingArguments(
        output_dir=given.out / "work", per_device_train_batch_size=8, num_train_epochs=given.epochs, save_strategy="no", report_to=[],
        disable_tqdm=True, use_cpu=not torch.cuda.is_available(),
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[Until(began + given.seconds)])
    trainer.train()
    model.save_pretrained(given.out)
    tokenizer.save_pretrained(given.out)
    print("RESULT " + json.dumps({"steps": trainer.state.global_step, "adapting": time.monotonic() - began}))


if __name__ == "__main__":
    main()
