"""SetFit with its default arguments from the same local sentence encoder, but no more pairs than its documentation lets it draw.

python setfit_text.py TABLE.csv ENCODER    TABLE with text, label, split (train, test)

By default SetFit draws every pair there is, which grows with the square of the examples: 374,528 for 8 of each of 77 classes. Its
guide "Sampling strategies" (huggingface.co/docs/setfit/conceptual_guides/sampling_strategies) describes how pairs are limited: 20 with
the same and 20 with another label for each example, the default before version 1.0 and the setting of its paper (Tunstall et al.
2022, section 4). The migration guide to 1.0 asks for the number of steps to be set by `max_steps` instead of `num_iterations`, so
that is what is done here, where the default would take more.
"""

import json
import sys
import time

import pandas as pd
from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments

PAIRS_EACH, BATCH = 2 * 20, 16

table = pd.read_csv(sys.argv[1])
names = sorted(table.label.unique())
numbered = table.assign(label=table.label.map(names.index))
train, test = (numbered[numbered.split == part][["text", "label"]].reset_index(drop=True) for part in ("train", "test"))
sizes = train.label.value_counts()
same, other = int((sizes * (sizes + 1) // 2).sum()), int((len(train) ** 2 - (sizes**2).sum()) // 2)
every_pair, capped = 2 * max(same, other), PAIRS_EACH * len(train)
began = time.monotonic()
model = SetFitModel.from_pretrained(sys.argv[2])
trainer = Trainer(
    model=model,
    args=TrainingArguments(
        batch_size=BATCH,
        max_steps=capped // BATCH if capped < every_pair else -1,
        save_strategy="no",
        report_to="none",
        seed=0,
    ),
    train_dataset=Dataset.from_pandas(train),
)
trainer.train()
found = model.predict(list(test.text))
accuracy = float((pd.Series([int(one) for one in found]) == test.label).mean())
figures = {"accuracy": accuracy, "tested": len(test), "adapting": time.monotonic() - began}
print("RESULT " + json.dumps({**figures, "pairs": min(capped, every_pair)}))
