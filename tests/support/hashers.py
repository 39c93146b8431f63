"""Argon2 at its lowest price; the stored form is Argon2's own, so a real console reads it too."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class CheapArgon2(Argon2PasswordHasher):
    time_cost = 1
    memory_cost = 8
    parallelism = 1
