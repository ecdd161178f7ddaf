"""Columns that look as if they were about people: by their cells, or by their names.

A suspicion and no more: it is said before a file goes to a rented machine, and nothing is left out for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

CELLS_LOOKED_AT = 200
"""Different cells of a column's first block that are looked at."""
SHARE_MIN = 0.5
"""Share of them that must look alike."""

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?", re.ASCII)
"""Country, two check digits, 11 to 30 letters or digits (ISO 13616)."""
_PHONE = re.compile(
    r"(?:\+|00)\d{1,3}[ ()/.-]*(?:\d[ ()/.-]*){6,12}|\(?0\d{1,4}\)?[ /.-]+(?:\d[ /.-]*){5,10}", re.ASCII
)
_NAMES = {
    "names": "name first_name last_name firstname lastname forename given_name family_name surname full_name fullname "
    "vorname nachname apelido apellido nombre nome",
    "e-mail addresses": "email e_mail mail email_address",
    "telephone numbers": "phone telephone phone_number mobile telefon telefone telefono",
    "postal addresses": "address street street_address home_address adresse morada direccion",
    "dates of birth": "dob birthdate birthday birth_date date_of_birth geburtsdatum",
    "numbers of identity papers": "ssn passport passport_number national_id tax_id nif dni social_security_number",
    "bank accounts": "iban account_number bank_account",
    "addresses on the network": "ip ip_address",
}
_BY_NAME = {name: what for what, names in _NAMES.items() for name in names.split()}


def suspected(name: str, cells: Iterable[str]) -> str:
    """Return what a column seems to hold of people, in words, or nothing; ``cells`` are some that hold something."""
    looked = [cell.strip() for cell in islice(cells, CELLS_LOOKED_AT)]
    for what, shape in (("e-mail addresses", _EMAIL), ("bank accounts", _IBAN), ("telephone numbers", _PHONE)):
        if looked and sum(shape.fullmatch(cell) is not None for cell in looked) >= SHARE_MIN * len(looked):
            return what
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s.-]+", "_", name.strip()).casefold().strip("_")
    return _BY_NAME.get(words, "")
