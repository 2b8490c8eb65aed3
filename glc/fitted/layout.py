"""Names of the files in the folder of a fitted experiment.

model.json         facts: format, version, experiment, dataset, provenance
README.md          the model card
surveys.parquet    the surveys it was fitted to, with their folds; labels of a test are not there
species.parquet    ids, names and numbers of records
decoder.npz        what decides how many species are predicted
calibration.npz    scores to presence rates
applicability.npz  area of applicability and error profile; optional
scorer/            what scores: of a net ``<fold>/model.ckpt``, of a stack ``members/<number>`` with its own scorer
"""

FORMAT = 1
FACTS, CARD, SURVEYS, SPECIES = "model.json", "README.md", "surveys.parquet", "species.parquet"
DECODER, CALIBRATION = "decoder.npz", "calibration.npz"
SCORER, SETTINGS, MEMBERS, JOINED = "scorer", "experiment.json", "members", "joined"
SAVED, CLASSES, TABLE = "model", "classes.json", "table.npz"
