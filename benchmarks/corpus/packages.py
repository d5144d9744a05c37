"""The documentation packages of the corpus, in the order in which they are used.

The first ones contain many languages each, so a small corpus is multilingual, too. Packages that do not exist in the Debian
release of the machine are skipped.
"""


def _each(prefix: str, endings: str) -> list[str]:
    return [f"{prefix}-{ending}" for ending in endings.split()]


PACKAGES: list[str] = [
    "gnome-user-docs",
    "installation-guide-amd64",
    "debian-handbook",
    *_each("debian-reference", "ja zh-cn de fr es it pt pt-br zh-tw id en"),
    *_each("libreoffice-help", "zh-cn ja ko ru de fr es pt-br it en-us pl zh-tw hi el vi tr"),
    *_each("manpages", "zh ja ru de fr es it pl pt-br uk tr cs nl ro"),
    *_each("developers-reference", "ja de fr it ru"),
    "anarchism",
    *_each("lilypond-doc-html", "ja zh de fr es it"),
    "wordpress-l10n",
    *_each("libreoffice-help", "cs nl hu fi sv da et eu gl id km om dz sk sl ca pt en-gb"),
    *_each("debian-faq", "ja zh-cn ko ru de fr it nl pt"),
    *_each("aptitude-doc", "ja ru de es fr it cs fi nl en"),
    *_each("maint-guide", "ja zh-cn ru de fr es it vi ca"),
    *_each("debian-edu-doc", "ja zh-cn de fr es it pt-br pt-pt"),
    *_each("lilypond-doc-html", "ca cs hu nl"),
    "gedit-common",
    "evolution-common",
    *_each("manpages", "ja-dev ru-dev de-dev fr-dev pl-dev uk-dev es-dev it-dev"),
    "manpages",
    "manpages-dev",
    "debian-policy",
    "debian-history",
    "installation-guide-arm64",
    "python3.11-doc",
    "python3.13-doc",
    "postgresql-doc-15",
    "postgresql-doc-17",
    "git-doc",
    "linux-doc-6.1",
    "linux-doc-6.12",
]

# The packages of the demo corpus in this repository: only licenses that allow redistribution, without invariant sections.
DEMO_LICENSES: dict[str, str] = {
    "gnome-user-docs": "CC-BY-SA-3.0",
    "installation-guide-amd64": "GPL-2.0-only",
    "installation-guide-arm64": "GPL-2.0-only",
    "debian-handbook": "GPL-2.0-or-later or CC-BY-SA-3.0",
    **dict.fromkeys(_each("libreoffice-help", "zh-cn zh-tw ja ko ru de fr es pt-br it en-us en-gb pl"), "MPL-2.0"),
    **dict.fromkeys(_each("debian-reference", "ja zh-cn de fr es it en"), "GPL-2.0-or-later"),
}
