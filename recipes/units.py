"""A scorer of one's own, for `[evaluate] scorer = "units.py:equal_units"`: quantities are equal whatever their unit."""

import math
import re

# what a unit is in metres, kilograms and seconds, with the powers of these
UNITS = {
    "m": (1, (1, 0, 0)), "metre": (1, (1, 0, 0)), "cm": (0.01, (1, 0, 0)), "mm": (0.001, (1, 0, 0)),
    "km": (1000, (1, 0, 0)), "kg": (1, (0, 1, 0)), "g": (0.001, (0, 1, 0)), "s": (1, (0, 0, 1)),
    "min": (60, (0, 0, 1)), "h": (3600, (0, 0, 1)), "m/s": (1, (1, 0, -1)), "km/h": (1 / 3.6, (1, 0, -1)),
    "N": (1, (1, 1, -2)), "kN": (1000, (1, 1, -2)), "J": (1, (2, 1, -2)), "kJ": (1000, (2, 1, -2)),
}  # fmt: skip
QUANTITY = re.compile(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*([A-Za-z]+(?:/[A-Za-z]+)?)?")


def equal_units(reply, reference, row):
    """Right if the last quantity of the reply is the reference's, within 1 %."""
    said, meant = quantity(reply), quantity(reference)
    if meant is None:
        raise ValueError(f"no quantity in the reference {reference!r}")
    if said is None:
        return {"score": False, "reason": "no quantity with a known unit"}
    same = said[1] == meant[1] and math.isclose(said[0], meant[0], rel_tol=0.01)
    return {"score": same, "label": f"{said[0]:.3g} {said[1]}", "reason": f"{said[0]:g} for {meant[0]:g}"}


def quantity(text):
    """The last number with a unit, in metres, kilograms and seconds; None if there is none."""
    for number, unit in reversed(QUANTITY.findall(text)):
        name = unit if unit in UNITS else unit.removesuffix("s")
        if name in UNITS:
            factor, powers = UNITS[name]
            return float(number) * factor, powers
    return None
