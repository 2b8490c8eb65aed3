"""The model card of a fitted experiment: what it is, what it was fitted to, how well it predicts, how to use it."""

from glc import config
from glc.types import Facts


def render(facts: Facts, settings: config.Experiment) -> str:
    """The card as Markdown.

    facts : of ``model.json``
    settings : the experiment
    """
    west, south, east, north = facts["bounds"]
    meaning = (
        "Scores are a relative suitability: only presence-only records trained the model."
        if facts["relative"]
        else "A score is the model's estimate that a survey at the place finds the species."
    )
    rows = {
        "Model": f"{settings.model.name} ({facts['kind']})",
        "Dataset": f"{facts['dataset']} (edition {facts['edition']})",
        "Training surveys": f"{facts['training_surveys']:,}",
        "Presence-only surveys": f"{facts['presence_only_surveys']:,}",
        "Species": f"{facts['species']:,}",
        "Area of the training surveys": f"{west:.2f} to {east:.2f} °E, {south:.2f} to {north:.2f} °N",
        "Inputs": ", ".join(facts["inputs"]) or "coordinates alone",
        "Scores": facts["scores"],
        "Made with": f"glc {facts['glc']}",
    }
    lines = "\n".join(f"| {name} | {text} |" for name, text in rows.items())
    return f"""# {facts["experiment"]}

{settings.description or "A fitted experiment of glc."} {meaning}

| | |
|---|---|
{lines}

```python
import glc

fitted = glc.load("THIS FOLDER")
fitted.predict(lon=3.9, lat=43.6)
```

`model.json` holds the provenance of all of this; `species.parquet` the species' ids, names and numbers of records.
Predictions far from the training surveys, or at places unlike theirs, are not to be trusted: `distance_to_training_m`
says how far a place is, `dissimilarity` how unlike, `inside` whether it is in the area of applicability, and
`fitted.applicability(places)` which F1 to expect there.
"""
