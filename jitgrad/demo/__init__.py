"""The main job, ``python -m jitgrad``: one network and one loop, eagerly and compiled."""
