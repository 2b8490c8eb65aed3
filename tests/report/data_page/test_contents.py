from collections import Counter

from glc import storage
from glc.report.data_page import contents


def test_all_rows_are_counted_and_few_are_sampled(folder, monkeypatch):
    monkeypatch.setattr(contents, "SAMPLE", 60)
    counted = contents.scan(folder, survey=299)
    po = counted.parts["po"]
    table = storage.read_table(folder / "surveys", "surveys").to_pandas()
    own = table[table["dataset"] == "po"]
    assert list(counted.parts) == ["pa_train", "pa_test", "po"]
    assert po.surveys == 300
    assert po.occurrences == sum(map(len, own["species"]))
    assert po.species == Counter(species for known in own["species"] for species in known)
    assert po.sizes == Counter(map(len, own["species"]))
    assert 30 < len(po.sample) < 100
    assert 299 in set(po.sample["surveyId"])
    assert len(counted.parts["pa_train"].nodes) == 120
    assert counted.parts["pa_test"].nodes is not None
    assert po.nodes is None
