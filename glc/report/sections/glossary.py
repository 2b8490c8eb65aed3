"""The page's words, explained in a sentence each: those that the page uses."""

from glc.report.sections.section import Section, section
from glc.report.story import Story

WORDS = {
    "Survey": "A visit to a place on a date, with the species that were seen.",
    "Present": "A species that the survey lists. One that it does not list may still grow there, unseen.",
    "Presence-absence": "Surveys that list all species that were found, so that a missing one counts as absent.",
    "Presence-only": "Records of single species; nothing is known about the others at that place.",
    "F1": "How well two sets of species agree: twice the number of common species, divided by the sum of both sizes. "
    "1 is perfect, 0 is nothing in common.",
    "Validation": "Training surveys that are predicted by a model that has not seen them, to measure it honestly.",
    "Test": "The surveys that the contest asks for, or, where a dataset has none, blocks that were held out.",
    "Fold": "A part of the training surveys that is validated together; folds are numbered from 0, as in file names.",
    "Spatial block": "A square of the map whose surveys stay in one fold, so that no near neighbour of a validated "
    "survey is trained on.",
    "95% interval": "The range that holds the mean in 95 of 100 repetitions, each with other spatial blocks drawn from "
    "the same ones.",
    "Frequency baseline": "A prediction of the 25 most frequent species of an area, without any model.",
    "Quarantine": "Rows that could not be used, with file, line and reason; they are kept apart and never guessed.",
    "Score": "A number of the model per survey and species: higher is likelier.",
    "Probability": "A score translated into how often species with that score were present on validation: calibration.",
    "Decoder": "The rule that turns the scores of a survey into its set of species.",
    "Log-odds": "The logarithm of a probability divided by one minus it: the scale on which members are averaged.",
    "Area of applicability": "Places that resemble the training surveys; beyond, a map says little.",
    "AUC": "Area under the ROC curve: the chance that a place with the species scores higher than one without.",
    "Early stopping": "Training ends when surveys that it does not learn from no longer improve.",
    "Epoch": "One pass of the training over all training surveys; they are counted from 1 here.",
}
"""Word -> what it means."""
OF_SETS = ("F1", "Presence-absence", "Decoder", "Frequency baseline", "Probability", "Present")
"""Words of pages with species sets."""


def glossary(story: Story) -> Section:
    """Words that the model or the dataset does not need are left out."""
    unused = set()
    if "relative" in story.metrics:
        unused |= set(OF_SETS) - {"Frequency baseline"}
    if not story.histories:
        unused |= {"Early stopping", "Epoch"}
    if not story.members:
        unused.add("Log-odds")
    if story.applicability is None:
        unused.add("Area of applicability")
    words = {word: meaning for word, meaning in WORDS.items() if word not in unused}
    return section("glossary", "Glossary", "Glossary", words=words)
