"""A classifier that explains: what its rows hold."""

from types import SimpleNamespace

from modelyard_runtime.engine.backends.explaining import Explaining
from modelyard_runtime.engine.backends.integrated_gradients import lay_path
from modelyard_runtime.engine.backends.texts import TokenRow


def test_the_points_of_a_path_hold_one_row():
    classifier = SimpleNamespace(context_tokens=9, row_bytes=5, sample=None, require_health=None)
    explaining = Explaining(classifier, gradients=None)
    paths = [lay_path(TokenRow((1, 2)), target=0, steps=steps, length=2) for steps in (3, 8)]
    rows = [*paths[0], TokenRow((3,)), *paths[1], TokenRow((4,))]
    assert (len(rows), explaining.count_held(rows), explaining.row_bytes) == (17, 4, 5)
