"""The two estimators behave as scikit-learn's own: in pipelines, searches, clones and pickles."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headstart import PretrainedFeatures, TransferClassifier
from headstart.errors import DataError, OptionError
from headstart.models.resolve import load_backbone
from tests.families import TEXTS
from tests.pictures import picture, save
from tests.tiny_models import timm_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(timm_folder(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture(scope="module")
def data():
    """Reddish and bluish pictures."""
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 90, (24, 24, 3)).astype(np.uint8) for _ in range(24)]
    for number, one in enumerate(pixels):
        one[..., 2 * (number % 2)] += 150
    return pixels, np.array(["red", "blue"])[np.arange(24) % 2]


def test_features_are_those_of_the_backbone(folder, data):
    backbone = load_backbone(folder)
    found = PretrainedFeatures(folder, precision="fp32").fit_transform(data[0])
    assert found.shape == (24, backbone.width)
    assert found.dtype == np.float32
    names = PretrainedFeatures(folder).fit(data[0]).get_feature_names_out()
    assert list(names[:2]) == ["feature0", "feature1"]
    assert len(names) == backbone.width


def test_features_go_into_a_pipeline_and_cross_validation(folder, data):
    pipeline = make_pipeline(PretrainedFeatures(folder), StandardScaler(), LogisticRegression())
    assert cross_val_score(pipeline, *data, cv=3).mean() > 0.9


def test_a_grid_search_over_regularisation(folder, data):
    pipeline = make_pipeline(PretrainedFeatures(folder), LogisticRegression())
    found = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=2).fit(*data)
    assert found.best_score_ > 0.8
    assert set(found.predict(data[0])) == {"red", "blue"}


def test_the_classifier_learns_and_its_probabilities_are_some(folder, data):
    X, y = data
    model = TransferClassifier(folder).fit(X[:18], y[:18])
    assert list(model.classes_) == ["blue", "red"]
    chances = model.predict_proba(X[18:])
    assert chances.shape == (6, 2)
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-6)
    assert (model.predict(X[18:]) == y[18:]).all()
    assert (model.predict(X[18:]) == model.classes_[chances.argmax(1)]).all()
    assert model.score(X[18:], y[18:]) == 1.0


def test_numbers_as_labels_stay_numbers(folder, data):
    X, y = data
    model = TransferClassifier(folder).fit(X, np.where(y == "red", 7, 3))
    assert set(model.predict(X)) == {3, 7}
    assert model.predict(X).dtype.kind == "i"


def test_the_classifier_goes_into_cross_validation_and_a_search(folder, data):
    assert cross_val_score(TransferClassifier(folder), *data, cv=2).mean() > 0.8
    grid = {"strategies": [("probe",), ("full",)]}
    found = GridSearchCV(TransferClassifier(folder), grid, cv=2).fit(*data)
    assert found.best_params_["strategies"] in grid["strategies"]


def test_clones_and_parameters(folder, data):
    model = TransferClassifier(folder, strategies=("probe",), trials=2, random_state=3)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.set_params(trials=1).trials == 1
    with pytest.raises(ValueError, match="Invalid parameter"):
        copy.set_params(wings=2)
    fitted = model.fit(*data)
    assert not hasattr(clone(fitted), "model_")
    assert "TransferClassifier" in repr(model)


def test_the_same_seed_gives_the_same_model(folder, data):
    first, second = (
        TransferClassifier(folder, strategies=("full",)).fit(*data).predict_proba(data[0]) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_a_fitted_model_survives_pickling(folder, data):
    model = TransferClassifier(folder).fit(*data)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(again.predict_proba(data[0]), model.predict_proba(data[0]), atol=1e-6)
    features = PretrainedFeatures(folder).fit(data[0])
    np.testing.assert_allclose(
        pickle.loads(pickle.dumps(features)).transform(data[0]), features.transform(data[0]), atol=1e-6
    )


def test_paths_and_texts_are_examples_too(folder, tmp_path):
    paths = [save(tmp_path / f"{seed}.png", picture(seed)) for seed in range(3)]
    assert PretrainedFeatures(folder).fit_transform(paths).shape[0] == 3
    encoder = TEXTS["bert"](tmp_path / "bert")
    sea, train = "dark northern sea light", "old train station story"
    model = TransferClassifier(encoder).fit([sea, train] * 8, [0, 1] * 8)
    assert list(model.predict([sea, train])) == [0, 1]


def test_without_a_backbone_the_installed_one_of_the_kind_is_taken():
    found = PretrainedFeatures().fit(["a sentence", "another"])
    assert found.backbone_.card.modality == "text"
    assert found.n_features_out_ == 384


def test_before_fitting_nothing_is_predicted(folder, data):
    with pytest.raises(NotFittedError):
        TransferClassifier(folder).predict(data[0])
    with pytest.raises(NotFittedError):
        PretrainedFeatures(folder).transform(data[0])


def test_what_cannot_be_learnt_is_said(folder, data, tmp_path):
    X, y = data
    with pytest.raises(DataError, match="one class only"):
        TransferClassifier(folder).fit(X, ["red"] * 24)
    with pytest.raises(DataError, match="24 examples, y 3"):
        TransferClassifier(folder).fit(X, y[:3])
    with pytest.raises(OptionError, match="probe"):
        TransferClassifier(folder, strategies=("guess",)).fit(X, y)
    with pytest.raises(ValueError, match="continuous"):
        TransferClassifier(folder).fit(X, np.linspace(0, 1, 24))
    (tmp_path / "junk.png").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"junk\.png"):
        PretrainedFeatures(folder).fit(X).transform([tmp_path / "junk.png"])


def test_every_member_of_x_is_one_example(folder, data, tmp_path):
    X, y = data
    model = TransferClassifier(folder).fit(X, y)
    for seed in range(3):
        save(tmp_path / "more" / f"{seed}.png", picture(seed))
    with pytest.raises(DataError, match="more"):  # a folder is not three of them
        model.predict([str(tmp_path / "more")])
    encoder = TEXTS["bert"](tmp_path / "bert")
    table = pd.DataFrame({"text": ["dark northern sea light", "old train station story"] * 8})
    assert TransferClassifier(encoder).fit(table, [0, 1] * 8).predict(table).shape == (16,)


def test_random_state_as_scikit_learn_takes_it(folder, data):
    X, y = data
    for state in (None, np.random.RandomState(3)):
        assert TransferClassifier(folder, random_state=state).fit(X, y).score(X, y) > 0.8
    with pytest.raises(OptionError, match="at least 1"):
        TransferClassifier(folder, trials=0).fit(X, y)
