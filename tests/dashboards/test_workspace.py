"""The dashboard as wandb-workspaces has it; nothing is sent."""

from glc.dashboards import panels, workspace


def test_the_workspace_shows_every_panel_and_groups_by_dataset_and_paper():
    made = workspace.workspace("team", "glc")
    assert [section.name for section in made.sections] == list(panels.SECTIONS)
    for section in made.sections:
        assert len(section.panels) == len(panels.SECTIONS[section.name])
    sent = made._to_model().model_dump_json(by_alias=True)
    assert [name for name in panels.metrics() if name not in sent] == []
    assert [group.name for group in made.runset_settings.groupby] == list(panels.GROUPS)
