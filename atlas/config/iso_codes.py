"""Check codes of countries and languages: YouTube ignores a wrong one, or refuses every search with it."""

from __future__ import annotations

import locale
from typing import Final

__all__ = ["language", "region"]

# ISO 3166-1 alpha-2, as of 2026: https://www.iso.org/obp/ui/#search/code/
_REGIONS: Final = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK
    FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK
    ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905  a list would be three times as long
)
# reserved by ISO or used by the EU, for countries that have another code
_OTHER_REGIONS: Final = {"UK": "GB", "EL": "GR"}

# ISO 639-1: https://www.loc.gov/standards/iso639-2/php/code_list.php
_LANGUAGES: Final = frozenset(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee
    el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is
    it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms
    mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk
    sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi
    yo za zh zu
    """.split()  # noqa: SIM905  a list would be three times as long
)
# https://developers.google.com/youtube/v3/docs/search/list#relevanceLanguage; iw and fil are YouTube's own codes
_MORE_LANGUAGES: Final = {code.lower(): code for code in ("zh-Hans", "zh-Hant", "iw", "fil")}
_OTHER_LANGUAGES: Final = {
    "chinese": "zh-Hans", "mandarin": "zh-Hans", "zh-cn": "zh-Hans", "zh-sg": "zh-Hans", "zh-tw": "zh-Hant",
    "zh-hk": "zh-Hant", "hindi": "hi", "bengali": "bn", "indonesian": "id", "persian": "fa", "ukrainian": "uk",
    "vietnamese": "vi",
}  # fmt: skip


def region(value: str) -> str:
    """Return the code in upper case. Raise ValueError that names the right one if it is known."""
    code = value.upper()
    if code in _REGIONS:
        return code
    if code in _OTHER_REGIONS:
        raise ValueError(f"there is no {code} in ISO 3166-1; write {_OTHER_REGIONS[code]}")
    raise ValueError("it is not a country's code of ISO 3166-1, two letters such as US, GB or DE")


def language(value: str) -> str:
    """Return the code as YouTube writes it. Raise ValueError that names the right one if it is known."""
    code = value.lower().replace("_", "-")
    if code in _LANGUAGES:
        return code
    if code in _MORE_LANGUAGES:
        return _MORE_LANGUAGES[code]
    # en-US is more than YouTube takes; "english" is a name that the standard library knows
    meant = _OTHER_LANGUAGES.get(code) or code.partition("-")[0]
    if meant not in _LANGUAGES and meant not in _OTHER_LANGUAGES.values():
        meant = locale.locale_alias.get(code, "").partition("_")[0]
    if meant in _LANGUAGES or meant in _OTHER_LANGUAGES.values():
        raise ValueError(f"it is not a language's code of ISO 639-1; write {meant}")
    raise ValueError("it is not a language's code of ISO 639-1, two letters such as en, or zh-Hans or zh-Hant")
