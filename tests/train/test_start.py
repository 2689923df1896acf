from mtmd.config import Preset
from mtmd.model.build import build_model
from mtmd.model.two_tower import MTMD
from mtmd.train.trainer import start
from tests.train.windows import RandomWindow


def test_a_model_starts_with_the_windows_rates_and_the_statistics_of_all_its_batches(
    tiny_preset: Preset,
) -> None:
    window = RandomWindow(tiny_preset.declarations, rate=0.06)
    model, other = (build_model("mtmd", tiny_preset) for _ in range(2))
    assert isinstance(model, MTMD)
    assert isinstance(other, MTMD)
    other.initialise_bias(window.base_rates())
    for batch in window.training:
        other.observe(batch)
    start(model, window, 32)
    for name, value in model.state_dict().items():
        # Sums in another order: epoch 0 has an order of its own.
        assert value.allclose(other.state_dict()[name], rtol=1e-12, equal_nan=True), name
    assert model.query.bias.detach().abs().min() > 1
    seen = model.query.adaptation.domains[0].get_submodule("norm").get_buffer("count")
    assert 0 < seen.max() <= sum(batch.query.counts[0] for batch in window.training)
