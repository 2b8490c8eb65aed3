from pathlib import Path

import yaml

import glc
from glc import registry
from glc.explain.citation import AUTHOR, citation
from glc.references import PAPERS, SOFTWARE, Reference, paper_named

GBIF = {
    "edition": "darwincore",
    "parameters": {"dataset": "/data/plants"},
    "citation": {
        "doi": "https://doi.org/10.15468/dl.abc123",
        "title": "GBIF Occurrence Download",
        "rights": None,
        "licences": {"CC_BY_4_0": 120, "CC0_1_0": 30},
    },
}


def test_the_doi_and_licences_of_the_manifest_are_cited():
    cited = citation("plants", GBIF, [])
    (data,) = cited.data
    assert data.doi == "10.15468/dl.abc123"
    assert data.licence == "CC_BY_4_0; CC0_1_0"
    text = cited.text()
    assert "GBIF Occurrence Download. https://doi.org/10.15468/dl.abc123. Licence: CC_BY_4_0; CC0_1_0." in text
    assert "- CC_BY_4_0: 120 records" in text
    assert "doi = {10.15468/dl.abc123}" in cited.bibtex()
    assert "CC\\_BY\\_4\\_0" in cited.bibtex()
    assert cited.notes == ()


def test_what_the_data_do_not_say_is_left_to_the_author():
    facts = GBIF | {"citation": {"doi": None, "title": "Plots", "rights": None, "licences": {}}}
    cited = citation("plots", facts, [])
    assert [note for note in cited.notes if "DOI" in note and AUTHOR in note]
    assert [note for note in cited.notes if "licence" in note and AUTHOR in note]
    unknown = citation("mine", {"edition": "mine", "parameters": {"dataset": "/mine"}}, [])
    assert unknown.data == ()
    assert unknown.notes == (f"The source, version and licence of the dataset mine are {AUTHOR}.",)


def test_the_papers_of_a_layout_hold_only_for_the_contests_own_files():
    cited = citation("medflora", {"edition": "glc2024", "parameters": {"dataset": "/data/medflora"}}, [])
    assert [reference.title for reference in cited.data] == [
        reference.title for reference in registry.editions.get("glc2024").references
    ]
    (note,) = cited.notes
    assert "layout of GeoLifeCLEF 2024: its references hold if they are the contest's own" in note
    assert f"licence of the dataset medflora are {AUTHOR}" in note


def test_a_virtual_world_has_no_source():
    cited = citation("virtual-tiny", {"edition": "glc2024", "parameters": {"dataset": "virtual:tiny"}}, [])
    assert cited.data == ()
    assert cited.notes == ("The data are simulated: the virtual world tiny of glc, which has no source.",)


def test_the_papers_that_descriptions_name_are_cited_once():
    descriptions = ["Votes (ours).", "A net (after Liu et al. 2024).", "Same (Liu et al. 2024, Table 3).", "(Doe 2031)"]
    cited = citation("x", GBIF, descriptions)
    assert cited.methods == (PAPERS["Liu et al. 2024"],)
    assert cited.notes == (f"The experiment names the paper Doe 2031; its reference is {AUTHOR}.",)
    assert paper_named("Votes (ours).") == ""


def test_papers_and_software_are_those_of_the_citation_file():
    file = yaml.safe_load((Path(glc.__file__).parents[1] / "CITATION.cff").read_text())
    assert (SOFTWARE.title, SOFTWARE.version, SOFTWARE.licence) == (file["title"], file["version"], file["license"])
    known = {
        reference["title"]: (
            "; ".join(f"{author['family-names']}, {author['given-names']}" for author in reference["authors"]),
            reference["year"],
        )
        for reference in file["references"]
    }
    assert {paper.title: (paper.authors, paper.year) for paper in PAPERS.values()} == known


def test_every_paper_that_an_experiment_names_has_a_reference():
    from glc import config

    names = {paper_named(config.read(name).get("description", "")) for name in config.experiment_names()}
    assert names - {""} <= set(PAPERS)


def test_bibtex_is_balanced_and_keys_differ():
    work = Reference(
        "conference", "Picek, Lukas; Šulc, Milan", "50 % of C&A_b {x}", 2024, "Notes", url="https://a.b/c_d"
    )
    text = work.bibtex()
    assert text.startswith("@inproceedings{picek_2024_")
    assert "author = {Picek, Lukas and Šulc, Milan}" in text
    assert r"50 \% of C\&A\_b \textbraceleft{}x\textbraceright{}" in text
    assert text.count("{") == text.count("}")
    every = [reference for name in registry.editions.choices() for reference in registry.editions.get(name).references]
    assert len({reference.key for reference in {*every, *PAPERS.values(), SOFTWARE}}) == len(
        {*every, *PAPERS.values(), SOFTWARE}
    )


def test_geoplant_names_the_paper_of_the_dataset():
    cited = citation("v2", {"edition": "geoplant", "parameters": {"dataset": "/data/v2"}}, [])
    assert [reference.doi for reference in cited.data] == ["10.48550/arXiv.2408.13928"]
