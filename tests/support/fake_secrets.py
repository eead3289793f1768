"""Secrets that tests give to Maia, each to be recognised wherever it comes to light: see
`tests/support/secrets_plugin.py`.

A test that needs a secret takes one of these. None of them is written anywhere else, not even in the name of a test.
"""

from __future__ import annotations

__all__ = [
    "DATABASE_PASSWORD",
    "HF_TOKEN",
    "HUNTING",
    "NOTIFY_TOKEN",
    "PLANTED",
    "PREFECT_KEY",
    "S3_SECRET",
    "TRACKING",
]

HUNTING = ("AIzaPlantedHuntingOne-x7Qd0pKe3", "AIzaPlantedHuntingTwo-m2Wf8rTz6")
TRACKING = ("AIzaPlantedTrackingOne-c5Hn1vYb9", "AIzaPlantedTrackingTwo-g4Ls7jUa8")
DATABASE_PASSWORD = "planted/Passw0rd?of-the-d@tabase"
HF_TOKEN = "hf_PlantedTokenOfTheHub0q9w8e7r"
NOTIFY_TOKEN = "PlantedPathOfAService5t4r3e2w"
PREFECT_KEY = "pnu_PlantedKeyOfPrefect1z2x3c4v"
S3_SECRET = "PlantedS3SecretKey+6y/7u8i9o0p"

PLANTED = {
    "the first hunting key": HUNTING[0],
    "the second hunting key": HUNTING[1],
    "the first tracking key": TRACKING[0],
    "the second tracking key": TRACKING[1],
    "the database's password": DATABASE_PASSWORD,
    "the Hub's token": HF_TOKEN,
    "the path of a notification service": NOTIFY_TOKEN,
    "Prefect's key": PREFECT_KEY,
    "the S3 secret": S3_SECRET,
}
