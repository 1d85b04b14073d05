"""SetFit with its default arguments from the same local sentence encoder.

python setfit_text.py TABLE.csv ENCODER    TABLE with text, label, split (train, test)
"""

import json
import sys

import pandas as pd
from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments

table = pd.read_csv(sys.argv[1])
names = sorted(table.label.unique())
numbered = table.assign(label=table.label.map(names.index))
train, test = (numbered[numbered.split == part][["text", "label"]].reset_index(drop=True) for part in ("train", "test"))
model = SetFitModel.from_pretrained(sys.argv[2])
trainer = Trainer(
    model=model,
    args=TrainingArguments(save_strategy="no", report_to="none", seed=0),
    train_dataset=Dataset.from_pandas(train),
)
trainer.train()
found = model.predict(list(test.text))
accuracy = float((pd.Series([int(one) for one in found]) == test.label).mean())
print("RESULT " + json.dumps({"accuracy": accuracy, "tested": len(test)}))
