"""The normal form that the MATH data set compares answers by, which Reasoning360 falls back to in several scorers.

Source: the equivalence test published with MATH (Hendrycks et al., arXiv:2103.03874), its steps in its order.
"""

import re

LONGEST = 10_000
"""Characters of the longest text that is put into normal form; longer ones are compared as they are."""


def normal_form(text: str) -> str:
    """An answer without spacing, sizes, degrees, currency, percent and unit, its roots and fractions braced.

    >>> normal_form(r"\\\\dfrac12"), normal_form("x = .5"), normal_form("3/4"), normal_form(r"5\\\\text{ cm}")
    ('\\\\frac{1}{2}', '\\\\frac{1}{2}', '\\\\frac{3}{4}', '5')
    """
    if len(text) > LONGEST:
        return text
    form = text.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    form = form.replace("tfrac", "frac").replace("dfrac", "frac").replace("\\left", "").replace("\\right", "")
    form = form.replace("^{\\circ}", "").replace("^\\circ", "").replace("\\$", "")
    form = form.split("\\text{ ")[0]  # a unit stands at the right, in \text with a space first
    form = form.replace("\\%", "").replace("%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not form:
        return form
    form = f"0{form}" if form[0] == "." else form
    sides = form.split("=")
    if len(sides) == 2 and len(sides[0]) <= 2:
        form = sides[1]
    form = re.sub(r"\\sqrt(?!\{)(.)", r"\\sqrt{\1}", form).replace(" ", "")
    form = re.sub(r"\\frac([^{}])([^{}])", r"\\frac{\1}{\2}", form)
    form = re.sub(r"\\frac([^{}])\{", r"\\frac{\1}{", form)
    if form == "0.5":
        return "\\frac{1}{2}"
    return re.sub(r"^(-?[0-9]{1,400})/(-?[0-9]{1,400})$", r"\\frac{\1}{\2}", form)


def same_form(one: str, other: str) -> bool:
    """Whether two answers have one normal form."""
    return one == other or normal_form(one) == normal_form(other)
