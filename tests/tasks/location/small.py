"""A pre-training of seconds."""

SMALL = {
    "features": {"name": "harmonics", "degree": 3},
    "network": {"name": "siren", "hidden": 8},
    "image": {"name": "cnn", "channels": [4]},
    "dim": 4,
    "places": 128,
    "size": 2,
    "batch_size": 32,
    "epochs": 1,
    "apart_km": 0,
    "bounds": [5, 39, 11, 45],
}
